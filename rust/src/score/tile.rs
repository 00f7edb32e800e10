//! A tile: as many whole targets as the caches hold, scored against one block of queries.

use super::rows::Rows;
use super::scorer::Scorer;
use super::targets::Targets;
use crate::simd::{AlignedBuffer, Kernels, PackedQuery, Pair};
use crate::tokens::TokenVectors;

/// Rows of a tile, unless one target has more. A multiple of every level's group of rows, so that
/// few rows are computed for nothing; at 384 dimensions a tile takes 110 KB.
const TILE_ROWS: usize = 72;

/// Bytes of packed query tokens that stay in a second-level cache beside a tile.
const BLOCK_BYTES: usize = 256 * 1024;

/// Bytes of the packed tokens of one bundle, at most.
const BUNDLE_BYTES: usize = 1024 * 1024;

/// Queries that are scored together, their tokens in lanes.
pub(super) struct QueryBlock {
    /// Index of each query.
    pub queries: Vec<usize>,
    packed: PackedQuery,
    layout: Layout,
}

/// Which lanes a query's tokens are in.
enum Layout {
    /// One query after the other: its first lane and number of tokens.
    InARow(Vec<(usize, usize)>),
    /// Bundles of queries of so many tokens: a register holds one token of each.
    Bundles(usize),
}

impl QueryBlock {
    /// Blocks of some queries: those of equal length into bundles, where there are enough of them
    /// to fill a register, the others in a row. A long query is a block of its own.
    pub fn all(kernels: &Kernels, queries: &TokenVectors, mut numbers: Vec<usize>) -> Vec<Self> {
        let (dim, width) = (queries.dim(), kernels.width());
        let lanes = (BLOCK_BYTES / (4 * dim)).clamp(48, 384) / 48 * 48;
        let longest = (BUNDLE_BYTES / (4 * dim * width)).min(kernels.longest_in_bundle());
        numbers.sort_by_key(|&query| queries.tokens(query));
        let (mut blocks, mut rest) = (Vec::new(), Vec::new());
        for equal in numbers.chunk_by(|&a, &b| queries.tokens(a) == queries.tokens(b)) {
            let tokens = queries.tokens(equal[0]);
            let whole = equal.len() / width * width;
            // A bundle costs the same however many of its lanes are empty.
            let bundled = match equal.len() - whole {
                _ if tokens > longest => 0,
                left if 2 * left > width => equal.len(),
                _ => whole,
            };
            let (bundled, others) = equal.split_at(bundled);
            let bundles = (lanes / (tokens * width)).max(1);
            let block = |part: &[usize]| Self::bundles(kernels, queries, part.to_vec());
            blocks.extend(bundled.chunks(bundles * width).map(block));
            rest.extend_from_slice(others);
        }
        rest.sort_unstable();
        let mut rest = &rest[..];
        while !rest.is_empty() {
            let mut filled = 0;
            // As many queries as fit, but one at least.
            let fit = rest.iter().take_while(|&&query| {
                filled += queries.tokens(query);
                filled <= lanes
            });
            let (block, left) = rest.split_at(fit.count().max(1));
            blocks.push(Self::in_a_row(kernels, queries, block.to_vec()));
            rest = left;
        }
        blocks
    }

    /// One query alone.
    pub fn one(kernels: &Kernels, queries: &TokenVectors, query: usize) -> Self {
        Self::in_a_row(kernels, queries, vec![query])
    }

    fn in_a_row(kernels: &Kernels, all: &TokenVectors, queries: Vec<usize>) -> Self {
        let mut spans = Vec::with_capacity(queries.len());
        let mut rows = Vec::new();
        for &query in &queries {
            spans.push((rows.len(), all.tokens(query)));
            rows.extend((all.offsets()[query]..all.offsets()[query + 1]).map(Some));
        }
        Self { queries, packed: pack(kernels, all, &rows), layout: Layout::InARow(spans) }
    }

    fn bundles(kernels: &Kernels, all: &TokenVectors, queries: Vec<usize>) -> Self {
        let (tokens, width) = (all.tokens(queries[0]), kernels.width());
        let mut rows = Vec::new();
        for bundle in queries.chunks(width) {
            for i in 0..tokens {
                let row = |lane| bundle.get(lane).map(|&query| all.offsets()[query] + i);
                rows.extend((0..width).map(row));
            }
        }
        Self { queries, packed: pack(kernels, all, &rows), layout: Layout::Bundles(tokens) }
    }

