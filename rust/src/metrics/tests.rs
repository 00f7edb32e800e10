//! Ranks against a sort, metrics against values worked out by hand and against plain loops.

use super::*;
use crate::simd::Kernels;
use proptest::prelude::*;

fn values(ranks: &[u64], names: &[&str]) -> Vec<f64> {
    let names: Vec<_> = names.iter().map(|name| Metric::parse(name).unwrap()).collect();
    metrics(ranks, &[0, ranks.len()], &names).unwrap()
}

fn close(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-12)
}

#[test]
fn values_worked_out_by_hand() {
    // Relevant at 1, 3 and 12.
    let names = ["MAP", "MRR", "RP@10", "RP@2", "recall@10", "hit@1", "nDCG@3"];
    let log3 = 2.0_f64.log2() / 4.0_f64.log2();
    let ideal = 1.0 + 3.0_f64.log2().recip() + 0.5;
    let expected = [
        (1.0 + 2.0 / 3.0 + 3.0 / 12.0) / 3.0,
        1.0,
        2.0 / 3.0,
        0.5,
        2.0 / 3.0,
        1.0,
        (1.0 + log3) / ideal,
    ];
    assert!(close(&values(&[12, 1, 3], &names), &expected));
    // The denominator of RP@k is what could have been found.
    assert!(close(&values(&[1], &["RP@10", "RP@1", "MRR"]), &[1.0, 1.0, 1.0]));
    assert!(close(&values(&[4], &["hit@3", "hit@4", "MRR", "MAP"]), &[0.0, 1.0, 0.25, 0.25]));
}

#[test]
fn a_query_without_a_relevant_target_has_no_value() {
    let got = metrics(&[2], &[0, 0, 1], &[Metric::AveragePrecision, Metric::Hit(1)]).unwrap();
    assert!(got[0].is_nan() && got[2].is_nan());
    assert_eq!((got[1], got[3]), (0.5, 0.0));
}

#[test]
fn equal_scores_stand_in_the_order_of_the_targets() {
    let got = ranks(&[0.5, 0.9, 0.5, 0.5, -0.0, 0.0], 6, &[3, 0, 1, 5, 4], &[0, 5]).unwrap();
    assert_eq!(got, [4, 2, 1, 6, 5]);
}

#[test]
fn what_does_not_fit_is_refused() {
    for name in ["map", "MAP@", "RP", "RP@0", "RP@+1", "RP@x", "nDCG@-1", "P@5", ""] {
        let message = Metric::parse(name).unwrap_err().to_string();
        assert!(message.contains("RP@k") && message.contains(name), "{message}");
    }
    for (bad, offsets) in
        [(&[0][..], &[0, 1][..]), (&[2, 2], &[0, 2]), (&[1], &[0, 2]), (&[1], &[])]
    {
        assert!(metrics(bad, offsets, &[]).is_err(), "{bad:?} {offsets:?}");
    }
    assert!(ranks(&[1.0, 2.0], 2, &[2], &[0, 1]).is_err());
    assert!(ranks(&[1.0, 2.0], 2, &[1, 1], &[0, 2]).is_err());
    assert!(ranks(&[1.0, 2.0], 2, &[1], &[0, 1, 1]).is_err());
    assert!(ranks(&[], 0, &[], &[0]).unwrap().is_empty());
}

#[test]
fn a_score_that_is_not_a_number_is_named() {
    let mut scores = vec![0.5_f32; 2 * 5000];
    scores[5000 + 4321] = f32::NAN;
    let message = ranks(&scores, 5000, &[1], &[0, 1, 1]).unwrap_err().to_string();
    assert!(message.contains("query 1: the score of target 4321 is NaN"), "{message}");
}

