//! Upper bounds of scores from vectors cut to bytes: 32 texts at a time, a lane each.
//!
//! A cosine is at most what two short vectors of bytes give, plus what was cut off, which both
//! sides know of themselves (`docs/method.md`). A score is a mean of mixtures of cosines, so a
//! mean of their largest bounds it. Nothing is summed across lanes.

use super::attend::Attention;
use super::bytes::{Bytes, HALF_BLOCK, dots};

/// Texts of a group.
pub const LANES: usize = 32;

/// Dimensions whose codes lie together: four of one text, then four of the next.
pub const CHUNK: usize = 4;

/// Dimensions of a block; the number of axes is a multiple of it.
pub const BLOCK: usize = 2 * HALF_BLOCK;

/// Floats beside the codes of a group's row: step, error and remainder of each lane.
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
    /// The smallest step found with which `values` over it round to codes within the limits, and
    /// those codes. Zeros have the step zero.
    pub fn cut(self, values: &[f32], codes: &mut Vec<i8>) -> f32 {
        let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let mut step = largest / self.range as f32;
        loop {
            codes.clear();
            // A step below the normal numbers has no reciprocal.
            let scale = if step < f32::MIN_POSITIVE { 0.0 } else { step.recip() };
            let code = |value: &f32| (value * scale).round().clamp(-127.0, 127.0) as i8;
            codes.extend(values.iter().map(code));
            let most = codes.chunks(BLOCK).flat_map(energies).max().unwrap_or(0);
            if most <= self.energy {
                return if scale > 0.0 { step } else { 0.0 };
            }
            step *= (most as f32 / self.energy as f32).sqrt().max(1.001);
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
    pub step: f32,
    /// Length of what was rounded off, at least.
    pub error: f32,
    /// Length of what lies outside the axes, at least.
    pub remainder: f32,
}

/// The tokens of one query, laid out for one level.
#[derive(Debug, Clone, Default)]
pub struct BoundQuery {
    axes: usize,
    tokens: usize,
    /// Tokens of a panel, whose sums fit the registers; the last panel is filled up with zeros.
    panel: usize,
    /// Panel by panel and chunk by chunk, four codes of each token.
    codes: Vec<u32>,
    /// -128 times the sum of a token's codes, panel by panel: a target's codes are stored with 128
    /// added.
    offsets: Vec<i32>,
    /// The same of the halves of each block, in 16 bits that wrap, panel by panel, block by block.
    half_offsets: Vec<u32>,
    /// Step, factor of a target's error, factor of its remainder, and constant of each token.
    values: Vec<[f32; 4]>,
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
            query.values.push([token.step, factor, token.remainder, LONGEST * token.error]);
        }
        query
    }

    /// Codes of a token.
    pub(super) fn axes(&self) -> usize {
        self.axes
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
    /// `(rows, 3, 32)`: steps, errors, remainders. Beyond a text's end an error of -3.
    pub values: &'a [f32],
    /// Tokens of each text; 0 where the lane has none.
    pub tokens: &'a [f32; LANES],
}

/// The error of a row beyond a text's end: below every bound of a cosine.
pub const NO_TOKEN: f32 = -3.0;

/// A bound of each text's score, up to rounding of float32 arithmetic; of no meaning in lanes
/// without a text. NaN where a token's values, of a damaged file, are not finite.
///
/// # Safety
/// As [`Vector`]. The group's lengths fit the query's axes; `scratch` holds
/// [`BoundQuery::scratch_len`] values.
#[inline(always)]
pub(super) unsafe fn bounds<B: Bytes>(
    attention: Attention,
    query: &BoundQuery,
    group: &BoundGroup,
    scratch: &mut [f32],
) -> [f32; LANES] {
    // SAFETY: passed on to the caller.
    unsafe {
        match attention {
            Attention::Target | Attention::Max => by::<B, true, false>(0.0, query, group, scratch),
            Attention::Query => by::<B, false, true>(1.0, query, group, scratch),
            Attention::Both { by_query } => {
                by::<B, true, true>(by_query as f32, query, group, scratch)
            }
        }
    }
}

