//! From the dot products of one (query, target) pair to its score.

use super::exp::exp;
use super::vector::Vector;

/// Which side attends to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Every query token looks for its counterpart among the target's.
    Target,
    /// Every target token looks for its evidence among the query's.
    Query,
    /// The mean of both.
    Both,
    /// The best cosine for each query token.
    Max,
}

/// One pair, as the kernels take it.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// Cosines, `(target tokens, stride)`: row `j` holds the query's tokens in its first lanes.
    pub cosines: &'a [f32],
    /// Distance of two rows.
    pub stride: usize,
    /// Query norms, one a lane, readable for a register beyond the last token.
    pub query_norms: &'a [f32],
    /// Target norms, one a token.
    pub target_norms: &'a [f32],
    /// Number of query tokens.
    pub query_tokens: usize,
    /// `1 / t`.
    pub inverse_temperature: f32,
}

/// Logits are held at this size, far beyond where a softmax has settled, so that none is infinite.
const LARGEST_SCALE: f32 = 1e30;

/// Where every sum of shared exponentials is above this, the floor of [`exp`] adds less than 1e-7
/// of it, for 512 tokens.
const SMALLEST_SUM: f32 = 1e-18;

/// Additions of one float32 accumulator before it is added to the total: a sum over hundreds of
/// small weights would lose digits.
const RUN: usize = 64;

/// Score of one pair, in `[-1, 1]` up to rounding.
///
/// `columns` is scratch for four values a lane.
///
/// # Safety
/// As [`Vector`]. `cosines` is readable for a register beyond the query's last token in each row,
/// `query_norms` likewise, `columns` holds `4 · (query_tokens + LANES)` values.
#[inline(always)]
pub(super) unsafe fn attend<V: Vector>(
    attention: Attention,
    pair: &Pair,
    columns: &mut [f32],
) -> f32 {
    // SAFETY: passed on to the caller.
    let score = unsafe {
        match attention {
            Attention::Target => shared::<V, true, false>(pair, columns)
                .unwrap_or_else(|| each_query_token::<V>(pair)),
            Attention::Query => shared::<V, false, true>(pair, columns)
                .unwrap_or_else(|| each_target_token::<V>(pair)),
            Attention::Both => shared::<V, true, true>(pair, columns).unwrap_or_else(|| {
                0.5 * (each_query_token::<V>(pair) + each_target_token::<V>(pair))
            }),
            Attention::Max => best_of_each_query_token::<V>(pair),
        }
    };
    // Ranking compares bits: no negative zero.
    score + 0.0
}

/// Adds up registers: runs of them in float32, the runs in float64.
struct Total<V> {
    run: V,
    registers: usize,
    runs: f64,
}

impl<V: Vector> Total<V> {
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: arithmetic of the level only.
        Self { run: unsafe { V::splat(0.0) }, registers: 0, runs: 0.0 }
    }

    #[inline(always)]
    unsafe fn add(&mut self, values: V) {
        // SAFETY: arithmetic of the level only.
        unsafe {
            if self.registers == RUN {
                self.runs += f64::from(self.run.sum());
                self.run = V::splat(0.0);
                self.registers = 0;
            }
            self.run = self.run.add(values);
            self.registers += 1;
        }
    }

    #[inline(always)]
    unsafe fn mean(self, count: f32) -> f32 {
        // SAFETY: arithmetic of the level only.
        unsafe { ((self.runs + f64::from(self.run.sum())) / f64::from(count)) as f32 }
    }
}

impl Pair<'_> {
    #[inline(always)]
    fn tokens(&self) -> (f32, f32) {
        (self.query_tokens as f32, self.target_norms.len() as f32)
    }

    /// Cosines of target token `j` with the register of query tokens from `lane` on.
    #[inline(always)]
    unsafe fn cosines<V: Vector>(&self, j: usize, lane: usize) -> V {
        // SAFETY: rows are readable for a register beyond the query's last token.
        unsafe { V::load(self.cosines.as_ptr().add(j * self.stride + lane)) }
    }

    /// Their logits `a_ij / t`.
    #[inline(always)]
    unsafe fn logits<V: Vector>(&self, cosines: V, j: usize, lane: usize) -> V {
        // SAFETY: norms are readable for a register beyond the query's last token.
        unsafe {
            let norms = V::load(self.query_norms.as_ptr().add(lane))
                .mul(V::splat(*self.target_norms.get_unchecked(j)));
            let scale = norms.mul(V::splat(self.inverse_temperature));
            cosines.mul(scale.min(V::splat(LARGEST_SCALE)))
        }
    }

    /// `x` in the lanes that hold a query token, `other` in the rest.
    #[inline(always)]
    unsafe fn in_query<V: Vector>(&self, x: V, lane: usize, other: f32) -> V {
        // SAFETY: arithmetic of the level only.
        unsafe {
            let left = self.query_tokens - lane;
            if left >= V::LANES { x } else { x.select(V::first(left), V::splat(other)) }
        }
    }
}

