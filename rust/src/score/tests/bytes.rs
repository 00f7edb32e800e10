//! The arithmetic of bounds at every level is that of its definition.

use super::*;
use crate::simd::Attention;
use crate::simd::codes::{BoundGroup, BoundQueries, GROUP, ROW_VALUES};
use crate::simd::quantised::{BLOCK, CHUNK, Limits, NO_TOKEN, Quantised};

/// The bounds' definition, in float64, from what is stored.
fn reference(
    attention: Attention,
    tokens: &[Quantised],
    group: &BoundGroup,
    components: usize,
    lane: usize,
) -> f64 {
    let n = group.tokens[lane] as usize;
    let cosine = |i: usize, j: usize| {
        let Quantised { codes, scale, error, residual_norm } = &tokens[i];
        let code = |k: usize| {
            let at = j * components * GROUP + (k / CHUNK * GROUP + lane) * CHUNK + k % CHUNK;
            i64::from(group.codes[at]) - 128
        };
        let sum: i64 = (0..components).map(|k| i64::from(codes[k]) * code(k)).sum();
        let value = |part: usize| f64::from(group.values[j * ROW_VALUES + part * GROUP + lane]);
        f64::from(*scale) * value(0) * sum as f64
            + (1.000_001 + f64::from(*error)) * value(1)
            + f64::from(*residual_norm) * value(2)
            + 1.002 * f64::from(*error)
    };
    let max = f64::max;
    let m = tokens.len();
    let by_target: f64 =
        (0..m).map(|i| (0..n).map(|j| cosine(i, j)).fold(f64::MIN, max)).sum::<f64>() / m as f64;
    let by_query: f64 =
        (0..n).map(|j| (0..m).map(|i| cosine(i, j)).fold(f64::MIN, max)).sum::<f64>() / n as f64;
    match attention {
        Attention::Query => by_query,
        Attention::Both { by_query: weight } => (1.0 - weight) * by_target + weight * by_query,
        Attention::Target | Attention::Max => by_target,
    }
}

/// Codes as large as the limits let them be, or as they come.
fn codes(random: &mut Random, components: usize, limits: Limits, extreme: bool) -> Vec<i8> {
    let value = |random: &mut Random| match (extreme, random.below(3)) {
        (true, 0) => 1.0,
        (true, _) => -1.0,
        _ => random.unit(),
    };
    let values: Vec<f32> = (0..components).map(|_| value(random)).collect();
    limits.quantise(&values).0
}

fn bounds(
    level: &Kernels,
    attentions: &[Attention],
    queries: &BoundQueries,
    group: &BoundGroup,
) -> Vec<f32> {
    let mut scratch = vec![0.0; queries.scratch_len()];
    let mut bounds = vec![0.0; queries.len() * GROUP];
    level.bounds(attentions, queries, group, &mut scratch, &mut bounds);
    bounds
}

