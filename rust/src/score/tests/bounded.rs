//! Spaces that are hard for bounds: no bound below its score, never another answer than a scan's.

use super::super::screen::{Cutter, NO_TEXT, Order, Screen, axes, sort};
use super::super::screened;
use super::super::threads::set_threads;
use super::*;
use crate::simd::codes::{BLOCK, CODES, Codes, LANES};

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
    axes: Vec<f32>,
    codes: Vec<u8>,
    values: Vec<f32>,
    order: Order,
    texts: Vec<u32>,
}

impl Owned {
    /// Of texts whose rows follow one another.
    fn new(level: Level, rows: Rows, dim: usize, offsets: &[usize]) -> Self {
        Self::on_axes(axes(rows, dim, &never).unwrap().unwrap(), level, rows, dim, offsets)
    }

    fn on_axes(axes: Vec<f32>, level: Level, rows: Rows, dim: usize, offsets: &[usize]) -> Self {
        let lengths: Vec<usize> = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let texts = sort(&lengths);
        let order = Order::new(&texts, |text| lengths.get(text).copied()).unwrap();
        let cutter = Cutter::new(Kernels::at(level).unwrap(), &axes, rows, dim);
        let (mut codes, mut values) = (Vec::new(), Vec::new());
        for group in texts.chunks(LANES) {
            let text_rows = |text: u32| offsets[text as usize]..offsets[text as usize + 1];
            let group = cutter.group(group, text_rows);
            codes.extend(group.codes);
            values.extend(group.values);
        }
        Self { axes, codes, values, order, texts }
    }

    fn screen(&self) -> Screen<'_> {
        Screen {
            axes: &self.axes,
            codes: &self.codes,
            values: &self.values,
            order: &self.order,
            texts: &self.texts,
        }
    }
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

#[test]
fn never_another_answer_than_a_scan() {
    for (kind, dim) in [(0, 64), (1, 96), (2, 100), (3, 64), (4, 64), (5, 96), (6, 128)] {
        let mut random = Random(kind as u64);
        let tokens = space(kind, 330, &mut random, dim);
        let queries = queries(&tokens, &mut random);
        // Every third target has two texts.
        let mut groups = vec![0_u32];
        while (*groups.last().unwrap() as usize) < tokens.len() {
            let texts = 1 + u32::from(groups.len() % 3 == 0);
            groups.push((groups.last().unwrap() + texts).min(tokens.len() as u32));
        }
        let half: Vec<f16> = tokens.units().iter().map(|&x| f16::from_f32(x)).collect();
        let codes: Vec<i8> = tokens.units().iter().map(|x| (x * 127.0).round() as i8).collect();
        let scales: Vec<f32> = codes.chunks(dim).map(scale_of).collect();
        for level in Level::available() {
            // Half precision with every second kind, bytes with one.
            let rows = match kind {
                4 => Rows::I8(&codes, &scales),
                kind if kind % 2 == 0 => Rows::F32(tokens.units()),
                _ => Rows::F16(&half),
            };
            let owned = Owned::new(level, rows, dim, tokens.offsets());
            let targets = Targets {
                segments: vec![Segment {
                    rows,
                    norms: tokens.norms(),
                    screen: Some(owned.screen()),
                }],
                groups: (&groups[..]).into(),
                ..Targets::from_tokens(&tokens)
            };
            let subset: Vec<usize> = (0..targets.len()).filter(|t| t % 3 != 1).collect();
            for ((name, pivot), temperature) in
                SCORERS.iter().flat_map(|scorer| [(scorer, 0.5), (scorer, 1e-3), (scorer, 50.0)])
            {
                let scorer = Scorer::new(name, temperature, *pivot).unwrap();
                for subset in [None, Some(&subset[..])] {
                    let search =
                        Search::at_level(level, &queries, &targets, subset, scorer, &never);
                    let search = search.unwrap();
                    let what = format!("kind {kind}, {}, {name}:{temperature}", level.name());
                    let scores = search.scores().unwrap();
                    let all = screened::bounds(&search);
                    for (query, bounds) in all.iter().enumerate() {
                        for position in 0..search.len() {
                            let target = subset.map_or(position, |subset| subset[position]);
                            let own = &bounds[targets.text_range(target)];
                            let bound = own.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                            let score = scores[query * search.len() + position];
                            assert!(bound >= score, "{what}: {bound} < {score}");
                        }
                    }
                    for k in [1, 10, 33] {
                        let found = screened::top_k(&search, k).unwrap();
                        assert_eq!(found, search.scanned(k).unwrap(), "{what}");
                    }
                }
            }
        }
    }
}

