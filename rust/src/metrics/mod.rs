//! Ranking metrics from ranks, and ranks from scores.
//!
//! The rank of a target is 1 + the number of targets before it: those of a greater score, and at equal
//! score those matched by their label before those matched by an alias, then those of a lower index.
//! Ranks are counted, not sorted: a task of any size never exists as a matrix. Every metric is a
//! function of the relevant targets' ranks alone.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::simd::Kernels;
use std::cmp::Ordering;

/// The relevant targets of one query, with the scores that others are held to.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    /// Lowest scores first.
    marks: Vec<Mark>,
}

/// A relevant target.
#[derive(Debug, Clone, Copy)]
struct Mark {
    score: f32,
    /// Whether an alias scored.
    by_alias: bool,
    target: usize,
    /// Among the relevant targets as the caller gave them.
    place: usize,
}

/// Some of one query's scores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scored<'a> {
    /// Target of the first score; the others follow.
    pub first: usize,
    /// One a target.
    pub scores: &'a [f32],
    /// Whether an alias scored, one a target; empty where none did.
    pub by_alias: &'a [bool],
}

impl Marks {
    /// Relevant targets with their scores, and whether an alias scored.
    pub fn new(relevant: impl Iterator<Item = (usize, f32, bool)>) -> Self {
        let mark = |(place, (target, score, by_alias))| Mark { score, by_alias, target, place };
        let marks: Vec<Mark> = relevant.enumerate().map(mark).collect();
        // Numbers sort in half the time of what has to be compared by a function.
        let key = |mark: &Mark| ordered(mark.score) << 32 | mark.place as u64;
        let mut keys: Vec<u64> = marks.iter().map(key).collect();
        keys.sort_unstable();
        Self { marks: keys.into_iter().map(|key| marks[key as u32 as usize]).collect() }
    }

    /// Number of relevant targets.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Adds to `before`, for each relevant target in the caller's order, how many of the targets whose
    /// scores are given stand before it. False if a score is NaN.
    ///
    /// Lowest scores first: what cannot stand before the others is dropped on the way, whenever that
    /// halves what is left. So the work follows the sum of the ranks, not the product of relevant
    /// targets and targets. `kept` is scratch.
    pub fn count(
        &self,
        kernels: &Kernels,
        some: Scored,
        before: &mut [u64],
        kept: &mut Vec<f32>,
    ) -> bool {
        let Scored { first, scores, .. } = some;
        kept.resize(kept.len().max(scores.len()), 0.0);
        let floor = self.marks.first().map_or(f32::INFINITY, |lowest| lowest.score);
        let Some(mut len) = kernels.copy_from(floor, scores, kept) else { return false };
        for mark in &self.marks {
            let (above, at_least) = kernels.count_above(&kept[..len], mark.score);
            let equal = at_least - above;
            // The target itself is one of those with its score.
            let itself = usize::from((first..first + scores.len()).contains(&mark.target));
            let ties = if equal == itself { 0 } else { mark.ties(kernels, some, equal) };
            before[mark.place] += (above + ties) as u64;
            // What stands behind is of no more use.
            if at_least <= len / 2 {
                len = kernels.keep_from(mark.score, &mut kept[..len]);
            }
        }
        true
    }
}

impl Mark {
    /// How many of `equal` targets with its score, itself among them, stand before it: those matched by
    /// their label before those matched by an alias, then those of a lower index.
    fn ties(&self, kernels: &Kernels, some: Scored, equal: usize) -> usize {
        let Scored { first, scores, by_alias } = some;
        if by_alias.is_empty() && !self.by_alias {
            let lower = self.target.saturating_sub(first).min(scores.len());
            if lower == scores.len() {
                return equal;
            }
            let (above, at_least) = kernels.count_above(&scores[..lower], self.score);
            return at_least - above;
        }
        let by_alias = |i: usize| by_alias.get(i).copied().unwrap_or(false);
        let before = |&(i, &score): &(usize, &f32)| {
            let equal = score.partial_cmp(&self.score).is_some_and(Ordering::is_eq);
            equal && (by_alias(i), first + i) < (self.by_alias, self.target)
        };
        scores.iter().enumerate().filter(before).count()
    }
}

