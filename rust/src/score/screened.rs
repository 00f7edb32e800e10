//! The best `k` by bounds first: whatever cannot be among them is never scored.
//!
//! Every text gets an upper bound from the screen of its segment. Those with the highest bounds are
//! scored; the k-th best of their targets is the threshold; every text whose bound reaches it is scored
//! too. What comes out is what a scan of all targets would give, scores and ties included.

use super::screen::{NO_TEXT, Screen, bound_query, margin};
use super::search::Search;
use super::targets::{Targets, Text};
use super::threads::{each, pool, threads};
use super::tile::{QueryBlock, Scan, Scratch};
use super::top_k::{Hit, TopK};
use crate::error::Result;
use crate::simd::codes::{BoundQuery, LANES};
use rayon::ThreadPool;
use std::ops::Range;

/// Texts that are scored to find the threshold, unless `k` asks for more. Those of the best ten are nearly
/// always among them.
const FIRST: usize = 64;

/// More than one in so many texts take as long, here and there, as all one after the other.
const SCATTERED: usize = 4;

/// Groups of 32 texts that one task bounds.
const GROUPS: usize = 32;

/// Bounds held at a time, over all queries.
const BOUNDS: usize = 1 << 23;

/// Texts that one task scores, unless there are more than some tasks a thread would take.
const SCORED: usize = 32;

/// Tasks a thread, where there are many texts: few enough to keep what each takes to start low.
const TASKS: usize = 4;

/// Most queries whose bounds are computed side by side: while one group's bytes are in the cache.
const QUERIES: usize = 64;

/// Whether bounding all targets is likely to pay for the best `k`: whether fewer bytes go through the
/// processor than in a scan of those that take part.
pub(super) fn pays(search: &Search, k: usize) -> bool {
    let (targets, asked) = (search.scan.targets, search.len());
    if search.scan.scorer.is_pooled() || first(k) > asked / 8 {
        return false;
    }
    let (mut bounded, mut scanned) = (0, 0);
    for segment in &targets.segments {
        let Some(screen) = &segment.screen else { continue };
        bounded += screen.bytes();
        scanned += segment.norms.len() * (segment.rows.row_bytes(targets.dim) + size_of::<f32>());
    }
    // Targets that are left out are bounded all the same.
    scanned as f64 * asked as f64 > bounded as f64 * targets.len() as f64
}

fn first(k: usize) -> usize {
    FIRST.max(k.saturating_mul(2))
}

/// The best `k` targets of each query, best first.
pub(super) fn top_k(search: &Search, k: usize) -> Result<Vec<Vec<Hit>>> {
    let side_by_side = (BOUNDS / search.scan.targets.texts.len()).clamp(1, QUERIES);
    let mut best = Vec::with_capacity(search.queries.len());
    let queries: Vec<usize> = (0..search.queries.len()).collect();
    let asked = Asked::new(search);
    if asked.unbounded.len() > search.scan.targets.texts.len() / SCATTERED {
        return search.scanned(k);
    }
    for wave in queries.chunks(side_by_side) {
        let pool = pool();
        let of_wave = || wave_top_k(search, &asked, wave, k, pool.as_deref());
        // Entered once: to wake a pool takes as long as some of the steps inside.
        best.extend(match &pool {
            Some(pool) => pool.install(of_wave),
            None => of_wave(),
        });
        search.check_interrupt()?;
    }
    Ok(best)
}

/// The same for as many queries as are bounded side by side.
fn wave_top_k(
    search: &Search,
    asked: &Asked,
    wave: &[usize],
    k: usize,
    pool: Option<&ThreadPool>,
) -> Vec<Vec<Hit>> {
    let wave: Vec<Query> = each(pool, wave, |&query| Query::new(search, query));
    let bounds = Bounds::new(search, &wave, pool);
    let best = |number: usize, pool| wave[number].best(search, asked, k, &bounds, number, pool);
    if wave.len() < threads() {
        return (0..wave.len()).map(|number| best(number, pool)).collect();
    }
    let numbers: Vec<usize> = (0..wave.len()).collect();
    each(pool, &numbers, |&number| best(number, None))
}

/// The bound of every text, by query: what [`top_k`] goes by. Infinite for a text without one.
#[cfg(test)]
pub(super) fn bounds(search: &Search) -> Vec<Vec<f32>> {
    let wave: Vec<Query> = (0..search.queries.len()).map(|i| Query::new(search, i)).collect();
    let (bounds, all) = (Bounds::new(search, &wave, None), Asked::new(search));
    let of_query = |number| {
        let mut found = vec![f32::INFINITY; search.scan.targets.texts.len()];
        bounds.each_reaching(search, &all, number, f32::NEG_INFINITY, |text, bound| {
            found[text] = bound;
            f32::NEG_INFINITY
        });
        found
    };
    (0..wave.len()).map(of_query).collect()
}

/// Which texts are asked for.
struct Asked {
    /// One a text; empty where all are.
    texts: Vec<bool>,
    /// Those of segments without a screen, which have no bound.
    unbounded: Vec<usize>,
}

