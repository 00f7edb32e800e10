//! Ranking metrics from ranks, and ranks from scores.
//!
//! The rank of a target is `1 + #{greater score} + #{equal score, lower index}`. Ranks are
//! counted, not sorted: a task of any size never exists as a matrix. Every metric is a function
//! of the relevant targets' ranks alone.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::simd::Kernels;
use std::cmp::Ordering;

/// Counts, for the relevant targets of one query, how many targets stand before each.
#[derive(Debug, Clone)]
pub(crate) struct RankCounter {
    /// `(target, score)` of the relevant targets, best first.
    marks: Vec<(usize, f32)>,
    /// Place of each mark among the relevant targets as the caller gave them.
    places: Vec<usize>,
    /// `before[p]`: targets that stand before mark `p` but not before mark `p - 1`.
    before: Vec<u64>,
}

/// Better first: the greater score, then the lower index.
fn order(left: (usize, f32), right: (usize, f32)) -> Ordering {
    right.1.total_cmp(&left.1).then(left.0.cmp(&right.0))
}

impl RankCounter {
    /// Relevant targets with their scores, in the caller's order.
    pub fn new(relevant: impl Iterator<Item = (usize, f32)>) -> Self {
        let mut marks: Vec<(usize, (usize, f32))> = relevant.enumerate().collect();
        marks.sort_unstable_by(|left, right| order(left.1, right.1));
        let (places, marks): (Vec<_>, Vec<_>) = marks.into_iter().unzip();
        let before = vec![0; marks.len()];
        Self { marks, places, before }
    }

    /// The lowest score of a relevant target; infinite if there is none. What scores below it
    /// needs no counting.
    pub fn floor(&self) -> f32 {
        self.marks.last().map_or(f32::INFINITY, |mark| mark.1)
    }

    /// Takes one target into account. Each target of the space is counted once, relevant or not.
    pub fn count(&mut self, target: usize, score: f32) {
        let Some(&last) = self.marks.last() else { return };
        if order((target, score), last).is_lt() {
            let mark = self.marks.partition_point(|&mark| order((target, score), mark).is_ge());
            self.before[mark] += 1;
        }
    }

    /// Adds what another counter of the same marks has seen.
    pub fn absorb(&mut self, other: &Self) {
        for (sum, more) in self.before.iter_mut().zip(&other.before) {
            *sum += more;
        }
    }

    /// Ranks in the caller's order.
    pub fn ranks(&self) -> Vec<u64> {
        let mut ranks = vec![0; self.marks.len()];
        let mut rank = 1;
        for (&place, before) in self.places.iter().zip(&self.before) {
            rank += before;
            ranks[place] = rank;
        }
        ranks
    }
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
    for query in 0..queries {
        let mut own = relevant[offsets[query]..offsets[query + 1]].to_vec();
        own.sort_unstable();
        if let Some(&target) = own.last().filter(|&&target| target >= targets) {
            return Err(Error::input(format!(
                "query {query} names relevant target {target}, but there are {targets} targets",
            )));
        }
        if let Some(at) = own.windows(2).position(|pair| pair[0] == pair[1]) {
            return Err(Error::input(format!(
                "query {query} names relevant target {} twice: name each once",
                own[at],
            )));
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

/// Relevant targets of a query up to which the whole row is read once for each of them: for more
/// it pays to put the scores that matter together first.
const FEW: usize = 8;

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
    let mut all = vec![0; relevant.len()];
    let mut kept = Vec::new();
    for (query, row) in scores.chunks_exact(targets.max(1)).enumerate() {
        if kernels.has_nan(row) {
            let target = row.iter().position(|score| score.is_nan()).unwrap_or(0);
            return Err(Error::input(format!(
                "query {query}: the score of target {target} is NaN, which has no rank",
            )));
        }
        let own = offsets[query]..offsets[query + 1];
        let ranks = &mut all[own.clone()];
        if own.len() <= FEW {
            for (rank, &target) in ranks.iter_mut().zip(&relevant[own]) {
                *rank = rank_in(kernels, row, target, row);
            }
        } else {
            ranks_in(kernels, row, &relevant[own], ranks, &mut kept);
        }
    }
    Ok(all)
}

/// The rank of a target's score among some of the scores of its row, its own among them: 1 and what
/// stands before it. An equal score does where its index is lower.
fn rank_in(kernels: &Kernels, row: &[f32], target: usize, scores: &[f32]) -> u64 {
    let (above, at_least) = kernels.count_above(scores, row[target]);
    let mut rank = 1 + above;
    if at_least - above > 1 {
        let (above, at_least) = kernels.count_above(&row[..target], row[target]);
        rank += at_least - above;
    }
    rank as u64
}

/// Ranks in a row of one relevant target or more, those of the lowest scores first. What can not
/// stand before the others is dropped on the way, whenever that halves what is left: so the work
/// follows the sum of the ranks, not the product of relevant targets and targets.
///
/// `kept` is scratch.
fn ranks_in(
    kernels: &Kernels,
    row: &[f32],
    relevant: &[usize],
    ranks: &mut [u64],
    kept: &mut Vec<f32>,
) {
    let mut order: Vec<usize> = (0..relevant.len()).collect();
    order.sort_unstable_by(|&a, &b| row[relevant[a]].total_cmp(&row[relevant[b]]));
    kept.resize(row.len(), 0.0);
    let mut len = kernels.copy_from(row[relevant[order[0]]], row, kept);
    for place in order {
        let target = relevant[place];
        ranks[place] = rank_in(kernels, row, target, &kept[..len]);
        // What stands behind is of no more use.
        if ranks[place] <= len as u64 / 2 {
            len = kernels.keep_from(row[target], &mut kept[..len]);
        }
    }
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
                found / ideal
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
