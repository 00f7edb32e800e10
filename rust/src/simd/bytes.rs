//! Dot products of bytes: the tokens of a query against the same token of 32 texts.
//!
//! A lane is a text; four components of each of the 32 lie side by side, 128 bytes, so that
//! four codes of the query, repeated, meet them in one instruction. [`Bytes::dots`] is the definition.

use super::codes::{BoundQueries, GROUP};
use super::quantised::{CHUNK, Limits};
use super::vector::Vector;

/// A level's instructions for bytes.
pub(super) trait Bytes: Vector {
    /// Query tokens whose sums the registers hold.
    const PANEL: usize;
    /// What the codes of a query are held to.
    const QUERY: Limits = Limits::QUERY;

    /// Components of a token whose codes lie together in a panel, unless it has fewer.
    const WINDOW: usize = CHUNK;

    /// What a thread does before [`Bytes::row`] of these queries.
    ///
    /// # Safety
    /// As [`Vector`].
    #[inline(always)]
    unsafe fn begin(_: &BoundQueries) {}

    /// What it does after them.
    ///
    /// # Safety
    /// As [`Vector`].
    #[inline(always)]
    unsafe fn end() {}

    /// [`Bytes::dots`] of every token, panel by panel.
    ///
    /// # Safety
    /// As that, between [`Bytes::begin`] and [`Bytes::end`].
    #[inline(always)]
    unsafe fn row(queries: &BoundQueries, codes: *const u8, cells: *mut f32) {
        for panel in 0..queries.panels() {
            // SAFETY: passed on to the caller.
            unsafe { dots::<Self>(queries, panel, codes, cells.add(panel * queries.panel * GROUP)) }
        }
    }

    /// What [`Bytes::row`] left in a register's cells of a token with this offset.
    ///
    /// # Safety
    /// As [`Vector::load`].
    #[inline(always)]
    unsafe fn load_sums(from: *const f32, _offset: i32) -> Self {
        // SAFETY: passed on to the caller.
        unsafe { Self::load(from) }
    }

    /// `cells[i · 32 + lane] = Σ_k query[i][k] · (codes[lane][k] - 128)` for `M` tokens of a panel. This is
    /// the definition, in plain integers: what levels without instructions of their own use.
    ///
    /// # Safety
    /// As [`Vector`]. `codes` has 32 bytes for each component, `cells` 32 values for each token.
    #[inline(always)]
    unsafe fn dots<const M: usize>(
        codes: *const u8,
        query: &[u32],
        offsets: &[i32],
        _half_offsets: &[u32],
        cells: *mut f32,
    ) {
        let mut sums = [[0_i32; GROUP]; M];
        for (i, sums) in sums.iter_mut().enumerate() {
            *sums = [offsets[i]; GROUP];
        }
        for (c, tokens) in query.chunks_exact(M).enumerate() {
            // SAFETY: the caller has 32 bytes for each component, four of which are a chunk.
            let codes = unsafe { &*codes.add(c * CHUNK * GROUP).cast::<[[u8; CHUNK]; GROUP]>() };
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
                unsafe { *cells.add(i * GROUP + lane) = sum as f32 };
            }
        }
    }
}

/// [`Bytes::dots`] for as many tokens as a panel of these queries has.
///
/// # Safety
/// As that.
#[inline(always)]
unsafe fn dots<B: Bytes>(queries: &BoundQueries, panel: usize, codes: *const u8, cells: *mut f32) {
    let (four, offsets, halves) = queries.panel(panel);
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
