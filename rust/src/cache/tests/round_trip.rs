//! What goes in comes out, and changes change what they say.

use super::super::disk::Real;
use super::super::{compact, remove};
use super::*;
use crate::error::Error;
use crate::tokens::TokenVectors;

fn real() -> Box<dyn Disk> {
    Box::new(Real)
}

#[test]
fn a_cache_holds_what_was_built() {
    for dtype in [Dtype::Float32, Dtype::Float16, Dtype::Int8] {
        for tokens in [Tokens::All, Tokens::Pooled] {
            let folder = tempfile::tempdir().unwrap();
            build(real(), folder.path(), spec(dtype, tokens), &first()).unwrap();
            let cache = TargetCache::open(folder.path()).unwrap();
            let texts: Vec<_> = first().into_iter().map(|target| target.texts).collect();
            let (values, offsets) = encode(&texts);
            let pooled = TokenVectors::pooled(&values, 3, &offsets).unwrap();
            let all = if tokens == Tokens::All {
                TokenVectors::new(&values, 3, &offsets).unwrap()
            } else {
                pooled.clone()
            };
            let tolerance = match dtype {
                Dtype::Float32 => 0.0,
                Dtype::Float16 => 5e-4,
                Dtype::Int8 => 4e-3,
            };
            let near = |a: &[f32], b: &[f32]| {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
            };
            assert_eq!((cache.len(), cache.texts(), cache.dim()), (3, 6, 3));
            assert_eq!(cache.token_count(), all.norms().len());
            let mut text = 0;
            for (got, want) in seen(&cache).iter().zip(first()) {
                assert_eq!(got.0, want);
                for ((units, norms), mean) in got.1.iter().zip(&got.2) {
                    assert!(near(units, all.text(text).0), "{units:?} {:?}", all.text(text).0);
                    assert_eq!(norms, all.text(text).1);
                    assert!(near(mean, pooled.text(text).0));
                    text += 1;
                }
            }
            assert_eq!(text, 6);
            assert_eq!(cache.text_targets(), [0, 0, 1, 2, 2, 2]);
            assert!(near(&cache.pooled(), pooled.units()));
            cache.verify(NEVER).unwrap();
        }
    }
}

#[test]
fn append_remove_and_compact_keep_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    build(real(), path, spec(Dtype::Float16, Tokens::All), &first()).unwrap();
    let built = TargetCache::open(path).unwrap();
    append(real(), path, &more()).unwrap();
    let five: Vec<Target> = first().into_iter().chain(more()).collect();
    let appended = TargetCache::open(path).unwrap();
    assert_eq!(seen(&appended).iter().map(|s| s.0.clone()).collect::<Vec<_>>(), five);

    assert_eq!(remove(&appended, &[3, 0, 3]).unwrap(), 2);
    assert_eq!(remove(&appended, &[0, 3]).unwrap(), 0);
    let removed = open(path);
    let three = [five[1].clone(), five[2].clone(), five[4].clone()];
    assert_eq!(removed.iter().map(|s| s.0.clone()).collect::<Vec<_>>(), three);

    compact(path, NEVER).unwrap();
    assert_eq!(open(path), removed);
    assert_eq!(names(path).len(), 3, "{:?}", names(path));
    // Readers keep what they opened.
    assert_eq!(seen(&appended).len(), 5);
    appended.verify(NEVER).unwrap();
    let error = remove(&appended, &[0]).unwrap_err();
    assert!(matches!(error, Error::CacheBusy { .. }), "{error}");

    // Indices are those of the opened cache, also when targets were appended since.
    build(real(), path, spec(Dtype::Float16, Tokens::All), &first()).unwrap();
    append(real(), path, &more()).unwrap();
    assert_eq!(remove(&built, &[1]).unwrap(), 1);
    assert_eq!(open(path)[1].0, five[2]);
}

#[test]
fn a_cache_may_lose_all_targets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    build(real(), path, spec(Dtype::Float32, Tokens::All), &first()).unwrap();
    remove(&TargetCache::open(path).unwrap(), &[0, 1, 2]).unwrap();
    assert!(TargetCache::open(path).unwrap().is_empty());
    compact(path, NEVER).unwrap();
    let empty = TargetCache::open(path).unwrap();
    assert!(empty.is_empty() && empty.targets().len() == 0 && empty.pooled().is_empty());
    append(real(), path, &more()).unwrap();
    assert_eq!(open(path).len(), 2);
}

#[test]
fn equal_data_files_are_one_file_and_two_segments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let twin = [target(&["Spark"], None, "null"), target(&["Flink"], None, "null")];
    build(real(), path, spec(Dtype::Float32, Tokens::All), &twin).unwrap();
    append(real(), path, &twin).unwrap();
    assert_eq!(names(path).len(), 3);
    remove(&TargetCache::open(path).unwrap(), &[0, 3]).unwrap();
    let left = open(path);
    assert_eq!([&left[0].0.texts[0], &left[1].0.texts[0]], ["Flink", "Spark"]);
}