    /// Its tokens in lanes.
    pub fn packed(&self) -> &PackedQuery {
        &self.packed
    }

    /// Number of tokens of all its queries.
    pub fn tokens(&self) -> usize {
        match &self.layout {
            Layout::InARow(spans) => spans.iter().map(|span| span.1).sum(),
            Layout::Bundles(tokens) => tokens * self.len(),
        }
    }

    /// Number of queries.
    pub fn len(&self) -> usize {
        self.queries.len()
    }
}

/// Some rows in lanes; zeros where there is none.
fn pack(kernels: &Kernels, queries: &TokenVectors, rows: &[Option<usize>]) -> PackedQuery {
    let dim = queries.dim();
    let (mut units, mut norms) = (vec![0.0; rows.len() * dim], vec![0.0; rows.len()]);
    for ((unit, norm), row) in units.chunks_exact_mut(dim).zip(&mut norms).zip(rows) {
        if let Some(row) = *row {
            unit.copy_from_slice(&queries.units()[row * dim..(row + 1) * dim]);
            *norm = queries.norms()[row];
        }
    }
    kernels.pack(&units, &norms, dim)
}

/// Memory that one thread reuses from tile to tile.
#[derive(Default)]
pub(super) struct Scratch {
    /// Rows of a tile that is not stored in single precision, widened.
    widened: AlignedBuffer,
    cosines: AlignedBuffer,
    logits: AlignedBuffer,
    /// Empty between tiles: its memory is used again.
    rows: Vec<&'static [f32]>,
    norms: Vec<f32>,
    /// Scores of one text.
    text: Vec<f32>,
    scores: Vec<f32>,
    texts: Vec<u32>,
}

/// Scores of one target for each query of a block.
pub(super) struct TargetScores<'a> {
    /// Position among the targets asked for.
    pub position: usize,
    /// One score a query.
    pub scores: &'a [f32],
    /// The text that scored best, one a query: 0 is the label, then the aliases.
    pub texts: &'a [u32],
}

/// What is asked, of which targets.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub kernels: &'static Kernels,
    pub scorer: Scorer,
    pub queries: &'a TokenVectors,
    pub targets: &'a Targets<'a>,
    /// Targets asked for, or none for all.
    pub subset: Option<&'a [usize]>,
}

