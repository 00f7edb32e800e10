//! A query's tokens, cut to bytes on a screen's axes.

use super::{Screen, residual, rounding};
use crate::simd::codes::{BoundQuery, BoundToken};
use crate::simd::{AlignedBuffer, Kernels, PackedQuery};

/// Lays out the tokens of one packed query, whose units are row-major `(tokens, dim)`.
pub(in crate::score) fn bound_query(
    kernels: &Kernels,
    screen: &Screen,
    packed: &PackedQuery,
    units: &[f32],
    dim: usize,
) -> BoundQuery {
    let axes = screen.count(dim);
    let mut out = AlignedBuffer::default();
    out.grow(kernels.out_len(packed, axes));
    let rows: Vec<_> = screen.axes.chunks_exact(dim).collect();
    kernels.dots(packed, &rows, out.values_mut());
    let stride = packed.lanes();
    let mut cut = Vec::with_capacity(units.len() / dim);
    for (i, unit) in units.chunks_exact(dim).enumerate() {
        let coefficients: Vec<f32> =
            (0..axes).map(|axis| out.values()[axis * stride + i]).collect();
        let mut codes = Vec::with_capacity(axes);
        let scale = kernels.query_codes().cut(&coefficients, &mut codes);
        let square = |x: f64| x * x;
        let length: f64 = unit.iter().map(|&x| square(f64::from(x))).sum();
        let held: f64 = coefficients.iter().map(|&x| square(f64::from(x))).sum();
        let rounded: f64 = coefficients
            .iter()
            .zip(&codes)
            .map(|(&x, &code)| square(f64::from(x) - f64::from(scale) * f64::from(code)))
            .sum();
        let off = rounding(dim) * (axes as f64).sqrt();
        cut.push((codes, scale, rounded.sqrt() + off, residual(length, held, off)));
    }
    let tokens = cut.iter().map(|(codes, scale, error, residual)| BoundToken {
        codes,
        scale: *scale,
        error: super::at_least(*error),
        residual: super::at_least(*residual),
    });
    kernels.bound_query(axes, tokens)
}
