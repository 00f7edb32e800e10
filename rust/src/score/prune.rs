//! The best `k` by bounds first: whatever cannot be among them is never scored.
//!
//! Every text gets an upper bound from the screen of its segment. Those with the highest bounds are
//! scored; the k-th best of their targets is the threshold. Every other text whose bound reaches it gets a
//! closer one where its vectors are stored as bytes, and is scored if that reaches it too. What comes out
//! is what a scan of all targets would give, scores and ties included.

use super::executor::{Executor, threads};
use super::rows::Rows;
use super::screen::{GroupRows, NO_TEXT, Screen, bound_tokens, byte_group, byte_tokens};
use super::targets::{Segment, Targets, Text};
use super::tile::{QueryBlock, Question, Scratch};
use super::top_k::{Hit, TopK};
use crate::error::Result;
use crate::simd::Attention;
use crate::simd::codes::{BoundGroup, BoundQueries, GROUP};
use crate::simd::quantised::{BLOCK, margin};
use std::ops::Range;

/// Texts that are scored to find the threshold, unless `k` asks for more. Those of the best ten are nearly
/// always among them.
const FIRST: usize = 64;

/// More than one in so many texts take as long, here and there, as all one after the other.
const SCATTERED: usize = 4;

/// Groups of texts that one task bounds.
const GROUPS: usize = 32;

/// Bounds held at a time, over all queries.
const BOUNDS: usize = 1 << 23;

/// Bytes that one task lays out to bound texts by what is stored of them, at most.
const LAID_OUT: usize = 1 << 24;

/// Texts that one task scores, unless there are more than some tasks a thread would take.
const SCORED: usize = 32;

/// Tasks a thread, where there are many texts: few enough to keep what each takes to start low.
const TASKS: usize = 4;

/// Most queries whose bounds are computed side by side: while one group's bytes are in the cache.
const QUERIES: usize = 64;

/// Tokens of queries that meet a group's row at once, unless a single query has more: what they make of
/// it stays in the nearest cache.
const TOKENS: usize = 32;

/// Texts that are scored first for the best `k`.
pub(super) fn first(k: usize) -> usize {
    FIRST.max(k.saturating_mul(2))
}

/// The best `k` targets of each query, best first; none for a query whose bounds leave so many texts that
/// a scan is as quick.
///
/// # Errors
/// [`Error::Interrupted`](crate::error::Error::Interrupted) if the caller asked to stop.
pub(super) fn top_k(
    question: &Question,
    k: usize,
    executor: &Executor,
) -> Result<Vec<Option<Vec<Hit>>>> {
    let texts = question.targets.texts.len();
    let queries: Vec<usize> = (0..question.queries.len()).collect();
    let asked = Asked::new(question);
    if asked.unbounded.len() > texts / SCATTERED {
        return Ok(vec![None; queries.len()]);
    }
    let mut best = Vec::with_capacity(queries.len());
    executor.waves(queries.chunks((BOUNDS / texts).clamp(1, QUERIES)), |queries| {
        best.extend(executor.inside(|| Wave::new(question, queries, executor).top_k(&asked, k)));
        Ok(())
    })?;
    Ok(best)
}

/// The bound of every text, by query: what [`top_k`] goes by. Infinite for a text without one.
#[cfg(test)]
pub(super) fn bounds(question: &Question) -> Vec<Vec<f32>> {
    let (executor, all) = (Executor::new(&|| false), Asked::new(question));
    let queries: Vec<usize> = (0..question.queries.len()).collect();
    let wave = Wave::new(question, &queries, &executor);
    let of_query = |&query: &usize| {
        let mut found = vec![f32::INFINITY; question.targets.texts.len()];
        wave.each_reaching(&all, query, f32::NEG_INFINITY, |text, bound| {
            found[text] = bound;
            f32::NEG_INFINITY
        });
        found
    };
    queries.iter().map(of_query).collect()
}

/// Of some texts those whose score by a query may reach a threshold: what [`top_k`] scores.
#[cfg(test)]
pub(super) fn reaching(
    question: &Question,
    query: usize,
    texts: &[usize],
    threshold: f32,
) -> Vec<usize> {
    let executor = Executor::new(&|| false);
    Wave::new(question, &[query], &executor).reaching(0, texts, threshold, &executor)
}

/// Which texts are asked for.
struct Asked {
    /// One a text; empty where all are.
    texts: Vec<bool>,
    /// Those of segments without a screen, which have no bound.
    unbounded: Vec<usize>,
}