/// The scale with which codes are a unit vector.
fn scale_of(codes: &[i8]) -> f32 {
    codes.iter().map(|&code| f32::from(code) * f32::from(code)).sum::<f32>().sqrt().recip()
}

/// A vector close to what the axes and `limits` lose of `unit`, of which `kept` loses little.
fn lost(unit: &[f32], axes: &[f32], limits: Codes, kept: Codes) -> Vec<f32> {
    let dim = unit.len();
    let on_axes: Vec<f32> = axes
        .chunks_exact(dim)
        .map(|axis| axis.iter().zip(unit).map(|(a, x)| a * x).sum())
        .collect();
    let mut codes = Vec::new();
    let step = limits.cut(&on_axes, &mut codes);
    let rest: Vec<f32> =
        on_axes.iter().zip(&codes).map(|(x, &code)| x - step * f32::from(code)).collect();
    kept.cut(&rest, &mut codes);
    (0..dim)
        .map(|k| codes.iter().enumerate().map(|(a, &c)| f32::from(c) * axes[a * dim + k]).sum())
        .collect()
}

#[test]
fn a_bound_holds_where_all_that_was_cut_counts() {
    let (dim, count) = (64, 64);
    let mut random = Random(5);
    let plain = random.texts(&[1; 64], dim, 1.0);
    // All of them, so that all that is lost is lost to rounding.
    let axes: Vec<f32> = (0..dim * dim).map(|i| f32::from(u8::from(i % (dim + 1) == 0))).collect();
    for level in Level::available() {
        let limits = Kernels::at(level).unwrap().query_codes();
        let offsets: Vec<i64> = (0..=count).collect();
        let of = |limits, kept| {
            let units = plain.units().chunks_exact(dim);
            let rows: Vec<f32> = units.flat_map(|unit| lost(unit, &axes, limits, kept)).collect();
            TokenVectors::new(&rows, dim, &offsets).unwrap()
        };
        let (of_targets, of_queries) = (of(CODES, limits), of(limits, CODES));
        // What targets lose, as queries; then what queries lose, as targets.
        for (queries, tokens) in [(&of_targets, &plain), (&plain, &of_queries)] {
            let all = Rows::F32(tokens.units());
            let owned = Owned::on_axes(axes.clone(), level, all, dim, tokens.offsets());
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
            for (i, bounds) in screened::bounds(&search).iter().enumerate() {
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
    let level = *Level::available().last().unwrap();
    let rows = Rows::F32(tokens.units());
    let owned = Owned::new(level, rows, dim, tokens.offsets());
    let targets = Targets {
        segments: vec![Segment { rows, norms: tokens.norms(), screen: Some(owned.screen()) }],
        ..Targets::from_tokens(&tokens)
    };
    let scorer = Scorer::new("soft", 0.5, None).unwrap();
    let search = Search::at_level(level, &queries, &targets, None, scorer, &never).unwrap();
    assert!(screened::pays(&search, 10) && !screened::pays(&search, 100));
    let expected = search.scanned(10).unwrap();
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
    assert!(Order::new(&texts[..LANES - 1], |_| Some(1)).is_none());
    let mut wrong = texts.clone();
    wrong[0] = 3;
    assert!(Order::new(&wrong, |text| lengths.get(text).copied()).is_none());
}

#[test]
fn what_has_no_axes_has_no_screen() {
    assert!(axes(Rows::F32(&[1.0; 31 * 50]), 31, &never).unwrap().is_none());
    // One direction only: one block of axes holds it.
    let rows = vec![0.125; 64 * 100];
    assert_eq!(axes(Rows::F32(&rows), 64, &never).unwrap().unwrap().len(), BLOCK * 64);
}

#[test]
fn a_filter_is_answered_by_bounds_where_they_are_cheaper() {
    let (dim, texts) = (128, 8000);
    let mut random = Random(17);
    // Most of a vector in 24 dimensions, so that few axes hold it.
    let rows: Vec<f32> =
        (0..texts * dim).map(|i| random.unit() * if i % dim < 24 { 1.0 } else { 0.05 }).collect();
    let offsets: Vec<i64> = (0..=texts as i64).collect();
    let tokens = TokenVectors::new(&rows, dim, &offsets).unwrap();
    let level = *Level::available().last().unwrap();
    let rows = Rows::F32(tokens.units());
    let owned = Owned::new(level, rows, dim, tokens.offsets());
    assert_eq!(owned.axes.len(), BLOCK * dim);
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
        assert_eq!(search.top_k(10).unwrap(), search.scanned(10).unwrap(), "one in {every}");
        pruned.push(screened::pays(&search, 10));
    }
    // Of 516 bytes a row 44 are read for a bound, and the axes: as many as of one in 11.
    assert_eq!(pruned, [true, true, true, false, false]);
}