/// The bits of a score as a number that grows with it.
fn ordered(score: f32) -> u64 {
    let bits = score.to_bits();
    u64::from(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
}

/// Relevant targets must lie in the space and be named once a query; offsets must tile them.
pub(crate) fn check_relevant(
    relevant: &[usize],
    offsets: &[usize],
    queries: usize,
    targets: usize,
) -> Result<()> {
    check_offsets(relevant.len(), offsets)?;
    if offsets.len() != queries + 1 {
        return Err(Error::input(format!(
            "expected relevant targets for {queries} queries, got them for {}",
            offsets.len() - 1,
        )));
    }
    let mut seen = vec![false; targets];
    for query in 0..queries {
        let own = &relevant[offsets[query]..offsets[query + 1]];
        if let Some(target) = own.iter().find(|&&target| target >= targets) {
            return Err(Error::input(format!(
                "query {query}: relevant targets must be from 0 to below {targets}, got {target}",
            )));
        }
        for &target in own {
            if std::mem::replace(&mut seen[target], true) {
                return Err(Error::input(format!(
                    "query {query}: relevant target {target} is listed twice: list it once",
                )));
            }
        }
        for &target in own {
            seen[target] = false;
        }
    }
    Ok(())
}

fn check_offsets(len: usize, offsets: &[usize]) -> Result<()> {
    let grows = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    if offsets.first() == Some(&0) && offsets.last() == Some(&len) && grows {
        return Ok(());
    }
    Err(Error::input(format!(
        "offsets must start at 0, never fall, and end at the number of relevant targets, {len}; \
         got {:?} to {:?}",
        offsets.first(),
        offsets.last(),
    )))
}

/// Ranks of relevant targets from a block of scores, row-major `(queries, targets)`.
///
/// # Errors
/// [`Error::Input`] if the relevant targets do not fit the block, a score is NaN, or `UWE_SIMD`
/// names a level that this processor lacks.
pub fn ranks(
    scores: &[f32],
    targets: usize,
    relevant: &[usize],
    offsets: &[usize],
) -> Result<Vec<u64>> {
    let kernels = Kernels::active()?;
    let queries = scores.len().checked_div(targets).unwrap_or(offsets.len().saturating_sub(1));
    check_relevant(relevant, offsets, queries, targets)?;
    let mut ranks = vec![1; relevant.len()];
    let mut kept = Vec::new();
    for (query, row) in scores.chunks_exact(targets.max(1)).enumerate() {
        let own = offsets[query]..offsets[query + 1];
        let scored = relevant[own.clone()].iter().map(|&target| (target, row[target], false));
        let marks = Marks::new(scored);
        let row = Scored { first: 0, scores: row, by_alias: &[] };
        if !marks.count(kernels, row, &mut ranks[own], &mut kept) {
            let row = row.scores;
            let target = row.iter().position(|score| score.is_nan()).unwrap_or(0);
            return Err(Error::input(format!(
                "query {query}: the score of target {target} is NaN, which has no rank",
            )));
        }
    }
    Ok(ranks)
}

/// A ranking metric of one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Average precision over the full ranking; its mean over queries is MAP.
    AveragePrecision,
    /// Reciprocal rank of the first relevant target.
    ReciprocalRank,
    /// Hits in the first k / min(k, relevant).
    RPrecision(u64),
    /// Hits in the first k / relevant.
    Recall(u64),
    /// Normalised discounted cumulative gain at k: binary gain, `log2(rank + 1)`.
    Ndcg(u64),
    /// 1 if a relevant target is among the first k.
    Hit(u64),
}

impl Metric {
    /// `MAP`, `MRR`, `RP@k`, `recall@k`, `nDCG@k` or `hit@k`.
    ///
    /// # Errors
    /// [`Error::Input`] for another name, or k = 0.
    pub fn parse(name: &str) -> Result<Self> {
        let unknown = || {
            Error::input(format!(
                "expected a metric: MAP, MRR, RP@k, recall@k, nDCG@k or hit@k with k at least 1, \
                 got '{name}'"
            ))
        };
        let (kind, k) = match name.split_once('@') {
            None => (name, None),
            Some((kind, k)) => {
                let digits = k.bytes().all(|byte| byte.is_ascii_digit());
                let k = k.parse().ok().filter(|&k: &u64| digits && k > 0);
                (kind, Some(k.ok_or_else(unknown)?))
            }
        };
        match (kind, k) {
            ("MAP", None) => Ok(Self::AveragePrecision),
            ("MRR", None) => Ok(Self::ReciprocalRank),
            ("RP", Some(k)) => Ok(Self::RPrecision(k)),
            ("recall", Some(k)) => Ok(Self::Recall(k)),
            ("nDCG", Some(k)) => Ok(Self::Ndcg(k)),
            ("hit", Some(k)) => Ok(Self::Hit(k)),
            _ => Err(unknown()),
        }
    }

    /// Value for one query from its relevant targets' ranks, ascending and at least one.
    fn value(self, ranks: &[u64]) -> f64 {
        let relevant = ranks.len() as f64;
        let hits = |k: u64| ranks.partition_point(|&rank| rank <= k) as f64;
        let gain = |rank: u64| ((rank + 1) as f64).log2().recip();
        match self {
            Self::AveragePrecision => {
                let precision = |(i, &rank): (usize, &u64)| (i + 1) as f64 / rank as f64;
                ranks.iter().enumerate().map(precision).sum::<f64>() / relevant
            }
            Self::ReciprocalRank => (ranks[0] as f64).recip(),
            Self::RPrecision(k) => hits(k) / relevant.min(k as f64),
            Self::Recall(k) => hits(k) / relevant,
            Self::Ndcg(k) => {
                let found: f64 = ranks.iter().filter(|&&rank| rank <= k).map(|&r| gain(r)).sum();
                let ideal: f64 = (1..=k.min(ranks.len() as u64)).map(gain).sum();
                (found + 0.0) / ideal // the sum of nothing is -0.0
            }
            Self::Hit(k) => f64::from(u8::from(ranks[0] <= k)),
        }
    }
}

/// Metrics of each query: row-major `(metrics, queries)`; NaN for a query without a relevant
/// target, to be left out and counted.
///
/// # Errors
/// [`Error::Input`] if the offsets do not fit or a rank is below 1 or occurs twice in a query.
pub fn metrics(ranks: &[u64], offsets: &[usize], metrics: &[Metric]) -> Result<Vec<f64>> {
    check_offsets(ranks.len(), offsets)?;
    let queries = offsets.len() - 1;
    let mut values = vec![f64::NAN; metrics.len() * queries];
    for query in 0..queries {
        let mut own = ranks[offsets[query]..offsets[query + 1]].to_vec();
        own.sort_unstable();
        if own.first() == Some(&0) || own.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::input(format!(
                "ranks of query {query} must be different and at least 1",
            )));
        }
        if !own.is_empty() {
            for (row, metric) in metrics.iter().enumerate() {
                values[row * queries + query] = metric.value(&own);
            }
        }
    }
    Ok(values)
}
