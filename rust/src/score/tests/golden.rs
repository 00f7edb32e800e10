//! Golden vectors that Python's tests read too.

use super::*;

#[derive(serde::Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    scorer: String,
    temperature: f64,
    pivot: Option<f64>,
    dim: usize,
    query: Vec<f32>,
    targets: Vec<f32>,
    offsets: Vec<i64>,
    scores: Vec<f64>,
}

#[test]
fn scores_equal_the_golden_ones() {
    let text = include_str!("../../../../tests/golden/scores.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    assert!(golden.cases.len() >= 20);
    for case in golden.cases {
        let scorer = Scorer::new(&case.scorer, case.temperature, case.pivot).unwrap();
        let make = if scorer.is_pooled() { TokenVectors::pooled } else { TokenVectors::new };
        let tokens = (case.query.len() / case.dim) as i64;
        let query = make(&case.query, case.dim, &[0, tokens]).unwrap();
        let targets = make(&case.targets, case.dim, &case.offsets).unwrap();
        for level in Kernels::available() {
            let got = scores(level, &query, &Targets::from_tokens(&targets), None, scorer);
            assert_eq!(got.len(), case.scores.len());
            for (target, (got, exact)) in got.iter().zip(&case.scores).enumerate() {
                let t = scorer.temperature();
                let allowed = tolerance(query.text(0), targets.text(target), case.dim, t);
                let error = (f64::from(*got) - exact).abs();
                assert!(error <= allowed, "{} at {level:?}: {error}", case.scorer);
            }
        }
    }
}
