//! Screens on disk: whatever a cache went through, the best are those of a plain scan.

use super::super::manifest::Manifest;
use super::super::{change, folder};
use super::*;
use crate::error::Error;
use crate::score::{Hit, Scorer, Search, Segment, Targets};
use crate::tokens::TokenVectors;
use proptest::prelude::*;
use safetensors::tensor::{Dtype as Element, SafeTensors, TensorView};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;

const DIM: usize = 32;

/// Numbers from a seed, in `[-1, 1)`.
fn random(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Tokens close to a few directions, so that bounds tell texts apart; one in five is a copy, for ties.
fn tokens(texts: usize, seed: u64) -> (Vec<f32>, Vec<i64>) {
    let (mut next, mut common) = (random(seed), random(7));
    let topics: Vec<f32> = (0..12 * DIM).map(|_| common()).collect();
    let (mut values, mut offsets) = (Vec::new(), vec![0]);
    for text in 0..texts {
        for _ in 0..=text % 3 {
            let topic = ((next() + 1.0) * 6.0) as usize % 12;
            let noise = if text % 5 == 0 { 0.0 } else { 0.6 };
            values.extend(topics[topic * DIM..][..DIM].iter().map(|x| x + noise * next()));
        }
        offsets.push((values.len() / DIM) as i64);
    }
    (values, offsets)
}

/// Adds targets of one text, every fourth of two.
fn add_texts(mut writer: Writer, texts: usize, seed: u64) {
    let (values, offsets) = tokens(texts, seed);
    let mut targets: Vec<Vec<String>> = Vec::new();
    for text in 0..texts {
        let name = format!("{seed}-{text}");
        match targets.last_mut() {
            Some(last) if text % 5 == 4 => last.push(name),
            _ => targets.push(vec![name]),
        }
    }
    let block = Block {
        values: &values,
        dim: DIM,
        offsets: &offsets,
        texts: &targets,
        ids: &vec![None; targets.len()],
        metadata: &[vec!["null".to_owned(); targets.len()]],
    };
    writer.add(block).unwrap();
    writer.commit(NEVER).unwrap();
}

fn build_texts(path: &Path, dtype: Dtype, texts: usize) {
    add_texts(Writer::create(path, spec(dtype, Tokens::All)).unwrap(), texts, 1);
}

/// The best of every query by every scorer: through screens, and without any.
fn check_best(cache: &TargetCache) {
    let (values, offsets) = tokens(7, 99);
    let queries = TokenVectors::new(&values, DIM, &offsets).unwrap();
    let targets = cache.targets();
    let plain = Targets {
        segments: targets.segments.iter().map(|s| Segment { screen: None, ..*s }).collect(),
        ..targets.clone()
    };
    let third: Vec<usize> = (0..cache.len()).filter(|target| target % 3 > 0).collect();
    for (name, pivot) in [("soft", None), ("soft", Some(4.0)), ("soft_query", None), ("max", None)]
    {
        let scorer = Scorer::new(name, 0.5, pivot).unwrap();
        for subset in [None, Some(&third[..])] {
            for k in [1, 9] {
                let best = |targets| -> Vec<Vec<Hit>> {
                    Search::new(&queries, targets, subset, scorer, NEVER).unwrap().top_k(k).unwrap()
                };
                // Scores of damaged vectors are not numbers, which equal nothing.
                let (found, scanned) = (best(&targets), best(&plain));
                assert_eq!(format!("{found:?}"), format!("{scanned:?}"), "{name} {k}");
            }
        }
    }
}

/// Which data files have a screen.
fn screens(cache: &TargetCache) -> Vec<bool> {
    cache.targets().segments.iter().map(|segment| segment.screen.is_some()).collect()
}

/// Whether the best are found by bounds.
fn prunes(cache: &TargetCache) -> bool {
    let (values, offsets) = tokens(1, 3);
    let queries = TokenVectors::new(&values, DIM, &offsets).unwrap();
    let scorer = Scorer::new("soft", 0.5, None).unwrap();
    Search::new(&queries, &cache.targets(), None, scorer, NEVER).unwrap().prunes(9)
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    /// Every n-th target from one on.
    Remove(usize, usize),
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop_oneof![1_usize..40, 256_usize..400].prop_map(Step::Append),
        (0_usize..900, 2_usize..40).prop_map(|(first, every)| Step::Remove(first, every)),
        Just(Step::Compact),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn the_best_are_those_of_a_scan_after_any_changes(
        dtype in prop_oneof![Just(Dtype::Float32), Just(Dtype::Float16), Just(Dtype::Int8)],
        texts in prop_oneof![Just(1500_usize), 1000_usize..1100],
        steps in prop::collection::vec(step(), 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("space.uwe");
        build_texts(&path, dtype, texts);
        check_best(&TargetCache::open(&path).unwrap());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append(texts) => {
                    add_texts(Writer::append(&path).unwrap(), texts, 10 + number as u64);
                }
                Step::Remove(first, every) => {
                    let cache = TargetCache::open(&path).unwrap();
                    let gone: Vec<usize> = (first..cache.len()).step_by(every).collect();
                    change::remove(&cache, &gone).unwrap();
                }
                Step::Compact => change::compact(&path, NEVER).unwrap(),
            }
            check_best(&TargetCache::open(&path).unwrap());
        }
        check_best(&TargetCache::open_resident(&path, NEVER).unwrap());
    }
}

