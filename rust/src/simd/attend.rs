//! From the dot products of one (query, target) pair to its score.

use super::exp::exp;
use super::vector::Vector;

/// Which side attends to which.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attention {
    /// Every query token looks for its counterpart among the target's.
    Target,
    /// Every target token looks for its evidence among the query's.
    Query,
    /// A mixture of both, from one set of dot products.
    Both {
        /// Weight of `Query`, from 0 to 1; the rest is that of `Target`.
        by_query: f64,
    },
    /// The best cosine for each query token.
    Max,
}

/// One pair, as the kernels take it.
///
/// For a bundle (`super::bundle`) a lane of this is a register: one lane for each of its queries.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// Cosines, `(target tokens, stride)`: row `j` holds the query's tokens in its first lanes.
    pub cosines: &'a [f32],
    /// Distance of two rows.
    pub stride: usize,
    /// Query norms, one a lane, readable for a register beyond the last token.
    pub query_norms: &'a [f32],
    /// Target norms, one a token.
    pub target_norms: &'a [f32],
    /// Number of query tokens.
    pub query_tokens: usize,
    /// `1 / t`.
    pub inverse_temperature: f32,
}

impl Pair<'_> {
    /// Whether each row of cosines, and the query's norms, have so many lanes.
    pub(super) fn holds(&self, lanes: usize) -> bool {
        let before = self.target_norms.len().checked_sub(1);
        let before = before.and_then(|rows| rows.checked_mul(self.stride));
        let needed = before.and_then(|before| before.checked_add(lanes));
        self.query_norms.len() >= lanes && needed.is_some_and(|needed| self.cosines.len() >= needed)
    }
}

/// Logits are held at this size, far beyond where a softmax has settled, so that none is infinite.
const LARGEST_SCALE: f32 = 1e30;

/// Additions of one float32 accumulator before it is added to the total: a sum over hundreds of
/// small weights would lose digits.
pub(super) const RUN: usize = 64;

/// Score of one pair, in `[-1, 1]` up to rounding.
///
/// # Safety
/// As [`Vector`]. `cosines` is readable for a register beyond the query's last token in each row,
/// `query_norms` likewise.
#[inline(always)]
pub(super) unsafe fn attend<V: Vector>(attention: Attention, pair: &Pair) -> f32 {
    // SAFETY: passed on to the caller.
    let score = unsafe {
        match attention {
            Attention::Target => each_query_token::<V>(pair),
            Attention::Query => each_target_token::<V>(pair),
            Attention::Both { by_query } => {
                let weight = by_query as f32;
                (1.0 - weight) * each_query_token::<V>(pair) + weight * each_target_token::<V>(pair)
            }
            Attention::Max => best_of_each_query_token::<V>(pair),
        }
    };
    // Ranking compares bits: no negative zero.
    score + 0.0
}

/// Adds up registers: runs of them, then the runs.
pub(super) struct Total<V> {
    run: V,
    runs: V,
    registers: usize,
}

impl<V: Vector> Total<V> {
    #[inline(always)]
    pub unsafe fn new() -> Self {
        // SAFETY: arithmetic of the level only.
        let zero = unsafe { V::splat(0.0) };
        Self { run: zero, runs: zero, registers: 0 }
    }

    #[inline(always)]
    pub unsafe fn add(&mut self, values: V) {
        // SAFETY: arithmetic of the level only.
        unsafe {
            self.count();
            self.run = self.run.add(values);
        }
    }

    #[inline(always)]
    pub unsafe fn add_product(&mut self, values: V, weights: V) {
        // SAFETY: arithmetic of the level only.
        unsafe {
            self.count();
            self.run = values.mul_add(weights, self.run);
        }
    }

    #[inline(always)]
    unsafe fn count(&mut self) {
        // SAFETY: arithmetic of the level only.
        unsafe {
            if self.registers == RUN {
                self.runs = self.runs.add(self.run);
                self.run = V::splat(0.0);
                self.registers = 0;
            }
            self.registers += 1;
        }
    }

    #[inline(always)]
    pub unsafe fn all(self) -> V {
        // SAFETY: arithmetic of the level only.
        unsafe { self.runs.add(self.run) }
    }
}

impl Pair<'_> {
    /// Number of tokens of the query and of the target.
    #[inline(always)]
    pub(super) fn tokens(&self) -> (f32, f32) {
        (self.query_tokens as f32, self.target_norms.len() as f32)
    }

    /// Cosines of target token `j` with the register of query tokens from `lane` on.
    #[inline(always)]
    pub(super) unsafe fn cosines<V: Vector>(&self, j: usize, lane: usize) -> V {
        // SAFETY: rows are readable for a register beyond the query's last token.
        unsafe { V::load(self.cosines.as_ptr().add(j * self.stride + lane)) }
    }

    /// Their logits `a_ij / t`.
    #[inline(always)]
    pub(super) unsafe fn logits<V: Vector>(&self, cosines: V, j: usize, lane: usize) -> V {
        // SAFETY: norms are readable for a register beyond the query's last token.
        unsafe {
            let norms = V::load(self.query_norms.as_ptr().add(lane))
                .mul(V::splat(*self.target_norms.get_unchecked(j)));
            let scale = norms.mul(V::splat(self.inverse_temperature));
            cosines.mul(scale.min(V::splat(LARGEST_SCALE)))
        }
    }

    /// `x` in the lanes that hold a query token, `other` in the rest.
    #[inline(always)]
    unsafe fn in_query<V: Vector>(&self, x: V, lane: usize, other: f32) -> V {
        // SAFETY: arithmetic of the level only.
        unsafe {
            let left = self.query_tokens - lane;
            if left >= V::LANES { x } else { x.select(V::first(left), V::splat(other)) }
        }
    }
}

