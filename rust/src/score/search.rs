//! Queries against targets: all scores, the best `k`, or the ranks of known targets.

use super::scorer::Scorer;
use super::screened;
use super::targets::Targets;
use super::threads::{each, pool, threads};
use super::tile::{QueryBlock, Scan, Scratch};
use super::top_k::{Hit, TopK};
use crate::error::{Error, Result};
use crate::metrics::{Marks, Scored};
use crate::simd::{Kernels, Level};
use crate::tokens::TokenVectors;
use rayon::prelude::*;
use std::ops::Range;

/// Targets that one task scores.
const TASK: usize = 256;

/// Target texts of average length between two looks at `interrupted`, over all threads: some
/// hundred milliseconds for full blocks of queries.
const WAVE: usize = 64 * TASK;

/// Tokens of an average label; longer texts make a wave shorter.
const LABEL_TOKENS: usize = 8;

/// Queries whose relevant targets are scored between two looks at `interrupted`.
const MARKED: usize = 256;

/// A matrix of zeros, or an error where there is no memory for it.
///
/// # Errors
/// [`Error::Input`] says what to ask for instead.
pub fn room_for_scores<T: Clone + Default>(queries: usize, targets: usize) -> Result<Vec<T>> {
    let mut scores = Vec::new();
    let len = queries.checked_mul(targets).filter(|&len| scores.try_reserve_exact(len).is_ok());
    let len = len.ok_or_else(|| {
        Error::input(format!(
            "{queries} x {targets} scores do not fit into memory: score fewer queries at a time, \
             or ask for the best k",
        ))
    })?;
    scores.resize(len, T::default());
    Ok(scores)
}

