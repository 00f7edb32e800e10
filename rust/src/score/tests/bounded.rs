//! Spaces that are hard for bounds: no bound below its score, never another answer than a scan's.

use super::super::screen::{NO_TEXT, Order, Quantiser, Screen, basis, sort};
use super::super::{Executor, prune, scan, set_threads};
use super::*;
use crate::score::Hit;
use crate::simd::codes::GROUP;
use crate::simd::quantised::{BLOCK, Limits};

/// Names and pivots.
const SCORERS: [(&str, Option<f64>); 5] = [
    ("soft_target", None),
    ("soft_query", None),
    ("soft", None),
    ("soft", Some(4.0)),
    ("max", None),
];

/// A screen in memory.
struct Owned {
    basis: Vec<f32>,
    codes: Vec<u8>,
    values: Vec<f32>,
    order: Order,
    texts: Vec<u32>,
}

impl Owned {
    /// Of texts whose rows follow one another.
    fn new(level: &'static Kernels, rows: Rows, dim: usize, offsets: &[usize]) -> Self {
        Self::on_basis(basis(rows, dim, &never).unwrap().unwrap(), level, rows, dim, offsets)
    }

    fn on_basis(
        basis: Vec<f32>,
        level: &'static Kernels,
        rows: Rows,
        dim: usize,
        offsets: &[usize],
    ) -> Self {
        let lengths: Vec<usize> = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let texts = sort(&lengths);
        let order = Order::new(&texts, |text| lengths.get(text).copied()).unwrap();
        let quantiser = Quantiser::new(level, &basis, rows, dim);
        let (mut codes, mut values) = (Vec::new(), Vec::new());
        let text_rows = |text: u32| offsets[text as usize]..offsets[text as usize + 1];
        for group in quantiser.groups(&texts, text_rows, &Executor::new(&never)) {
            codes.extend(group.codes);
            values.extend(group.values);
        }
        Self { basis, codes, values, order, texts }
    }

    fn screen(&self) -> Screen<'_> {
        Screen {
            basis: &self.basis,
            codes: &self.codes,
            values: &self.values,
            order: &self.order,
            texts: &self.texts,
        }
    }
}

/// The best of every query, by a scan and by bounds; where these say little, by a scan again.
fn both(search: &Search, k: usize) -> [Vec<Vec<Hit>>; 2] {
    let (question, executor) = (&search.question, Executor::new(&never));
    let all: Vec<usize> = (0..question.queries.len()).collect();
    let scanned = scan::top_k(question, &all, k, &executor).unwrap();
    let pruned = prune::top_k(question, k, &executor).unwrap();
    let pruned = pruned.into_iter().zip(&scanned);
    let pruned = pruned.map(|(own, scanned)| own.unwrap_or_else(|| scanned.clone())).collect();
    [scanned, pruned]
}

/// Raw token vectors of a space, in which bounds are of little use or close to scores.
fn space(kind: usize, texts: usize, random: &mut Random, dim: usize) -> TokenVectors {
    let lengths = random.lengths(texts, if kind == 5 { 40 } else { 6 });
    let rows: usize = lengths.iter().sum();
    let mut values: Vec<f32> = (0..rows * dim).map(|_| random.unit()).collect();
    let base: Vec<f32> = values[..dim].to_vec();
    for (i, row) in values.chunks_exact_mut(dim).enumerate() {
        match kind {
            // Few tokens, repeated: equal targets.
            0 => {
                let token = i % 5;
                for (k, x) in row.iter_mut().enumerate() {
                    *x = ((token * 31 + k * 7) % 11) as f32 - 5.0;
                }
            }
            // Near ties: all close to one direction.
            1 => row.iter_mut().zip(&base).for_each(|(x, b)| *x = b + 1e-4 * *x),
            // One dominant token among small ones.
            2 => {
                let scale = if i % 7 == 0 { 50.0 } else { 0.01 };
                for x in row {
                    *x *= scale;
                }
            }
            // Most of a vector along one axis.
            3 => row[0] += 20.0,
            // A single dimension each: codes at their limits.
            4 => {
                let at = i % dim;
                row.iter_mut().enumerate().for_each(|(k, x)| *x = if k == at { 1.0 } else { 0.0 });
            }
            // Full in every dimension: as large as codes get.
            6 => row.iter_mut().for_each(|x| *x = x.signum()),
            // As they come: no axis holds more than another, texts of many lengths.
            _ => {}
        }
    }
    let mut offsets = vec![0_i64];
    for tokens in lengths {
        offsets.push(offsets.last().unwrap() + tokens as i64);
    }
    TokenVectors::new(&values, dim, &offsets).unwrap()
}

