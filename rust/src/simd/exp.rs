//! The exponential inside the softmax.

use super::vector::Vector;

/// Below this the result is held at `exp(-64) = 1.6e-28`: nothing beside a softmax's largest term,
/// and far enough above float32's smallest numbers that products with it stay at full speed.
const LOWEST: f32 = -64.0;

/// `exp(x)` for `x <= 0`, within 1.5e-7 relative of the exact value (FMA levels; 2.5e-7 scalar).
///
/// `exp(x) = 2^n · exp(r)` with `n = round(x / ln 2)` and `|r| <= ln 2 / 2`; `ln 2` is taken away
/// in two parts so that `r` is exact to float32; `exp(r)` is a polynomial of degree 6 (the
/// coefficients of Cephes' `expf`).
#[inline(always)]
pub(super) unsafe fn exp<V: Vector>(x: V) -> V {
    // SAFETY: only arithmetic of the level that the caller is compiled for.
    unsafe {
        let x = x.max(V::splat(LOWEST));
        let n = x.mul(V::splat(std::f32::consts::LOG2_E)).round();
        let r = n.mul_add(V::splat(-0.693_359_4), x);
        let r = n.mul_add(V::splat(2.121_944_4e-4), r);
        let mut p = V::splat(1.987_569_1e-4);
        for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_5e-2, 1.666_666_6e-1, 0.5] {
            p = p.mul_add(r, V::splat(coefficient));
        }
        let p = p.mul_add(r.mul(r), r).add(V::splat(1.0));
        p.scale(n)
    }
}

/// `exp` of a slice in place: the kernel as tests see it.
///
/// # Safety
/// As [`Vector`]; `values.len()` must be a multiple of the level's lanes.
#[inline(always)]
pub(super) unsafe fn exp_slice<V: Vector>(values: &mut [f32]) {
    for chunk in values.chunks_exact_mut(V::LANES) {
        // SAFETY: each chunk holds LANES values.
        unsafe { exp(V::load(chunk.as_ptr())).store(chunk.as_mut_ptr()) }
    }
}
