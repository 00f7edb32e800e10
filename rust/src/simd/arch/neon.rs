//! NEON: 4 lanes, part of every 64-bit Arm processor.

use crate::simd::bytes::Bytes;
use crate::simd::vector::Vector;
use half::f16;
use std::arch::aarch64::*;

/// One 128-bit register.
#[derive(Clone, Copy)]
pub(in crate::simd) struct Neon(float32x4_t);

// SAFETY of every operation: the trait's contract. NEON is in the baseline of aarch64; pointers
// hold LANES values.
impl Vector for Neon {
    const LANES: usize = 4;
    type Mask = uint32x4_t;

    inlined! {
        fn splat(x: f32) -> Self { Self(vdupq_n_f32(x)) }
        fn load(from: *const f32) -> Self { Self(vld1q_f32(from)) }
        fn widen(from: *const f16) -> Self {
            let four = from.cast::<[f16; 4]>().read_unaligned();
            let wide = four.map(f16::to_f32);
            Self(vld1q_f32(wide.as_ptr()))
        }
        fn widen_bytes(from: *const i8) -> Self {
            let four = from.cast::<[i8; 4]>().read_unaligned();
            let wide = four.map(f32::from);
            Self(vld1q_f32(wide.as_ptr()))
        }
        fn prefetch(_: *const f32) {}
        fn store(self, to: *mut f32) { vst1q_f32(to, self.0) }
        fn add(self, other: Self) -> Self { Self(vaddq_f32(self.0, other.0)) }
        fn sub(self, other: Self) -> Self { Self(vsubq_f32(self.0, other.0)) }
        fn mul(self, other: Self) -> Self { Self(vmulq_f32(self.0, other.0)) }
        fn div(self, other: Self) -> Self { Self(vdivq_f32(self.0, other.0)) }
        fn max(self, other: Self) -> Self { Self(vmaxq_f32(self.0, other.0)) }
        fn min(self, other: Self) -> Self { Self(vminq_f32(self.0, other.0)) }
        fn mul_add(self, factor: Self, term: Self) -> Self {
            Self(vfmaq_f32(term.0, self.0, factor.0))
        }
        fn round(self) -> Self { Self(vrndnq_f32(self.0)) }
        fn scale(self, exponents: Self) -> Self {
            let exponents = vaddq_s32(vcvtnq_s32_f32(exponents.0), vdupq_n_s32(127));
            self.mul(Self(vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponents))))
        }
        fn first(count: usize) -> Self::Mask {
            let lanes: [u32; 4] = [0, 1, 2, 3];
            unsafe { vcgtq_u32(vdupq_n_u32(count as u32), vld1q_u32(lanes.as_ptr())) }
        }
        fn select(self, mask: Self::Mask, other: Self) -> Self {
            Self(vbslq_f32(mask, self.0, other.0))
        }
        fn at_least(self, other: Self) -> u32 {
            let bits = vandq_u32(vcgeq_f32(self.0, other.0), vld1q_u32([1, 2, 4, 8].as_ptr()));
            vaddvq_u32(bits)
        }
        fn compact(self, bits: u32) -> Self {
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
        fn sum(self) -> f32 { vaddv_f32(vadd_f32(vget_low_f32(self.0), vget_high_f32(self.0))) }
        fn largest(self) -> f32 { vmaxvq_f32(self.0) }
    }
}

impl Bytes for Neon {
    const PANEL: usize = 4;
}