proptest! {
    #[test]
    fn counts_equal_a_sort_at_every_level_in_one_piece_and_in_many(
        scores in prop::collection::vec(-3_i16..1000, 1..9000),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
        piece in 1_usize..700, aliases in 0_usize..4,
    ) {
        // An alias scored none of the targets, all, or every second or third.
        let by_alias = |target: usize| aliases > 0 && target.is_multiple_of(aliases);
        // Signed zeros, infinities and equal scores.
        let row: Vec<f32> = scores
            .iter()
            .map(|&score| match score {
                -3 => -0.0,
                -2 => f32::INFINITY,
                -1 => f32::NEG_INFINITY,
                score => f32::from(score) - 1.0,
            })
            .collect();
        let relevant: Vec<usize> = picks.iter().map(|pick| pick.index(row.len())).collect();
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| {
            let by_score = (row[b] + 0.0).total_cmp(&(row[a] + 0.0));
            by_score.then(by_alias(a).cmp(&by_alias(b)))
        });
        let rank = |&target| order.iter().position(|&other| other == target).unwrap() as u64 + 1;
        let expected: Vec<u64> = relevant.iter().map(rank).collect();
        for level in Kernels::available() {
            let kernels = level;
            let count = |own: &[usize], row: &[f32], piece| {
                let marks = Marks::new(own.iter().map(|&target| (target, row[target] + 0.0, by_alias(target))));
                let (mut ranks, mut kept) = (vec![1; own.len()], Vec::new());
                let mut pieces = (0..).step_by(piece).zip(row.chunks(piece));
                let counted = pieces.all(|(first, scores)| {
                    let own: Vec<bool> = (first..first + scores.len()).map(by_alias).collect();
                    let by_alias = if aliases == 0 { &[][..] } else { &own };
                    let some = Scored { first, scores, by_alias };
                    marks.count(kernels, some, &mut ranks, &mut kept)
                });
                counted.then_some(ranks)
            };
            for piece in [row.len(), piece] {
                let got = count(&relevant, &row, piece);
                prop_assert_eq!(got.as_ref(), Some(&expected), "{}, {}", level.name(), piece);
                for at in [0, row.len() / 2, row.len() - 1] {
                    let mut damaged = row.clone();
                    damaged[at] = f32::NAN;
                    prop_assert!(count(&relevant, &damaged, piece).is_none());
                    prop_assert!(count(&[], &damaged, piece).is_none());
                }
            }
        }
    }

    #[test]
    fn ranks_equal_a_sort(
        rows in prop::collection::vec(prop::collection::vec(-2_i8..2, 20), 1..5), picks: u64
    ) {
        let scores: Vec<f32> = rows.iter().flatten().map(|&s| f32::from(s)).collect();
        let (mut relevant, mut offsets, mut expected) = (vec![], vec![0], vec![]);
        for (query, row) in rows.iter().enumerate() {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by_key(|&target| std::cmp::Reverse(row[target]));
            for target in (0..row.len()).rev().filter(|t| picks >> ((t + query * 7) % 64) & 1 == 1) {
                relevant.push(target);
                expected.push(order.iter().position(|&t| t == target).unwrap() as u64 + 1);
            }
            offsets.push(relevant.len());
        }
        prop_assert_eq!(ranks(&scores, 20, &relevant, &offsets).unwrap(), expected);
    }

    #[test]
    fn metrics_equal_plain_loops(places in prop::collection::btree_set(1_u64..60, 1..20), k in 1_u64..30) {
        let ranks: Vec<u64> = places.iter().copied().collect();
        let (mut hits, mut precision, mut gain, mut ideal) = (0.0, 0.0, 0.0, 0.0);
        let mut hits_at_k = 0.0;
        for rank in 1..60 {
            let discount = 1.0 / ((rank + 1) as f64).log2();
            if rank <= k && rank <= ranks.len() as u64 {
                ideal += discount;
            }
            if places.contains(&rank) {
                hits += 1.0;
                precision += hits / rank as f64;
                if rank <= k {
                    hits_at_k += 1.0;
                    gain += discount;
                }
            }
        }
        let count = ranks.len() as f64;
        let names = ["MAP".into(), format!("RP@{k}"), format!("recall@{k}"), format!("nDCG@{k}")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let expected =
            [precision / count, hits_at_k / count.min(k as f64), hits_at_k / count, gain / ideal];
        prop_assert!(close(&values(&ranks, &names), &expected));
    }
}