impl Asked {
    fn new(question: &Question) -> Self {
        let targets = question.targets;
        let mut texts = Vec::new();
        if let Some(subset) = question.subset {
            texts.resize(targets.texts.len(), false);
            for &target in subset {
                texts[targets.text_range(target)].fill(true);
            }
        }
        let mut asked = Self { texts, unbounded: Vec::new() };
        if targets.segments.iter().any(|segment| segment.screen.is_none()) {
            let without = |text: &usize| {
                targets.segments[targets.texts[*text].segment as usize].screen.is_none()
            };
            let all = 0..targets.texts.len();
            asked.unbounded = all.filter(|&text| asked.has(text)).filter(without).collect();
        }
        asked
    }

    fn has(&self, text: usize) -> bool {
        self.texts.is_empty() || self.texts[text]
    }
}

/// Some queries of a wave as they meet the groups of a segment.
struct Batch {
    queries: Range<usize>,
    attentions: Vec<Attention>,
    tokens: BoundQueries,
}

/// Which queries of a wave are bounded together.
fn ranges(blocks: &[QueryBlock]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut tokens = 0;
    for (number, block) in blocks.iter().enumerate() {
        tokens += block.tokens();
        match ranges.last_mut() {
            Some(range) if tokens <= TOKENS => range.end = number + 1,
            _ => {
                ranges.push(number..number + 1);
                tokens = block.tokens();
            }
        }
    }
    ranges
}

/// The batches of each segment; none where it has no screen.
fn batches(question: &Question, blocks: &[QueryBlock], executor: &Executor) -> Vec<Vec<Batch>> {
    let Question { kernels, scorer, queries, targets, .. } = *question;
    // By query and segment.
    let tokens = executor.each(blocks, |block, (): &mut ()| {
        let units = queries.text(block.queries[0]).0;
        let of =
            |screen: &Screen| bound_tokens(kernels, screen, block.packed(), units, targets.dim);
        let segments = targets.segments.iter();
        segments.map(|part| part.screen.as_ref().map(of)).collect::<Vec<_>>()
    });
    let ranges = ranges(blocks);
    let of_segment = |(number, segment): (usize, &Segment)| {
        let Some(screen) = &segment.screen else { return Vec::new() };
        let components = screen.components(targets.dim);
        executor.each(&ranges, |range, (): &mut ()| {
            let tokens = tokens[range.clone()].iter().filter_map(|of| of[number].as_deref());
            let blocks = blocks[range.clone()].iter();
            Batch {
                queries: range.clone(),
                attentions: blocks.map(|block| scorer.attention(block.tokens())).collect(),
                tokens: kernels.bound_queries(components, &tokens.collect::<Vec<_>>()),
            }
        })
    };
    targets.segments.iter().enumerate().map(of_segment).collect()
}

/// Queries that are bounded side by side, and the bounds of all texts, lane after lane of some groups at a
/// time.
struct Wave<'a> {
    question: &'a Question<'a>,
    executor: &'a Executor<'a>,
    queries: Vec<QueryBlock>,
    /// Segment and groups.
    tasks: Vec<(usize, Range<usize>)>,
    /// For each task `(queries, groups, 32)`.
    bounds: Vec<Vec<f32>>,
}

impl<'a> Wave<'a> {
    fn new(question: &'a Question, queries: &[usize], executor: &'a Executor) -> Self {
        let Question { kernels, targets, .. } = *question;
        let block = |&query: &usize, (): &mut ()| QueryBlock::one(kernels, question.queries, query);
        let queries = executor.each(queries, block);
        let batches = batches(question, &queries, executor);
        let mut tasks = Vec::new();
        for (number, segment) in targets.segments.iter().enumerate() {
            let groups = segment.screen.map_or(0, |screen| screen.order.len());
            let starts = (0..groups).step_by(GROUPS);
            tasks.extend(starts.map(|start| (number, start..groups.min(start + GROUPS))));
        }
        let bounds = executor.each(&tasks, |(segment, groups), scratch| {
            let screen = targets.segments[*segment].screen;
            let batches = &batches[*segment];
            let bound = |screen| bound(question, &queries, batches, screen, groups, scratch);
            screen.as_ref().map_or_else(Vec::new, bound)
        });
        Self { question, executor, queries, tasks, bounds }
    }

    /// The best of each query; none as in [`top_k`].
    fn top_k(&self, asked: &Asked, k: usize) -> Vec<Option<Vec<Hit>>> {
        let numbers: Vec<usize> = (0..self.queries.len()).collect();
        if numbers.len() < threads() {
            return numbers.iter().map(|&n| self.best(asked, k, n, self.executor)).collect();
        }
        let serial = self.executor.serial();
        self.executor.each(&numbers, |&number, (): &mut ()| self.best(asked, k, number, &serial))
    }