impl Asked {
    fn new(search: &Search) -> Self {
        let targets = search.scan.targets;
        let mut texts = Vec::new();
        if let Some(subset) = search.scan.subset {
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
        asked: &Asked,
        k: usize,
        bounds: &Bounds,
        number: usize,
        pool: Option<&ThreadPool>,
    ) -> Vec<Hit> {
        let targets = search.scan.targets;
        // Each of the texts that were scored, in their order.
        let mut scored = self.score(search, &asked.unbounded, pool);
        let mut first = first(k);
        let threshold = loop {
            let mut likely = TopK::new(first);
            bounds.each_reaching(search, asked, number, f32::NEG_INFINITY, |text, bound| {
                likely.push(Hit { target: text, score: bound, text: 0 });
                likely.floor()
            });
            let known = |text: &usize| scored.binary_search_by_key(text, |&(text, _)| text).is_ok();
            let mut likely: Vec<usize> = likely.finish().iter().map(|hit| hit.target).collect();
            let all = likely.len() < first;
            likely.retain(|text| !known(text));
            likely.sort_unstable();
            scored.extend(self.score(search, &likely, pool));
            scored.sort_unstable_by_key(|&(text, _)| text);
            let threshold = best_of(targets, &scored, k).threshold();
            // Many texts of few targets say nothing of the k-th.
            if threshold > f32::NEG_INFINITY || all {
                break threshold;
            }
            first = first.saturating_mul(8);
        };
        let mut left = Vec::new();
        bounds.each_reaching(search, asked, number, threshold, |text, _| {
            left.push(text);
            threshold
        });
        left.retain(|text| scored.binary_search_by_key(text, |&(text, _)| text).is_err());
        if left.len() > targets.texts.len() / SCATTERED {
            return self.scan(search, k, pool);
        }
        left.sort_unstable();
        scored.extend(self.score(search, &left, pool));
        scored.sort_unstable_by_key(|&(text, _)| text);
        best_of(targets, &scored, k).finish()
    }

    /// Scores of some texts, each by itself.
    fn score(
        &self,
        search: &Search,
        texts: &[usize],
        pool: Option<&ThreadPool>,
    ) -> Vec<(usize, f32)> {
        let all = search.scan.targets;
        let rows: Vec<Text> = texts.iter().map(|&text| all.texts[text]).collect();
        let targets = Targets::of_texts(all, rows);
        let scan = Scan { targets: &targets, subset: None, ..search.scan };
        let of = |positions: &Range<usize>| {
            let mut part = Vec::with_capacity(positions.len());
            scan.run(&self.block, positions.clone(), &mut Scratch::default(), |target| {
                part.push((texts[target.position], target.scores[0]));
            });
            part
        };
        each(pool, &chunks(texts.len()), of).concat()
    }

    /// Scores all targets that take part.
    fn scan(&self, search: &Search, k: usize, pool: Option<&ThreadPool>) -> Vec<Hit> {
        let scan = search.scan;
        let of = |positions: &Range<usize>| {
            let mut part = TopK::new(k);
            scan.run(&self.block, positions.clone(), &mut Scratch::default(), |target| {
                let index = scan.target(target.position);
                part.push(Hit { target: index, score: target.scores[0], text: target.texts[0] });
            });
            part
        };
        let mut best = TopK::new(k);
        for part in each(pool, &chunks(scan.len()), of) {
            best.absorb(part);
        }
        best.finish()
    }
}

/// Ranges of so many items, a task each.
fn chunks(count: usize) -> Vec<Range<usize>> {
    let chunk = SCORED.max(count.div_ceil(TASKS * threads()));
    (0..count).step_by(chunk).map(|at| at..count.min(at + chunk)).collect()
}

/// The best targets by scores of texts, which ascend: a target scores as the best of them, the first of
/// equal ones.
fn best_of(targets: &Targets, scored: &[(usize, f32)], k: usize) -> TopK {
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

    /// The texts in the lanes of each group, and their bounds by query `number` of the wave.
    fn groups<'a>(
        &'a self,
        search: &'a Search,
        number: usize,
    ) -> impl Iterator<Item = (&'a [u32], &'a [f32])> {
        self.tasks.iter().zip(&self.parts).flat_map(move |((segment, groups), part)| {
            let lanes = groups.start * LANES..groups.end * LANES;
            let own = &part[number * lanes.len()..(number + 1) * lanes.len()];
            let screen = search.scan.targets.segments[*segment].screen;
            let texts = screen.map_or(&[][..], |screen| &screen.texts[lanes]);
            texts.chunks_exact(LANES).zip(own.chunks_exact(LANES))
        })
    }

    /// Calls `take` for every text that is asked for and whose bound is not below the threshold; it returns
    /// the threshold of the texts after it.
    fn each_reaching(
        &self,
        search: &Search,
        asked: &Asked,
        number: usize,
        mut threshold: f32,
        mut take: impl FnMut(usize, f32) -> f32,
    ) {
        for (texts, bounds) in self.groups(search, number) {
            if bounds.iter().filter(|bound| **bound < threshold).count() == LANES {
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
            let tokens = query.block.tokens();
            let attention = scorer.attention(tokens);
            let of_lanes = kernels.bounds(attention, bounded, &group, &mut scratch);
            let margin = margin(targets.dim, tokens as f32 + longest);
            let to = &mut bounds[(number * groups.len() + place) * LANES..][..LANES];
            for (to, bound) in to.iter_mut().zip(of_lanes) {
                *to = bound + margin;
            }
        }
    }
    bounds
}
