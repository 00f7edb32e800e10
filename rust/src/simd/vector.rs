//! What a kernel asks of a SIMD register: a few operations, one implementation a level.

use half::f16;

/// A register of float32 lanes.
///
/// # Safety
/// Every method may use instructions of its level. They are only called from functions compiled
/// for that level, which `Kernels` hands out only where the processor has it. Pointers must be
/// valid for `LANES` values; no alignment is asked for.
pub(super) trait Vector: Copy {
    /// Number of float32 values.
    const LANES: usize;
    /// Which lanes take part.
    type Mask: Copy;

    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Widens LANES half-precision values, exactly.
    unsafe fn widen(from: *const f16) -> Self;
    /// Widens LANES signed bytes, exactly.
    unsafe fn widen_bytes(from: *const i8) -> Self;
    /// Asks for the cache line at an address, which need not be valid.
    unsafe fn prefetch(at: *const f32);
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn min(self, other: Self) -> Self;
    /// `self * factor + term`, rounded once where the level has FMA.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// To the nearest integer, ties to even.
    unsafe fn round(self) -> Self;
    /// `self · 2^exponents`, for integers in `-126..=127`.
    unsafe fn scale(self, exponents: Self) -> Self;
    /// The first `count` lanes.
    unsafe fn first(count: usize) -> Self::Mask;
    /// `self` where the mask is set, `other` elsewhere.
    unsafe fn select(self, mask: Self::Mask, other: Self) -> Self;
    /// One bit a lane: whether it is at least the other's.
    unsafe fn at_least(self, other: Self) -> u32;
    /// The lanes whose bits are set, moved to the front; what follows them is of no meaning.
    unsafe fn compact(self, bits: u32) -> Self;
    /// Sum of the lanes: first those four apart, from the lowest on, then the first and third of the
    /// four sums, the second and fourth, and the two. `super::bundle` adds in this order too.
    unsafe fn sum(self) -> f32;
    /// Largest lane.
    unsafe fn largest(self) -> f32;
}