    /// The best of query `number`: scores what the bounds leave.
    fn best(
        &self,
        asked: &Asked,
        k: usize,
        number: usize,
        executor: &Executor,
    ) -> Option<Vec<Hit>> {
        let targets = self.question.targets;
        let score = |texts: &[usize]| self.score(number, texts, executor);
        // Each of the texts that were scored, in their order.
        let mut scored = score(&asked.unbounded);
        let mut first = first(k);
        let threshold = loop {
            let mut likely = TopK::new(first);
            self.each_reaching(asked, number, f32::NEG_INFINITY, |text, bound| {
                likely.push(Hit { target: text, score: bound, text: 0 });
                likely.floor()
            });
            let known = |text: &usize| scored.binary_search_by_key(text, |&(text, _)| text).is_ok();
            let mut likely: Vec<usize> = likely.finish().iter().map(|hit| hit.target).collect();
            let all = likely.len() < first;
            likely.retain(|text| !known(text));
            likely.sort_unstable();
            scored.extend(score(&likely));
            scored.sort_unstable_by_key(|&(text, _)| text);
            let threshold = best_of(targets, &scored, k).threshold();
            // Many texts of few targets say nothing of the k-th.
            if threshold > f32::NEG_INFINITY || all {
                break threshold;
            }
            first = first.saturating_mul(8);
        };
        let mut left = Vec::new();
        self.each_reaching(asked, number, threshold, |text, _| {
            left.push(text);
            threshold
        });
        left.retain(|text| scored.binary_search_by_key(text, |&(text, _)| text).is_err());
        if left.len() > targets.texts.len() / SCATTERED {
            return None;
        }
        let mut left = self.reaching(number, &left, threshold, executor);
        left.sort_unstable();
        scored.extend(score(&left));
        scored.sort_unstable_by_key(|&(text, _)| text);
        Some(best_of(targets, &scored, k).finish())
    }

    /// Those texts whose score may reach the threshold by the bytes that are stored of them: such a bound
    /// takes half of the time of a score. All, where they are few, or too long, or stored otherwise.
    fn reaching(
        &self,
        number: usize,
        texts: &[usize],
        threshold: f32,
        executor: &Executor,
    ) -> Vec<usize> {
        let Question { kernels, scorer, queries, targets, .. } = *self.question;
        let dim = targets.dim;
        let as_bytes = targets.segments.iter().any(|part| matches!(part.rows, Rows::I8(..)));
        if texts.len() < GROUP || !dim.is_multiple_of(BLOCK) || !as_bytes {
            return texts.to_vec();
        }
        let block = &self.queries[number];
        let tokens = byte_tokens(kernels, queries.text(block.queries[0]).0, dim);
        let query = kernels.bound_queries(dim, &[&tokens]);
        let attention = scorer.attention(block.tokens());
        let segment = |text: usize| targets.texts[text].segment;
        let groups: Vec<_> = texts
            .chunk_by(|&a, &b| segment(a) == segment(b))
            .flat_map(|same| same.chunks(GROUP))
            .collect();
        let reach = |texts: &&[usize], (group, scratch): &mut (GroupRows, Vec<f32>)| {
            let Rows::I8(codes, scales) = targets.segments[segment(texts[0]) as usize].rows else {
                return texts.to_vec();
            };
            let rows = |&text: &usize| {
                let Text { row, tokens, .. } = targets.texts[text];
                row..row + tokens as usize
            };
            let rows: Vec<_> = texts.iter().map(rows).collect();
            if rows.iter().any(|rows| rows.len() * dim * GROUP > LAID_OUT) {
                return texts.to_vec();
            }
            let tokens = byte_group(codes, scales, dim, &rows, group);
            let group = BoundGroup { codes: &group.codes, values: &group.values, tokens: &tokens };
            scratch.resize(query.scratch_len(), 0.0);
            let mut bounds = [0.0; GROUP];
            kernels.bounds(&[attention], &query, &group, scratch, &mut bounds);
            let longest = tokens.iter().copied().fold(0.0, f32::max);
            let margin = margin(dim, block.tokens() as f32 + longest);
            // A bound that is no number, of a damaged file, keeps its text.
            let reaches = |bound: f32| bound + margin >= threshold || bound.is_nan();
            let reaching = texts.iter().zip(bounds).filter(|&(_, bound)| reaches(bound));
            reaching.map(|(&text, _)| text).collect()
        };
        executor.each(&groups, reach).concat()
    }

