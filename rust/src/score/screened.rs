//! The best `k` by bounds first: whatever can not be among them is never scored.
//!
//! Every target gets an upper bound from the screens of its segments. Those with the highest
//! bounds are scored; the worst of their best `k` is the bar; whoever's bound reaches it is scored
//! too. What comes out is what a scan of all targets would give, scores and ties included.

use super::screen::{NO_TEXT, Screen, bound_query};
use super::search::Search;
use super::threads::{pool, threads};
use super::tile::{QueryBlock, Scan, Scratch};
use super::top_k::{Hit, TopK};
use crate::error::Result;
use crate::simd::bound::{BoundQuery, LANES};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;

/// Targets that are scored to find the bar, unless `k` asks for more. The best ten are nearly
/// always among them.
const FIRST: usize = 64;

/// More than one in so many targets take as long, here and there, as all one after the other.
const SCATTERED: usize = 4;

/// Groups of 32 texts that one task bounds.
const GROUPS: usize = 32;

/// Bounds held at a time, over all queries.
const BOUNDS: usize = 1 << 23;

/// Targets that one task scores, unless there are more than some tasks a thread would take.
const CHUNK: usize = 32;

/// Tasks a thread, where there are many targets: few enough to keep what each takes to start low.
const TASKS: usize = 4;

/// Most queries whose bounds are computed side by side: while one group's bytes are in the cache.
const QUERIES: usize = 64;

/// Whether bounding all targets is likely to pay for the best `k`.
pub(super) fn pays(search: &Search, k: usize) -> bool {
    let (all, asked) = (search.scan.targets.len(), search.len());
    !search.scan.scorer.is_pooled()
        && search.scan.targets.segments.iter().any(|segment| segment.screen.is_some())
        && asked >= all / 4
        && first(k) <= asked / 8
}

fn first(k: usize) -> usize {
    FIRST.max(k.saturating_mul(2))
}

/// The best `k` targets of each query, best first.
pub(super) fn top_k(search: &Search, k: usize) -> Result<Vec<Vec<Hit>>> {
    let side_by_side = (BOUNDS / search.scan.targets.len()).clamp(1, QUERIES);
    let mut best = Vec::with_capacity(search.queries.len());
    let queries: Vec<usize> = (0..search.queries.len()).collect();
    for wave in queries.chunks(side_by_side) {
        let pool = pool();
        let wave: Vec<Query> = each(pool.as_deref(), wave, |&query| Query::new(search, query));
        let bounds = Bounds::new(search, &wave, pool.as_deref());
        if wave.len() < threads() {
            best.extend(wave.iter().enumerate().map(|(number, query)| {
                query.best(search, k, bounds.of_targets(search, number), pool.as_deref())
            }));
        } else {
            let numbers: Vec<usize> = (0..wave.len()).collect();
            best.extend(each(pool.as_deref(), &numbers, |&number| {
                wave[number].best(search, k, bounds.of_targets(search, number), None)
            }));
        }
        search.check_interrupt()?;
    }
    Ok(best)
}

/// The bound of every target, by query: what [`top_k`] goes by.
#[cfg(test)]
pub(super) fn bounds(search: &Search) -> Vec<Vec<f32>> {
    let wave: Vec<Query> = (0..search.queries.len()).map(|i| Query::new(search, i)).collect();
    let bounds = Bounds::new(search, &wave, None);
    (0..wave.len()).map(|number| bounds.of_targets(search, number)).collect()
}

/// `work` on each item, in order: on the pool where there is one and more than one item.
fn each<T: Sync, R: Send>(
    pool: Option<&ThreadPool>,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    match pool {
        Some(pool) if items.len() > 1 => {
            pool.install(|| items.par_iter().with_max_len(1).map(&work).collect())
        }
        _ => items.iter().map(work).collect(),
    }
}

/// One query: as it is scored, and as each screen bounds it.
struct Query {
    block: QueryBlock,
    /// One for each segment with a screen.
    by_screen: Vec<Option<BoundQuery>>,
}

impl Query {
    fn new(search: &Search, query: usize) -> Self {
        let Scan { kernels, targets, .. } = search.scan;
        let block = QueryBlock::one(kernels, search.queries, query);
        let (dim, offsets) = (targets.dim, search.queries.offsets());
        let units = &search.queries.units()[offsets[query] * dim..offsets[query + 1] * dim];
        let bound = |screen: &Screen| bound_query(kernels, screen, block.packed(), units, dim);
        let by_screen =
            targets.segments.iter().map(|segment| segment.screen.as_ref().map(bound)).collect();
        Self { block, by_screen }
    }

    /// Scores what the bounds leave.
    fn best(
        &self,
        search: &Search,
        k: usize,
        mut bounds: Vec<f32>,
        pool: Option<&ThreadPool>,
    ) -> Vec<Hit> {
        let mut likely = TopK::new(first(k));
        let mut chosen = Vec::new();
        for position in 0..search.len() {
            let target = search.scan.target(position);
            let bound = bounds[target];
            if bound == f32::INFINITY {
                chosen.push(target);
            } else {
                likely.push(Hit { target, score: bound, text: 0 });
            }
        }
        chosen.extend(likely.finish().iter().map(|hit| hit.target));
        chosen.sort_unstable();
        let mut best = TopK::new(k);
        self.score(search, Some(&chosen), pool, &mut best);
        for target in chosen {
            bounds[target] = f32::NEG_INFINITY;
        }
        let bar = best.bar();
        let left = (0..search.len()).map(|position| search.scan.target(position));
        let left: Vec<usize> = left.filter(|&target| bounds[target] >= bar).collect();
        if left.len() > search.len() / SCATTERED {
            best = TopK::new(k);
            self.score(search, search.scan.subset, pool, &mut best);
        } else {
            self.score(search, Some(&left), pool, &mut best);
        }
        best.finish()
    }

