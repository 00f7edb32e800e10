//! The score of a pair never depends on the company it is computed in; ranks follow the scores.

use super::super::{set_threads, top_k};
use super::*;
use crate::metrics;
use crate::score::Hit;
use std::cmp::Ordering;

/// A space of three segments in both precisions, with aliases: what a grown cache looks like.
struct Space {
    tokens: [TokenVectors; 3],
    half: Vec<f16>,
    groups: Vec<u32>,
}

impl Space {
    fn new(random: &mut Random, dim: usize) -> Self {
        let mut segment = |texts| {
            let lengths = random.lengths(texts, 14);
            random.texts(&lengths, dim, 3.0)
        };
        let tokens = [segment(700), segment(1), segment(400)];
        let half = tokens[2].units().iter().map(|&x| f16::from_f32(x)).collect();
        let mut groups = vec![0];
        while *groups.last().unwrap() < 1101 {
            groups.push((groups.last().unwrap() + 1 + random.below(3) as u32).min(1101));
        }
        Self { tokens, half, groups }
    }

    fn targets(&self) -> Targets<'_> {
        let rows = [
            Rows::F32(self.tokens[0].units()),
            Rows::F32(self.tokens[1].units()),
            Rows::F16(&self.half),
        ];
        let texts = (0..3).flat_map(|segment: usize| {
            let tokens = &self.tokens[segment];
            (0..tokens.len()).map(move |i| Text {
                segment: segment as u32,
                tokens: tokens.tokens(i) as u32,
                row: tokens.offsets()[i],
            })
        });
        Targets {
            dim: self.tokens[0].dim(),
            segments: rows
                .into_iter()
                .zip(&self.tokens)
                .map(|(rows, tokens)| Segment { rows, norms: tokens.norms(), screen: None })
                .collect(),
            texts: texts.collect(),
            groups: (&self.groups[..]).into(),
        }
    }
}

fn bits(scores: &[f32]) -> Vec<u32> {
    scores.iter().map(|s| s.to_bits()).collect()
}

