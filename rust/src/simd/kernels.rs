//! The functions of one level, compiled for it.

use super::arch::generic::Generic;
use super::attend::{Attention, Pair, RUN, attend};
use super::bound::bounds;
use super::bundle::{attend_bundle, scratch_len};
use super::bytes::Bytes;
use super::codes::{BLOCK, BoundGroup, BoundQuery, BoundToken, Codes, LANES, ROW_VALUES};
use super::count::{count_above, keep_from};
use super::dots::dots;
use super::exp::exp_slice;
use super::level::Level;
use super::packed::PackedQuery;
use super::peak::{multiply_add, operations};
use super::vector::Vector;
use crate::error::Result;
use half::f16;

/// Largest number of rows that a kernel takes at a time.
const GROUP: usize = 12;

/// The functions of one level. Only a processor that has the level gets one, so calling is safe.
#[derive(Debug)]
pub struct Kernels {
    width: usize,
    dots: unsafe fn(&PackedQuery, &[&[f32]], &mut [f32]),
    attend: unsafe fn(Attention, &Pair) -> f32,
    attend_bundle: unsafe fn(Attention, &Pair, &mut [f32], &mut [f32]),
    exp: unsafe fn(&mut [f32]),
    widen: unsafe fn(&[f16], &mut [f32]),
    widen_codes: unsafe fn(&[i8], &[f32], &mut [f32]),
    count_above: unsafe fn(&[f32], f32) -> (usize, usize),
    keep_from: unsafe fn(f32, *const f32, *mut f32, usize) -> (usize, bool),
    multiply_add: unsafe fn(u64) -> f32,
    bounds: unsafe fn(Attention, &BoundQuery, &BoundGroup, &mut [f32]) -> [f32; LANES],
    query_codes: Codes,
    panel: usize,
}