/// One question to a target space.
pub struct Search<'a> {
    pub(super) scan: Scan<'a>,
    blocks: Vec<QueryBlock>,
    pub(super) queries: &'a TokenVectors,
    interrupted: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Search<'a> {
    /// Prepares a search of all targets, or of a strictly increasing `subset` of them.
    ///
    /// For a pooled scorer pass pooled queries and pooled targets. `interrupted` is asked from the
    /// calling thread, several times a second in long calls.
    ///
    /// # Errors
    /// [`Error::Input`] if the widths differ, the subset does not increase or names a target that
    /// does not exist, or `UWE_SIMD` names a level that this processor lacks.
    pub fn new(
        queries: &'a TokenVectors,
        targets: &'a Targets<'a>,
        subset: Option<&'a [usize]>,
        scorer: Scorer,
        interrupted: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self> {
        let level = Level::active()?;
        Self::at_level(level, queries, targets, subset, scorer, interrupted)
    }

    pub(super) fn at_level(
        level: Level,
        queries: &'a TokenVectors,
        targets: &'a Targets<'a>,
        subset: Option<&'a [usize]>,
        scorer: Scorer,
        interrupted: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self> {
        let Some(kernels) = Kernels::at(level) else {
            return Err(Error::input(format!("this processor has no {}", level.name())));
        };
        if queries.dim() != targets.dim {
            return Err(Error::input(format!(
                "queries and targets must come from one model: query vectors have {} dimensions, \
                 target vectors {}",
                queries.dim(),
                targets.dim,
            )));
        }
        if let Some(subset) = subset {
            if subset.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(Error::input(
                    "a subset must name targets in strictly increasing order",
                ));
            }
            if let Some(&last) = subset.last().filter(|&&last| last >= targets.len()) {
                return Err(Error::input(format!(
                    "the subset names target {last}, but there are {}: expected 0 to {}",
                    targets.len(),
                    targets.len().saturating_sub(1),
                )));
            }
        }
        let blocks = QueryBlock::cut(kernels, queries);
        Ok(Self { scan: Scan { kernels, scorer, targets, subset }, blocks, queries, interrupted })
    }

    /// Number of targets that take part.
    pub fn len(&self) -> usize {
        self.scan.len()
    }

    /// Whether no target takes part.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every score: row-major `(queries, targets or subset)`.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if the caller asked to stop.
    pub fn scores(&self) -> Result<Vec<f32>> {
        let width = self.len();
        let mut scores = room_for_scores(self.queries.len(), width)?;
        self.each_task(
            |block, positions, scratch| self.task_scores(block, positions, scratch, None),
            |block, start, part| {
                let len = part.len() / block.len();
                for (&query, row) in block.queries.iter().zip(part.chunks_exact(len)) {
                    scores[query * width + start..][..len].copy_from_slice(row);
                }
            },
        )?;
        Ok(scores)
    }

    /// The best `k` targets of each query, best first.
    ///
    /// # Errors
    /// [`Error::Input`] if `k` is 0 or that many do not fit into memory, [`Error::Interrupted`] if the
    /// caller asked to stop.
    pub fn top_k(&self, k: usize) -> Result<Vec<Vec<Hit>>> {
        if k == 0 {
            return Err(Error::input("k must be at least 1, got 0"));
        }
        if screened::pays(self, k) {
            // Refused before the work, not in the midst of it.
            drop(self.room_for_best(k)?);
            return screened::top_k(self, k);
        }
        self.scanned(k)
    }

    /// Whether [`Search::top_k`] goes by bounds.
    #[cfg(test)]
    pub(crate) fn prunes(&self, k: usize) -> bool {
        screened::pays(self, k)
    }

    fn room_for_best(&self, k: usize) -> Result<Vec<TopK>> {
        self.queries.offsets()[1..].iter().map(|_| TopK::with_room(k, self.len())).collect()
    }

    /// The best `k` of all scores: what every other way to find them is held to.
    pub(super) fn scanned(&self, k: usize) -> Result<Vec<Vec<Hit>>> {
        let mut best = self.room_for_best(k)?;
        self.each_task(
            |block, positions, scratch| {
                let mut part = vec![TopK::new(k); block.len()];
                self.scan.run(block, positions, scratch, |target| {
                    let index = self.scan.target(target.position);
                    for (query, part) in part.iter_mut().enumerate() {
                        let (score, text) = (target.scores[query], target.texts[query]);
                        part.push(Hit { target: index, score, text });
                    }
                });
                part
            },
            |block, _, part| {
                for (&query, part) in block.queries.iter().zip(part) {
                    best[query].absorb(part);
                }
            },
        )?;
        Ok(best.into_iter().map(TopK::finish).collect())
    }

    /// Rank of every relevant target, counted over a pass of all targets: no score matrix.
    ///
    /// Query `i` has the relevant targets `relevant[offsets[i]..offsets[i + 1]]`; ranks come in
    /// the same order, the first place is 1.
    ///
    /// # Errors
    /// [`Error::Input`] if the search has a subset, or the relevant targets do not fit the
    /// queries and targets, or a score is NaN, as a damaged file makes it; [`Error::Interrupted`] if
    /// the caller asked to stop.
    pub fn ranks(&self, relevant: &[usize], offsets: &[usize]) -> Result<Vec<u64>> {
        if self.scan.subset.is_some() {
            return Err(Error::input("ranks are counted over all targets, not over a subset"));
        }
        crate::metrics::check_relevant(relevant, offsets, self.queries.len(), self.len())?;
        let of = |query: usize| self.marks(query, &relevant[offsets[query]..offsets[query + 1]]);
        let mut marks = Vec::with_capacity(self.queries.len());
        let pool = if self.blocks.len() > 1 { pool() } else { None };
        while marks.len() < self.queries.len() {
            let some: Vec<usize> =
                (marks.len()..self.queries.len().min(marks.len() + MARKED)).collect();
            let part = each(pool.as_deref(), &some, |&query| of(query));
            marks.extend(part);
            self.check_interrupt()?;
        }
        let mut ranks = vec![1; relevant.len()];
        let mut unordered = None;
        self.each_task(
            |block, positions, scratch| {
                let (first, len) = (positions.start, positions.len());
                let mut by_alias = Vec::new();
                let scores = self.task_scores(block, positions, scratch, Some(&mut by_alias));
                let mut kept = Vec::new();
                let count = |(number, (&query, scores)): (usize, (&usize, &[f32]))| {
                    let by_alias = by_alias.get(number * len..(number + 1) * len);
                    let row = Scored { first, scores, by_alias: by_alias.unwrap_or_default() };
                    let mut before = vec![0; marks[query].len()];
                    let numbers =
                        marks[query].count(self.scan.kernels, row, &mut before, &mut kept);
                    numbers.then_some(before).ok_or_else(|| {
                        (query, first + scores.iter().position(|x| x.is_nan()).unwrap_or(0))
                    })
                };
                let rows = block.queries.iter().zip(scores.chunks_exact(len));
                rows.enumerate().map(count).collect()
            },
            |block, _, part: Vec<std::result::Result<Vec<u64>, (usize, usize)>>| {
                for (&query, before) in block.queries.iter().zip(part) {
                    match before {
                        Ok(before) => {
                            let own = &mut ranks[offsets[query]..offsets[query + 1]];
                            own.iter_mut().zip(before).for_each(|(rank, before)| *rank += before);
                        }
                        Err(pair) => unordered = unordered.into_iter().chain([pair]).min(),
                    }
                }
            },
        )?;
        unordered.map_or(Ok(ranks), |(query, target)| {
            Err(Error::input(format!(
                "query {query}: the score of target {target} is NaN, which has no rank: the stored \
                 vectors are damaged; check the cache with  uwe cache verify  and rebuild it",
            )))
        })
    }

    /// Scores of one task: one query's after the other's. `by_alias` gets whether an alias scored, in the
    /// same order; nothing where no target has any.
    fn task_scores(
        &self,
        block: &QueryBlock,
        positions: Range<usize>,
        scratch: &mut Scratch,
        by_alias: Option<&mut Vec<bool>>,
    ) -> Vec<f32> {
        let (start, len) = (positions.start, positions.len());
        let mut part = vec![0.0; len * block.len()];
        let aliases = self.scan.targets.texts.len() > self.scan.targets.len();
        let mut by_alias = by_alias.filter(|_| aliases);
        if let Some(by_alias) = &mut by_alias {
            by_alias.resize(part.len(), false);
        }
        self.scan.run(block, positions, scratch, |target| {
            let at = target.position - start;
            for (to, &score) in part.iter_mut().skip(at).step_by(len).zip(target.scores) {
                *to = score;
            }
            let Some(by_alias) = &mut by_alias else { return };
            for (to, &text) in by_alias.iter_mut().skip(at).step_by(len).zip(target.texts) {
                *to = text > 0;
            }
        });
        part
    }

    /// Scores the relevant targets of one query, alone: those of a whole block are many more.
    fn marks(&self, query: usize, relevant: &[usize]) -> Marks {
        let block = QueryBlock::one(self.scan.kernels, self.queries, query);
        let scan = Scan { subset: Some(relevant), ..self.scan };
        let mut scores = Vec::with_capacity(relevant.len());
        scan.run(&block, 0..relevant.len(), &mut Scratch::default(), |target| {
            scores.push((relevant[target.position], target.scores[0], target.texts[0] > 0));
        });
        Marks::new(scores.into_iter())
    }

    /// Runs `work` for every block and chunk of targets on the pool, and hands what comes of it,
    /// in order, to `collect` on the calling thread.
    fn each_task<T: Send>(
        &self,
        work: impl Fn(&QueryBlock, Range<usize>, &mut Scratch) -> T + Sync,
        mut collect: impl FnMut(&QueryBlock, usize, T),
    ) -> Result<()> {
        let starts = (0..self.len()).step_by(TASK);
        let tasks: Vec<(&QueryBlock, usize)> = self
            .blocks
            .iter()
            .flat_map(|block| starts.clone().map(move |start| (block, start)))
            .collect();
        let pool = if tasks.len() > 1 { pool() } else { None };
        let run = |scratch: &mut Scratch, &(block, start): &(&QueryBlock, usize)| {
            work(block, start..self.len().min(start + TASK), scratch)
        };
        for wave in tasks.chunks(self.wave()) {
            let parts: Vec<T> = if let Some(pool) = &pool {
                pool.install(|| wave.par_iter().map_init(Scratch::default, run).collect())
            } else {
                let mut scratch = Scratch::default();
                wave.iter().map(|task| run(&mut scratch, task)).collect()
            };
            for (&(block, start), part) in wave.iter().zip(parts) {
                collect(block, start, part);
            }
            self.check_interrupt()?;
        }
        Ok(())
    }

    /// Tasks of a wave: at least one a thread.
    fn wave(&self) -> usize {
        let targets = self.scan.targets;
        let tokens: usize = targets.texts.iter().map(|text| text.tokens as usize).sum();
        let of_a_target = tokens.div_ceil(targets.len().max(1)).max(1);
        (WAVE * LABEL_TOKENS / TASK / of_a_target).clamp(1, WAVE / TASK).max(threads())
    }

    pub(super) fn check_interrupt(&self) -> Result<()> {
        if (self.interrupted)() { Err(Error::Interrupted) } else { Ok(()) }
    }
}
