//! A tile: as many whole targets as the caches hold, scored against one block of queries.

use super::scorer::Scorer;
use super::targets::{Rows, Targets};
use crate::simd::{AlignedBuffer, Kernels, PackedQuery, Pair};
use crate::tokens::TokenVectors;

/// Rows of a tile, unless one target has more. A multiple of every level's group of rows, so that
/// few rows are computed for nothing; at 384 dimensions a tile takes 110 KB.
const TILE_ROWS: usize = 72;

/// Bytes of packed query tokens that stay in a second-level cache beside a tile.
const BLOCK_BYTES: usize = 256 * 1024;

/// Consecutive queries, packed into lanes side by side.
pub(super) struct QueryBlock {
    /// Index of the first query.
    pub first: usize,
    packed: PackedQuery,
    /// First lane and number of tokens of each query.
    spans: Vec<(usize, usize)>,
}

impl QueryBlock {
    /// Cuts queries into blocks; a long query is a block of its own.
    pub fn cut(kernels: &Kernels, queries: &TokenVectors) -> Vec<Self> {
        let dim = queries.dim();
        let lanes = (BLOCK_BYTES / (4 * dim)).clamp(48, 384) / 48 * 48;
        let offsets = queries.offsets();
        let mut blocks = Vec::new();
        let mut first = 0;
        while first < queries.len() {
            let start = offsets[first];
            // As many queries as fit, but one at least.
            let fitting = offsets[first + 1..].partition_point(|&end| end - start <= lanes);
            let last = first + fitting.max(1);
            let rows = start..offsets[last];
            let spans = (first..last).map(|i| (offsets[i] - start, queries.tokens(i))).collect();
            let units = &queries.units()[rows.start * dim..rows.end * dim];
            let packed = kernels.pack(units, &queries.norms()[rows], dim);
            blocks.push(Self { first, packed, spans });
            first = last;
        }
        blocks
    }

    /// One query alone.
    pub fn one(kernels: &Kernels, queries: &TokenVectors, query: usize) -> Self {
        let (dim, offsets) = (queries.dim(), queries.offsets());
        let rows = offsets[query]..offsets[query + 1];
        let units = &queries.units()[rows.start * dim..rows.end * dim];
        let tokens = rows.len();
        let packed = kernels.pack(units, &queries.norms()[rows], dim);
        Self { first: query, packed, spans: vec![(0, tokens)] }
    }

    /// Its tokens in lanes.
    pub fn packed(&self) -> &PackedQuery {
        &self.packed
    }

    /// Number of tokens of all its queries.
    pub fn tokens(&self) -> usize {
        self.spans.iter().map(|span| span.1).sum()
    }

    /// Number of queries.
    pub fn len(&self) -> usize {
        self.spans.len()
    }
}

/// Memory that one thread reuses from tile to tile.
#[derive(Default)]
pub(super) struct Scratch {
    /// Rows of a half-precision tile, widened.
    widened: AlignedBuffer,
    cosines: AlignedBuffer,
    columns: AlignedBuffer,
    rows: Vec<*const f32>,
    norms: Vec<f32>,
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

/// What a scan needs and never changes.
#[derive(Clone, Copy)]
pub(super) struct Scan<'a> {
    pub kernels: &'static Kernels,
    pub scorer: Scorer,
    pub targets: &'a Targets<'a>,
    /// Targets asked for, or none for all.
    pub subset: Option<&'a [usize]>,
}

impl Scan<'_> {
    /// Number of targets asked for.
    pub fn len(&self) -> usize {
        self.subset.map_or(self.targets.len(), <[usize]>::len)
    }

    /// Index of the target at a position.
    pub fn target(&self, position: usize) -> usize {
        self.subset.map_or(position, |subset| subset[position])
    }

    /// Scores the targets at `positions` against a block, one after the other.
    pub fn run(
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
        self.gather(positions.clone(), rows, scratch);
        scratch.cosines.grow(self.kernels.out_len(&block.packed, rows));
        // SAFETY: `gather` left pointers to whole rows of `dim` values, in the target space or in
        // `widened`, both of which outlive this call.
        unsafe {
            self.kernels.dots(&block.packed, &scratch.rows, scratch.cosines.values_mut());
        }
        let lanes = block.packed.lanes();
        let inverse_temperature = self.scorer.temperature().recip() as f32;
        let mut row = 0;
        for position in positions {
            let texts = self.targets.target(self.target(position));
            scratch.scores.clear();
            scratch.scores.resize(block.len(), f32::NEG_INFINITY);
            scratch.texts.clear();
            scratch.texts.resize(block.len(), 0);
            for (number, text) in texts.iter().enumerate() {
                let tokens = text.tokens as usize;
                for (query, &(lane, query_tokens)) in block.spans.iter().enumerate() {
                    let score = if tokens == 1 && query_tokens == 1 {
                        // Pooled vectors: the only cosine is the score, whatever the attention.
                        scratch.cosines.values()[row * lanes + lane] + 0.0
                    } else {
                        scratch.columns.grow(self.kernels.columns_len(query_tokens));
                        let pair = Pair {
                            cosines: &scratch.cosines.values()[row * lanes + lane..],
                            stride: lanes,
                            query_norms: &block.packed.norms()[lane..],
                            target_norms: &scratch.norms[row..row + tokens],
                            query_tokens,
                            inverse_temperature,
                        };
                        let columns = scratch.columns.values_mut();
                        self.kernels.attend(self.scorer.attention(), &pair, columns)
                    };
                    if number == 0 || score > scratch.scores[query] {
                        scratch.scores[query] = score;
                        scratch.texts[query] = number as u32;
                    }
                }
                row += tokens;
            }
            each(TargetScores { position, scores: &scratch.scores, texts: &scratch.texts });
        }
    }

    /// Collects the tile's rows and norms, widening those of half precision.
    fn gather(&self, positions: std::ops::Range<usize>, rows: usize, scratch: &mut Scratch) {
        let dim = self.targets.dim;
        scratch.rows.clear();
        scratch.norms.clear();
        if self.targets.segments.iter().any(|s| matches!(s.rows, Rows::F16(_))) {
            scratch.widened.grow(rows * dim);
        }
        for position in positions {
            for text in self.targets.target(self.target(position)) {
                let segment = &self.targets.segments[text.segment as usize];
                let tokens = text.row..text.row + text.tokens as usize;
                let values = tokens.start * dim..tokens.end * dim;
                scratch.norms.extend_from_slice(&segment.norms[tokens]);
                match segment.rows {
                    Rows::F32(all) => {
                        scratch.rows.extend(all[values].chunks_exact(dim).map(<[f32]>::as_ptr));
                    }
                    Rows::F16(all) => {
                        let at = scratch.rows.len() * dim;
                        let to = &mut scratch.widened.values_mut()[at..at + values.len()];
                        self.kernels.widen(&all[values], to);
                        scratch.rows.resize(scratch.norms.len(), std::ptr::null());
                    }
                }
            }
        }
        // Only now that nothing is written to it any more.
        let widened = scratch.widened.values().as_ptr();
        for (i, row) in scratch.rows.iter_mut().enumerate().filter(|(_, row)| row.is_null()) {
            *row = widened.wrapping_add(i * dim);
        }
    }
}

// SAFETY: `rows` points to a target space, or to `widened`, which moves along with the scratch;
// it is filled and read within one call of `tile` and never between.
unsafe impl Send for Scratch {}
