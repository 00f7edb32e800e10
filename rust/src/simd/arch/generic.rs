//! Portable float32 lanes: the level for processors that have no other.

use crate::simd::bytes::{Bytes, WIDE, portable};
use crate::simd::codes::Codes;
use crate::simd::vector::Vector;
use half::f16;

/// Eight lanes, which compilers turn into whatever registers the target has.
#[derive(Clone, Copy)]
pub(in crate::simd) struct Generic([f32; 8]);

impl Generic {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

impl Vector for Generic {
    const LANES: usize = 8;
    type Mask = [bool; 8];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait asks callers for LANES readable values.
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn widen(from: *const f16) -> Self {
        // SAFETY: the trait asks callers for LANES readable values.
        Self(unsafe { from.cast::<[f16; 8]>().read_unaligned() }.map(f16::to_f32))
    }
    #[inline(always)]
    unsafe fn widen_bytes(from: *const i8) -> Self {
        // SAFETY: the trait asks callers for LANES readable values.
        Self(unsafe { from.cast::<[i8; 8]>().read_unaligned() }.map(f32::from))
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait asks callers for LANES writable values.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        // Not f32::mul_add: without FMA in the baseline that is a library call a lane.
        Self(std::array::from_fn(|lane| self.0[lane] * factor.0[lane] + term.0[lane]))
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        // Adding and taking away 1.5 · 2^23 rounds to nearest even for |x| < 2^22, which holds
        // for the exponents that arrive here, without a call into libm.
        const MAGIC: f32 = 12_582_912.0;
        Self(self.0.map(|x| (x + MAGIC) - MAGIC))
    }
    #[inline(always)]
    unsafe fn scale(self, exponents: Self) -> Self {
        let powers = exponents.0.map(|x| f32::from_bits(((x as i32 + 127) << 23) as u32));
        // SAFETY: plain arithmetic.
        unsafe { self.mul(Self(powers)) }
    }
    #[inline(always)]
    unsafe fn first(count: usize) -> Self::Mask {
        std::array::from_fn(|lane| lane < count)
    }
    #[inline(always)]
    unsafe fn select(self, mask: Self::Mask, other: Self) -> Self {
        Self(std::array::from_fn(|lane| if mask[lane] { self.0[lane] } else { other.0[lane] }))
    }
    #[inline(always)]
    unsafe fn at_least(self, other: Self) -> u32 {
        (0..8).map(|lane| u32::from(self.0[lane] >= other.0[lane]) << lane).sum()
    }
    #[inline(always)]
    unsafe fn compact(self, bits: u32) -> Self {
        let (mut lanes, mut place) = ([0.0; 8], 0);
        for (lane, &x) in self.0.iter().enumerate() {
            lanes[place & 7] = x;
            place += (bits >> lane & 1) as usize;
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        self.0.into_iter().fold(f32::NEG_INFINITY, |a, b| if a > b { a } else { b })
    }
}

impl Bytes for Generic {
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
