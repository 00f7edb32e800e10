//! The limit of a level: multiply-adds in registers alone, for benches to hold the kernels to.

use super::vector::Vector;

/// Accumulators: more than the latency of a multiply-add times the units that take one a cycle, and
/// few enough for 16 registers.
const SUMS: usize = 12;

/// Floating point operations of one round on registers of so many lanes.
pub(super) const fn operations(lanes: usize) -> u64 {
    (2 * SUMS * lanes) as u64
}

/// Multiply-adds of `rounds` rounds, none of which the compiler can leave out.
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub(super) unsafe fn multiply_add<V: Vector>(rounds: u64) -> f32 {
    // SAFETY: only arithmetic of the level that the caller is compiled for.
    unsafe {
        let (factor, term) =
            (V::splat(std::hint::black_box(0.999_9)), V::splat(std::hint::black_box(1e-4)));
        let mut sums = [V::splat(0.5); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, term);
            }
        }
        sums.into_iter().map(|sum| sum.sum()).sum()
    }
}
