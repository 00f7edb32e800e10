//! Queries against targets: all scores, the best `k`, or the ranks of known targets.

use super::executor::Executor;
use super::scorer::Scorer;
use super::targets::{Targets, Text};
use super::tile::{QueryBlock, Question, Scratch};
use super::top_k::Hit;
use super::{prune, scan};
use crate::error::{Check, Error, Result};
use crate::metrics::{Marks, Scored};
use crate::simd::Kernels;
use crate::tokens::TokenVectors;
use std::ops::Range;

/// Queries whose relevant, or wanted, targets are scored between two questions whether to stop.
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
    pub(super) question: Question<'a>,
    interrupted: Check<'a>,
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
        interrupted: Check<'a>,
    ) -> Result<Self> {
        Self::at_level(Kernels::active()?, queries, targets, subset, scorer, interrupted)
    }

    pub(super) fn at_level(
        kernels: &'static Kernels,
        queries: &'a TokenVectors,
        targets: &'a Targets<'a>,
        subset: Option<&'a [usize]>,
        scorer: Scorer,
        interrupted: Check<'a>,
    ) -> Result<Self> {
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
        Ok(Self { question: Question { kernels, scorer, queries, targets, subset }, interrupted })
    }

    /// Number of targets that take part.
    pub fn len(&self) -> usize {
        self.question.len()
    }

    /// Every score: row-major `(queries, targets or subset)`.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if the caller asked to stop.
    pub fn scores(&self) -> Result<Vec<f32>> {
        let width = self.len();
        let mut scores = room_for_scores(self.question.queries.len(), width)?;
        self.scan(
            |block, positions, scratch| self.chunk_scores(block, positions, scratch, None),
            |block, start, part| {
                let len = part.len() / block.len();
                for (&query, row) in block.queries.iter().zip(part.chunks_exact(len)) {
                    scores[query * width + start..][..len].copy_from_slice(row);
                }
            },
        )?;
        Ok(scores)
    }

    /// The best `k` targets of each query, best first: by bounds where that is cheaper, by a scan of the
    /// queries that these say little of.
    ///
    /// # Errors
    /// [`Error::Input`] if `k` is 0 or that many do not fit into memory, [`Error::Interrupted`] if the
    /// caller asked to stop.
    pub fn top_k(&self, k: usize) -> Result<Vec<Vec<Hit>>> {
        if k == 0 {
            return Err(Error::input("k must be at least 1, got 0"));
        }
        let (question, executor) = (&self.question, Executor::new(self.interrupted));
        let mut best = vec![None; question.queries.len()];
        if self.prunes(k) {
            // Refused before the work, not in the midst of it.
            drop(scan::room(question, best.len(), k)?);
            best = prune::top_k(question, k, &executor)?;
        }
        let left: Vec<usize> = (0..best.len()).filter(|&query| best[query].is_none()).collect();
        if !left.is_empty() {
            for (&query, hits) in left.iter().zip(scan::top_k(question, &left, k, &executor)?) {
                best[query] = Some(hits);
            }
        }
        Ok(best.into_iter().flatten().collect())
    }

    /// The best `k` targets of each query by the texts that it names, best first: whatever else a target
    /// is called does not count.
    ///
    /// Query `i` names the texts `named[offsets[i]..offsets[i + 1]]`, in any order.
    ///
    /// # Errors
    /// [`Error::Input`] if `k` is 0, the search has a subset, the named texts do not fit the queries and
    /// the space, or those of a query are of fewer than `k` targets; [`Error::Interrupted`] if the caller
    /// asked to stop.
    pub fn top_k_among(
        &self,
        k: usize,
        named: &[usize],
        offsets: &[usize],
    ) -> Result<Vec<Vec<Hit>>> {
        if k == 0 || self.question.subset.is_some() {
            return Err(Error::input(format!("expected k >= 1 and no subset, got k = {k}")));
        }
        let Question { queries, targets, .. } = self.question;
        crate::metrics::check_relevant(named, offsets, queries.len(), targets.texts.len())?;
        let best = self.each_query(|query, scratch| {
            let mut named = named[offsets[query]..offsets[query + 1]].to_vec();
            named.sort_unstable();
            let scores =
                self.text_scores(query, named.iter().map(|&text| targets.texts[text]), scratch);
            let scored: Vec<_> = named.into_iter().zip(scores).collect();
            prune::best_of(targets, &scored, k).finish()
        })?;
        match best.iter().position(|hits| hits.len() < k) {
            None => Ok(best),
            Some(query) => Err(Error::input(format!(
                "expected texts of {k} targets or more of each query, got those of {} of query {query}",
                best[query].len(),
            ))),
        }
    }

    /// Whether bounds are likely to pay for the best `k`: whether fewer bytes go through the processor
    /// than in a scan of the targets that take part.
    pub(crate) fn prunes(&self, k: usize) -> bool {
        let (targets, asked) = (self.question.targets, self.len());
        if self.question.scorer.is_pooled() || prune::first(k) > asked / 8 {
            return false;
        }
        let (mut bounded, mut scanned) = (0, 0);
        for segment in &targets.segments {
            let Some(screen) = &segment.screen else { continue };
            bounded += screen.bytes();
            scanned +=
                segment.norms.len() * (segment.rows.row_bytes(targets.dim) + size_of::<f32>());
        }
        // Targets that are left out are bounded all the same.
        scanned as f64 * asked as f64 > bounded as f64 * targets.len() as f64
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
        if self.question.subset.is_some() {
            return Err(Error::input("ranks are counted over all targets, not over a subset"));
        }
        let queries = self.question.queries.len();
        crate::metrics::check_relevant(relevant, offsets, queries, self.len())?;
        let marks = self.each_query(|query, scratch| {
            self.marks(query, &relevant[offsets[query]..offsets[query + 1]], scratch)
        })?;
        let mut ranks = vec![1; relevant.len()];
        let mut unordered = None;
        self.scan(
            |block, positions, scratch| {
                let (first, len) = (positions.start, positions.len());
                let mut by_alias = Vec::new();
                let scores = self.chunk_scores(block, positions, scratch, Some(&mut by_alias));
                let mut kept = Vec::new();
                let count = |(number, (&query, scores)): (usize, (&usize, &[f32]))| {
                    let by_alias = by_alias.get(number * len..(number + 1) * len);
                    let row = Scored { first, scores, by_alias: by_alias.unwrap_or_default() };
                    let mut before = vec![0; marks[query].len()];
                    let numbers =
                        marks[query].count(self.question.kernels, row, &mut before, &mut kept);
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

    /// Score of the label alone, the first text, of each hit of each query, one query's after the
    /// other's. How far an alias carries a match beyond its label is the difference.
    ///
    /// # Errors
    /// [`Error::Input`] if the hits are not those of this search's queries and targets;
    /// [`Error::Interrupted`] if the caller asked to stop.
    pub fn label_scores(&self, hits: &[Vec<Hit>]) -> Result<Vec<f32>> {
        let (queries, targets) = (self.question.queries, self.question.targets);
        let known = |hit: &Hit| hit.target < targets.len();
        if hits.len() != queries.len() || !hits.iter().flatten().all(known) {
            return Err(Error::input("expected hits of each query, of targets that there are"));
        }
        let scores = self.each_query(|query, scratch| {
            // Where the label scored, its score is known.
            let by_alias = hits[query].iter().filter(|hit| hit.by_alias());
            let labels = by_alias.map(|hit| targets.target(hit.target)[0]);
            let mut scores = self.text_scores(query, labels, scratch).into_iter();
            let mut label = |hit: &Hit| if hit.by_alias() { scores.next() } else { None };
            hits[query].iter().map(|hit| label(hit).unwrap_or(hit.score)).collect::<Vec<_>>()
        })?;
        Ok(scores.concat())
    }

    /// `work` for every query, in their order, on all threads.
    fn each_query<R: Send>(
        &self,
        work: impl Fn(usize, &mut Scratch) -> R + Sync,
    ) -> Result<Vec<R>> {
        let executor = Executor::new(self.interrupted);
        let all: Vec<usize> = (0..self.question.queries.len()).collect();
        let mut done = Vec::with_capacity(all.len());
        executor.waves(all.chunks(MARKED), |some| {
            done.extend(executor.each(some, |&query, scratch| work(query, scratch)));
            Ok(())
        })?;
        Ok(done)
    }

    /// Scores of some texts, each by itself.
    fn text_scores(
        &self,
        query: usize,
        texts: impl Iterator<Item = Text>,
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        let texts = Targets::of_texts(self.question.targets, texts.collect());
        if texts.len() == 0 {
            return Vec::new();
        }
        let question = Question { targets: &texts, subset: None, ..self.question };
        let block = QueryBlock::one(question.kernels, question.queries, query);
        let mut scores = vec![0.0; texts.len()];
        question.score(&block, 0..texts.len(), scratch, |text| {
            scores[text.position] = text.scores[0];
        });
        scores
    }

    /// Scans for all queries; see [`scan::scan`].
    fn scan<T: Send>(
        &self,
        work: impl Fn(&QueryBlock, Range<usize>, &mut Scratch) -> T + Sync,
        merge: impl FnMut(&QueryBlock, usize, T),
    ) -> Result<()> {
        let all = (0..self.question.queries.len()).collect();
        scan::scan(&self.question, all, &Executor::new(self.interrupted), work, merge)
    }

    /// Scores of one chunk: one query's after the other's. `by_alias` gets whether an alias scored, in the
    /// same order; nothing where no target has any.
    fn chunk_scores(
        &self,
        block: &QueryBlock,
        positions: Range<usize>,
        scratch: &mut Scratch,
        by_alias: Option<&mut Vec<bool>>,
    ) -> Vec<f32> {
        let (start, len) = (positions.start, positions.len());
        let mut part = vec![0.0; len * block.len()];
        let aliases = self.question.targets.texts.len() > self.question.targets.len();
        let mut by_alias = by_alias.filter(|_| aliases);
        if let Some(by_alias) = &mut by_alias {
            by_alias.resize(part.len(), false);
        }
        self.question.score(block, positions, scratch, |target| {
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
    fn marks(&self, query: usize, relevant: &[usize], scratch: &mut Scratch) -> Marks {
        let block = QueryBlock::one(self.question.kernels, self.question.queries, query);
        let question = Question { subset: Some(relevant), ..self.question };
        let mut scores = Vec::with_capacity(relevant.len());
        question.score(&block, 0..relevant.len(), scratch, |target| {
            scores.push((relevant[target.position], target.scores[0], target.texts[0] > 0));
        });
        Marks::new(scores.into_iter())
    }
}