/// Compiles every kernel for one level; the rows of a group are what its registers can hold: a sum
/// for each of its rows and registers of a panel, the panel's registers, and one for a row's value.
/// With four rows and three registers all sixteen of AVX2 are taken, and the compiler keeps a sum in
/// memory.
macro_rules! compile {
    ($name:ident, $vector:ty, [$r1:literal, $r2:literal, $r3:literal], $(#[$feature:meta])*) => {
        mod $name {
            use super::*;

            $(#[$feature])*
            unsafe fn level_dots(query: &PackedQuery, rows: &[&[f32]], out: &mut [f32]) {
                // SAFETY: `Kernels::dots` checks the lengths; the caller has the level.
                unsafe { dots::<$vector, $r1, $r2, $r3>(query, rows, out) }
            }

            $(#[$feature])*
            unsafe fn level_attend(attention: Attention, pair: &Pair) -> f32 {
                // SAFETY: `Kernels::attend` checks the lengths; the caller has the level.
                unsafe { attend::<$vector>(attention, pair) }
            }

            $(#[$feature])*
            unsafe fn level_attend_bundle(
                attention: Attention,
                pair: &Pair,
                scratch: &mut [f32],
                scores: &mut [f32],
            ) {
                // SAFETY: `Kernels::attend_bundle` checks the lengths; the caller has the level.
                unsafe { attend_bundle::<$vector>(attention, pair, scratch, scores) }
            }

            $(#[$feature])*
            unsafe fn level_exp(values: &mut [f32]) {
                // SAFETY: `Kernels::exp` checks the length; the caller has the level.
                unsafe { exp_slice::<$vector>(values) }
            }

            $(#[$feature])*
            unsafe fn level_widen(from: &[f16], to: &mut [f32]) {
                // SAFETY: `Kernels::widen` checks the lengths; the caller has the level.
                unsafe { widen::<$vector>(from, to) }
            }

            $(#[$feature])*
            unsafe fn level_widen_codes(codes: &[i8], scales: &[f32], to: &mut [f32]) {
                // SAFETY: `Kernels::widen_codes` checks the lengths; the caller has the level.
                unsafe { widen_codes::<$vector>(codes, scales, to) }
            }

            $(#[$feature])*
            unsafe fn level_count_above(scores: &[f32], mark: f32) -> (usize, usize) {
                count_above(scores, mark)
            }

            $(#[$feature])*
            unsafe fn level_keep_from(
                floor: f32,
                from: *const f32,
                to: *mut f32,
                len: usize,
            ) -> (usize, bool) {
                // SAFETY: `Kernels` checks the lengths; the caller has the level.
                unsafe { keep_from::<$vector>(floor, from, to, len) }
            }

            $(#[$feature])*
            unsafe fn level_multiply_add(rounds: u64) -> f32 {
                // SAFETY: the caller has the level.
                unsafe { multiply_add::<$vector>(rounds) }
            }

            $(#[$feature])*
            unsafe fn level_bounds(
                attention: Attention,
                query: &BoundQuery,
                group: &BoundGroup,
                scratch: &mut [f32],
            ) -> [f32; LANES] {
                // SAFETY: `Kernels::bounds` checks the lengths; the caller has the level.
                unsafe { bounds::<$vector>(attention, query, group, scratch) }
            }

            pub(super) static KERNELS: Kernels = Kernels {
                width: <$vector>::LANES,
                dots: level_dots,
                attend: level_attend,
                attend_bundle: level_attend_bundle,
                exp: level_exp,
                widen: level_widen,
                widen_codes: level_widen_codes,
                count_above: level_count_above,
                keep_from: level_keep_from,
                multiply_add: level_multiply_add,
                bounds: level_bounds,
                query_codes: <$vector>::QUERY,
                panel: <$vector>::PANEL,
            };
        }
    };
}

compile!(scalar, Generic, [4, 2, 1],);
#[cfg(target_arch = "x86_64")]
compile!(avx2, crate::simd::arch::avx2::Avx2, [12, 6, 3], #[target_feature(enable = "avx2,fma,f16c,popcnt")]);
#[cfg(target_arch = "x86_64")]
compile!(
    avx512,
    crate::simd::arch::avx512::Avx512,
    [12, 12, 8],
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,popcnt")]
);
#[cfg(target_arch = "aarch64")]
compile!(neon, crate::simd::arch::neon::Neon, [12, 8, 6],);

impl Kernels {
    /// The table of this process's level, [`Level::active`].
    ///
    /// # Errors
    /// As that.
    pub fn active() -> Result<&'static Self> {
        Ok(Self::of(Level::active()?))
    }

    /// The table of a level, or none if the processor lacks it.
    pub fn at(level: Level) -> Option<&'static Self> {
        Level::available().contains(&level).then(|| Self::of(level))
    }

    /// The table of a level that [`Level::available`] lists.
    fn of(level: Level) -> &'static Self {
        match level {
            Level::Scalar => &scalar::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => &avx2::KERNELS,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => &avx512::KERNELS,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => &neon::KERNELS,
        }
    }

    /// Puts query tokens in lanes of this level.
    ///
    /// `units` is row-major, `(tokens, dim)`; `norms` is `(tokens,)`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn pack(&self, units: &[f32], norms: &[f32], dim: usize) -> PackedQuery {
        assert!(!norms.is_empty() && units.len() == norms.len() * dim);
        PackedQuery::new(units, norms, dim, self.width)
    }

    /// Values that [`Kernels::dots`] writes for so many rows, and a register more.
    pub fn out_len(&self, query: &PackedQuery, rows: usize) -> usize {
        (rows + GROUP - 1) * query.lanes() + self.width
    }

    /// `out[row · lanes + lane]` = dot product of a target row with a query token.
    ///
    /// # Panics
    /// If a row has not as many values as the query has dimensions, `out` is shorter than
    /// [`Kernels::out_len`], or another level packed the query.
    pub fn dots(&self, query: &PackedQuery, rows: &[&[f32]], out: &mut [f32]) {
        assert!(query.width == self.width && out.len() >= self.out_len(query, rows.len()));
        assert!(rows.iter().all(|row| row.len() == query.dim));
        // SAFETY: the lengths were checked, and this table exists only for a level that the
        // processor has.
        unsafe { (self.dots)(query, rows, out) }
    }

    /// Score of one pair.
    ///
    /// # Panics
    /// If a slice is too short for the pair.
    pub fn attend(&self, attention: Attention, pair: &Pair) -> f32 {
        assert!(pair.query_tokens > 0 && !pair.target_norms.is_empty());
        assert!(
            pair.query_tokens
                .checked_next_multiple_of(self.width)
                .is_some_and(|lanes| pair.holds(lanes))
        );
        // SAFETY: the lengths were checked, and this table exists only for a level that the
        // processor has.
        unsafe { (self.attend)(attention, pair) }
    }

    /// Queries of a bundle.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Scratch that [`Kernels::attend_bundle`] needs for so many tokens of a query and a target.
    pub fn bundle_len(&self, query_tokens: usize, target_tokens: usize) -> usize {
        scratch_len(self.width, query_tokens, target_tokens)
    }

    /// Scores of [`Kernels::width`] queries of one length against one target: the same bits as
    /// [`Kernels::attend`] gives for each. Register `i` of a row of cosines, and of the query norms,
    /// has token `i` of each query.
    ///
    /// # Panics
    /// If a slice is too short for the bundle, or the queries are too long for one.
    pub fn attend_bundle(
        &self,
        attention: Attention,
        pair: &Pair,
        scratch: &mut [f32],
        scores: &mut [f32],
    ) {
        let (m, n) = (pair.query_tokens, pair.target_norms.len());
        assert!(m > 0 && n > 0 && m <= self.longest_in_bundle());
        assert!(pair.holds(m * self.width));
        assert!(scratch.len() >= self.bundle_len(m, n) && scores.len() >= self.width);
        // SAFETY: the lengths were checked, and this table exists only for a level that the
        // processor has.
        unsafe { (self.attend_bundle)(attention, pair, scratch, scores) }
    }

    /// Most tokens of a query in a bundle.
    pub fn longest_in_bundle(&self) -> usize {
        RUN * self.width
    }

    /// `exp` of every value in place, for `x <= 0`.
    ///
    /// # Panics
    /// If the length is no multiple of 16.
    pub fn exp(&self, values: &mut [f32]) {
        assert!(values.len().is_multiple_of(16));
        // SAFETY: 16 is a multiple of every level's lanes, and this table exists only for a level
        // that the processor has.
        unsafe { (self.exp)(values) }
    }

    /// Half precision to single, exactly.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn widen(&self, from: &[f16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len());
        // SAFETY: the lengths were checked, and this table exists only for a level that the
        // processor has.
        unsafe { (self.widen)(from, to) }
    }

    /// Multiplies the codes of each row by its scale.
    ///
    /// # Panics
    /// If the lengths differ, or the codes are no whole rows.
    pub fn widen_codes(&self, codes: &[i8], scales: &[f32], to: &mut [f32]) {
        assert!(codes.len() == to.len() && codes.len().is_multiple_of(scales.len()));
        // SAFETY: the lengths were checked, and this table exists only for a level that the
        // processor has.
        unsafe { (self.widen_codes)(codes, scales, to) }
    }

    /// How many of `scores` are above `mark`, and how many are at least that.
    pub fn count_above(&self, scores: &[f32], mark: f32) -> (usize, usize) {
        // SAFETY: this table exists only for a level that the processor has.
        unsafe { (self.count_above)(scores, mark) }
    }

    /// Copies the scores that are at least `floor`, in their order; returns how many, or none if a
    /// score is NaN. What follows the kept ones is of no meaning.
    ///
    /// # Panics
    /// If there is less room than there are scores.
    pub fn copy_from(&self, floor: f32, scores: &[f32], to: &mut [f32]) -> Option<usize> {
        assert!(to.len() >= scores.len());
        // SAFETY: the length was checked, and this table exists only for a level that the
        // processor has.
        let (kept, numbers) =
            unsafe { (self.keep_from)(floor, scores.as_ptr(), to.as_mut_ptr(), scores.len()) };
        numbers.then_some(kept)
    }

    /// The same where the scores lie, none of which is NaN.
    pub fn keep_from(&self, floor: f32, scores: &mut [f32]) -> usize {
        let at = scores.as_mut_ptr();
        // SAFETY: reading and writing go through the same pointer, and this table exists only for
        // a level that the processor has.
        unsafe { (self.keep_from)(floor, at.cast_const(), at, scores.len()).0 }
    }

    /// What the codes of a query's tokens are held to at this level.
    pub fn query_codes(&self) -> Codes {
        self.query_codes
    }

    /// Lays out a query's tokens, of `axes` codes each, for [`Kernels::bounds`].
    ///
    /// # Panics
    /// If there is no token, or the number of axes is no multiple of [`super::codes::BLOCK`].
    pub fn bound_query<'a>(
        &self,
        axes: usize,
        tokens: impl ExactSizeIterator<Item = BoundToken<'a>>,
    ) -> BoundQuery {
        assert!(tokens.len() > 0 && axes > 0 && axes.is_multiple_of(BLOCK));
        BoundQuery::new(axes, tokens, self.panel)
    }

    /// A bound of each text's score, up to rounding of float32 arithmetic; of no meaning in lanes
    /// without a text.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn bounds(
        &self,
        attention: Attention,
        query: &BoundQuery,
        group: &BoundGroup,
        scratch: &mut [f32],
    ) -> [f32; LANES] {
        let rows = group.values.len() / ROW_VALUES;
        assert!(group.codes.len() >= rows * query.axes() * LANES);
        assert!(scratch.len() >= query.scratch_len());
        // SAFETY: the lengths were checked, and this table exists only for a level that the
        // processor has.
        unsafe { (self.bounds)(attention, query, group, scratch) }
    }

    /// Multiplies and adds in registers for so many rounds: what one thread can reach at most.
    /// Returns the number of floating point operations.
    pub fn multiply_add(&self, rounds: u64) -> u64 {
        // SAFETY: this table exists only for a level that the processor has.
        std::hint::black_box(unsafe { (self.multiply_add)(rounds) });
        rounds * operations(self.width)
    }
}

/// Whole registers first, then what is left one by one; both are exact.
#[inline(always)]
unsafe fn widen<V: Vector>(from: &[f16], to: &mut [f32]) {
    let whole = from.len() / V::LANES * V::LANES;
    for at in (0..whole).step_by(V::LANES) {
        // SAFETY: LANES values remain on both sides.
        unsafe { V::widen(from.as_ptr().add(at)).store(to.as_mut_ptr().add(at)) }
    }
    for (to, from) in to[whole..].iter_mut().zip(&from[whole..]) {
        *to = from.to_f32();
    }
}

/// Whole registers first, then what is left one by one: one rounding a value either way.
#[inline(always)]
unsafe fn widen_codes<V: Vector>(codes: &[i8], scales: &[f32], to: &mut [f32]) {
    let dim = codes.len() / scales.len();
    let whole = dim / V::LANES * V::LANES;
    for ((codes, to), &scale) in codes.chunks_exact(dim).zip(to.chunks_exact_mut(dim)).zip(scales) {
        for at in (0..whole).step_by(V::LANES) {
            // SAFETY: LANES values remain on both sides.
            unsafe {
                let values = V::widen_bytes(codes.as_ptr().add(at)).mul(V::splat(scale));
                values.store(to.as_mut_ptr().add(at));
            }
        }
        for (to, &code) in to[whole..].iter_mut().zip(&codes[whole..]) {
            *to = f32::from(code) * scale;
        }
    }
}
