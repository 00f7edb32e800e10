//! A space's tokens as a screen stores them.

use super::{NO_TEXT, SKEW, at_least, residual, rounding};
use crate::score::rows::Rows;
use crate::score::threads::{each, pool};
use crate::simd::codes::{CHUNK, CODES, LANES, NO_TOKEN, ROW_VALUES};
use crate::simd::{AlignedBuffer, Kernels, PackedQuery};
use std::ops::Range;

/// Cuts tokens to bytes, group by group.
pub struct Cutter<'a> {
    kernels: &'static Kernels,
    axes: PackedQuery,
    count: usize,
    rows: Rows<'a>,
    dim: usize,
}

/// What is stored of one group.
#[derive(Debug, Clone, Default)]
pub struct GroupRows {
    /// `(rows, axes / 4, 32, 4)`, 128 added.
    pub codes: Vec<u8>,
    /// `(rows, 3, 32)`: scales, errors, residuals.
    pub values: Vec<f32>,
}

impl<'a> Cutter<'a> {
    /// For axes `(axes, dim)` and unit vectors.
    pub fn new(kernels: &'static Kernels, axes: &[f32], rows: Rows<'a>, dim: usize) -> Self {
        let count = axes.len() / dim;
        let axes = kernels.pack(axes, &vec![1.0; count], dim);
        Self { kernels, axes, count, rows, dim }
    }

    /// Cuts many groups, on all threads; lanes and texts as [`Cutter::group`].
    pub fn groups(
        &self,
        lanes: &[u32],
        text_rows: impl Fn(u32) -> Range<usize> + Sync,
    ) -> Vec<GroupRows> {
        let groups: Vec<&[u32]> = lanes.chunks(LANES).collect();
        each(pool().as_deref(), &groups, |lanes| self.group(lanes, &text_rows))
    }

    /// Cuts the texts of a group's lanes, whose rows `text_rows` knows.
    pub fn group(&self, lanes: &[u32], text_rows: impl Fn(u32) -> Range<usize>) -> GroupRows {
        let texts: Vec<Range<usize>> = lanes
            .iter()
            .map(|&text| if text == NO_TEXT { 0..0 } else { text_rows(text) })
            .collect();
        let longest = texts.iter().map(Range::len).max().unwrap_or(0);
        let row_codes = self.count * LANES;
        let mut group = GroupRows {
            codes: vec![128; longest * row_codes],
            values: vec![0.0; longest * ROW_VALUES],
        };
        let mut scratch = Scratch::default();
        for (lane, text) in texts.into_iter().enumerate() {
            self.coefficients(text.clone(), &mut scratch);
            let stride = self.axes.lanes();
            for j in 0..longest {
                let values = &mut group.values[j * ROW_VALUES..];
                if j >= text.len() {
                    values[LANES + lane] = NO_TOKEN;
                    continue;
                }
                let unit = &scratch.units[j * self.dim..(j + 1) * self.dim];
                let coefficients = &scratch.out.values()[j * stride..][..self.count];
                let token = Token::cut(unit, coefficients, &mut scratch.codes);
                values[lane] = token.scale;
                values[LANES + lane] = token.error;
                values[2 * LANES + lane] = token.residual;
                let row = &mut group.codes[j * row_codes..(j + 1) * row_codes];
                for (chunk, four) in scratch.codes.chunks_exact(CHUNK).enumerate() {
                    for (k, &code) in four.iter().enumerate() {
                        let at = (chunk * LANES + lane) * CHUNK + k;
                        row[at] = (i16::from(code) + 128) as u8;
                    }
                }
            }
        }
        group
    }

    /// Coefficients of a text's tokens on the axes, a row of lanes each.
    fn coefficients(&self, text: Range<usize>, scratch: &mut Scratch) {
        if text.is_empty() {
            return;
        }
        scratch.units.clear();
        self.rows.widen(text.clone(), self.dim, &mut scratch.units);
        scratch.out.grow(self.kernels.out_len(&self.axes, text.len()));
        let rows: Vec<_> = scratch.units.chunks_exact(self.dim).collect();
        self.kernels.dots(&self.axes, &rows, scratch.out.values_mut());
    }
}

#[derive(Default)]
struct Scratch {
    units: Vec<f32>,
    out: AlignedBuffer,
    codes: Vec<i8>,
}

/// What a token's row says beside its codes.
struct Token {
    scale: f32,
    error: f32,
    residual: f32,
}

impl Token {
    fn cut(unit: &[f32], coefficients: &[f32], codes: &mut Vec<i8>) -> Self {
        let scale = CODES.cut(coefficients, codes);
        let square = |x: f64| x * x;
        let length: f64 = unit.iter().map(|&x| square(f64::from(x))).sum();
        let held: f64 = coefficients.iter().map(|&x| square(f64::from(x))).sum();
        let rounded: f64 = coefficients
            .iter()
            .zip(&*codes)
            .map(|(&x, &code)| square(f64::from(x) - f64::from(scale) * f64::from(code)))
            .sum();
        // Units in half precision may be longer than 1 by 2^-11.
        let off = 1.001 * rounding(unit.len()) * (coefficients.len() as f64).sqrt();
        let error = (rounded.sqrt() + off) * (1.0 + SKEW) + 1.001 * SKEW;
        Self { scale, error: at_least(error), residual: at_least(residual(length, held, off)) }
    }
}