#[inline(always)]
unsafe fn by<B: Bytes, const TARGET: bool, const QUERY: bool>(
    weight: f32,
    query: &BoundQuery,
    group: &BoundGroup,
    scratch: &mut [f32],
) -> [f32; LANES] {
    let (best, cells) = scratch.split_at_mut(query.tokens * LANES);
    if TARGET {
        best.fill(f32::NEG_INFINITY);
    }
    let (best, cells) = (best.as_mut_ptr(), cells.as_mut_ptr());
    let mut sums = [0.0; LANES];
    // Zeros, or NaN where a cosine of the lane is no number, which maxima would pass over.
    let mut taints = [0.0; LANES];
    let rows = group.values.len() / ROW_VALUES;
    // SAFETY: every row has `axes` codes and three values for each of 32 lanes, `cells` 32
    // values for each token of each panel, `best` for each token.
    unsafe {
        for j in 0..rows {
            let codes = group.codes.as_ptr().add(j * query.axes * LANES);
            let values = group.values.as_ptr().add(j * ROW_VALUES);
            for panel in 0..query.offsets.len() / query.panel {
                dots::<B>(query, panel, codes, cells.add(panel * query.panel * LANES));
            }
            for lane in (0..LANES).step_by(B::LANES) {
                let step = B::load(values.add(lane));
                let error = B::load(values.add(LANES + lane));
                let remainder = B::load(values.add(2 * LANES + lane));
                let mut largest = B::splat(f32::NEG_INFINITY);
                let mut last = step;
                for (i, &[scale, by_error, by_remainder, constant]) in
                    query.values.iter().enumerate()
                {
                    let rest = remainder.mul_add(B::splat(by_remainder), B::splat(constant));
                    let rest = error.mul_add(B::splat(by_error), rest);
                    let cell = B::load(cells.add(i * LANES + lane)).mul(step);
                    let cosine = cell.mul_add(B::splat(scale), rest);
                    last = cosine;
                    if TARGET {
                        let best = best.add(i * LANES + lane);
                        B::load(best).max(cosine).store(best);
                    }
                    if QUERY {
                        largest = largest.max(cosine);
                    }
                }
                let taint = taints.as_mut_ptr().add(lane);
                last.mul_add(B::splat(0.0), B::load(taint)).store(taint);
                if QUERY {
                    // 1 within the text, 0 beyond its end.
                    let within = B::load(group.tokens.as_ptr().add(lane)).sub(B::splat(j as f32));
                    let within = within.min(B::splat(1.0)).max(B::splat(0.0));
                    let sum = sums.as_mut_ptr().add(lane);
                    largest.mul_add(within, B::load(sum)).store(sum);
                }
            }
        }
        let mut bounds = [0.0; LANES];
        for lane in (0..LANES).step_by(B::LANES) {
            let mut by_target = B::splat(0.0);
            for i in 0..query.tokens {
                by_target = by_target.add(B::load(best.add(i * LANES + lane)));
            }
            let by_target = by_target.div(B::splat(query.tokens as f32));
            let tokens = B::load(group.tokens.as_ptr().add(lane)).max(B::splat(1.0));
            let by_query = B::load(sums.as_ptr().add(lane)).div(tokens);
            let bound = match (TARGET, QUERY) {
                (true, true) => {
                    let by_query = by_query.mul(B::splat(weight));
                    by_target.mul_add(B::splat(1.0 - weight), by_query)
                }
                (true, false) => by_target,
                _ => by_query,
            };
            bound.add(B::load(taints.as_ptr().add(lane))).store(bounds.as_mut_ptr().add(lane));
        }
        bounds
    }
}

impl BoundQuery {
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
}
