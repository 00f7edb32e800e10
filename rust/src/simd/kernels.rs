//! The functions of one level, compiled for it, and which level a call takes: asked once, forced by
//! `UWE_SIMD` for tests.

use super::attend::{Attention, Pair, RUN, attend};
use super::bound::bounds;
use super::bundle::{attend_bundle, scratch_len};
use super::bytes::Bytes;
use super::codes::{BoundGroup, BoundQueries, GROUP, ROW_VALUES};
use super::count::{count_above, keep_from};
use super::dots::dots;
use super::exp::exp_slice;
use super::packed::PackedQuery;
use super::peak::{multiply_add, operations};
use super::quantised::{BLOCK, Limits, Quantised};
use super::vector::Vector;
use crate::error::{Error, Result};
use half::f16;
use std::fmt;
use std::mem::discriminant;
use std::sync::OnceLock;

/// Largest number of rows that a kernel takes at a time.
const ROWS: usize = 12;

/// The functions of one level, a set of instructions. Only a processor that has the level gets one, so
/// calling is safe.
pub struct Kernels {
    name: &'static str,
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
    bounds: unsafe fn(&[Attention], &BoundQueries, &BoundGroup, &mut [f32], &mut [f32]),
    query_limits: Limits,
    panel: usize,
    window: usize,
}

impl fmt::Debug for Kernels {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(self.name)
    }
}