#[test]
fn larger_files_have_a_screen_and_smaller_ones_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("space.uwe");
    let open = || TargetCache::open(&path).unwrap();
    build_texts(&path, Dtype::Float32, 1023);
    assert_eq!(screens(&open()), [false]);
    build_texts(&path, Dtype::Float32, 1024);
    assert_eq!((screens(&open()), prunes(&open())), (vec![true], true));
    add_texts(Writer::append(&path).unwrap(), 255, 2);
    add_texts(Writer::append(&path).unwrap(), 256, 3);
    assert_eq!((screens(&open()), prunes(&open())), (vec![true, false, true], true));
    check_best(&open());
    change::compact(&path, NEVER).unwrap();
    assert_eq!(screens(&open()), [true]);
}

/// The tensors of a data file: element, shape, bytes.
type Tensors = BTreeMap<String, (Element, Vec<usize>, Vec<u8>)>;

type Damage = Box<dyn Fn(&mut Tensors)>;

/// Changes the tensors of a cache's only data file, under a manifest that is right about it.
fn damage(path: &Path, change: impl FnOnce(&mut Tensors)) {
    let manifest_path = folder::manifest(path);
    let mut manifest = Manifest::parse(&fs::read(&manifest_path).unwrap(), &manifest_path).unwrap();
    let stored = &mut manifest.segments[0];
    let bytes = fs::read(folder::segment(path, &stored.sha256)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Tensors = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (element, shape, bytes))| {
        (name, TensorView::new(*element, shape.clone(), bytes).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    stored.sha256 = format!("{:x}", Sha256::digest(&bytes));
    stored.bytes = bytes.len() as u64;
    fs::write(folder::segment(path, &stored.sha256), &bytes).unwrap();
    fs::write(&manifest_path, manifest.to_bytes()).unwrap();
}

/// Sets some floats of a tensor.
fn set(tensors: &mut Tensors, name: &str, which: impl Fn(usize) -> bool, value: f32) {
    let (_, _, bytes) = tensors.get_mut(name).unwrap();
    for (_, to) in bytes.chunks_exact_mut(4).enumerate().filter(|(i, _)| which(*i)) {
        to.copy_from_slice(&value.to_le_bytes());
    }
}

#[test]
fn a_screen_that_does_not_name_every_text_once_is_refused() {
    let lane = |tensors: &mut Tensors, at: usize, text: u32| {
        let (_, _, bytes) = tensors.get_mut("screen_texts").unwrap();
        bytes[4 * at..][..4].copy_from_slice(&text.to_le_bytes());
    };
    let empty = |tensors: &mut Tensors| {
        for name in ["screen_texts", "screen_values", "screen_codes"] {
            let (_, shape, bytes) = tensors.get_mut(name).unwrap();
            shape[0] = 0;
            bytes.clear();
        }
    };
    let damages: [(&str, Damage); 6] = [
        ("no lane", Box::new(empty)),
        ("a text gone", Box::new(move |t| lane(t, 5, u32::MAX))),
        ("a text twice", Box::new(move |t| lane(t, 5, 40))),
        ("a text that there is not", Box::new(move |t| lane(t, 5, 1100))),
        (
            "a row less",
            Box::new(|t| {
                let (_, shape, bytes) = t.get_mut("screen_values").unwrap();
                shape[0] -= 1;
                bytes.truncate(shape[0] * 3 * 32 * 4);
            }),
        ),
        (
            "no axes",
            Box::new(|t| {
                let (_, shape, bytes) = t.get_mut("screen_axes").unwrap();
                shape[0] = 0;
                bytes.clear();
            }),
        ),
    ];
    for (what, change) in damages {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("space.uwe");
        build_texts(&path, Dtype::Float32, 1100);
        damage(&path, |_| ());
        check_best(&TargetCache::open(&path).unwrap());
        damage(&path, change);
        let opened = TargetCache::open(&path);
        assert!(matches!(opened, Err(Error::CacheCorrupt { .. })), "{what}");
    }
}

#[test]
fn what_is_no_number_in_a_screen_hides_no_text() {
    for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (name, every) in [
            ("screen_values", 1),
            ("screen_values", 97),
            ("screen_values", 5),
            ("screen_axes", 1),
            ("screen_axes", 45),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("space.uwe");
            build_texts(&path, Dtype::Float32, 1100);
            damage(&path, |tensors| set(tensors, name, |i| i % every == 0, value));
            let cache = TargetCache::open(&path).unwrap();
            assert!(prunes(&cache));
            check_best(&cache);
        }
    }
}

#[test]
fn a_resident_cache_is_checked_and_outlives_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("space.uwe");
    build_texts(&path, Dtype::Float16, 1100);
    let cache = TargetCache::open_resident(&path, NEVER).unwrap();
    assert!(cache.is_resident() && !TargetCache::open(&path).unwrap().is_resident());
    let file = folder::segment(&path, &cache.manifest().segments[0].sha256);
    let mut bytes = fs::read(&file).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
    cache.verify(NEVER).unwrap();
    check_best(&cache);
    assert_eq!(cache.label(3).unwrap(), "1-3");
    // What no other opening sees.
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, &bytes).unwrap();
    TargetCache::open(&path).unwrap();
    let opened = TargetCache::open_resident(&path, NEVER);
    assert!(matches!(opened, Err(Error::CacheCorrupt { .. })));
    let stopped = TargetCache::open_resident(&path, &|| true);
    assert!(matches!(stopped, Err(Error::Interrupted)));
}