/// Queries: some texts of the space, some of their own.
fn queries(space: &TokenVectors, random: &mut Random) -> TokenVectors {
    let dim = space.dim();
    let (mut values, mut offsets) = (Vec::new(), vec![0_i64]);
    for text in [0, 7, 200] {
        let rows = space.offsets()[text] * dim..space.offsets()[text + 1] * dim;
        values.extend(space.units()[rows].iter().map(|x| x * 2.0));
        offsets.push(values.len() as i64 / dim as i64);
    }
    for tokens in [1, 13, 70] {
        values.extend((0..tokens * dim).map(|_| random.unit()));
        offsets.push(values.len() as i64 / dim as i64);
    }
    TokenVectors::new(&values, dim, &offsets).unwrap()
}

/// Bounds hold, and the best targets by them are those of a scan, of one kind of texts.
fn never_another_answer_than_a_scan(kind: usize, dim: usize) {
    let mut random = Random(kind as u64);
    let tokens = space(kind, if kind == 5 { 210 } else { 330 }, &mut random, dim);
    let queries = queries(&tokens, &mut random);
    // Every third target has two texts.
    let mut groups = vec![0_u32];
    while (*groups.last().unwrap() as usize) < tokens.len() {
        let texts = 1 + u32::from(groups.len() % 3 == 0);
        groups.push((groups.last().unwrap() + texts).min(tokens.len() as u32));
    }
    let half: Vec<f16> = tokens.units().iter().map(|&x| f16::from_f32(x)).collect();
    let codes: Vec<i8> = tokens.units().chunks_exact(dim).flat_map(codes_of).collect();
    let scales: Vec<f32> = codes.chunks(dim).map(scale_of).collect();
    for level in Kernels::available() {
        let rows = match kind {
            0 | 2 => Rows::F32(tokens.units()),
            3 | 5 => Rows::F16(&half),
            _ => Rows::I8(&codes, &scales),
        };
        let owned = Owned::new(level, rows, dim, tokens.offsets());
        let targets = Targets {
            segments: vec![Segment { rows, norms: tokens.norms(), screen: Some(owned.screen()) }],
            groups: (&groups[..]).into(),
            ..Targets::from_tokens(&tokens)
        };
        let subset: Vec<usize> = (0..targets.len()).filter(|t| t % 3 != 1).collect();
        for ((name, pivot), temperature) in
            SCORERS.iter().flat_map(|scorer| [(scorer, 0.5), (scorer, 1e-3), (scorer, 50.0)])
        {
            let scorer = Scorer::new(name, temperature, *pivot).unwrap();
            for subset in [None, Some(&subset[..])] {
                let search = Search::at_level(level, &queries, &targets, subset, scorer, &never);
                let search = search.unwrap();
                let what = format!("kind {kind}, {}, {name}:{temperature}", level.name());
                let scores = search.scores().unwrap();
                let all = prune::bounds(&search.question);
                for (query, bounds) in all.iter().enumerate() {
                    for position in 0..search.len() {
                        let target = subset.map_or(position, |subset| subset[position]);
                        let own = &bounds[targets.text_range(target)];
                        let bound = own.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                        let score = scores[query * search.len() + position];
                        assert!(bound >= score, "{what}: {bound} < {score}");
                    }
                }
                for query in 0..queries.len() {
                    may_reach(&search, query, &scores[query * search.len()..][..search.len()]);
                }
                for k in [1, 10, 33] {
                    let [scanned, pruned] = both(&search, k);
                    assert_eq!(pruned, scanned, "{what}");
                }
            }
        }
    }
}

/// Tiles are another way to the same whole numbers.
#[test]
fn tiles_change_no_bit() {
    let level = |name| Kernels::available().into_iter().find(|level| level.name() == name);
    let (Some(with), Some(without)) = (level("amx"), level("avx512")) else { return };
    let mut random = Random(8);
    let tokens = space(5, 300, &mut random, 96);
    let queries = queries(&tokens, &mut random);
    let rows = Rows::F32(tokens.units());
    let owned = Owned::new(without, rows, 96, tokens.offsets());
    let targets = Targets {
        segments: vec![Segment { rows, norms: tokens.norms(), screen: Some(owned.screen()) }],
        ..Targets::from_tokens(&tokens)
    };
    for (name, pivot) in SCORERS {
        let scorer = Scorer::new(name, 0.5, pivot).unwrap();
        let [with, without] = [with, without].map(|level| {
            let search = Search::at_level(level, &queries, &targets, None, scorer, &never).unwrap();
            prune::bounds(&search.question).concat()
        });
        assert_eq!(with, without);
    }
}

