//! AVX2 + FMA: 8 lanes.

use super::AHEAD;
use crate::simd::bytes::Bytes;
use crate::simd::codes::GROUP;
use crate::simd::quantised::{BLOCK, CHUNK, Limits};
use crate::simd::vector::Vector;
use half::f16;
use std::arch::x86_64::*;

/// One ymm register.
#[derive(Clone, Copy)]
pub(in crate::simd) struct Avx2(__m256);

// SAFETY of every operation: the trait's contract. Callers are compiled for AVX2, FMA and F16C and run
// only where the processor has them; pointers hold LANES values.
impl Vector for Avx2 {
    const LANES: usize = 8;
    type Mask = __m256;

    inlined! {
        fn splat(x: f32) -> Self { Self(_mm256_set1_ps(x)) }
        fn load(from: *const f32) -> Self { Self(_mm256_loadu_ps(from)) }
        fn widen(from: *const f16) -> Self { Self(_mm256_cvtph_ps(_mm_loadu_si128(from.cast()))) }
        fn widen_bytes(from: *const i8) -> Self {
            Self(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))))
        }
        fn prefetch(at: *const f32) { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        fn store(self, to: *mut f32) { _mm256_storeu_ps(to, self.0) }
        fn add(self, other: Self) -> Self { Self(_mm256_add_ps(self.0, other.0)) }
        fn sub(self, other: Self) -> Self { Self(_mm256_sub_ps(self.0, other.0)) }
        fn mul(self, other: Self) -> Self { Self(_mm256_mul_ps(self.0, other.0)) }
        fn div(self, other: Self) -> Self { Self(_mm256_div_ps(self.0, other.0)) }
        fn max(self, other: Self) -> Self { Self(_mm256_max_ps(self.0, other.0)) }
        fn min(self, other: Self) -> Self { Self(_mm256_min_ps(self.0, other.0)) }
        fn mul_add(self, factor: Self, term: Self) -> Self {
            Self(_mm256_fmadd_ps(self.0, factor.0, term.0))
        }
        fn round(self) -> Self {
            Self(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0))
        }
        fn scale(self, exponents: Self) -> Self {
            let exponents =
                _mm256_add_epi32(_mm256_cvtps_epi32(exponents.0), _mm256_set1_epi32(127));
            self.mul(Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponents))))
        }
        fn first(count: usize) -> Self::Mask {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes))
        }
        fn select(self, mask: Self::Mask, other: Self) -> Self {
            Self(_mm256_blendv_ps(other.0, self.0, mask))
        }
        fn at_least(self, other: Self) -> u32 {
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(self.0, other.0)) as u32
        }
        fn compact(self, bits: u32) -> Self {
            let lanes = u64::from_ne_bytes(COMPACT[bits as usize & 0xff]);
            let lanes = _mm256_cvtepu8_epi32(_mm_set_epi64x(0, lanes.cast_signed()));
            Self(_mm256_permutevar8x32_ps(self.0, lanes))
        }
        fn sum(self) -> f32 {
            let four =
                _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
        fn largest(self) -> f32 {
            let four =
                _mm_max_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        }
    }
}

/// For every choice of lanes, which lane comes to which place: AVX2 has no instruction for it.
static COMPACT: [[u8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut bits = 0;
    while bits < 256 {
        let (mut lane, mut place) = (0, 0);
        while lane < 8 {
            if bits >> lane & 1 == 1 {
                table[bits][place] = lane as u8;
                place += 1;
            }
            lane += 1;
        }
        bits += 1;
    }
    table
};

impl Bytes for Avx2 {
    /// Half the texts at a time: two registers of sums a token and two of codes, of 16.
    const PANEL: usize = 4;
    /// `vpmaddubsw` adds pairs in 16 bits. Its sums of half a block wrap, which the offset undoes.
    const QUERY: Limits = Limits::QUERY_16_BITS;

    #[inline(always)]
    unsafe fn dots<const M: usize>(
        codes: *const u8,
        query: &[u32],
        _: &[i32],
        half_offsets: &[u32],
        cells: *mut f32,
    ) {
        // SAFETY: the caller has the level and the lengths; a query has M words for each chunk and
        // each block, which the panel guarantees.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            for half in 0..2 {
                let mut totals = [[_mm256_setzero_si256(); 2]; M];
                let (mut codes, mut query) = (codes.add(half * 64), query.as_ptr());
                for halves in half_offsets.chunks_exact(M) {
                    let mut sums = [[_mm256_setzero_si256(); 2]; M];
                    for (sums, &half) in sums.iter_mut().zip(halves) {
                        *sums = [_mm256_set1_epi32(half.cast_signed()); 2];
                    }
                    for _ in 0..BLOCK / CHUNK {
                        _mm_prefetch::<_MM_HINT_T0>(codes.wrapping_add(AHEAD).cast());
                        let low = _mm256_loadu_si256(codes.cast());
                        let high = _mm256_loadu_si256(codes.add(32).cast());
                        for (i, sums) in sums.iter_mut().enumerate() {
                            let four = _mm256_set1_epi32((*query.add(i)).cast_signed());
                            let low = _mm256_maddubs_epi16(low, four);
                            let high = _mm256_maddubs_epi16(high, four);
                            sums[0] = _mm256_add_epi16(sums[0], low);
                            sums[1] = _mm256_add_epi16(sums[1], high);
                        }
                        codes = codes.add(CHUNK * GROUP);
                        query = query.add(M);
                    }
                    for (totals, sums) in totals.iter_mut().zip(sums) {
                        totals[0] = _mm256_add_epi32(totals[0], _mm256_madd_epi16(sums[0], ones));
                        totals[1] = _mm256_add_epi32(totals[1], _mm256_madd_epi16(sums[1], ones));
                    }
                }
                for (i, totals) in totals.into_iter().enumerate() {
                    let to = cells.add(i * GROUP + half * 16);
                    _mm256_storeu_ps(to, _mm256_cvtepi32_ps(totals[0]));
                    _mm256_storeu_ps(to.add(8), _mm256_cvtepi32_ps(totals[1]));
                }
            }
        }
    }
}