#[test]
fn a_build_replaces_a_cache_when_it_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    build(real(), path, spec(Dtype::Float32, Tokens::All), &first()).unwrap();
    let before = open(path);
    let mut writer = Writer::create(path, spec(Dtype::Float16, Tokens::Pooled)).unwrap();
    add(&mut writer, &more()).unwrap();
    assert_eq!(open(path), before);
    drop(writer);
    assert_eq!(open(path), before);
    assert_eq!(names(path).len(), 3, "{:?}", names(path));
    build(real(), path, spec(Dtype::Float16, Tokens::Pooled), &more()).unwrap();
    let after = TargetCache::open(path).unwrap();
    assert_eq!((after.len(), after.manifest().generation), (2, 2));
    assert_eq!(after.manifest().tokens, Tokens::Pooled);
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    build(real(), path, spec(Dtype::Float32, Tokens::All), &first()).unwrap();
    let cache = TargetCache::open(path).unwrap();
    let writer = Writer::append(path).unwrap();
    for error in [
        Writer::append(path).err(),
        Writer::create(path, spec(Dtype::Float32, Tokens::All)).err(),
        remove(&cache, &[0]).err(),
        compact(path, NEVER).err(),
    ] {
        assert!(matches!(error, Some(Error::CacheBusy { .. })), "{error:?}");
    }
    drop(writer);
    assert_eq!(remove(&cache, &[0]).unwrap(), 1);
}

#[test]
fn long_work_stops_when_asked_and_leaves_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    build(real(), path, spec(Dtype::Float32, Tokens::All), &first()).unwrap();
    append(real(), path, &more()).unwrap();
    let before = open(path);
    let cache = TargetCache::open(path).unwrap();
    let mut writer = Writer::append(path).unwrap();
    add(&mut writer, &[target(&["x"], None, "1")]).unwrap();
    for stopped in [writer.commit(&|| true), compact(path, &|| true), cache.verify(&|| true)] {
        assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    }
    assert_eq!(open(path), before);
    assert_eq!(names(path).len(), 4, "{:?}", names(path));
}

#[test]
fn bad_blocks_are_input_errors_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let start = || Writer::create(path, spec(Dtype::Float32, Tokens::Pooled)).unwrap();
    let texts = [vec!["a".to_owned()], vec!["b".to_owned()]];
    let (none, kinds) = ([None, None], [vec!["1".to_owned(), "2".to_owned()]]);
    let good = Block {
        values: &[1.0, 2.0, -1.0, 0.5],
        dim: 2,
        offsets: &[0, 1, 2],
        texts: &texts,
        ids: &none,
        metadata: &kinds,
    };
    let twice = [Some("x".to_owned()), Some("x".to_owned())];
    let empty = [None, Some(String::new())];
    for (bad, part) in [
        (Block { offsets: &[0, 2, 2], ..good }, "at least one token"),
        (Block { offsets: &[0, 2], ..good }, "of 2 texts"),
        (Block { values: &[1.0, 0.0, f32::NAN, 0.0], ..good }, "token 0 of text 1"),
        (Block { values: &[1.0, 0.0, 0.0, 0.0], ..good }, "token 0 of text 1"),
        (
            Block { values: &[1.0, 0.0, -1.0, 0.0, 1.0, 1.0], offsets: &[0, 2, 3], ..good },
            "\"a\" have a mean of zero",
        ),
        (Block { ids: &none[..1], ..good }, "an id and a value"),
        (Block { ids: &twice, ..good }, "\"x\" for targets 0 and 1"),
        (Block { ids: &empty, ..good }, "target 1, got an empty string"),
        (Block { metadata: &[], ..good }, "columns [\"kind\"], got 0"),
        (Block { texts: &[vec![], vec!["b".to_owned()]], ..good }, "a label for every target"),
    ] {
        let error = start().add(bad).unwrap_err();
        assert!(matches!(&error, Error::Input(text) if text.contains(part)), "{part}: {error}");
    }
    let mut writer = start();
    writer.add(good).unwrap();
    let wider = Block { values: &[1.0; 6], dim: 3, ..good };
    assert!(writer.add(wider).unwrap_err().to_string().contains("2 dimensions"));
    drop(writer);
    assert!(matches!(start().commit(NEVER), Err(Error::Input(_))), "nothing was added");
    assert!(matches!(TargetCache::open(path), Err(Error::CacheNotFound(_))));
    assert_eq!(names(path), ["writer.lock"]);
}