impl Question<'_> {
    /// Number of targets asked for.
    pub fn len(&self) -> usize {
        self.subset.map_or(self.targets.len(), <[usize]>::len)
    }

    /// Index of the target at a position.
    pub fn target(&self, position: usize) -> usize {
        self.subset.map_or(position, |subset| subset[position])
    }

    /// Scores the targets at `positions` against a block, one after the other.
    pub fn score(
        &self,
        block: &QueryBlock,
        positions: std::ops::Range<usize>,
        scratch: &mut Scratch,
        mut each: impl FnMut(TargetScores),
    ) {
        let mut first = positions.start;
        while first < positions.end {
            let mut rows = 0;
            let mut last = first;
            while last < positions.end {
                let texts = self.targets.target(self.target(last));
                let tokens: usize = texts.iter().map(|text| text.tokens as usize).sum();
                if last > first && rows + tokens > TILE_ROWS {
                    break;
                }
                rows += tokens;
                last += 1;
            }
            self.tile(block, first..last, rows, scratch, &mut each);
            first = last;
        }
    }

    fn tile(
        &self,
        block: &QueryBlock,
        positions: std::ops::Range<usize>,
        rows: usize,
        scratch: &mut Scratch,
        each: &mut impl FnMut(TargetScores),
    ) {
        self.widen(positions.clone(), rows, &mut scratch.widened);
        scratch.cosines.grow(self.kernels.out_len(&block.packed, rows));
        let mut gathered = emptied(std::mem::take(&mut scratch.rows));
        let widened = scratch.widened.values();
        self.gather(positions.clone(), widened, &mut gathered, &mut scratch.norms);
        self.kernels.dots(&block.packed, &gathered, scratch.cosines.values_mut());
        scratch.rows = emptied(gathered);
        let mut row = 0;
        for position in positions {
            let texts = self.targets.target(self.target(position));
            scratch.texts.clear();
            scratch.texts.resize(block.len(), 0);
            for (number, text) in texts.iter().enumerate() {
                let tokens = text.tokens as usize;
                self.text(block, row..row + tokens, scratch);
                row += tokens;
                if number == 0 {
                    std::mem::swap(&mut scratch.scores, &mut scratch.text);
                    continue;
                }
                let best = scratch.scores.iter_mut().zip(&mut scratch.texts);
                for ((best, best_text), &score) in best.zip(&scratch.text) {
                    if score > *best {
                        (*best, *best_text) = (score, number as u32);
                    }
                }
            }
            let scores = &scratch.scores[..block.len()];
            each(TargetScores { position, scores, texts: &scratch.texts });
        }
    }

    /// Scores of one text of a tile, whose rows are given, for each query of a block.
    fn text(&self, block: &QueryBlock, rows: std::ops::Range<usize>, scratch: &mut Scratch) {
        let (stride, width, tokens) = (block.packed.lanes(), self.kernels.width(), rows.len());
        let cosines = &scratch.cosines.values()[rows.start * stride..];
        scratch.text.resize(block.len().next_multiple_of(width), 0.0);
        let pair = |lane: usize, query_tokens| Pair {
            cosines: &cosines[lane..],
            stride,
            query_norms: &block.packed.norms()[lane..],
            target_norms: &scratch.norms[rows.clone()],
            query_tokens,
            inverse_temperature: self.scorer.temperature().recip() as f32,
        };
        match &block.layout {
            Layout::Bundles(1) if tokens == 1 => {
                // Pooled vectors: the only cosine is the score, whatever the attention.
                for (score, cosine) in scratch.text.iter_mut().zip(cosines) {
                    *score = cosine + 0.0;
                }
            }
            &Layout::Bundles(query_tokens) => {
                let attention = self.scorer.attention(query_tokens);
                scratch.logits.grow(self.kernels.bundle_len(query_tokens, tokens));
                for (bundle, scores) in scratch.text.chunks_exact_mut(width).enumerate() {
                    let pair = pair(bundle * query_tokens * width, query_tokens);
                    let logits = scratch.logits.values_mut();
                    self.kernels.attend_bundle(attention, &pair, logits, scores);
                }
            }
            Layout::InARow(spans) => {
                for (score, &(lane, query_tokens)) in scratch.text.iter_mut().zip(spans) {
                    *score = if tokens == 1 && query_tokens == 1 {
                        cosines[lane] + 0.0
                    } else {
                        let attention = self.scorer.attention(query_tokens);
                        self.kernels.attend(attention, &pair(lane, query_tokens))
                    };
                }
            }
        }
    }

    /// Widens the tile's rows that are not stored in single precision, each at its place among all.
    fn widen(&self, positions: std::ops::Range<usize>, rows: usize, widened: &mut AlignedBuffer) {
        let dim = self.targets.dim;
        if self.targets.segments.iter().all(|segment| matches!(segment.rows, Rows::F32(_))) {
            return;
        }
        widened.grow(rows * dim);
        let mut left = widened.values_mut();
        for position in positions {
            for text in self.targets.target(self.target(position)) {
                let tokens = text.row..text.row + text.tokens as usize;
                let values = tokens.start * dim..tokens.end * dim;
                let (to, rest) = left.split_at_mut(values.len());
                left = rest;
                match self.targets.segments[text.segment as usize].rows {
                    Rows::F32(_) => {}
                    Rows::F16(all) => self.kernels.widen(&all[values], to),
                    Rows::I8(codes, scales) => {
                        self.kernels.widen_codes(&codes[values], &scales[tokens], to);
                    }
                }
            }
        }
    }

    /// Collects the tile's rows, as they are stored or widened, and their norms.
    fn gather<'r>(
        &'r self,
        positions: std::ops::Range<usize>,
        widened: &'r [f32],
        rows: &mut Vec<&'r [f32]>,
        norms: &mut Vec<f32>,
    ) {
        let dim = self.targets.dim;
        norms.clear();
        for position in positions {
            for text in self.targets.target(self.target(position)) {
                let segment = &self.targets.segments[text.segment as usize];
                let tokens = text.row..text.row + text.tokens as usize;
                norms.extend_from_slice(&segment.norms[tokens.clone()]);
                let values = match segment.rows {
                    Rows::F32(all) => &all[tokens.start * dim..tokens.end * dim],
                    _ => &widened[rows.len() * dim..][..tokens.len() * dim],
                };
                rows.extend(values.chunks_exact(dim));
            }
        }
    }
}

/// The memory of a list for references that live as long as others: collecting in place keeps it.
fn emptied<'a>(mut rows: Vec<&[f32]>) -> Vec<&'a [f32]> {
    rows.clear();
    rows.into_iter().map(|_| -> &'a [f32] { unreachable!("the list is empty") }).collect()
}