/// A mean of single values, added up as [`Total`] adds registers.
#[derive(Default)]
struct Mean {
    run: f32,
    runs: f32,
    values: usize,
}

impl Mean {
    #[inline(always)]
    fn add(&mut self, value: f32) {
        if self.values == RUN {
            self.runs += self.run;
            self.run = 0.0;
            self.values = 0;
        }
        self.run += value;
        self.values += 1;
    }

    #[inline(always)]
    fn of(self, count: f32) -> f32 {
        (self.runs + self.run) / count
    }
}

/// Softmax over the target's tokens for each query token, relative to that token's largest logit.
#[inline(always)]
unsafe fn each_query_token<V: Vector>(pair: &Pair) -> f32 {
    // SAFETY: lanes run to the register that holds the query's last token; see `attend`.
    unsafe {
        let mut values = Total::<V>::new();
        for lane in (0..pair.query_tokens).step_by(V::LANES) {
            let mut largest = V::splat(f32::NEG_INFINITY);
            for j in 0..pair.target_norms.len() {
                largest = largest.max(pair.logits(pair.cosines(j, lane), j, lane));
            }
            let (mut sum, mut value) = (Total::<V>::new(), Total::<V>::new());
            for j in 0..pair.target_norms.len() {
                let cosines = pair.cosines::<V>(j, lane);
                let weights = exp(pair.logits(cosines, j, lane).sub(largest));
                sum.add(weights);
                value.add_product(cosines, weights);
            }
            values.add(pair.in_query(value.all().div(sum.all()), lane, 0.0));
        }
        values.all().sum() / pair.tokens().0
    }
}

/// Softmax over the query's tokens for each target token, relative to that token's largest logit.
#[inline(always)]
unsafe fn each_target_token<V: Vector>(pair: &Pair) -> f32 {
    // SAFETY: as in `each_query_token`.
    unsafe {
        let mut score = Mean::default();
        for j in 0..pair.target_norms.len() {
            let mut largest = V::splat(f32::NEG_INFINITY);
            for lane in (0..pair.query_tokens).step_by(V::LANES) {
                let logits = pair.logits::<V>(pair.cosines(j, lane), j, lane);
                largest = largest.max(pair.in_query(logits, lane, f32::NEG_INFINITY));
            }
            let largest = V::splat(largest.largest());
            let (mut sum, mut value) = (Total::<V>::new(), Total::<V>::new());
            for lane in (0..pair.query_tokens).step_by(V::LANES) {
                let cosines = pair.cosines::<V>(j, lane);
                let weights = exp(pair.logits(cosines, j, lane).sub(largest).min(V::splat(0.0)));
                // Beyond the query's end lies another text, whose damage is none of this one's.
                let weights = pair.in_query(weights, lane, 0.0);
                sum.add(weights);
                value.add_product(pair.in_query(cosines, lane, 0.0), weights);
            }
            score.add(value.all().sum() / sum.all().sum());
        }
        score.of(pair.tokens().1)
    }
}

/// The largest cosine of each query token.
#[inline(always)]
unsafe fn best_of_each_query_token<V: Vector>(pair: &Pair) -> f32 {
    // SAFETY: as in `each_query_token`.
    unsafe {
        let mut values = Total::<V>::new();
        for lane in (0..pair.query_tokens).step_by(V::LANES) {
            let mut best = V::splat(f32::NEG_INFINITY);
            for j in 0..pair.target_norms.len() {
                best = best.max(pair.cosines(j, lane));
            }
            values.add(pair.in_query(best, lane, 0.0));
        }
        values.all().sum() / pair.tokens().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_does_not_fit_its_slices_is_seen() {
        let pair = |stride, targets: &'static [f32]| Pair {
            cosines: &[0.0; 8],
            stride,
            query_norms: &[1.0; 4],
            target_norms: targets,
            query_tokens: 1,
            inverse_temperature: 1.0,
        };
        assert!(pair(4, &[1.0; 2]).holds(4));
        for (stride, targets, lanes) in [
            (4, &[1.0; 2][..], 5),
            (5, &[1.0; 2], 4),
            (4, &[], 4),
            // These products and sums leave 64 bits.
            (usize::MAX, &[1.0; 3], 4),
            (usize::MAX / 2 + 1, &[1.0; 3], 4),
            (usize::MAX, &[1.0; 2], 4),
        ] {
            assert!(!pair(stride, targets).holds(lanes), "{stride} {targets:?} {lanes}");
        }
    }
}
