//! The best `k` targets of one query, whatever the order they come in.

use crate::error::{Error, Result};
use std::cmp::Ordering;

/// A scored target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Index of the target.
    pub target: usize,
    /// Its score.
    pub score: f32,
    /// The text that scored: 0 is the label, then the aliases.
    pub text: u32,
}

impl Hit {
    /// Better first: the greater score, then who is matched by its label, then the lower index. Total,
    /// so that any order of arrival and any number of threads give one ranking.
    pub fn order(&self, other: &Self) -> Ordering {
        let by_score = other.score.total_cmp(&self.score);
        by_score.then(self.by_alias().cmp(&other.by_alias())).then(self.target.cmp(&other.target))
    }

    /// Whether another text than the label scored.
    pub fn by_alias(&self) -> bool {
        self.text > 0
    }
}

/// Keeps the best `k` of what it is given.
#[derive(Debug, Clone)]
pub(crate) struct TopK {
    k: usize,
    hits: Vec<Hit>,
    /// Scores below this cannot enter.
    floor: f32,
}

impl TopK {
    pub fn new(k: usize) -> Self {
        Self { k, hits: Vec::new(), floor: f32::NEG_INFINITY }
    }

    /// The same with room for all that it will hold at a time when `targets` are offered.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no memory for it.
    pub fn with_room(k: usize, targets: usize) -> Result<Self> {
        let mut best = Self::new(k);
        let most = k.saturating_mul(2).min(targets);
        best.hits.try_reserve_exact(most).map_err(|_| no_room(k.min(targets)))?;
        Ok(best)
    }

    /// Offers a target. Holds at most `2k` at a time, cut back to the best `k` when full.
    pub fn push(&mut self, hit: Hit) {
        if hit.score < self.floor {
            return;
        }
        self.hits.push(hit);
        if self.hits.len() >= self.k.saturating_mul(2) {
            self.shrink();
        }
    }

    /// A lower score is not kept; minus infinity at first.
    pub fn floor(&self) -> f32 {
        self.floor
    }

    /// The worst score among the best `k`: who has less is none of them. Minus infinity while there
    /// are fewer.
    pub fn threshold(&mut self) -> f32 {
        self.shrink();
        let full = self.hits.len() == self.k;
        let worst = self.hits.iter().map(|hit| hit.score).min_by(f32::total_cmp);
        // A negative NaN, of a damaged file, stands behind every number.
        let number = |worst: &f32| !worst.is_nan() || worst.is_sign_positive();
        worst.filter(number).filter(|_| full).unwrap_or(f32::NEG_INFINITY)
    }

    fn shrink(&mut self) {
        if self.hits.len() > self.k {
            self.hits.select_nth_unstable_by(self.k - 1, Hit::order);
            self.hits.truncate(self.k);
            self.floor = self.hits[self.k - 1].score;
        }
    }

    /// Takes over what another one holds.
    pub fn absorb(&mut self, other: Self) {
        for hit in other.hits {
            self.push(hit);
        }
    }

    /// Best first.
    pub fn finish(mut self) -> Vec<Hit> {
        self.shrink();
        self.hits.sort_unstable_by(Hit::order);
        self.hits
    }
}

/// What to say where the best `k` of some queries do not fit into memory.
pub(crate) fn no_room(k: usize) -> Error {
    Error::input(format!(
        "the best {k} targets of each query do not fit into memory: ask for fewer queries at a time, \
         or for a smaller k",
    ))
}

/// The best `k` of a row of scores, best first; none for `k = 0`.
///
/// # Errors
/// [`Error::Input`] where there is no memory for them.
pub fn top_k(scores: &[f32], k: usize) -> Result<Vec<Hit>> {
    if k == 0 {
        return Ok(Vec::new());
    }
    let mut best = TopK::with_room(k, scores.len())?;
    for (target, &score) in scores.iter().enumerate() {
        // Adding zero turns -0.0 into 0.0: equal scores tie whatever their sign bit.
        best.push(Hit { target, score: score + 0.0, text: 0 });
    }
    Ok(best.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = TopK::with_room(usize::MAX, usize::MAX).unwrap_err().to_string();
        assert!(error.contains("fewer queries at a time, or for a smaller k"), "{error}");
        let mut best = TopK::with_room(usize::MAX, 3).unwrap();
        let room = best.hits.capacity();
        (0..3).for_each(|target| best.push(Hit { target, score: 1.0, text: 0 }));
        assert_eq!((room, best.finish().len()), (3, 3));
    }

    #[test]
    fn a_score_that_is_no_number_is_no_threshold_for_others() {
        let threshold = |scores: &[f32]| {
            let mut best = TopK::new(2);
            for (target, &score) in scores.iter().enumerate() {
                best.push(Hit { target, score, text: 0 });
            }
            best.threshold().to_bits()
        };
        assert_eq!(threshold(&[0.5, 0.9, 0.7]), 0.7_f32.to_bits());
        assert_eq!(threshold(&[0.9]), f32::NEG_INFINITY.to_bits());
        assert_eq!(threshold(&[0.9, -f32::NAN]), f32::NEG_INFINITY.to_bits());
        assert_eq!(threshold(&[f32::NAN, 0.9, 0.7]), 0.9_f32.to_bits());
    }

    proptest! {
        #[test]
        fn equals_a_sort(scores in prop::collection::vec(-3_i8..3, 0..200), k in 1_usize..50) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut sorted: Vec<_> = scores.iter().copied().enumerate().collect();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
            sorted.truncate(k);
            let hits: Vec<_> = top_k(&scores, k).unwrap().iter().map(|h| (h.target, h.score)).collect();
            prop_assert_eq!(hits, sorted);
        }

        #[test]
        fn does_not_depend_on_the_order_of_arrival(
            mut hits in prop::collection::vec((0_usize..1000, -3_i8..3), 1..100), k in 1_usize..20
        ) {
            hits.sort_unstable();
            hits.dedup_by_key(|h| h.0);
            let hit = |&(target, s): &(usize, i8)| Hit { target, score: f32::from(s), text: 0 };
            let (mut left, mut right, mut whole) = (TopK::new(k), TopK::new(k), TopK::new(k));
            for (i, h) in hits.iter().rev().enumerate() {
                (if i % 3 == 0 { &mut left } else { &mut right }).push(hit(h));
            }
            for h in &hits {
                whole.push(hit(h));
            }
            right.absorb(left);
            prop_assert_eq!(right.finish(), whole.finish());
        }
    }
}