/// One exponential a cell, relative to the largest logit of the pair, serves both softmaxes.
///
/// None if some token's logits all lie so far below the largest that its sum lost precision;
/// then each token needs a maximum of its own.
#[inline(always)]
unsafe fn shared<V: Vector, const TARGET: bool, const QUERY: bool>(
    pair: &Pair,
    columns: &mut [f32],
) -> Option<f32> {
    // SAFETY: lanes run to the register that holds the query's last token; see `attend`.
    unsafe {
        let (m, n) = pair.tokens();
        let mut largest = V::splat(f32::NEG_INFINITY);
        for j in 0..pair.target_norms.len() {
            for lane in (0..pair.query_tokens).step_by(V::LANES) {
                let logits = pair.logits::<V>(pair.cosines(j, lane), j, lane);
                largest = largest.max(pair.in_query(logits, lane, f32::NEG_INFINITY));
            }
        }
        let largest = V::splat(largest.largest());

        let mut score = 0.0_f64;
        let columns = columns.as_mut_ptr();
        for j in 0..pair.target_norms.len() {
            let (mut row_sum, mut row_value) = (V::splat(0.0), V::splat(0.0));
            let (mut row_sums, mut row_values) = (0.0_f64, 0.0_f64);
            for lane in (0..pair.query_tokens).step_by(V::LANES) {
                if QUERY && lane > 0 && lane % (RUN * V::LANES) == 0 {
                    row_sums += f64::from(row_sum.sum());
                    row_values += f64::from(row_value.sum());
                    (row_sum, row_value) = (V::splat(0.0), V::splat(0.0));
                }
                let cosines = pair.cosines::<V>(j, lane);
                let weights = exp(pair.logits(cosines, j, lane).sub(largest).min(V::splat(0.0)));
                if QUERY {
                    let weights = pair.in_query(weights, lane, 0.0);
                    // Beyond the query's end lies another text, whose damage is none of this one's.
                    let cosines = pair.in_query(cosines, lane, 0.0);
                    row_sum = row_sum.add(weights);
                    row_value = cosines.mul_add(weights, row_value);
                }
                if TARGET {
                    // Sum and value of this run, then of the runs before.
                    let [sum, value, all_sum, all_value] =
                        std::array::from_fn(|part| columns.add(4 * lane + part * V::LANES));
                    if j == 0 {
                        V::splat(0.0).store(all_sum);
                        V::splat(0.0).store(all_value);
                    } else if j % RUN == 0 {
                        V::load(all_sum).add(V::load(sum)).store(all_sum);
                        V::load(all_value).add(V::load(value)).store(all_value);
                    }
                    if j % RUN == 0 {
                        weights.store(sum);
                        cosines.mul(weights).store(value);
                    } else {
                        V::load(sum).add(weights).store(sum);
                        cosines.mul_add(weights, V::load(value)).store(value);
                    }
                }
            }
            if QUERY {
                row_sums += f64::from(row_sum.sum());
                row_values += f64::from(row_value.sum());
                if row_sums < f64::from(SMALLEST_SUM) {
                    return None;
                }
                score += row_values / row_sums;
            }
        }
        let by_query = (score / f64::from(n)) as f32;
        if !TARGET {
            return Some(by_query);
        }
        let (mut values, mut smallest) = (Total::<V>::new(), V::splat(f32::INFINITY));
        for lane in (0..pair.query_tokens).step_by(V::LANES) {
            let [sum, value, all_sum, all_value] =
                std::array::from_fn(|part| V::load(columns.add(4 * lane + part * V::LANES)));
            let sum = all_sum.add(sum);
            let value = all_value.add(value).div(sum);
            smallest = smallest.min(pair.in_query(sum, lane, f32::INFINITY));
            values.add(pair.in_query(value, lane, 0.0));
        }
        // The negative of the largest negative: one reduction fewer to ask of a level.
        if -(V::splat(0.0).sub(smallest)).largest() < SMALLEST_SUM {
            return None;
        }
        let by_target = values.mean(m);
        Some(if QUERY { 0.5 * (by_target + by_query) } else { by_target })
    }
}