/// A function compiled for the features of a level, `kernel` inlined into it. Its caller, a method of
/// [`Kernels`], checks the lengths; only a processor that has the level gets there.
macro_rules! compiled {
    ([$(#[$feature:meta])*] $name:ident = $kernel:expr; ($($arg:ident: $type:ty),*) $(-> $result:ty)?) => {
        $(#[$feature])*
        unsafe fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: passed on to the caller.
            #[allow(unused_unsafe, reason = "some kernels are safe")]
            unsafe { $kernel($($arg),*) }
        }
    };
}

/// Compiles every kernel for one level; the rows of a group are what its registers can hold: a sum
/// for each of its rows and registers of a panel, the panel's registers, and one for a row's value.
/// With four rows and three registers all sixteen of AVX2 are taken, and the compiler keeps a sum in
/// memory.
macro_rules! level {
    ($name:ident, $vector:ty, [$r1:literal, $r2:literal, $r3:literal], $features:tt) => {
        mod $name {
            use super::*;

            compiled!($features level_dots = dots::<$vector, $r1, $r2, $r3>;
                (query: &PackedQuery, rows: &[&[f32]], out: &mut [f32]));
            compiled!($features level_attend = attend::<$vector>;
                (attention: Attention, pair: &Pair) -> f32);
            compiled!($features level_attend_bundle = attend_bundle::<$vector>;
                (attention: Attention, pair: &Pair, scratch: &mut [f32], scores: &mut [f32]));
            compiled!($features level_exp = exp_slice::<$vector>; (values: &mut [f32]));
            compiled!($features level_widen = widen::<$vector>; (from: &[f16], to: &mut [f32]));
            compiled!($features level_widen_codes = widen_codes::<$vector>;
                (codes: &[i8], scales: &[f32], to: &mut [f32]));
            compiled!($features level_count_above = count_above;
                (scores: &[f32], mark: f32) -> (usize, usize));
            compiled!($features level_keep_from = keep_from::<$vector>;
                (floor: f32, from: *const f32, to: *mut f32, len: usize) -> (usize, bool));
            compiled!($features level_multiply_add = multiply_add::<$vector>; (rounds: u64) -> f32);
            compiled!($features level_bounds = bounds::<$vector>;
                (attentions: &[Attention], queries: &BoundQueries, group: &BoundGroup,
                    scratch: &mut [f32], out: &mut [f32]));

            pub(super) static KERNELS: Kernels = Kernels {
                name: stringify!($name),
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
                query_limits: <$vector>::QUERY,
                panel: <$vector>::PANEL,
                window: <$vector>::WINDOW,
            };
        }
    };
}

level!(scalar, crate::simd::arch::generic::Generic, [4, 2, 1], []);
#[cfg(target_arch = "x86_64")]
level!(
    avx2,
    crate::simd::arch::avx2::Avx2,
    [12, 6, 3],
    [#[target_feature(enable = "avx2,fma,f16c,popcnt")]]
);
#[cfg(target_arch = "x86_64")]
level!(
    avx512,
    crate::simd::arch::avx512::Avx512<false>,
    [12, 12, 8],
    [#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,popcnt")]]
);
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
level!(
    amx,
    crate::simd::arch::avx512::Avx512<true>,
    [12, 12, 8],
    [#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,popcnt")]]
);
#[cfg(target_arch = "aarch64")]
level!(neon, crate::simd::arch::neon::Neon, [12, 8, 6], []);

impl Kernels {
    /// Levels that this build has and this processor runs, the slowest first: `scalar`, portable code;
    /// `avx2`, with FMA and F16C; `avx512` F, BW, DQ, VL and VNNI; `amx` that with AMX for bytes;
    /// `neon`.
    pub fn available() -> Vec<&'static Self> {
        #[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), expect(unused_mut))]
        let mut levels = Self::without_tiles();
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if levels.last().is_some_and(|level| level.name == "avx512")
            && super::arch::amx::available()
        {
            levels.push(&amx::KERNELS);
        }
        levels
    }

    /// Those that the system need not be asked for.
    fn without_tiles() -> Vec<&'static Self> {
        let mut levels = vec![&scalar::KERNELS];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("popcnt")
            {
                levels.push(&avx2::KERNELS);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
                {
                    levels.push(&avx512::KERNELS);
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        levels.push(&neon::KERNELS);
        levels
    }

    /// The level of this process: the fastest, or what `UWE_SIMD` names. Asked once.
    ///
    /// # Errors
    /// [`Error::Input`] if `UWE_SIMD` names a level that is unknown or not available here.
    pub fn active() -> Result<&'static Self> {
        static ACTIVE: OnceLock<std::result::Result<&'static Kernels, String>> = OnceLock::new();
        ACTIVE
            .get_or_init(|| match std::env::var_os("UWE_SIMD") {
                Some(name) if !name.is_empty() => Self::parse(&name.to_string_lossy()),
                _ => Ok(Self::available().last().unwrap_or(&&scalar::KERNELS)),
            })
            .clone()
            .map_err(Error::Input)
    }

    fn parse(name: &str) -> std::result::Result<&'static Self, String> {
        let named =
            |levels: &[&'static Self]| levels.iter().copied().find(|level| level.name == name);
        if let Some(level) = named(&Self::without_tiles()) {
            return Ok(level);
        }
        let available = Self::available();
        named(&available).ok_or_else(|| {
            let names: Vec<_> = available.iter().map(|level| level.name).collect();
            format!(
                "UWE_SIMD={name}: expected a SIMD level that this processor and this build have \
                 ({}); unset UWE_SIMD to take the fastest",
                names.join(", ")
            )
        })
    }

    /// The level, as `UWE_SIMD` spells it.
    pub fn name(&self) -> &'static str {
        self.name
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
        (rows + ROWS - 1) * query.lanes() + self.width
    }

    /// `out[row · lanes + lane]` = dot product of a target row with a query token.
    ///
    /// # Panics
    /// If a row has not as many values as the query has dimensions, `out` is shorter than
    /// [`Kernels::out_len`], or another level packed the query.
    pub fn dots(&self, query: &PackedQuery, rows: &[&[f32]], out: &mut [f32]) {
        assert!(query.width == self.width && out.len() >= self.out_len(query, rows.len()));
        assert!(rows.iter().all(|row| row.len() == query.dim));
        // SAFETY: the lengths were checked; the level, see [`Kernels`].
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
        // SAFETY: the lengths were checked; the level, see [`Kernels`].
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
        // SAFETY: the lengths were checked; the level, see [`Kernels`].
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
        // SAFETY: the lengths were checked; the level, see [`Kernels`].
        unsafe { (self.widen)(from, to) }
    }

    /// Multiplies the codes of each row by its scale.
    ///
    /// # Panics
    /// If the lengths differ, or the codes are no whole rows.
    pub fn widen_codes(&self, codes: &[i8], scales: &[f32], to: &mut [f32]) {
        assert!(codes.len() == to.len() && codes.len().is_multiple_of(scales.len()));
        // SAFETY: the lengths were checked; the level, see [`Kernels`].
        unsafe { (self.widen_codes)(codes, scales, to) }
    }

    /// How many of `scores` are above `mark`, and how many are at least that.
    pub fn count_above(&self, scores: &[f32], mark: f32) -> (usize, usize) {
        // SAFETY: the level, see [`Kernels`].
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
    pub fn query_limits(&self) -> Limits {
        self.query_limits
    }

    /// Lays out the tokens of some queries, of `components` codes each, for [`Kernels::bounds`].
    ///
    /// # Panics
    /// If there is no query, or one without tokens, or the number of components is no multiple of
    /// [`BLOCK`].
    pub fn bound_queries(&self, components: usize, queries: &[&[Quantised]]) -> BoundQueries {
        assert!(!queries.is_empty() && queries.iter().all(|tokens| !tokens.is_empty()));
        assert!(components > 0 && components.is_multiple_of(BLOCK));
        BoundQueries::new(components, queries, self.panel, self.window)
    }

    /// A bound of each text's score by each query, `(queries, 32)`, up to rounding of float32
    /// arithmetic; of no meaning in lanes without a text. A query's are the same bits whatever others
    /// are with it.
    ///
    /// # Panics
    /// If a slice is too short, the attentions differ in kind, or another level laid the queries out.
    pub fn bounds(
        &self,
        attentions: &[Attention],
        queries: &BoundQueries,
        group: &BoundGroup,
        scratch: &mut [f32],
        bounds: &mut [f32],
    ) {
        assert!(queries.window == self.window && queries.panel <= self.panel);
        let kind = discriminant(&attentions[0]);
        assert!(attentions.iter().all(|attention| discriminant(attention) == kind));
        let rows = group.values.len() / ROW_VALUES;
        assert!(group.codes.len() >= rows * queries.components * GROUP);
        assert!(scratch.len() >= queries.scratch_len());
        assert!(attentions.len() == queries.len() && bounds.len() == queries.len() * GROUP);
        // SAFETY: the lengths were checked; the level, see [`Kernels`].
        unsafe { (self.bounds)(attentions, queries, group, scratch, bounds) }
    }

    /// Multiplies and adds in registers for so many rounds: what one thread can reach at most.
    /// Returns the number of floating point operations.
    pub fn multiply_add(&self, rounds: u64) -> u64 {
        // SAFETY: the level, see [`Kernels`].
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_found_by_its_name_or_told_of() {
        for level in Kernels::available() {
            assert_eq!(Kernels::parse(level.name()).unwrap().name(), level.name());
        }
        let message = Kernels::parse("mmx").unwrap_err();
        assert!(message.contains("UWE_SIMD=mmx") && message.contains("scalar"), "{message}");
    }
}
