//! Portable float32 lanes: the level for processors that have no other.

use crate::simd::bytes::Bytes;
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

    inlined! {
        fn splat(x: f32) -> Self { Self([x; 8]) }
        fn load(from: *const f32) -> Self { Self(from.cast::<[f32; 8]>().read_unaligned()) }
        fn widen(from: *const f16) -> Self {
            Self(from.cast::<[f16; 8]>().read_unaligned().map(f16::to_f32))
        }
        fn widen_bytes(from: *const i8) -> Self {
            Self(from.cast::<[i8; 8]>().read_unaligned().map(f32::from))
        }
        fn prefetch(_: *const f32) {}
        fn store(self, to: *mut f32) { to.cast::<[f32; 8]>().write_unaligned(self.0) }
        fn add(self, other: Self) -> Self { self.zip(other, |a, b| a + b) }
        fn sub(self, other: Self) -> Self { self.zip(other, |a, b| a - b) }
        fn mul(self, other: Self) -> Self { self.zip(other, |a, b| a * b) }
        fn div(self, other: Self) -> Self { self.zip(other, |a, b| a / b) }
        fn max(self, other: Self) -> Self { self.zip(other, |a, b| if a > b { a } else { b }) }
        fn min(self, other: Self) -> Self { self.zip(other, |a, b| if a < b { a } else { b }) }
        fn mul_add(self, factor: Self, term: Self) -> Self {
            // Not f32::mul_add: without FMA in the baseline that is a library call a lane.
            Self(std::array::from_fn(|lane| self.0[lane] * factor.0[lane] + term.0[lane]))
        }
        fn round(self) -> Self {
            // Adding and taking away 1.5 · 2^23 rounds to nearest even for |x| < 2^22, which holds
            // for the exponents that arrive here, without a call into libm.
            const MAGIC: f32 = 12_582_912.0;
            Self(self.0.map(|x| (x + MAGIC) - MAGIC))
        }
        fn scale(self, exponents: Self) -> Self {
            let powers = exponents.0.map(|x| f32::from_bits(((x as i32 + 127) << 23) as u32));
            self.mul(Self(powers))
        }
        fn first(count: usize) -> Self::Mask { std::array::from_fn(|lane| lane < count) }
        fn select(self, mask: Self::Mask, other: Self) -> Self {
            Self(std::array::from_fn(|lane| if mask[lane] { self.0[lane] } else { other.0[lane] }))
        }
        fn at_least(self, other: Self) -> u32 {
            (0..8).map(|lane| u32::from(self.0[lane] >= other.0[lane]) << lane).sum()
        }
        fn compact(self, bits: u32) -> Self {
            let (mut lanes, mut place) = ([0.0; 8], 0);
            for (lane, &x) in self.0.iter().enumerate() {
                lanes[place & 7] = x;
                place += (bits >> lane & 1) as usize;
            }
            Self(lanes)
        }
        fn sum(self) -> f32 {
            let [a, b, c, d, e, f, g, h] = self.0;
            ((a + e) + (c + g)) + ((b + f) + (d + h))
        }
        fn largest(self) -> f32 {
            self.0.into_iter().fold(f32::NEG_INFINITY, |a, b| if a > b { a } else { b })
        }
    }
}

impl Bytes for Generic {
    const PANEL: usize = 4;
}
