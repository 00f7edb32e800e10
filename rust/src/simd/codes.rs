//! Vectors cut to bytes: how targets are stored and a query is laid out for upper bounds.
//!
//! `docs/method.md` says what these numbers mean, and why bounds from them hold.

#![forbid(unsafe_code)]

/// Texts of a group.
pub const LANES: usize = 32;

/// Dimensions whose codes lie together: four of one text, then four of the next.
pub const CHUNK: usize = 4;

/// Dimensions of a block; the number of axes is a multiple of it.
pub const BLOCK: usize = 2 * HALF_BLOCK;

/// Dimensions of half a block: what sixteen bits sum at the level that has no more.
pub(super) const HALF_BLOCK: usize = 16;

/// Floats beside the codes of a group's row: scale, error and residual of each lane.
pub const ROW_VALUES: usize = 3 * LANES;

/// The largest code of a target, and the largest sum of squares of half a block of its codes: with
/// the same of a query, `Bytes::QUERY`, a sum of products fits 16 bits.
pub const CODES: Codes = Codes { range: 127, energy: 256 * 256 };

/// What codes are held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// Largest absolute value.
    pub range: i32,
    /// Largest sum of squares of half a block: of the first two of every four dimensions of it, or of
    /// the others.
    pub energy: i32,
}

impl Codes {
    /// The smallest scale found with which `values` over it round to codes within the limits, and
    /// those codes. Zeros have the scale zero.
    pub fn cut(self, values: &[f32], codes: &mut Vec<i8>) -> f32 {
        let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let mut scale = largest / self.range as f32;
        loop {
            codes.clear();
            // A scale below the normal numbers has no reciprocal.
            let inverse = if scale < f32::MIN_POSITIVE { 0.0 } else { scale.recip() };
            let code = |value: &f32| (value * inverse).round().clamp(-127.0, 127.0) as i8;
            codes.extend(values.iter().map(code));
            let most = codes.chunks(BLOCK).flat_map(energies).max().unwrap_or(0);
            if most <= self.energy {
                return if inverse > 0.0 { scale } else { 0.0 };
            }
            scale *= (most as f32 / self.energy as f32).sqrt().max(1.001);
        }
    }
}

/// Sums of squares of both halves of a block.
fn energies(block: &[i8]) -> [i32; 2] {
    let mut energies = [0; 2];
    for four in block.chunks(CHUNK) {
        for (k, &code) in four.iter().enumerate() {
            energies[k / 2] += i32::from(code) * i32::from(code);
        }
    }
    energies
}

/// One token of a query, cut to bytes.
#[derive(Debug, Clone, Copy)]
pub struct BoundToken<'a> {
    /// `(axes,)`, within the limits of [`super::Kernels::query_codes`].
    pub codes: &'a [i8],
    /// What a code stands for.
    pub scale: f32,
    /// Length of what was rounded off, at least.
    pub error: f32,
    /// Length of what lies outside the axes, at least.
    pub residual: f32,
}

/// The tokens of one query, laid out for one level.
#[derive(Debug, Clone, Default)]
pub struct BoundQuery {
    pub(super) axes: usize,
    pub(super) tokens: usize,
    /// Tokens of a panel, whose sums fit the registers; the last panel is filled up with zeros.
    pub(super) panel: usize,
    /// Panel by panel and chunk by chunk, four codes of each token.
    pub(super) codes: Vec<u32>,
    /// -128 times the sum of a token's codes, panel by panel: a target's codes are stored with 128
    /// added.
    pub(super) offsets: Vec<i32>,
    /// The same of the halves of each block, in 16 bits that wrap, panel by panel, block by block.
    pub(super) half_offsets: Vec<u32>,
    /// Scale, factor of a target's error, factor of its residual, and constant of each token.
    pub(super) values: Vec<[f32; 4]>,
}

/// Length of a target's vector of bytes, beyond its error: of units, those in half precision too.
const LONGEST: f32 = 1.002;

impl BoundQuery {
    /// Lays out tokens of `axes` codes each; `panel` tokens at most are computed side by side.
    pub(super) fn new<'a>(
        axes: usize,
        tokens: impl ExactSizeIterator<Item = BoundToken<'a>>,
        panel: usize,
    ) -> Self {
        let count = tokens.len();
        let panels = count.div_ceil(panel);
        let panel = count.div_ceil(panels);
        let (chunks, blocks) = (axes / CHUNK, axes / BLOCK);
        let mut query = Self {
            axes,
            tokens: count,
            panel,
            codes: vec![0; panels * panel * chunks],
            offsets: vec![0; panels * panel],
            half_offsets: vec![0; panels * panel * blocks],
            values: Vec::with_capacity(count),
        };
        for (i, token) in tokens.enumerate() {
            let (first, lane) = (i / panel * panel, i % panel);
            for (c, four) in token.codes.chunks_exact(CHUNK).enumerate() {
                let four = [four[0], four[1], four[2], four[3]].map(i8::cast_unsigned);
                query.codes[first * chunks + c * panel + lane] = u32::from_le_bytes(four);
            }
            for (b, block) in token.codes.chunks_exact(BLOCK).enumerate() {
                let mut sums = [0_i32; 2];
                for four in block.chunks_exact(CHUNK) {
                    sums[0] += i32::from(four[0]) + i32::from(four[1]);
                    sums[1] += i32::from(four[2]) + i32::from(four[3]);
                }
                query.offsets[i] -= 128 * (sums[0] + sums[1]);
                let wrapped = sums.map(|sum| (-128 * sum) as u16);
                query.half_offsets[first * blocks + b * panel + lane] =
                    u32::from(wrapped[0]) | u32::from(wrapped[1]) << 16;
            }
            // Beside the error itself, a query's unit may be longer than 1 by its rounding.
            let factor = 1.000_001 + token.error;
            query.values.push([token.scale, factor, token.residual, LONGEST * token.error]);
        }
        query
    }

    /// Codes of a token.
    pub(super) fn axes(&self) -> usize {
        self.axes
    }

    /// What the dot products of a panel read: its codes, the offset of each token, and those of the
    /// halves of each block.
    pub(super) fn panel(&self, panel: usize) -> (&[u32], &[i32], &[u32]) {
        let (chunks, blocks) = (self.axes / CHUNK, self.axes / BLOCK);
        let tokens = panel * self.panel..(panel + 1) * self.panel;
        (
            &self.codes[tokens.start * chunks..tokens.end * chunks],
            &self.offsets[tokens.clone()],
            &self.half_offsets[tokens.start * blocks..tokens.end * blocks],
        )
    }

    /// Values that [`super::Kernels::bounds`] needs as scratch.
    pub fn scratch_len(&self) -> usize {
        (self.codes.len() * CHUNK / self.axes + self.tokens) * LANES
    }
}

/// Up to 32 texts, by row: row `j` holds token `j` of each text.
#[derive(Debug, Clone, Copy)]
pub struct BoundGroup<'a> {
    /// `(rows, axes / 4, 32, 4)`, 128 added.
    pub codes: &'a [u8],
    /// `(rows, 3, 32)`: scales, errors, residuals. Beyond a text's end an error of -3.
    pub values: &'a [f32],
    /// Tokens of each text; 0 where the lane has none.
    pub tokens: &'a [f32; LANES],
}

/// The error of a row beyond a text's end: below every bound of a cosine.
pub const NO_TOKEN: f32 = -3.0;
