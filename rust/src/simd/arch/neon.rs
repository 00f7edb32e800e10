//! NEON: 4 lanes, part of every 64-bit Arm processor.

use crate::simd::bytes::{Bytes, WIDE, portable};
use crate::simd::codes::Codes;
use crate::simd::vector::Vector;
use half::f16;
use std::arch::aarch64::*;

/// One 128-bit register.
#[derive(Clone, Copy)]
pub(in crate::simd) struct Neon(float32x4_t);

// SAFETY of every block below: the trait's contract. NEON is in the baseline of aarch64; pointers
// hold LANES values.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Vector for Neon {
    const LANES: usize = 4;
    type Mask = uint32x4_t;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { vdupq_n_f32(x) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { vld1q_f32(from) })
    }
    #[inline(always)]
    unsafe fn widen(from: *const f16) -> Self {
        let four = unsafe { from.cast::<[f16; 4]>().read_unaligned() };
        let wide = four.map(f16::to_f32);
        Self(unsafe { vld1q_f32(wide.as_ptr()) })
    }
    #[inline(always)]
    unsafe fn widen_bytes(from: *const i8) -> Self {
        let four = unsafe { from.cast::<[i8; 4]>().read_unaligned() };
        let wide = four.map(f32::from);
        Self(unsafe { vld1q_f32(wide.as_ptr()) })
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { vst1q_f32(to, self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(unsafe { vdivq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(unsafe { vmaxq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(unsafe { vminq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        Self(unsafe { vfmaq_f32(term.0, self.0, factor.0) })
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        Self(unsafe { vrndnq_f32(self.0) })
    }
    #[inline(always)]
    unsafe fn scale(self, exponents: Self) -> Self {
        unsafe {
            let exponents = vaddq_s32(vcvtnq_s32_f32(exponents.0), vdupq_n_s32(127));
            self.mul(Self(vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponents))))
        }
    }
    #[inline(always)]
    unsafe fn first(count: usize) -> Self::Mask {
        let lanes: [u32; 4] = [0, 1, 2, 3];
        unsafe { vcgtq_u32(vdupq_n_u32(count as u32), vld1q_u32(lanes.as_ptr())) }
    }
    #[inline(always)]
    unsafe fn select(self, mask: Self::Mask, other: Self) -> Self {
        Self(unsafe { vbslq_f32(mask, self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn at_least(self, other: Self) -> u32 {
        unsafe {
            let bits = vandq_u32(vcgeq_f32(self.0, other.0), vld1q_u32([1, 2, 4, 8].as_ptr()));
            vaddvq_u32(bits)
        }
    }
    #[inline(always)]
    unsafe fn compact(self, bits: u32) -> Self {
        let (mut from, mut to, mut place) = ([0.0; 4], [0.0; 4], 0);
        unsafe {
            vst1q_f32(from.as_mut_ptr(), self.0);
            for (lane, x) in from.into_iter().enumerate() {
                to[place & 3] = x;
                place += (bits >> lane & 1) as usize;
            }
            Self(vld1q_f32(to.as_ptr()))
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { vaddv_f32(vadd_f32(vget_low_f32(self.0), vget_high_f32(self.0))) }
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        unsafe { vmaxvq_f32(self.0) }
    }
}

impl Bytes for Neon {
    const PANEL: usize = 4;
    const QUERY: Codes = WIDE;

    #[inline(always)]
    unsafe fn dots<const M: usize>(
        codes: *const u8,
        query: &[u32],
        offsets: &[i32],
        _: &[u32],
        cells: *mut f32,
    ) {
        // SAFETY: passed on to the caller.
        unsafe { portable::<M>(codes, query, offsets, cells) }
    }
}