    /// Scores of some texts, each by itself.
    fn score(&self, number: usize, texts: &[usize], executor: &Executor) -> Vec<(usize, f32)> {
        let all = self.question.targets;
        let rows: Vec<Text> = texts.iter().map(|&text| all.texts[text]).collect();
        let targets = Targets::of_texts(all, rows);
        let question = Question { targets: &targets, subset: None, ..*self.question };
        let size = SCORED.max(texts.len().div_ceil(TASKS * threads()));
        let starts = (0..texts.len()).step_by(size);
        let parts: Vec<_> = starts.map(|at| at..texts.len().min(at + size)).collect();
        let of = |positions: &Range<usize>, scratch: &mut Scratch| {
            let mut part = Vec::with_capacity(positions.len());
            question.score(&self.queries[number], positions.clone(), scratch, |target| {
                part.push((texts[target.position], target.scores[0]));
            });
            part
        };
        executor.each(&parts, of).concat()
    }

    /// Calls `take` for every text that is asked for and whose bound by query `number` is not below the
    /// threshold; it returns the threshold of the texts after it.
    fn each_reaching(
        &self,
        asked: &Asked,
        number: usize,
        mut threshold: f32,
        mut take: impl FnMut(usize, f32) -> f32,
    ) {
        let groups = self.tasks.iter().zip(&self.bounds).flat_map(|((segment, groups), part)| {
            let lanes = groups.start * GROUP..groups.end * GROUP;
            let own = &part[number * lanes.len()..(number + 1) * lanes.len()];
            let screen = self.question.targets.segments[*segment].screen;
            let texts = screen.map_or(&[][..], |screen| &screen.texts[lanes]);
            texts.chunks_exact(GROUP).zip(own.chunks_exact(GROUP))
        });
        for (texts, bounds) in groups {
            if bounds.iter().filter(|bound| **bound < threshold).count() == GROUP {
                continue;
            }
            for (&text, &bound) in texts.iter().zip(bounds) {
                // A bound that is no number, of a damaged file, keeps its text.
                let reaches = bound >= threshold || bound.is_nan();
                if reaches && text != NO_TEXT && asked.has(text as usize) {
                    threshold = take(text as usize, bound);
                }
            }
        }
    }
}

/// The best targets by scores of texts, which ascend: a target scores as the best of them, the first of
/// equal ones.
pub(super) fn best_of(targets: &Targets, scored: &[(usize, f32)], k: usize) -> TopK {
    let mut best = TopK::new(k);
    let owner = |text: usize| targets.groups.partition_point(|&start| start as usize <= text) - 1;
    let mut at = 0;
    while at < scored.len() {
        let target = owner(scored[at].0);
        let texts = targets.text_range(target);
        let mut hit = Hit { target, score: f32::NEG_INFINITY, text: 0 };
        while at < scored.len() && scored[at].0 < texts.end {
            let (text, score) = scored[at];
            // NaN, of a damaged file, stands where a scan puts it: a later text never beats it.
            if text == texts.start || hit.score == f32::NEG_INFINITY || score > hit.score {
                (hit.score, hit.text) = (score, (text - texts.start) as u32);
            }
            at += 1;
        }
        best.push(hit);
    }
    best
}

/// Bounds of some groups' texts for every query of a wave, `(queries, groups, 32)`.
fn bound(
    question: &Question,
    blocks: &[QueryBlock],
    batches: &[Batch],
    screen: &Screen,
    groups: &Range<usize>,
    (scratch, of_lanes): &mut (Vec<f32>, Vec<f32>),
) -> Vec<f32> {
    let (kernels, dim) = (question.kernels, question.targets.dim);
    let components = screen.components(dim);
    let mut bounds = vec![0.0; blocks.len() * groups.len() * GROUP];
    for (place, group) in groups.clone().enumerate() {
        let group = screen.group(group, components);
        let longest = group.tokens.iter().copied().fold(0.0, f32::max);
        for Batch { queries, attentions, tokens } in batches {
            if scratch.len() < tokens.scratch_len() {
                scratch.resize(tokens.scratch_len(), 0.0);
            }
            of_lanes.resize(queries.len() * GROUP, 0.0);
            kernels.bounds(attentions, tokens, &group, scratch, of_lanes);
            for (number, of_lanes) in queries.clone().zip(of_lanes.chunks_exact(GROUP)) {
                let margin = margin(dim, blocks[number].tokens() as f32 + longest);
                let to = &mut bounds[(number * groups.len() + place) * GROUP..][..GROUP];
                for (to, bound) in to.iter_mut().zip(of_lanes) {
                    *to = bound + margin;
                }
            }
        }
    }
    bounds
}
