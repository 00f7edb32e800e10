//! Kernels against the reference.

use super::*;
use proptest::prelude::*;

fn scorers(temperature: f64) -> impl Iterator<Item = Scorer> {
    let plain = ["soft_target", "soft_query", "soft", "max"].map(|name| (name, None));
    let weighed = [0.0, 4.0, 1e30].map(|pivot| ("soft", Some(pivot)));
    plain
        .into_iter()
        .chain(weighed)
        .map(move |(name, pivot)| Scorer::new(name, temperature, pivot).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn equals_the_definition(
        seed: u64, dim in 1_usize..70, longest in 1_usize..40,
        temperature in -3.0..3.0_f64, scale in 0.0..4.0_f32,
    ) {
        let mut random = Random(seed);
        let queries = random.lengths(3, longest);
        let queries = random.texts(&queries, dim, 10.0_f32.powf(scale));
        let targets = random.lengths(9, longest);
        let targets = random.texts(&targets, dim, 10.0_f32.powf(scale));
        for scorer in scorers(10.0_f64.powf(temperature)) {
            let worst = worst_error(&queries, &targets, scorer);
            prop_assert!(worst < 1.0, "{scorer:?}: {worst} of the tolerance");
        }
    }
}

#[test]
fn equals_the_definition_at_every_size_limit() {
    let mut random = Random(1);
    for (m, n, dim) in
        [(1, 1, 1), (512, 1, 3), (1, 512, 3), (512, 512, 5), (3, 5, 4096), (40, 33, 1000)]
    {
        let queries = random.texts(&[m, 1], dim, 4.0);
        let targets = random.texts(&[n, 2, n], dim, 4.0);
        for temperature in [1e-3, 0.5, 1e3] {
            for scorer in scorers(temperature) {
                let worst = worst_error(&queries, &targets, scorer);
                assert!(worst < 1.0, "{scorer:?} {m} x {n} x {dim}: {worst} of the tolerance");
            }
        }
    }
}

#[test]
fn equals_the_definition_for_huge_and_tiny_norms() {
    let mut random = Random(2);
    for (left, right) in
        [(1e18_f32, 1e18), (1e-18, 1e-18), (1e18, 1e-18), (1e36, 1e36), (1e-36, 1e36)]
    {
        let scaled = |random: &mut Random, scale: f32| {
            let plain = random.texts(&[4, 7], 24, 2.0);
            let values: Vec<f32> = (plain.units().chunks(24).zip(plain.norms()))
                .flat_map(|(row, norm)| row.iter().map(move |x| x * norm * scale))
                .collect();
            TokenVectors::new(&values, 24, &[0, 4, 11]).unwrap()
        };
        let (queries, targets) = (scaled(&mut random, left), scaled(&mut random, right));
        for temperature in [1e-3, 1.0, 1e3] {
            for scorer in scorers(temperature) {
                let worst = worst_error(&queries, &targets, scorer);
                assert!(worst < 1.0, "{scorer:?} {left} {right}: {worst} of the tolerance");
            }
        }
    }
}

#[test]
fn equal_tokens_in_long_sums_stay_within_the_tolerance() {
    // Sums of equal products round the same way at every step.
    for dim in [383, 1000, 4095] {
        let ones = TokenVectors::new(&vec![0.7; dim * 3], dim, &[0, 1, 3]).unwrap();
        for scorer in scorers(0.5) {
            let worst = worst_error(&ones, &ones, scorer);
            assert!(worst < 1.0, "{scorer:?} {dim}: {worst} of the tolerance");
        }
    }
}

#[test]
fn one_token_each_is_a_cosine() {
    let queries = TokenVectors::new(&[3.0, 4.0], 2, &[0, 1]).unwrap();
    let targets = TokenVectors::new(&[1.0, 0.0, 0.0, -2.0], 2, &[0, 1, 2]).unwrap();
    for level in Kernels::available() {
        for scorer in scorers(0.5) {
            let got = scores(level, &queries, &Targets::from_tokens(&targets), None, scorer);
            assert!((got[0] - 0.6).abs() < 1e-6 && (got[1] + 0.8).abs() < 1e-6, "{got:?}");
        }
    }
}

#[test]
fn the_axes_mirror_each_other() {
    let mut random = Random(3);
    let left = random.texts(&[5, 9], 32, 5.0);
    let right = random.texts(&[4, 17], 32, 5.0);
    let (to_right, to_left) = (Targets::from_tokens(&right), Targets::from_tokens(&left));
    let by = |name| Scorer::new(name, 0.5, None).unwrap();
    for level in Kernels::available() {
        for (forth, back) in [("soft_query", "soft_target"), ("soft", "soft")] {
            let a = scores(level, &left, &to_right, None, by(forth));
            let b = scores(level, &right, &to_left, None, by(back));
            for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                assert!((a[i * 2 + j] - b[j * 2 + i]).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn a_pivot_weighs_the_axes_by_the_length_of_the_query() {
    let mut random = Random(11);
    let queries = random.texts(&[1, 4, 12], 24, 3.0);
    let targets = random.texts(&[5, 1, 9, 2], 24, 3.0);
    let targets = Targets::from_tokens(&targets);
    let by = |name, pivot| {
        let scorer = Scorer::new(name, 0.5, pivot).unwrap();
        scores(Kernels::available()[0], &queries, &targets, None, scorer)
    };
    let (by_query, by_target) = (by("soft_query", None), by("soft_target", None));
    for (i, score) in by("soft", Some(4.0)).into_iter().enumerate() {
        let weight = [0.2, 0.5, 0.75][i / 4];
        let expected = weight * by_query[i] + (1.0 - weight) * by_target[i];
        assert!((score - expected).abs() < 1e-6, "{score} is not {expected}");
    }
    assert_eq!(by("soft", Some(0.0)), by_query);
    assert_eq!(
        by("soft", Some(4.0))[4..8],
        by("soft", None)[4..8],
        "of as many tokens as the pivot"
    );
}

#[test]
fn bytes_are_exact_for_what_is_stored() {
    let mut random = Random(12);
    let lengths = random.lengths(50, 12);
    for dim in [5, 48] {
        let queries = random.texts(&[7, 20, 1], dim, 3.0);
        let targets = random.texts(&lengths, dim, 3.0);
        let codes: Vec<i8> = targets.units().iter().map(|x| (x * 127.0).round() as i8).collect();
        let scales: Vec<f32> =
            (0..targets.norms().len()).map(|i| 1.0 / (120 + i % 9) as f32).collect();
        let rows = codes.chunks(dim).zip(&scales);
        let widened: Vec<f32> = rows
            .flat_map(|(row, scale)| row.iter().map(move |&code| f32::from(code) * scale))
            .collect();
        let whole = Targets::from_tokens(&targets);
        let segment = |rows| Targets {
            segments: vec![Segment { rows, norms: targets.norms(), screen: None }],
            ..whole.clone()
        };
        for level in Kernels::available() {
            for scorer in scorers(0.5) {
                let bytes =
                    scores(level, &queries, &segment(Rows::I8(&codes, &scales)), None, scorer);
                let single = scores(level, &queries, &segment(Rows::F32(&widened)), None, scorer);
                assert_eq!(bytes, single, "{scorer:?} at {level:?}");
            }
        }
    }
}

#[test]
fn half_precision_is_exact_for_what_is_stored() {
    let mut random = Random(4);
    let lengths = random.lengths(50, 12);
    let queries = random.texts(&[7, 20], 48, 3.0);
    let targets = random.texts(&lengths, 48, 3.0);
    let stored: Vec<f16> = targets.units().iter().map(|&x| f16::from_f32(x)).collect();
    let widened: Vec<f32> = stored.iter().map(|x| x.to_f32()).collect();
    let whole = Targets::from_tokens(&targets);
    let segment = |rows| Targets {
        segments: vec![Segment { rows, norms: targets.norms(), screen: None }],
        ..whole.clone()
    };
    for level in Kernels::available() {
        for scorer in scorers(0.5) {
            let half = scores(level, &queries, &segment(Rows::F16(&stored)), None, scorer);
            let single = scores(level, &queries, &segment(Rows::F32(&widened)), None, scorer);
            assert_eq!(half, single, "{scorer:?} at {level:?}");
            // The quantisation error is another matter: 11 bits of each coordinate.
            let original = scores(level, &queries, &whole, None, scorer);
            let error = half.iter().zip(&original).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error > 0.0 && error < 1e-3, "{scorer:?}: {error}");
        }
    }
}

#[test]
fn a_zero_mean_scores_zero() {
    let (values, offsets) = ([1.0, 2.0, -1.0, -2.0, 3.0, 4.0], [0, 2, 3]);
    let pooled = TokenVectors::pooled(&values, 2, &offsets).unwrap();
    let scorer = Scorer::new("pooled", f64::NAN, None).unwrap();
    for level in Kernels::available() {
        let got = scores(level, &pooled, &Targets::from_tokens(&pooled), None, scorer);
        assert_eq!(got[..3], [0.0, 0.0, 0.0]);
        assert!(got.iter().all(|s| s.is_sign_positive()), "no negative zero: {got:?}");
        assert!((got[3] - 1.0).abs() < 1e-6);
    }
}

#[test]
fn the_exponential_is_within_its_stated_error() {
    for level in Kernels::available() {
        let mut worst: f64 = 0.0;
        let mut bits = 0_u32;
        // Every 997th float32 from -0 to -64.
        while f32::from_bits(bits | 1 << 31) > -64.0 {
            let xs: Vec<f32> =
                (0..16).map(|i| f32::from_bits((bits + i * 997) | 1 << 31)).collect();
            let mut ys = xs.clone();
            level.exp(&mut ys);
            for (x, y) in xs.iter().zip(&ys).filter(|(x, _)| **x > -64.0) {
                let exact = f64::from(*x).exp();
                worst = worst.max((f64::from(*y) / exact - 1.0).abs());
            }
            bits += 16 * 997;
        }
        let stated = if level.name() == "scalar" { 2.5e-7 } else { 1.5e-7 };
        assert!(worst < stated, "{level:?}: {worst}");
        let mut far = [f32::NEG_INFINITY, -1e30, -100.0, -64.0].repeat(4);
        level.exp(&mut far);
        assert!(far.iter().all(|y| (1.5e-28..1.7e-28).contains(y)), "{level:?}: {far:?}");
    }
}

#[test]
fn many_small_weights_lose_no_digits() {
    // One token stands out against hundreds of equal ones: every weight rounds the same way.
    for others in [511, 4095] {
        let mut values = vec![2.4, 0.3];
        values.extend([1.0, 1.8].repeat(others));
        let many = TokenVectors::new(&values, 2, &[0, others as i64 + 1]).unwrap();
        let one = TokenVectors::new(&[1.0, 0.1, 0.3, 1.0], 2, &[0, 1, 2]).unwrap();
        for temperature in [0.05, 1.0, 30.0] {
            for scorer in scorers(temperature) {
                for (queries, targets) in [(&one, &many), (&many, &one)] {
                    let worst = worst_error(queries, targets, scorer);
                    assert!(worst < 1.0, "{scorer:?} {others}: {worst} of the tolerance");
                }
            }
        }
    }
}
