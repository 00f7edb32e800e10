//! Upper bounds of scores from quantised vectors: 32 texts at a time, a lane each.
//!
//! A cosine is at most what two vectors of codes give, plus what was lost of them, which both
//! sides know of themselves (10 in `docs/method.md`). A score is a mean of mixtures of cosines, so a
//! mean of their largest bounds it. Nothing is summed across lanes.

use super::attend::Attention;
use super::bytes::Bytes;
use super::codes::{BoundGroup, BoundQueries, GROUP, ROW_VALUES};

/// A bound of each text's score by each query, up to rounding of float32 arithmetic; of no meaning in
/// lanes without a text. NaN where a token's values, of a damaged file, are not finite.
///
/// # Safety
/// As [`Vector`]. The group's lengths fit the queries' axes; there is an attention, all of one kind, and
/// 32 bounds for each query; `scratch` holds [`BoundQueries::scratch_len`] values.
#[inline(always)]
pub(super) unsafe fn bounds<B: Bytes>(
    attentions: &[Attention],
    queries: &BoundQueries,
    group: &BoundGroup,
    scratch: &mut [f32],
    bounds: &mut [f32],
) {
    // SAFETY: passed on to the caller.
    unsafe {
        match attentions[0] {
            Attention::Target | Attention::Max => {
                by::<B, true, false>(attentions, queries, group, scratch, bounds);
            }
            Attention::Query => by::<B, false, true>(attentions, queries, group, scratch, bounds),
            Attention::Both { .. } => {
                by::<B, true, true>(attentions, queries, group, scratch, bounds);
            }
        }
    }
}

/// Until they are means at the end, `bounds` are sums over the target's tokens.
#[inline(always)]
unsafe fn by<B: Bytes, const TARGET: bool, const QUERY: bool>(
    attentions: &[Attention],
    queries: &BoundQueries,
    group: &BoundGroup,
    scratch: &mut [f32],
    bounds: &mut [f32],
) {
    let (best, cells) = scratch.split_at_mut(queries.values.len() * GROUP);
    if TARGET {
        best.fill(f32::NEG_INFINITY);
    }
    bounds.fill(0.0);
    let (best, cells) = (best.as_mut_ptr(), cells.as_mut_ptr());
    // Zeros, or NaN where a value of the lane is no number: maxima would pass over its cosines.
    let mut taints = [0.0; GROUP];
    let rows = group.values.len() / ROW_VALUES;
    // SAFETY: every row has `components` codes and three values for each of 32 lanes, `cells` 32
    // values for each token of each panel, `best` for each token, `bounds` for each query.
    unsafe {
        B::begin(queries);
        for j in 0..rows {
            let codes = group.codes.as_ptr().add(j * queries.components * GROUP);
            let values = group.values.as_ptr().add(j * ROW_VALUES);
            B::row(queries, codes, cells);
            for lane in (0..GROUP).step_by(B::LANES) {
                let scale = B::load(values.add(lane));
                let error = B::load(values.add(GROUP + lane));
                let residual_norm = B::load(values.add(2 * GROUP + lane));
                // 1 within the text, 0 beyond its end.
                let within = B::load(group.tokens.as_ptr().add(lane)).sub(B::splat(j as f32));
                let within = within.min(B::splat(1.0)).max(B::splat(0.0));
                let taint = taints.as_mut_ptr().add(lane);
                let zero = B::splat(0.0);
                let tainted = residual_norm.mul_add(zero, B::load(taint));
                scale.mul_add(zero, error.mul_add(zero, tainted)).store(taint);
                let mut start = 0;
                for (number, &end) in queries.ends.iter().enumerate() {
                    let mut largest = B::splat(f32::NEG_INFINITY);
                    for i in start..end {
                        let &[of_sum, of_error, of_residual_norm, constant] =
                            queries.values.get_unchecked(i);
                        let rest = B::splat(constant);
                        let rest = residual_norm.mul_add(B::splat(of_residual_norm), rest);
                        let rest = error.mul_add(B::splat(of_error), rest);
                        let offset = *queries.offsets.get_unchecked(i);
                        let sum = B::load_sums(cells.add(i * GROUP + lane), offset);
                        let cosine = sum.mul(scale).mul_add(B::splat(of_sum), rest);
                        if TARGET {
                            let best = best.add(i * GROUP + lane);
                            B::load(best).max(cosine).store(best);
                        }
                        if QUERY {
                            largest = largest.max(cosine);
                        }
                    }
                    if QUERY {
                        let sum = bounds.as_mut_ptr().add(number * GROUP + lane);
                        largest.mul_add(within, B::load(sum)).store(sum);
                    }
                    start = end;
                }
            }
        }
        B::end();
        let mut start = 0;
        for (number, &end) in queries.ends.iter().enumerate() {
            let weight = match attentions[number] {
                Attention::Both { by_query } => by_query as f32,
                _ => 0.0,
            };
            for lane in (0..GROUP).step_by(B::LANES) {
                let mut by_target = B::splat(0.0);
                for i in start..end {
                    by_target = by_target.add(B::load(best.add(i * GROUP + lane)));
                }
                let by_target = by_target.div(B::splat((end - start) as f32));
                let tokens = B::load(group.tokens.as_ptr().add(lane)).max(B::splat(1.0));
                let bound = bounds.as_mut_ptr().add(number * GROUP + lane);
                let by_query = B::load(bound).div(tokens);
                let mixed = match (TARGET, QUERY) {
                    (true, true) => {
                        let by_query = by_query.mul(B::splat(weight));
                        by_target.mul_add(B::splat(1.0 - weight), by_query)
                    }
                    (true, false) => by_target,
                    _ => by_query,
                };
                mixed.add(B::load(taints.as_ptr().add(lane))).store(bound);
            }
            start = end;
        }
    }
}
