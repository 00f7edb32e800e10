//! The search is held to the float64 reference and to itself under every cut of the work.

mod bounded;
mod bytes;
mod exact;
mod golden;
mod pure;

use super::{Rows, Scorer, Search, Segment, Targets, Text};
use crate::simd::{Kernels, reference};
use crate::tokens::TokenVectors;
use half::f16;

/// Numbers from a seed: the same in every run, on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `[-1, 1)`.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Texts of the given lengths; every token's norm is `scale` to a power in `[-1, 1)`.
    fn texts(&mut self, lengths: &[usize], dim: usize, scale: f32) -> TokenVectors {
        let mut values = Vec::new();
        let mut offsets = vec![0_i64];
        for &tokens in lengths {
            for _ in 0..tokens {
                let norm = scale.powf(self.unit()) / (dim as f32).sqrt();
                // A direction that all share makes cosines as high as those of real tokens.
                let row = (0..dim).map(|k| self.unit() + if k % 3 == 0 { 0.8 } else { 0.0 });
                values.extend(row.map(|x| x * norm));
            }
            offsets.push(offsets.last().unwrap() + tokens as i64);
        }
        TokenVectors::new(&values, dim, &offsets).unwrap()
    }

    fn lengths(&mut self, texts: usize, longest: usize) -> Vec<usize> {
        (0..texts).map(|_| 1 + self.below(longest)).collect()
    }
}

const SOFT: [&str; 3] = ["soft_target", "soft_query", "soft"];

fn never() -> bool {
    false
}

/// All scores at one level.
fn scores(
    level: &'static Kernels,
    queries: &TokenVectors,
    targets: &Targets,
    subset: Option<&[usize]>,
    scorer: Scorer,
) -> Vec<f32> {
    Search::at_level(level, queries, targets, subset, scorer, &never).unwrap().scores().unwrap()
}

/// What §1 of the design allows: rounding decides a softmax of huge logits.
fn tolerance(query: reference::Side, target: reference::Side, dim: usize, temperature: f64) -> f64 {
    let mut largest: f64 = 0.0;
    for i in 0..query.1.len() {
        for j in 0..target.1.len() {
            let norms = f64::from(query.1[i]) * f64::from(target.1[j]);
            largest = largest.max((norms * reference::cosine(query, i, target, j, dim)).abs());
        }
    }
    1e-5 * (largest / (16.0 * temperature)).max(1.0)
}

/// Compares every pair with the reference and returns the largest error as a share of the tolerance.
fn worst_error(queries: &TokenVectors, targets: &TokenVectors, scorer: Scorer) -> f64 {
    let (dim, t) = (queries.dim(), scorer.temperature());
    let levels = Kernels::available();
    let space = Targets::from_tokens(targets);
    let got: Vec<_> =
        levels.iter().map(|&level| scores(level, queries, &space, None, scorer)).collect();
    let mut worst: f64 = 0.0;
    for query in 0..queries.len() {
        for target in 0..targets.len() {
            let (left, right) = (queries.text(query), targets.text(target));
            let attention = scorer.attention(queries.tokens(query));
            let exact = reference::score(attention, t, left, right, dim);
            let allowed = tolerance(left, right, dim, t);
            for (level, got) in levels.iter().zip(&got) {
                let error = f64::from(got[query * targets.len() + target]) - exact;
                assert!(!error.is_nan(), "{scorer:?} at {level:?}");
                worst = worst.max(error.abs() / allowed);
            }
        }
    }
    worst
}