/// Softmax over the target's tokens for each query token, with that token's own maximum.
#[inline(always)]
unsafe fn each_query_token<V: Vector>(pair: &Pair) -> f32 {
    // SAFETY: as in `shared`.
    unsafe {
        let mut values = Total::<V>::new();
        for lane in (0..pair.query_tokens).step_by(V::LANES) {
            let mut largest = V::splat(f32::NEG_INFINITY);
            for j in 0..pair.target_norms.len() {
                largest = largest.max(pair.logits(pair.cosines(j, lane), j, lane));
            }
            let (mut sum, mut value) = (V::splat(0.0), V::splat(0.0));
            for start in (0..pair.target_norms.len()).step_by(RUN) {
                let (mut run_sum, mut run_value) = (V::splat(0.0), V::splat(0.0));
                for j in start..pair.target_norms.len().min(start + RUN) {
                    let cosines = pair.cosines::<V>(j, lane);
                    let weights = exp(pair.logits(cosines, j, lane).sub(largest));
                    run_sum = run_sum.add(weights);
                    run_value = cosines.mul_add(weights, run_value);
                }
                sum = sum.add(run_sum);
                value = value.add(run_value);
            }
            values.add(pair.in_query(value.div(sum), lane, 0.0));
        }
        values.mean(pair.tokens().0)
    }
}

/// Softmax over the query's tokens for each target token, with that token's own maximum.
#[inline(always)]
unsafe fn each_target_token<V: Vector>(pair: &Pair) -> f32 {
    // SAFETY: as in `shared`.
    unsafe {
        let mut score = 0.0_f64;
        for j in 0..pair.target_norms.len() {
            let mut largest = V::splat(f32::NEG_INFINITY);
            for lane in (0..pair.query_tokens).step_by(V::LANES) {
                let logits = pair.logits::<V>(pair.cosines(j, lane), j, lane);
                largest = largest.max(pair.in_query(logits, lane, f32::NEG_INFINITY));
            }
            let largest = V::splat(largest.largest());
            let (mut sum, mut value) = (V::splat(0.0), V::splat(0.0));
            let (mut sums, mut values) = (0.0_f64, 0.0_f64);
            for lane in (0..pair.query_tokens).step_by(V::LANES) {
                if lane > 0 && lane % (RUN * V::LANES) == 0 {
                    sums += f64::from(sum.sum());
                    values += f64::from(value.sum());
                    (sum, value) = (V::splat(0.0), V::splat(0.0));
                }
                let cosines = pair.cosines::<V>(j, lane);
                let weights = exp(pair.logits(cosines, j, lane).sub(largest).min(V::splat(0.0)));
                let weights = pair.in_query(weights, lane, 0.0);
                let cosines = pair.in_query(cosines, lane, 0.0);
                sum = sum.add(weights);
                value = cosines.mul_add(weights, value);
            }
            sums += f64::from(sum.sum());
            values += f64::from(value.sum());
            score += values / sums;
        }
        (score / f64::from(pair.tokens().1)) as f32
    }
}

/// The largest cosine of each query token.
#[inline(always)]
unsafe fn best_of_each_query_token<V: Vector>(pair: &Pair) -> f32 {
    // SAFETY: as in `shared`.
    unsafe {
        let mut values = Total::<V>::new();
        for lane in (0..pair.query_tokens).step_by(V::LANES) {
            let mut best = V::splat(f32::NEG_INFINITY);
            for j in 0..pair.target_norms.len() {
                best = best.max(pair.cosines(j, lane));
            }
            values.add(pair.in_query(best, lane, 0.0));
        }
        values.mean(pair.tokens().0)
    }
}
