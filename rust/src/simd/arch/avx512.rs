//! AVX-512: 16 lanes, masks in registers of their own.

use super::AHEAD;
use crate::simd::bytes::Bytes;
use crate::simd::codes::GROUP;
use crate::simd::quantised::{CHUNK, Limits};
use crate::simd::vector::Vector;
use half::f16;
use std::arch::x86_64::*;

/// One zmm register; `TILES` where AMX makes the dot products of bytes (`amx.rs`).
#[derive(Clone, Copy)]
pub(in crate::simd) struct Avx512<const TILES: bool>(pub(super) __m512);

// SAFETY of every operation: the trait's contract. Callers are compiled for AVX-512 F, BW, DQ,
// VL and VNNI (and AVX2, FMA, F16C) and run only where the processor has them; pointers hold LANES values.
impl<const TILES: bool> Vector for Avx512<TILES> {
    const LANES: usize = 16;
    type Mask = __mmask16;

    inlined! {
        fn splat(x: f32) -> Self { Self(_mm512_set1_ps(x)) }
        fn load(from: *const f32) -> Self { Self(_mm512_loadu_ps(from)) }
        fn widen(from: *const f16) -> Self {
            Self(_mm512_cvtph_ps(_mm256_loadu_si256(from.cast())))
        }
        fn widen_bytes(from: *const i8) -> Self {
            Self(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))))
        }
        fn prefetch(at: *const f32) { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        fn store(self, to: *mut f32) { _mm512_storeu_ps(to, self.0) }
        fn add(self, other: Self) -> Self { Self(_mm512_add_ps(self.0, other.0)) }
        fn sub(self, other: Self) -> Self { Self(_mm512_sub_ps(self.0, other.0)) }
        fn mul(self, other: Self) -> Self { Self(_mm512_mul_ps(self.0, other.0)) }
        fn div(self, other: Self) -> Self { Self(_mm512_div_ps(self.0, other.0)) }
        fn max(self, other: Self) -> Self { Self(_mm512_max_ps(self.0, other.0)) }
        fn min(self, other: Self) -> Self { Self(_mm512_min_ps(self.0, other.0)) }
        fn mul_add(self, factor: Self, term: Self) -> Self {
            Self(_mm512_fmadd_ps(self.0, factor.0, term.0))
        }
        fn round(self) -> Self {
            Self(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0))
        }
        fn scale(self, exponents: Self) -> Self { Self(_mm512_scalef_ps(self.0, exponents.0)) }
        fn first(count: usize) -> Self::Mask { if count >= 16 { !0 } else { (1 << count) - 1 } }
        fn select(self, mask: Self::Mask, other: Self) -> Self {
            Self(_mm512_mask_blend_ps(mask, other.0, self.0))
        }
        fn at_least(self, other: Self) -> u32 {
            u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, other.0))
        }
        fn compact(self, bits: u32) -> Self {
            Self(_mm512_maskz_compress_ps(bits as __mmask16, self.0))
        }
        fn sum(self) -> f32 {
            let four =
                _mm_add_ps(_mm512_castps512_ps128(self.0), _mm512_extractf32x4_ps::<1>(self.0));
            let four = _mm_add_ps(four, _mm512_extractf32x4_ps::<2>(self.0));
            let four = _mm_add_ps(four, _mm512_extractf32x4_ps::<3>(self.0));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
        fn largest(self) -> f32 {
            let eight =
                _mm256_max_ps(_mm512_castps512_ps256(self.0), _mm512_extractf32x8_ps::<1>(self.0));
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        }
    }
}

impl Bytes for Avx512<false> {
    /// Two registers of sums a token and two of codes, of 32.
    const PANEL: usize = 12;
    const QUERY: Limits = Limits::QUERY;

    #[inline(always)]
    unsafe fn dots<const M: usize>(
        codes: *const u8,
        query: &[u32],
        offsets: &[i32],
        _: &[u32],
        cells: *mut f32,
    ) {
        // SAFETY: the caller has the level and the lengths; a query has M words for each chunk,
        // which the panel guarantees.
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); 2]; M];
            for (sums, &offset) in sums.iter_mut().zip(offsets) {
                *sums = [_mm512_set1_epi32(offset); 2];
            }
            let mut codes = codes;
            for tokens in query.chunks_exact(M) {
                _mm_prefetch::<_MM_HINT_T0>(codes.wrapping_add(AHEAD).cast());
                _mm_prefetch::<_MM_HINT_T0>(codes.wrapping_add(AHEAD + 64).cast());
                let low = _mm512_loadu_si512(codes.cast());
                let high = _mm512_loadu_si512(codes.add(64).cast());
                for (sums, &four) in sums.iter_mut().zip(tokens) {
                    let four = _mm512_set1_epi32(four.cast_signed());
                    sums[0] = _mm512_dpbusd_epi32(sums[0], low, four);
                    sums[1] = _mm512_dpbusd_epi32(sums[1], high, four);
                }
                codes = codes.add(CHUNK * GROUP);
            }
            for (i, sums) in sums.into_iter().enumerate() {
                for (part, sum) in sums.into_iter().enumerate() {
                    _mm512_storeu_ps(cells.add(i * GROUP + 16 * part), _mm512_cvtepi32_ps(sum));
                }
            }
        }
    }
}