/// Of texts that are bounded once more none is left out whose target reaches a threshold by it.
fn may_reach(search: &Search, query: usize, scores: &[f32]) {
    let question = &search.question;
    let mut thresholds = scores.to_vec();
    thresholds.sort_unstable_by(f32::total_cmp);
    let all: Vec<usize> = (0..question.targets.texts.len()).collect();
    for threshold in [thresholds[scores.len() / 2], thresholds[scores.len() - 10]] {
        let reaching = prune::reaching(question, query, &all, threshold);
        for (position, &score) in scores.iter().enumerate() {
            let texts = question.targets.text_range(question.target(position));
            assert!(score < threshold || texts.clone().any(|text| reaching.contains(&text)));
        }
    }
}

// A test each, so that they run side by side.
macro_rules! kinds {
    ($($name:ident: $kind:expr, $dim:expr;)*) => {$(
        #[test]
        fn $name() {
            never_another_answer_than_a_scan($kind, $dim);
        }
    )*};
}

kinds! {
    never_another_answer_than_a_scan_0: 0, 64;
    never_another_answer_than_a_scan_1: 1, 96;
    never_another_answer_than_a_scan_2: 2, 100;
    never_another_answer_than_a_scan_3: 3, 64;
    never_another_answer_than_a_scan_4: 4, 64;
    never_another_answer_than_a_scan_5: 5, 64;
    never_another_answer_than_a_scan_6: 6, 128;
}

/// A unit vector as bytes, the largest 127.
fn codes_of(unit: &[f32]) -> Vec<i8> {
    let largest = unit.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    unit.iter().map(|x| (x / largest * 127.0).round() as i8).collect()
}

/// The scale with which codes are a unit vector.
fn scale_of(codes: &[i8]) -> f32 {
    codes.iter().map(|&code| f32::from(code) * f32::from(code)).sum::<f32>().sqrt().recip()
}

/// A vector close to what the basis and `limits` lose of `unit`, of which `kept` loses little.
fn lost(unit: &[f32], basis: &[f32], limits: Limits, kept: Limits) -> Vec<f32> {
    let dim = unit.len();
    let coefficients: Vec<f32> =
        basis.chunks_exact(dim).map(|row| row.iter().zip(unit).map(|(a, x)| a * x).sum()).collect();
    let (codes, scale) = limits.quantise(&coefficients);
    let rest: Vec<f32> =
        coefficients.iter().zip(&codes).map(|(x, &code)| x - scale * f32::from(code)).collect();
    let (codes, _) = kept.quantise(&rest);
    (0..dim)
        .map(|k| codes.iter().enumerate().map(|(a, &c)| f32::from(c) * basis[a * dim + k]).sum())
        .collect()
}

#[test]
fn a_bound_holds_where_all_that_was_cut_counts() {
    let (dim, count) = (64, 64);
    let mut random = Random(5);
    let plain = random.texts(&[1; 64], dim, 1.0);
    // All of them, so that all that is lost is lost to rounding.
    let basis: Vec<f32> = (0..dim * dim).map(|i| f32::from(u8::from(i % (dim + 1) == 0))).collect();
    for level in Kernels::available() {
        let limits = level.query_limits();
        let offsets: Vec<i64> = (0..=count).collect();
        let of = |limits, kept| {
            let units = plain.units().chunks_exact(dim);
            let rows: Vec<f32> = units.flat_map(|unit| lost(unit, &basis, limits, kept)).collect();
            TokenVectors::new(&rows, dim, &offsets).unwrap()
        };
        let (of_targets, of_queries) = (of(Limits::TARGET, limits), of(limits, Limits::TARGET));
        // What targets lose, as queries; then what queries lose, as targets.
        for (queries, tokens) in [(&of_targets, &plain), (&plain, &of_queries)] {
            let all = Rows::F32(tokens.units());
            let owned = Owned::on_basis(basis.clone(), level, all, dim, tokens.offsets());
            let targets = Targets {
                segments: vec![Segment {
                    rows: all,
                    norms: tokens.norms(),
                    screen: Some(owned.screen()),
                }],
                ..Targets::from_tokens(tokens)
            };
            let scorer = Scorer::new("max", 1.0, None).unwrap();
            let search = Search::at_level(level, queries, &targets, None, scorer, &never).unwrap();
            let scores = search.scores().unwrap();
            for (i, bounds) in prune::bounds(&search.question).iter().enumerate() {
                let (bound, score) = (bounds[i], scores[i * count as usize + i]);
                assert!(bound >= score, "{}: {bound} < {score}", level.name());
                assert!(bound - score < 2e-2, "{}: {bound} is far from {score}", level.name());
            }
        }
    }
}

