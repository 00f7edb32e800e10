//! From the dot products of a bundle of queries with one target to their scores.
//!
//! A bundle is as many queries of one length as a register has lanes. A query is a lane, its tokens
//! are registers, and nothing is summed across lanes. Every lane adds in the order in which
//! [`attend`](super::attend::attend) adds for that query alone, so both give the same bits.

use super::attend::{Attention, Pair, Total};
use super::exp::exp;
use super::vector::Vector;

/// Scratch that [`attend_bundle`] needs for so many tokens: a register for each logit, and one for
/// the value of each query token.
pub(super) const fn scratch_len(lanes: usize, query_tokens: usize, target_tokens: usize) -> usize {
    (target_tokens + 1) * query_tokens * lanes
}

/// Scores of the queries of a bundle, which `pair` holds with a register for each lane of one query:
/// row `j` of `cosines` has in register `i` the cosines of token `i` of each query, `query_norms`
/// likewise.
///
/// # Safety
/// As [`Vector`]. `pair` has a register for each query token in every row and in its norms, `scores`
/// holds one, `scratch` [`scratch_len`]. Queries have at most `RUN · LANES` tokens.
#[inline(always)]
pub(super) unsafe fn attend_bundle<V: Vector>(
    attention: Attention,
    pair: &Pair,
    scratch: &mut [f32],
    scores: &mut [f32],
) {
    let bundle = Bundle { pair, logits: scratch.as_mut_ptr() };
    // SAFETY: passed on to the caller.
    unsafe {
        if attention != Attention::Max {
            bundle.write_logits::<V>();
        }
        let scored: V = match attention {
            Attention::Target => bundle.each_query_token(),
            Attention::Query => bundle.each_target_token(),
            Attention::Both { by_query } => {
                let weight = by_query as f32;
                let by_target = bundle.each_query_token::<V>().mul(V::splat(1.0 - weight));
                by_target.add(bundle.each_target_token::<V>().mul(V::splat(weight)))
            }
            Attention::Max => bundle.best_of_each_query_token(),
        };
        scored.add(V::splat(0.0)).store(scores.as_mut_ptr());
    }
}

/// A pair and its scratch; functions as those of one query, of the same names.
struct Bundle<'a> {
    pair: &'a Pair<'a>,
    logits: *mut f32,
}

// SAFETY of every block below: registers are those of the pair's tokens, `(target, query)`, in its
// cosines and in the scratch, which has a row more; see `attend_bundle`.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Bundle<'_> {
    #[inline(always)]
    unsafe fn cosines<V: Vector>(&self, j: usize, i: usize) -> V {
        unsafe { self.pair.cosines(j, i * V::LANES) }
    }

    #[inline(always)]
    unsafe fn logits<V: Vector>(&self, j: usize, i: usize) -> V {
        unsafe { V::load(self.at::<V>(j, i)) }
    }

    #[inline(always)]
    unsafe fn at<V: Vector>(&self, j: usize, i: usize) -> *mut f32 {
        unsafe { self.logits.add((j * self.pair.query_tokens + i) * V::LANES) }
    }

    #[inline(always)]
    unsafe fn write_logits<V: Vector>(&self) {
        for j in 0..self.pair.target_norms.len() {
            for i in 0..self.pair.query_tokens {
                unsafe {
                    let logits = self.pair.logits::<V>(self.cosines(j, i), j, i * V::LANES);
                    logits.store(self.at::<V>(j, i));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn each_query_token<V: Vector>(&self) -> V {
        let (m, n) = (self.pair.query_tokens, self.pair.target_norms.len());
        unsafe {
            for i in 0..m {
                let mut largest = V::splat(f32::NEG_INFINITY);
                for j in 0..n {
                    largest = largest.max(self.logits(j, i));
                }
                let (mut sum, mut value) = (Total::<V>::new(), Total::<V>::new());
                for j in 0..n {
                    let weights = exp(self.logits::<V>(j, i).sub(largest));
                    sum.add(weights);
                    value.add_product(self.cosines(j, i), weights);
                }
                value.all().div(sum.all()).store(self.at::<V>(n, i));
            }
            self.mean_of_last_row()
        }
    }

    #[inline(always)]
    unsafe fn each_target_token<V: Vector>(&self) -> V {
        let (m, n) = (self.pair.query_tokens, self.pair.target_norms.len());
        unsafe {
            let mut total = Total::<V>::new();
            for j in 0..n {
                let mut largest = V::splat(f32::NEG_INFINITY);
                for i in 0..m {
                    largest = largest.max(self.logits(j, i));
                }
                let (mut sum, mut value) = (Across::<V>::new(), Across::<V>::new());
                for first in 0..m.min(V::LANES) {
                    let (mut sum_here, mut value_here) = (V::splat(0.0), V::splat(0.0));
                    for i in (first..m).step_by(V::LANES) {
                        let weights = exp(self.logits::<V>(j, i).sub(largest));
                        sum_here = sum_here.add(weights);
                        value_here = self.cosines::<V>(j, i).mul_add(weights, value_here);
                    }
                    sum.add(first, sum_here);
                    value.add(first, value_here);
                }
                total.add(value.all().div(sum.all()));
            }
            total.all().div(V::splat(n as f32))
        }
    }

    #[inline(always)]
    unsafe fn best_of_each_query_token<V: Vector>(&self) -> V {
        let (m, n) = (self.pair.query_tokens, self.pair.target_norms.len());
        unsafe {
            for i in 0..m {
                let mut best = V::splat(f32::NEG_INFINITY);
                for j in 0..n {
                    best = best.max(self.cosines(j, i));
                }
                best.store(self.at::<V>(n, i));
            }
            self.mean_of_last_row()
        }
    }

    /// The mean over query tokens of what the scratch holds behind the logits.
    #[inline(always)]
    unsafe fn mean_of_last_row<V: Vector>(&self) -> V {
        let (m, n) = (self.pair.query_tokens, self.pair.target_norms.len());
        unsafe {
            let mut values = Across::<V>::new();
            for first in 0..m.min(V::LANES) {
                let mut here = V::splat(0.0);
                for i in (first..m).step_by(V::LANES) {
                    here = here.add(self.logits(n, i));
                }
                values.add(first, here);
            }
            values.all().div(V::splat(m as f32))
        }
    }
}

/// Adds registers in the order in which [`Vector::sum`] adds lanes.
struct Across<V>([V; 4]);

impl<V: Vector> Across<V> {
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: arithmetic of the level only.
        Self([unsafe { V::splat(0.0) }; 4])
    }

    /// What one query has in lane `lane`.
    #[inline(always)]
    unsafe fn add(&mut self, lane: usize, values: V) {
        let sum = &mut self.0[lane % 4];
        // SAFETY: arithmetic of the level only.
        *sum = unsafe { sum.add(values) };
    }

    #[inline(always)]
    unsafe fn all(self) -> V {
        let [a, b, c, d] = self.0;
        // SAFETY: arithmetic of the level only.
        unsafe { a.add(c).add(b.add(d)) }
    }
}
