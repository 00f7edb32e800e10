//! Dot products of every query token with a tile of target tokens.

use super::packed::PackedQuery;
use super::vector::Vector;

/// Dimensions that one accumulator sums before it is added to the total.
///
/// A fixed cut, the same for every tile: it bounds the rounding error of long sums. For unit
/// vectors, 128 additions and `dim / 128` more, each off by at most half a unit in the last place
/// of a sum that Cauchy and Schwarz keep at 1, stay below `(128 + dim / 128) · 2^-24`: 1e-5 for
/// 4096 dimensions if every one rounded the same way.
const DIMS: usize = 128;

/// Groups of rows between what is computed and what is asked for from memory. Only rows that lie
/// one after the other gain by it, which is how a cache stores them.
const AHEAD: usize = 8;

/// Values of a cache line.
const LINE: usize = 16;

/// `out[row * lanes + lane] = Σ_k rows[row][k] · query[k][lane]`.
///
/// Rows are taken in groups; the last group is filled up with its last row, so `out` needs room
/// for `rows.len() + ROWS - 1` rows of lanes, [`Kernels::out_len`](super::Kernels::out_len).
///
/// # Safety
/// As [`Vector`]. Each row has `query.dim` values; `out` has the room said above.
#[inline(always)]
pub(super) unsafe fn dots<V: Vector, const R1: usize, const R2: usize, const R3: usize>(
    query: &PackedQuery,
    rows: &[&[f32]],
    out: &mut [f32],
) {
    let mut first = 0;
    for &registers in &query.panels {
        let panel = &query.units.values()[first * query.dim..];
        // SAFETY: `panel` holds dim · registers · LANES values, and `out` the room for its lanes.
        unsafe {
            let out = out.as_mut_ptr().add(first);
            match registers {
                1 => panel_dots::<V, 1, R1>(panel, query, rows, out),
                2 => panel_dots::<V, 2, R2>(panel, query, rows, out),
                _ => panel_dots::<V, 3, R3>(panel, query, rows, out),
            }
        }
        first += registers * V::LANES;
    }
}

/// One panel of `P` registers against all rows, `R` rows at a time.
#[inline(always)]
unsafe fn panel_dots<V: Vector, const P: usize, const R: usize>(
    panel: &[f32],
    query: &PackedQuery,
    rows: &[&[f32]],
    out: *mut f32,
) {
    for (index, group) in rows.chunks(R).enumerate() {
        let group: [*const f32; R] =
            std::array::from_fn(|r| group[r.min(group.len() - 1)].as_ptr());
        for from in (0..query.dim).step_by(DIMS) {
            let dims = from..query.dim.min(from + DIMS);
            // SAFETY: rows hold dim values, the panel dim · P · LANES, `out` R rows more.
            unsafe {
                let out = out.add(index * R * query.lanes);
                tile::<V, P, R>(panel.as_ptr(), &group, dims, out, query.lanes, query.dim);
            }
        }
    }
}

/// The innermost loop: `P × R` accumulators stay in registers over `dims`.
#[inline(always)]
unsafe fn tile<V: Vector, const P: usize, const R: usize>(
    panel: *const f32,
    rows: &[*const f32; R],
    dims: std::ops::Range<usize>,
    out: *mut f32,
    stride: usize,
    dim: usize,
) {
    // SAFETY: see `panel_dots`; every index below stays within what it names.
    unsafe {
        let first = dims.start == 0;
        let mut sums = [[V::splat(0.0); P]; R];
        for line in dims.clone().step_by(LINE) {
            for row in rows {
                V::prefetch(row.wrapping_add(AHEAD * R * dim + line));
            }
            for k in line..dims.end.min(line + LINE) {
                let query: [V; P] =
                    std::array::from_fn(|p| V::load(panel.add((k * P + p) * V::LANES)));
                for (row, sums) in rows.iter().zip(&mut sums) {
                    let value = V::splat(*row.add(k));
                    for (sum, q) in sums.iter_mut().zip(query) {
                        *sum = q.mul_add(value, *sum);
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (p, sum) in sums.into_iter().enumerate() {
                let to = out.add(r * stride + p * V::LANES);
                (if first { sum } else { V::load(to).add(sum) }).store(to);
            }
        }
    }
}
