//! Dot products of bytes: the tokens of a query against the same token of 32 texts.
//!
//! A lane is a text; four dimensions of each of the 32 lie side by side, 128 bytes, so that
//! four codes of the query, repeated, meet them in one instruction. [`portable`] is the definition.

use super::bound::{BoundQuery, CHUNK, Codes, LANES};
use super::vector::Vector;

/// Dimensions of half a block: what sixteen bits sum at the level that has no more.
pub(super) const HALF_BLOCK: usize = 16;

/// A level's instructions for bytes.
pub(super) trait Bytes: Vector {
    /// Query tokens whose sums the registers hold.
    const PANEL: usize;
    /// What the codes of a query are held to.
    const QUERY: Codes;

    /// `cells[i · 32 + lane] = Σ_k query[i][k] · (codes[lane][k] - 128)` for `M` tokens of a panel.
    ///
    /// # Safety
    /// As [`Vector`]. `codes` has 32 bytes for each dimension, `cells` 32 values for each token.
    unsafe fn dots<const M: usize>(
        codes: *const u8,
        query: &[u32],
        offsets: &[i32],
        half_offsets: &[u32],
        cells: *mut f32,
    );
}

/// [`Bytes::dots`] for as many tokens as a panel of this query has.
///
/// # Safety
/// As that.
#[inline(always)]
pub(super) unsafe fn dots<B: Bytes>(
    query: &BoundQuery,
    panel: usize,
    codes: *const u8,
    cells: *mut f32,
) {
    let (four, offsets, halves) = query.panel(panel);
    macro_rules! by_tokens {
        ($($tokens:literal)*) => {
            match offsets.len() {
                // SAFETY: passed on to the caller.
                $($tokens if $tokens <= B::PANEL => unsafe {
                    B::dots::<$tokens>(codes, four, offsets, halves, cells);
                },)*
                _ => unreachable!("a panel has at most {} tokens", B::PANEL),
            }
        };
    }
    by_tokens!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// The definition, in plain integers: what levels without instructions of their own use.
///
/// # Safety
/// As [`Bytes::dots`].
#[inline(always)]
pub(super) unsafe fn portable<const M: usize>(
    codes: *const u8,
    query: &[u32],
    offsets: &[i32],
    cells: *mut f32,
) {
    let mut sums = [[0_i32; LANES]; M];
    for (i, sums) in sums.iter_mut().enumerate() {
        *sums = [offsets[i]; LANES];
    }
    for (c, tokens) in query.chunks_exact(M).enumerate() {
        // SAFETY: the caller has 32 bytes for each dimension, four of which are a chunk.
        let codes = unsafe { &*codes.add(c * CHUNK * LANES).cast::<[[u8; CHUNK]; LANES]>() };
        for (sums, token) in sums.iter_mut().zip(tokens) {
            let four = token.to_le_bytes().map(|code| i32::from(code.cast_signed()));
            for (sum, code) in sums.iter_mut().zip(codes) {
                for k in 0..CHUNK {
                    *sum += four[k] * i32::from(code[k]);
                }
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        for (lane, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller has 32 values for each token.
            unsafe { *cells.add(i * LANES + lane) = sum as f32 };
        }
    }
}

/// Codes of full range, where sums have 32 bits.
pub(super) const WIDE: Codes = Codes { range: 127, energy: i32::MAX };

impl Bytes for super::scalar::Scalar {
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

#[cfg(target_arch = "aarch64")]
impl Bytes for super::neon::Neon {
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

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::bound::BLOCK;
    use super::*;
    use std::arch::x86_64::*;

    /// Bytes between what is computed and what is asked for from memory: codes are read from front to
    /// back, across pages.
    const AHEAD: usize = 4096;

    impl Bytes for crate::simd::avx2::Avx2 {
        /// Half the texts at a time: two registers of sums a token and two of codes, of 16.
        const PANEL: usize = 4;
        /// `vpmaddubsw` saturates beyond 2 · 255 · 64. Its sums of half a block wrap, which
        /// the offset undoes, since what they stand for fits 16 bits by Cauchy and Schwarz:
        /// 256 · 127 < 2^15.
        const QUERY: Codes = Codes { range: 64, energy: 127 * 127 };

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
                            codes = codes.add(CHUNK * LANES);
                            query = query.add(M);
                        }
                        for (totals, sums) in totals.iter_mut().zip(sums) {
                            totals[0] =
                                _mm256_add_epi32(totals[0], _mm256_madd_epi16(sums[0], ones));
                            totals[1] =
                                _mm256_add_epi32(totals[1], _mm256_madd_epi16(sums[1], ones));
                        }
                    }
                    for (i, totals) in totals.into_iter().enumerate() {
                        let to = cells.add(i * LANES + half * 16);
                        _mm256_storeu_ps(to, _mm256_cvtepi32_ps(totals[0]));
                        _mm256_storeu_ps(to.add(8), _mm256_cvtepi32_ps(totals[1]));
                    }
                }
            }
        }
    }

    impl Bytes for crate::simd::avx512::Avx512 {
        /// Two registers of sums a token and two of codes, of 32.
        const PANEL: usize = 12;
        const QUERY: Codes = WIDE;

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
                    codes = codes.add(CHUNK * LANES);
                }
                for (i, sums) in sums.into_iter().enumerate() {
                    for (part, sum) in sums.into_iter().enumerate() {
                        _mm512_storeu_ps(cells.add(i * LANES + 16 * part), _mm512_cvtepi32_ps(sum));
                    }
                }
            }
        }
    }
}
