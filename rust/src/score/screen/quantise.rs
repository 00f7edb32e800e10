//! Tokens laid on a basis and quantised: those of a space as a screen stores them, those of a query as its
//! bounds are computed.

use super::{NO_TEXT, Screen};
use crate::score::executor::Executor;
use crate::score::rows::Rows;
use crate::simd::codes::{GROUP, ROW_VALUES};
use crate::simd::quantised::{CHUNK, NO_TOKEN, OFFSET, Quantised, STORED_ERROR};
use crate::simd::{AlignedBuffer, Kernels, PackedQuery};
use std::ops::Range;

/// Quantises the tokens of a space, group by group.
pub struct Quantiser<'a> {
    kernels: &'static Kernels,
    basis: PackedQuery,
    components: usize,
    rows: Rows<'a>,
    dim: usize,
}

/// What is stored of one group.
#[derive(Debug, Clone, Default)]
pub struct GroupRows {
    /// `(rows, components / 4, 32, 4)`, [`OFFSET`] added.
    pub codes: Vec<u8>,
    /// `(rows, 3, 32)`: scales, errors, residual norms.
    pub values: Vec<f32>,
}

/// Memory that one thread reuses from group to group.
#[derive(Default)]
struct Scratch {
    units: Vec<f32>,
    out: AlignedBuffer,
}

impl<'a> Quantiser<'a> {
    /// For a basis `(components, dim)` and unit vectors.
    pub fn new(kernels: &'static Kernels, basis: &[f32], rows: Rows<'a>, dim: usize) -> Self {
        let components = basis.len() / dim;
        let basis = kernels.pack(basis, &vec![1.0; components], dim);
        Self { kernels, basis, components, rows, dim }
    }

    /// Quantises the texts of many groups' lanes, whose rows `text_rows` knows, on all threads.
    pub(crate) fn groups(
        &self,
        lanes: &[u32],
        text_rows: impl Fn(u32) -> Range<usize> + Sync,
        executor: &Executor,
    ) -> Vec<GroupRows> {
        let groups: Vec<&[u32]> = lanes.chunks(GROUP).collect();
        executor.each(&groups, |lanes, scratch| self.group(lanes, &text_rows, scratch))
    }

    fn group(
        &self,
        lanes: &[u32],
        text_rows: impl Fn(u32) -> Range<usize>,
        scratch: &mut Scratch,
    ) -> GroupRows {
        let texts: Vec<Range<usize>> = lanes
            .iter()
            .map(|&text| if text == NO_TEXT { 0..0 } else { text_rows(text) })
            .collect();
        let longest = texts.iter().map(Range::len).max().unwrap_or(0);
        let row_codes = self.components * GROUP;
        let mut group = GroupRows {
            codes: vec![OFFSET as u8; longest * row_codes],
            values: vec![0.0; longest * ROW_VALUES],
        };
        for (lane, text) in texts.into_iter().enumerate() {
            self.coefficients(text.clone(), scratch);
            let stride = self.basis.lanes();
            for j in 0..longest {
                let values = &mut group.values[j * ROW_VALUES..];
                if j >= text.len() {
                    values[GROUP + lane] = NO_TOKEN;
                    continue;
                }
                let unit = &scratch.units[j * self.dim..(j + 1) * self.dim];
                let coefficients = &scratch.out.values()[j * stride..][..self.components];
                let token = Quantised::target(unit, coefficients);
                values[lane] = token.scale;
                values[GROUP + lane] = token.error;
                values[2 * GROUP + lane] = token.residual_norm;
                let row = &mut group.codes[j * row_codes..(j + 1) * row_codes];
                for (chunk, four) in token.codes.chunks_exact(CHUNK).enumerate() {
                    for (k, &code) in four.iter().enumerate() {
                        row[(chunk * GROUP + lane) * CHUNK + k] = (i32::from(code) + OFFSET) as u8;
                    }
                }
            }
        }
        group
    }

    /// Coefficients of a text's tokens on the basis, a row of lanes each.
    fn coefficients(&self, text: Range<usize>, scratch: &mut Scratch) {
        if text.is_empty() {
            return;
        }
        scratch.units.clear();
        self.rows.widen(text.clone(), self.dim, &mut scratch.units);
        scratch.out.grow(self.kernels.out_len(&self.basis, text.len()));
        let rows: Vec<_> = scratch.units.chunks_exact(self.dim).collect();
        self.kernels.dots(&self.basis, &rows, scratch.out.values_mut());
    }
}

/// Lays the tokens of one packed query, whose units are row-major `(tokens, dim)`, on a screen's basis.
pub(in crate::score) fn bound_tokens(
    kernels: &Kernels,
    screen: &Screen,
    packed: &PackedQuery,
    units: &[f32],
    dim: usize,
) -> Vec<Quantised> {
    let components = screen.components(dim);
    let mut out = AlignedBuffer::default();
    out.grow(kernels.out_len(packed, components));
    let rows: Vec<_> = screen.basis.chunks_exact(dim).collect();
    kernels.dots(packed, &rows, out.values_mut());
    let quantise = |(i, unit): (usize, &[f32])| {
        let coefficients = out.values().iter().skip(i).step_by(packed.lanes());
        let coefficients: Vec<f32> = coefficients.copied().take(components).collect();
        Quantised::query(kernels.query_limits(), unit, &coefficients)
    };
    units.chunks_exact(dim).enumerate().map(quantise).collect()
}

/// The tokens of one query as they meet units that are stored as bytes.
pub(in crate::score) fn byte_tokens(
    kernels: &Kernels,
    units: &[f32],
    dim: usize,
) -> Vec<Quantised> {
    let limits = kernels.query_limits().of_bytes();
    units.chunks_exact(dim).map(|unit| Quantised::query(limits, unit, unit)).collect()
}

/// Lays units that are stored as bytes out as a group: the codes and scales of up to 32 texts, whose rows
/// are given. Returns the tokens of each lane's text.
pub(in crate::score) fn byte_group(
    codes: &[i8],
    scales: &[f32],
    dim: usize,
    texts: &[Range<usize>],
    group: &mut GroupRows,
) -> [f32; GROUP] {
    let mut tokens = [0.0; GROUP];
    tokens.iter_mut().zip(texts).for_each(|(tokens, text)| *tokens = text.len() as f32);
    let longest = texts.iter().map(Range::len).max().unwrap_or(0);
    // What an empty lane or row holds is of no meaning.
    group.codes.resize(longest * dim * GROUP, 0);
    group.values.clear();
    group.values.resize(longest * ROW_VALUES, 0.0);
    let rows = group.codes.chunks_exact_mut(dim * GROUP);
    for (j, (to, values)) in rows.zip(group.values.chunks_exact_mut(ROW_VALUES)).enumerate() {
        let (to, _) = to.as_chunks_mut::<CHUNK>();
        for (lane, text) in texts.iter().enumerate() {
            values[GROUP + lane] = NO_TOKEN;
            let row = text.start + j;
            if row < text.end {
                values[lane] = scales[row];
                values[GROUP + lane] = STORED_ERROR;
                let (chunks, _) = codes[row * dim..(row + 1) * dim].as_chunks::<CHUNK>();
                for (to, four) in to[lane..].iter_mut().step_by(GROUP).zip(chunks) {
                    *to = four.map(|code| code.cast_unsigned() ^ (OFFSET as u8));
                }
            }
        }
    }
    tokens
}