#[test]
fn scores_do_not_depend_on_batch_subset_or_threads() {
    let mut random = Random(5);
    for dim in [24, 136] {
        let space = Space::new(&mut random, dim);
        let targets = space.targets();
        let mut lengths = random.lengths(40, 30);
        lengths.extend([200, 1, 64]);
        // Enough of one length for bundles, whole ones and some with empty lanes.
        lengths.extend([[8; 20], [19; 20], [1; 20]].as_flattened());
        let queries = random.texts(&lengths, dim, 3.0);
        let subset: Vec<usize> = (0..targets.len()).filter(|_| random.below(3) == 0).collect();
        for level in Kernels::available() {
            for name in SOFT.iter().chain(&["max"]) {
                let scorer = Scorer::new(name, 0.3, None).unwrap();
                let mut reference = None;
                for threads in [1, 7] {
                    set_threads(threads);
                    let all = bits(&scores(level, &queries, &targets, None, scorer));
                    assert_eq!(&all, reference.get_or_insert(all.clone()), "{threads} threads");
                }
                set_threads(0);
                let all = reference.unwrap();
                let some = bits(&scores(level, &queries, &targets, Some(&subset), scorer));
                for query in 0..queries.len() {
                    let row = &all[query * targets.len()..][..targets.len()];
                    let part = &some[query * subset.len()..][..subset.len()];
                    assert!(subset.iter().zip(part).all(|(&target, score)| row[target] == *score));
                    if query % 9 == 0 {
                        let (units, norms) = queries.text(query);
                        let alone = TokenVectors::from_parts(units, norms, dim);
                        let alone = bits(&scores(level, &alone, &targets, None, scorer));
                        assert_eq!(row, alone, "query {query} alone, {name} at {level:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_target_scores_as_the_best_of_its_texts() {
    let mut random = Random(6);
    let space = Space::new(&mut random, 16);
    let targets = space.targets();
    let single = Targets { groups: (0..=1101).collect(), ..targets.clone() };
    let queries = random.texts(&[3, 8], 16, 3.0);
    let scorer = Scorer::new("soft", 0.5, None).unwrap();
    let search = Search::new(&queries, &targets, None, scorer, &never).unwrap();
    let each = Search::new(&queries, &single, None, scorer, &never).unwrap().scores().unwrap();
    for (query, hits) in search.top_k(targets.len()).unwrap().into_iter().enumerate() {
        assert_eq!(hits.len(), targets.len(), "each target once");
        for hit in hits {
            let texts = space.groups[hit.target] as usize..space.groups[hit.target + 1] as usize;
            let own = &each[query * 1101..][texts];
            assert!(own.iter().all(|&score| score <= hit.score));
            assert_eq!(own[hit.text as usize].to_bits(), hit.score.to_bits());
            let first = own.iter().position(|&score| score.total_cmp(&hit.score).is_eq());
            assert_eq!(first, Some(hit.text as usize), "the first of equal texts");
        }
    }
}

#[test]
fn a_label_scores_as_in_a_space_of_labels() {
    let mut random = Random(8);
    let space = Space::new(&mut random, 16);
    let targets = space.targets();
    let first = space.groups.iter().take(targets.len()).map(|&at| targets.texts[at as usize]);
    let labels = Targets::of_texts(&targets, first.collect());
    let queries = random.texts(&[3, 8, 1], 16, 3.0);
    let subset: Vec<usize> = (0..targets.len()).step_by(3).collect();
    for name in SOFT.iter().chain(&["max"]) {
        let scorer = Scorer::new(name, 0.5, None).unwrap();
        let all = Search::new(&queries, &labels, None, scorer, &never).unwrap().scores().unwrap();
        for subset in [None, Some(&subset[..])] {
            let search = Search::new(&queries, &targets, subset, scorer, &never).unwrap();
            let hits = search.top_k(30).unwrap();
            let by_alias = hits.iter().flatten().filter(|hit| hit.by_alias()).count();
            assert!((1..90).contains(&by_alias), "{by_alias}");
            let of = |(query, hits): (usize, &Vec<Hit>)| -> Vec<f32> {
                hits.iter().map(|hit| all[query * targets.len() + hit.target]).collect()
            };
            let own: Vec<f32> = hits.iter().enumerate().flat_map(of).collect();
            assert_eq!(bits(&search.label_scores(&hits).unwrap()), bits(&own), "{name}");
            assert!(search.label_scores(&hits[1..]).is_err());
            let none = Hit { target: targets.len(), ..hits[0][0] };
            assert!(search.label_scores(&[vec![none], vec![], vec![]]).is_err());
        }
    }
}

#[test]
fn the_best_among_named_texts_are_those_of_a_space_without_others() {
    let mut random = Random(9);
    let space = Space::new(&mut random, 16);
    let targets = space.targets();
    let queries = random.texts(&[3, 8, 1], 16, 3.0);
    // Every third text, in whatever order; of each target that still has any.
    let named: Vec<usize> = (0..targets.texts.len()).step_by(3).collect();
    let owner = |text: usize| targets.groups.partition_point(|&at| at as usize <= text) - 1;
    let owners: Vec<usize> = named.iter().map(|&text| owner(text)).collect();
    let (mut groups, mut left) = (vec![0], vec![]);
    for (at, &owner) in owners.iter().enumerate() {
        if left.last() != Some(&owner) {
            left.push(owner);
            groups.push(at as u32);
        }
        *groups.last_mut().unwrap() = at as u32 + 1;
    }
    let texts: Vec<_> = named.iter().map(|&text| targets.texts[text]).collect();
    let fewer = Targets { texts: texts.into(), groups: groups.into(), ..targets.clone() };
    let each: Vec<usize> = named.iter().rev().copied().collect();
    let (all, offsets) = (each.repeat(3), [0, each.len(), 2 * each.len(), 3 * each.len()]);
    for name in SOFT.iter().chain(&["max"]) {
        let scorer = Scorer::new(name, 0.5, None).unwrap();
        let search = Search::new(&queries, &targets, None, scorer, &never).unwrap();
        let alone = Search::new(&queries, &fewer, None, scorer, &never).unwrap();
        let found = search.top_k_among(10, &all, &offsets).unwrap();
        for (found, expected) in found.iter().zip(alone.top_k(10).unwrap()) {
            let scores = |hits: &[Hit]| bits(&hits.iter().map(|hit| hit.score).collect::<Vec<_>>());
            assert_eq!(scores(found), scores(&expected), "{name}");
            for (hit, expected) in found.iter().zip(&expected) {
                let text = targets.text_range(hit.target).start + hit.text as usize;
                let place = fewer.text_range(expected.target).start + expected.text as usize;
                assert_eq!((hit.target, text), (left[expected.target], named[place]), "{name}");
            }
        }
        let last = targets.texts.len();
        for (k, named, offsets) in [
            (0, &all[..], &offsets[..]),
            (left.len() + 1, &all, &offsets),
            (1, &all[..], &offsets[..3]),
            (1, &[0, 0, 1, 1], &[0, 2, 3, 4]),
            (1, &[0, 1, last], &[0, 1, 2, 3]),
        ] {
            assert!(search.top_k_among(k, named, offsets).is_err(), "{k} {offsets:?}");
        }
    }
    let subset =
        Search::new(&queries, &targets, Some(&[1]), Scorer::new("max", 1.0, None).unwrap(), &never);
    assert!(subset.unwrap().top_k_among(1, &all, &offsets).is_err());
}

#[test]
fn top_k_and_ranks_follow_the_scores() {
    let mut random = Random(7);
    let space = Space::new(&mut random, 8);
    let mut targets = space.targets();
    // The same texts twice: every score is a tie.
    targets.texts = targets.texts.iter().chain(targets.texts.iter()).copied().collect();
    let again = space.groups[1..].iter().map(|end| end + 1101);
    targets.groups = space.groups.iter().copied().chain(again).collect();
    let lengths = random.lengths(30, 12);
    let queries = random.texts(&lengths, 8, 3.0);
    let (mut relevant, mut offsets) = (Vec::new(), vec![0]);
    for query in 0..queries.len() {
        let mut own: Vec<usize> = (0..query % 7 * 3).map(|_| random.below(targets.len())).collect();
        own.sort_unstable();
        own.dedup();
        own.reverse();
        relevant.extend(own);
        offsets.push(relevant.len());
    }
    for name in ["soft", "max"] {
        let scorer = Scorer::new(name, 0.5, None).unwrap();
        for threads in [1, 2] {
            set_threads(threads);
            let search = Search::new(&queries, &targets, None, scorer, &never).unwrap();
            let all = search.scores().unwrap();
            let ranks = search.ranks(&relevant, &offsets).unwrap();
            let every = search.top_k(targets.len()).unwrap();
            for (query, hits) in every.iter().enumerate() {
                let scores = &all[query * targets.len()..][..targets.len()];
                let key = |hit: &Hit| (-(scores[hit.target] + 0.0), hit.by_alias(), hit.target);
                let ordered = |pair: &[Hit]| key(&pair[0]).partial_cmp(&key(&pair[1]));
                assert!(hits.windows(2).all(|pair| ordered(pair) == Some(Ordering::Less)));
                assert_eq!(search.top_k(50).unwrap()[query], hits[..50]);
                let own = offsets[query]..offsets[query + 1];
                for (target, rank) in relevant[own.clone()].iter().zip(&ranks[own]) {
                    assert_eq!(hits[*rank as usize - 1].target, *target);
                }
            }
            let plain = Targets { groups: (0..=2202).collect(), ..targets.clone() };
            let plain = Search::new(&queries, &plain, None, scorer, &never).unwrap();
            let all = plain.scores().unwrap();
            let ranks = plain.ranks(&relevant, &offsets).unwrap();
            assert_eq!(ranks, metrics::ranks(&all, 2202, &relevant, &offsets).unwrap());
            for (query, row) in all.chunks(2202).enumerate() {
                assert_eq!(plain.top_k(50).unwrap()[query], top_k(row, 50).unwrap());
            }
        }
    }
    set_threads(0);
}

#[test]
fn wrong_questions_are_refused() {
    let mut random = Random(8);
    let tokens = random.texts(&[2, 3, 4], 8, 1.0);
    let narrow = random.texts(&[2], 7, 1.0);
    let targets = Targets::from_tokens(&tokens);
    let scorer = Scorer::new("max", 1.0, None).unwrap();
    let ask = |queries, subset| Search::new(queries, &targets, subset, scorer, &never);
    let message = |result: crate::error::Result<()>| match result {
        Ok(()) => panic!("expected an error"),
        Err(error) => error.to_string(),
    };
    assert!(message(ask(&narrow, None).map(drop)).contains("7 dimensions"));
    assert!(message(ask(&tokens, Some(&[1, 1])).map(drop)).contains("strictly increasing"));
    assert!(message(ask(&tokens, Some(&[0, 3])).map(drop)).contains("target 3"));
    assert!(message(ask(&tokens, None).unwrap().top_k(0).map(drop)).contains("k must be"));
    let subset = ask(&tokens, Some(&[0, 2])).unwrap();
    assert!(message(subset.ranks(&[], &[0, 0, 0, 0]).map(drop)).contains("subset"));
    let all = ask(&tokens, None).unwrap();
    assert!(message(all.ranks(&[0], &[0, 1]).map(drop)).contains("3 queries"));
    assert!(message(all.ranks(&[3], &[0, 1, 1, 1]).map(drop)).contains("below 3, got 3"));
    assert!(message(all.ranks(&[1, 1], &[0, 2, 2, 2]).map(drop)).contains("twice"));
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(Scorer::new("soft", temperature, None).is_err());
        assert!(Scorer::new("pooled", temperature, None).is_ok());
    }
    for pivot in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(Scorer::new("soft", 0.5, Some(pivot)).is_err());
    }
    for name in ["soft_target", "soft_query", "max", "pooled"] {
        assert!(Scorer::new(name, 0.5, Some(4.0)).is_err());
    }
    assert!(Scorer::new("colbert", 1.0, None).unwrap_err().to_string().contains("soft_target"));
}

#[test]
fn a_call_stops_when_asked() {
    let mut random = Random(9);
    let tokens = random.texts(&vec![2; 3000], 8, 1.0);
    let targets = Targets::from_tokens(&tokens);
    let scorer = Scorer::new("max", 1.0, None).unwrap();
    let search = Search::new(&tokens, &targets, None, scorer, &|| true).unwrap();
    assert!(matches!(search.top_k(3), Err(crate::error::Error::Interrupted)));
    assert!(matches!(search.scores(), Err(crate::error::Error::Interrupted)));
    let none = vec![0; 3001];
    assert!(matches!(search.ranks(&[], &none), Err(crate::error::Error::Interrupted)));
}

#[test]
fn damage_stays_with_the_text_that_has_it() {
    let mut random = Random(10);
    let tokens = random.texts(&[3, 5, 4, 2], 8, 1.0);
    let sound = Targets::from_tokens(&tokens);
    let mut units = tokens.units().to_vec();
    units[3 * 8 + 1] = f32::NAN;
    let rows = Rows::F32(&units);
    let damaged = Targets {
        segments: vec![Segment { rows, norms: tokens.norms(), screen: None }],
        ..sound.clone()
    };
    let queries = random.texts(&[3, 3, 6], 8, 1.0);
    for level in Kernels::available() {
        for name in SOFT.iter().chain(&["max"]) {
            let scorer = Scorer::new(name, 0.5, None).unwrap();
            let expected = bits(&scores(level, &queries, &sound, None, scorer));
            let got = bits(&scores(level, &queries, &damaged, None, scorer));
            for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                assert!(i % 4 == 1 || got == expected, "{name} at {level:?}: pair {i}");
            }
        }
        // A damaged query leaves its neighbours in the block alone.
        let scorer = Scorer::new("soft", 0.5, None).unwrap();
        let expected = bits(&scores(level, &tokens, &sound, None, scorer));
        let norms = tokens.norms().to_vec();
        let mut blocks = tokens.clone();
        blocks.damage(3 * 8 + 1);
        assert_eq!(norms, blocks.norms());
        let got = bits(&scores(level, &blocks, &sound, None, scorer));
        let others = (0..16).filter(|pair| pair / 4 != 1);
        assert!(others.into_iter().all(|pair| got[pair] == expected[pair]), "{level:?}");
    }
}

#[test]
fn a_score_that_is_no_number_has_no_rank() {
    let mut random = Random(11);
    let tokens = random.texts(&vec![2; 600], 8, 1.0);
    let sound = Targets::from_tokens(&tokens);
    let mut units = tokens.units().to_vec();
    units[2 * 300 * 8] = f32::NAN;
    let damaged = Targets {
        segments: vec![Segment { rows: Rows::F32(&units), norms: tokens.norms(), screen: None }],
        ..sound.clone()
    };
    let queries = random.texts(&[3, 3, 6], 8, 1.0);
    let (relevant, offsets) = ([0, 5, 300], [0, 1, 2, 3]);
    let scorer = Scorer::new("soft", 0.5, None).unwrap();
    for level in Kernels::available() {
        let search = |targets| {
            let search = Search::at_level(level, &queries, targets, None, scorer, &never).unwrap();
            search.ranks(&relevant, &offsets)
        };
        assert!(search(&sound).is_ok());
        // Dropped, the 256 targets around it would stand before nobody.
        let error = search(&damaged).unwrap_err().to_string();
        assert!(error.contains("query 0: the score of target 300 is NaN"), "{error}");
        assert!(error.contains("uwe cache verify"), "{error}");
    }
}

#[test]
fn scores_that_do_not_fit_are_refused() {
    let error = super::super::room_for_scores::<f32>(usize::MAX / 2, 3).unwrap_err();
    assert!(error.to_string().contains("do not fit into memory"), "{error}");
    let error = super::super::room_for_scores::<f32>(1 << 40, 1 << 20).unwrap_err();
    assert!(error.to_string().contains("fewer queries"), "{error}");
    assert_eq!(super::super::room_for_scores::<f32>(2, 3).unwrap(), [0.0; 6]);
}
