//! The definition: every scorer as plain float64 loops over stored units and norms.
//!
//! Slow and readable on purpose. The kernels are held to it by tests; nothing dispatches to it.
//! Source: soft late interaction of *Unified Work Embeddings* (arXiv 2511.07969) on either axis,
//! `MaxSim` of `ColBERT`.

use super::attend::Attention;

/// One side of a pair: units `(tokens, dim)` and norms `(tokens,)`.
pub type Side<'a> = (&'a [f32], &'a [f32]);

/// Score of a query against a target.
pub fn score(attention: Attention, temperature: f64, query: Side, target: Side, dim: usize) -> f64 {
    match attention {
        Attention::Target => soft(temperature, query, target, dim),
        Attention::Query => soft(temperature, target, query, dim),
        Attention::Both { by_query } => {
            let of_target = soft(temperature, query, target, dim);
            let of_query = soft(temperature, target, query, dim);
            by_query * of_query + (1.0 - by_query) * of_target
        }
        Attention::Max => max(query, target, dim),
    }
}

/// Cosine of token `i` of one side with token `j` of the other.
pub fn cosine(left: Side, i: usize, right: Side, j: usize, dim: usize) -> f64 {
    let mut sum = 0.0;
    for k in 0..dim {
        sum += f64::from(left.0[i * dim + k]) * f64::from(right.0[j * dim + k]);
    }
    sum
}

/// Mean over the seeker's tokens of `Σ_j softmax_j(a_ij / t) · c_ij`.
fn soft(temperature: f64, seeker: Side, sought: Side, dim: usize) -> f64 {
    let mut total = 0.0;
    for i in 0..seeker.1.len() {
        let mut cosines = Vec::new();
        let mut logits = Vec::new();
        for j in 0..sought.1.len() {
            let c = cosine(seeker, i, sought, j, dim);
            let norms = f64::from(seeker.1[i]) * f64::from(sought.1[j]);
            cosines.push(c);
            logits.push(c * norms / temperature);
        }
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for (weight, c) in weights.iter().zip(&cosines) {
            total += weight / sum * c;
        }
    }
    total / seeker.1.len() as f64
}

/// Mean over the query's tokens of the largest cosine.
fn max(query: Side, target: Side, dim: usize) -> f64 {
    let mut total = 0.0;
    for i in 0..query.1.len() {
        let mut best = f64::NEG_INFINITY;
        for j in 0..target.1.len() {
            best = best.max(cosine(query, i, target, j, dim));
        }
        total += best;
    }
    total / query.1.len() as f64
}