#[test]
fn bounds_of_every_level_are_the_definitions() {
    let mut random = Random(3);
    for round in 0..40 {
        let components = BLOCK * (1 + random.below(6));
        let extreme = round % 2 == 0;
        let lengths: Vec<usize> = (0..GROUP).map(|_| 1 + random.below(5)).collect();
        let rows = *lengths.iter().max().unwrap();
        let (mut stored, mut values) =
            (vec![0; rows * components * GROUP], vec![0.0; rows * ROW_VALUES]);
        for lane in 0..GROUP {
            for j in 0..rows {
                let own = codes(&mut random, components, Limits::TARGET, extreme);
                for (k, code) in own.iter().enumerate() {
                    let at =
                        j * components * GROUP + (k / CHUNK * GROUP + lane) * CHUNK + k % CHUNK;
                    stored[at] = (i16::from(*code) + 128) as u8;
                }
                let within = j < lengths[lane];
                values[j * ROW_VALUES + lane] = if within { 2e-3 } else { 0.0 };
                values[j * ROW_VALUES + GROUP + lane] =
                    if within { random.unit().abs() * 0.1 } else { NO_TOKEN };
                values[j * ROW_VALUES + 2 * GROUP + lane] = random.unit().abs() * 0.3;
            }
        }
        let of_lanes: [f32; GROUP] = std::array::from_fn(|lane| lengths[lane] as f32);
        let group = BoundGroup { codes: &stored, values: &values, tokens: &of_lanes };
        // No number, none that is finite, and one whose products overflow here and there.
        let mut broken = values.clone();
        (broken[0], broken[GROUP + 1], broken[2]) = (f32::NAN, f32::INFINITY, 7e35);
        let damaged = BoundGroup { values: &broken, ..group };
        for level in Kernels::available() {
            let mut query = |tokens: usize| -> Vec<_> {
                let token = |_| {
                    let codes = codes(&mut random, components, level.query_limits(), extreme);
                    let (error, outside) = (random.unit().abs() * 0.05, random.unit().abs() * 0.3);
                    Quantised { codes, scale: 3e-3, error, residual_norm: outside }
                };
                (0..tokens).map(token).collect()
            };
            let queries = [1 + round % 37, 9, 1, 5].map(&mut query);
            let parts: Vec<_> = queries.iter().map(|tokens| &tokens[..]).collect();
            let together = level.bound_queries(components, &parts);
            for attention in [
                |_| Attention::Target,
                |_| Attention::Query,
                |query| Attention::Both { by_query: 0.7 / (1 + query) as f64 },
                |_| Attention::Max,
            ] {
                let attentions: Vec<_> = (0..queries.len()).map(attention).collect();
                let all = bounds(level, &attentions, &together, &group);
                let of_damaged = bounds(level, &attentions, &together, &damaged);
                let own = all.chunks_exact(GROUP).zip(of_damaged.chunks_exact(GROUP));
                for ((tokens, &attention), (own, of_damaged)) in
                    queries.iter().zip(&attentions).zip(own)
                {
                    let alone = level.bound_queries(components, &[tokens]);
                    assert_eq!(own, bounds(level, &[attention], &alone, &group));
                    let bits =
                        |bounds: &[f32]| bounds.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    let alone = bounds(level, &[attention], &alone, &damaged);
                    assert_eq!(bits(of_damaged), bits(&alone));
                    assert!(of_damaged[0].is_nan() && of_damaged[1].is_nan());
                    for (lane, &bound) in own.iter().enumerate() {
                        let exact = reference(attention, tokens, &group, components, lane);
                        let close = (f64::from(bound) - exact).abs() <= 1e-5 * exact.abs().max(1.0);
                        assert!(close, "{} {attention:?}: {bound} is not {exact}", level.name());
                    }
                }
            }
        }
    }
}

#[test]
fn codes_keep_their_limits() {
    let mut random = Random(4);
    let of_bytes = Limits::QUERY_16_BITS.of_bytes();
    for limits in [Limits::TARGET, Limits::QUERY, Limits::QUERY_16_BITS, of_bytes] {
        for extreme in [true, false] {
            let codes = codes(&mut random, 4 * BLOCK, limits, extreme);
            for block in codes.chunks(BLOCK) {
                for half in [[0, 1], [2, 3]] {
                    let own = block.chunks(CHUNK).flat_map(|four| half.map(|k| i32::from(four[k])));
                    let energy: i32 = own.clone().map(|code| code * code).sum();
                    assert!(own.map(i32::abs).max().unwrap() <= limits.range);
                    assert!(energy <= limits.energy);
                }
            }
        }
    }
    let (codes, scale) = Limits::TARGET.quantise(&[0.0; BLOCK]);
    assert!(scale <= 0.0 && codes.iter().all(|&code| code == 0));
    let (_, scale) = Limits::TARGET.quantise(&[1e-40; BLOCK]);
    assert!(scale >= 0.0 && scale.is_finite());
}