#[test]
fn one_query_and_many_on_any_number_of_threads() {
    let mut random = Random(9);
    let dim = 64;
    let tokens = space(2, 600, &mut random, dim);
    let queries = queries(&tokens, &mut random);
    let level = *Kernels::available().last().unwrap();
    let rows = Rows::F32(tokens.units());
    let owned = Owned::new(level, rows, dim, tokens.offsets());
    let targets = Targets {
        segments: vec![Segment { rows, norms: tokens.norms(), screen: Some(owned.screen()) }],
        ..Targets::from_tokens(&tokens)
    };
    let scorer = Scorer::new("soft", 0.5, None).unwrap();
    let search = Search::at_level(level, &queries, &targets, None, scorer, &never).unwrap();
    assert!(search.prunes(10) && !search.prunes(100));
    let [expected, _] = both(&search, 10);
    for threads in [1, 2, 5, 0] {
        set_threads(threads);
        assert_eq!(search.top_k(10).unwrap(), expected);
        for (query, expected) in expected.iter().enumerate() {
            let rows = queries.offsets()[query]..queries.offsets()[query + 1];
            let values = &queries.units()[rows.start * dim..rows.end * dim];
            let one = TokenVectors::from_parts(values, &queries.norms()[rows], dim);
            let one = Search::at_level(level, &one, &targets, None, scorer, &never)
                .unwrap()
                .top_k(10)
                .unwrap();
            assert_eq!(one[0], *expected);
        }
    }
}

#[test]
fn an_order_names_only_what_there_is() {
    let lengths = [3, 1, 2];
    let texts = sort(&lengths);
    assert_eq!((&texts[..3], texts[3]), (&[1, 2, 0][..], NO_TEXT));
    let order = Order::new(&texts, |text| lengths.get(text).copied()).unwrap();
    assert_eq!((order.len(), order.row_count()), (1, 3));
    assert!(Order::new(&texts[..GROUP - 1], |_| Some(1)).is_none());
    let mut wrong = texts.clone();
    wrong[0] = 3;
    assert!(Order::new(&wrong, |text| lengths.get(text).copied()).is_none());
}

#[test]
fn what_has_no_basis_has_no_screen() {
    assert!(basis(Rows::F32(&[1.0; 31 * 50]), 31, &never).unwrap().is_none());
    // One direction only: one block of components holds it.
    let rows = vec![0.125; 64 * 100];
    assert_eq!(basis(Rows::F32(&rows), 64, &never).unwrap().unwrap().len(), BLOCK * 64);
}

#[test]
fn a_filter_is_answered_by_bounds_where_they_are_cheaper() {
    let (dim, texts) = (128, 8000);
    let mut random = Random(17);
    // Most of a vector in 24 dimensions, so that few components hold it.
    let rows: Vec<f32> =
        (0..texts * dim).map(|i| random.unit() * if i % dim < 24 { 1.0 } else { 0.05 }).collect();
    let offsets: Vec<i64> = (0..=texts as i64).collect();
    let tokens = TokenVectors::new(&rows, dim, &offsets).unwrap();
    let level = *Kernels::available().last().unwrap();
    let rows = Rows::F32(tokens.units());
    let owned = Owned::new(level, rows, dim, tokens.offsets());
    assert_eq!(owned.basis.len(), BLOCK * dim);
    let targets = Targets {
        segments: vec![Segment { rows, norms: tokens.norms(), screen: Some(owned.screen()) }],
        ..Targets::from_tokens(&tokens)
    };
    let queries = queries(&tokens, &mut random);
    let scorer = Scorer::new("soft", 0.5, None).unwrap();
    let mut pruned = Vec::new();
    for every in [2, 4, 10, 13, 30] {
        let subset: Vec<usize> = (0..texts).filter(|t| t % every == 1).collect();
        let search =
            Search::at_level(level, &queries, &targets, Some(&subset), scorer, &never).unwrap();
        assert_eq!(search.top_k(10).unwrap(), both(&search, 10)[0], "one in {every}");
        pruned.push(search.prunes(10));
    }
    // Of 516 bytes a row 44 are read for a bound, and the basis: as many as of one in 11.
    assert_eq!(pruned, [true, true, true, false, false]);
}
