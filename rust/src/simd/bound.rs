//! Upper bounds of scores from quantised vectors: 32 texts at a time, a lane each.
//!
//! A cosine is at most what two vectors of codes give, plus what was lost of them, which both
//! sides know of themselves (10 in `docs/method.md`). A score is a mean of mixtures of cosines, so a
//! mean of their largest bounds it. Nothing is summed across lanes.

use super::attend::Attention;
use super::bytes::{Bytes, dots};
use super::codes::{BoundGroup, BoundQuery, GROUP, ROW_VALUES};

/// A bound of each text's score, up to rounding of float32 arithmetic; of no meaning in lanes
/// without a text. NaN where a token's values, of a damaged file, are not finite.
///
/// # Safety
/// As [`Vector`]. The group's lengths fit the query's axes; `scratch` holds
/// [`BoundQuery::scratch_len`] values.
#[inline(always)]
pub(super) unsafe fn bounds<B: Bytes>(
    attention: Attention,
    query: &BoundQuery,
    group: &BoundGroup,
    scratch: &mut [f32],
) -> [f32; GROUP] {
    // SAFETY: passed on to the caller.
    unsafe {
        match attention {
            Attention::Target | Attention::Max => by::<B, true, false>(0.0, query, group, scratch),
            Attention::Query => by::<B, false, true>(1.0, query, group, scratch),
            Attention::Both { by_query } => {
                by::<B, true, true>(by_query as f32, query, group, scratch)
            }
        }
    }
}

#[inline(always)]
unsafe fn by<B: Bytes, const TARGET: bool, const QUERY: bool>(
    weight: f32,
    query: &BoundQuery,
    group: &BoundGroup,
    scratch: &mut [f32],
) -> [f32; GROUP] {
    let (best, cells) = scratch.split_at_mut(query.tokens * GROUP);
    if TARGET {
        best.fill(f32::NEG_INFINITY);
    }
    let (best, cells) = (best.as_mut_ptr(), cells.as_mut_ptr());
    let mut sums = [0.0; GROUP];
    // Zeros, or NaN where a cosine of the lane is no number, which maxima would pass over.
    let mut taints = [0.0; GROUP];
    let rows = group.values.len() / ROW_VALUES;
    // SAFETY: every row has `components` codes and three values for each of 32 lanes, `cells` 32
    // values for each token of each panel, `best` for each token.
    unsafe {
        for j in 0..rows {
            let codes = group.codes.as_ptr().add(j * query.components * GROUP);
            let values = group.values.as_ptr().add(j * ROW_VALUES);
            for panel in 0..query.offsets.len() / query.panel {
                dots::<B>(query, panel, codes, cells.add(panel * query.panel * GROUP));
            }
            for lane in (0..GROUP).step_by(B::LANES) {
                let scale = B::load(values.add(lane));
                let error = B::load(values.add(GROUP + lane));
                let residual_norm = B::load(values.add(2 * GROUP + lane));
                let mut largest = B::splat(f32::NEG_INFINITY);
                let mut last = scale;
                for (i, &[of_sum, of_error, of_residual_norm, constant]) in
                    query.values.iter().enumerate()
                {
                    let rest = B::splat(constant);
                    let rest = residual_norm.mul_add(B::splat(of_residual_norm), rest);
                    let rest = error.mul_add(B::splat(of_error), rest);
                    let cell = B::load(cells.add(i * GROUP + lane)).mul(scale);
                    let cosine = cell.mul_add(B::splat(of_sum), rest);
                    last = cosine;
                    if TARGET {
                        let best = best.add(i * GROUP + lane);
                        B::load(best).max(cosine).store(best);
                    }
                    if QUERY {
                        largest = largest.max(cosine);
                    }
                }
                let taint = taints.as_mut_ptr().add(lane);
                last.mul_add(B::splat(0.0), B::load(taint)).store(taint);
                if QUERY {
                    // 1 within the text, 0 beyond its end.
                    let within = B::load(group.tokens.as_ptr().add(lane)).sub(B::splat(j as f32));
                    let within = within.min(B::splat(1.0)).max(B::splat(0.0));
                    let sum = sums.as_mut_ptr().add(lane);
                    largest.mul_add(within, B::load(sum)).store(sum);
                }
            }
        }
        let mut bounds = [0.0; GROUP];
        for lane in (0..GROUP).step_by(B::LANES) {
            let mut by_target = B::splat(0.0);
            for i in 0..query.tokens {
                by_target = by_target.add(B::load(best.add(i * GROUP + lane)));
            }
            let by_target = by_target.div(B::splat(query.tokens as f32));
            let tokens = B::load(group.tokens.as_ptr().add(lane)).max(B::splat(1.0));
            let by_query = B::load(sums.as_ptr().add(lane)).div(tokens);
            let bound = match (TARGET, QUERY) {
                (true, true) => {
                    let by_query = by_query.mul(B::splat(weight));
                    by_target.mul_add(B::splat(1.0 - weight), by_query)
                }
                (true, false) => by_target,
                _ => by_query,
            };
            bound.add(B::load(taints.as_ptr().add(lane))).store(bounds.as_mut_ptr().add(lane));
        }
        bounds
    }
}