    /// Scores a subset of the targets, or all.
    fn score(
        &self,
        search: &Search,
        subset: Option<&[usize]>,
        pool: Option<&ThreadPool>,
        best: &mut TopK,
    ) {
        let scan = Scan { subset, ..search.scan };
        let k = best.k();
        let of = |positions: &Range<usize>| {
            let mut part = TopK::new(k);
            scan.run(&self.block, positions.clone(), &mut Scratch::default(), |target| {
                let index = scan.target(target.position);
                part.push(Hit { target: index, score: target.scores[0], text: target.texts[0] });
            });
            part
        };
        let chunk = CHUNK.max(scan.len().div_ceil(TASKS * threads()));
        let chunks: Vec<Range<usize>> =
            (0..scan.len()).step_by(chunk).map(|at| at..scan.len().min(at + chunk)).collect();
        for part in each(pool, &chunks, of) {
            best.absorb(part);
        }
    }
}

/// Bounds of texts, lane after lane of some groups at a time, for every query of a wave.
struct Bounds {
    /// Segment and groups.
    tasks: Vec<(usize, Range<usize>)>,
    /// For each task `(queries, groups, 32)`.
    parts: Vec<Vec<f32>>,
}

impl Bounds {
    fn new(search: &Search, wave: &[Query], pool: Option<&ThreadPool>) -> Self {
        let segments = &search.scan.targets.segments;
        let mut tasks = Vec::new();
        for (number, segment) in segments.iter().enumerate() {
            let groups = segment.screen.map_or(0, |screen| screen.order.len());
            let starts = (0..groups).step_by(GROUPS);
            tasks.extend(starts.map(|start| (number, start..groups.min(start + GROUPS))));
        }
        let parts = each(pool, &tasks, |(segment, groups)| {
            let Some(screen) = segments[*segment].screen else { return Vec::new() };
            bound(search, wave, *segment, &screen, groups.clone())
        });
        Self { tasks, parts }
    }

    /// The bound of each target by query `number` of the wave: the largest of its texts', infinite where
    /// one of them has no screen.
    fn of_targets(&self, search: &Search, number: usize) -> Vec<f32> {
        let targets = search.scan.targets;
        let mut bounds = vec![f32::NEG_INFINITY; targets.len()];
        for ((segment, groups), part) in self.tasks.iter().zip(&self.parts) {
            let Some(screen) = targets.segments[*segment].screen else { continue };
            let lanes = groups.start * LANES..groups.end * LANES;
            let own = &part[number * lanes.len()..(number + 1) * lanes.len()];
            for (&target, &bound) in screen.owners[lanes].iter().zip(own) {
                if target != NO_TEXT {
                    let best = &mut bounds[target as usize];
                    *best = best.max(bound);
                }
            }
        }
        if targets.segments.iter().any(|segment| segment.screen.is_none()) {
            for (target, bound) in bounds.iter_mut().enumerate() {
                let without =
                    |text: &super::Text| targets.segments[text.segment as usize].screen.is_none();
                if targets.target(target).iter().any(without) {
                    *bound = f32::INFINITY;
                }
            }
        }
        bounds
    }
}

/// Bounds of some groups' texts for every query of a wave.
fn bound(
    search: &Search,
    wave: &[Query],
    segment: usize,
    screen: &Screen,
    groups: Range<usize>,
) -> Vec<f32> {
    let Scan { kernels, scorer, targets, .. } = search.scan;
    let axes = screen.count(targets.dim);
    let mut bounds = vec![0.0; wave.len() * groups.len() * LANES];
    let mut scratch = Vec::new();
    for (place, group) in groups.clone().enumerate() {
        let group = screen.group(group, axes);
        let longest = group.tokens.iter().copied().fold(0.0, f32::max);
        for (number, query) in wave.iter().enumerate() {
            let Some(bounded) = &query.by_screen[segment] else { continue };
            if scratch.len() < bounded.scratch_len() {
                scratch.resize(bounded.scratch_len(), 0.0);
            }
            let of_lanes = kernels.bounds(scorer.attention(), bounded, &group, &mut scratch);
            let margin = margin(targets.dim, query.block.tokens() as f32 + longest);
            let to = &mut bounds[(number * groups.len() + place) * LANES..][..LANES];
            for (to, bound) in to.iter_mut().zip(of_lanes) {
                *to = bound + margin;
            }
        }
    }
    bounds
}

/// How far a computed score may lie above the exact one of its vectors, and a computed bound below
/// its own: roundings of a cosine, of sums over tokens, and of a few operations (`docs/method.md`).
fn margin(dim: usize, tokens: f32) -> f32 {
    (1024.0 + dim as f32 / 64.0 + 4.0 * tokens) * f32::EPSILON / 2.0
}
