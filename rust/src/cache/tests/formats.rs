//! The format as others see it: its bytes, its versions, its damage.

use super::super::disk::Real;
use super::super::manifest::{Manifest, Stored};
use super::*;
use crate::error::Error;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::fs;

fn built() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    build(Box::new(Real), folder.path(), spec(Dtype::Float32, Tokens::All), &first()).unwrap();
    folder
}

/// Writes a manifest whose checksum is right, with `from` replaced by `to`.
fn forge(path: &Path, from: &str, to: &str) {
    let file = path.join("manifest.json");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    let text = text.replace(from, to);
    let (_, body) = text.split_once('\n').unwrap();
    let sha256 = format!("{:x}", Sha256::digest(body));
    fs::write(&file, format!("{{\"sha256\":\"{sha256}\",\n{body}")).unwrap();
}

#[test]
fn the_bytes_of_format_1_2_stay() {
    let folder = built();
    let text = fs::read_to_string(folder.path().join("manifest.json")).unwrap();
    let release = env!("CARGO_PKG_VERSION");
    let body = format!(
        "\"format\":\"uwe-target-cache\",\"version\":[1,2],\"readable_from\":\"0.1.0\",\
         \"written_by\":\"{release}\",\"generation\":1,\"model\":{{\"source\":\"uwe-mini\",\
         \"fingerprint\":\"f00\"}},\"scorer\":{{\"name\":\"soft\",\"temperature\":0.5,\"pivot\":4.0}},\
         \"dim\":3,\
         \"dtype\":\"float32\",\"tokens\":\"all\",\"columns\":[\"kind\"],\"segments\":[{{\"sha256\":\
         \"a57a99eb02546239fc3cd237ee132d27d52db206dd22dac0a37582ba0f70ce58\",\
         \"bytes\":1390,\"targets\":3,\"texts\":6,\"rows\":11,\"removed\":[]}}]}}\n"
    );
    let sha256 = format!("{:x}", Sha256::digest(&body));
    assert_eq!(text, format!("{{\"sha256\":\"{sha256}\",\n{body}"));
}

#[test]
fn any_safetensors_reader_opens_a_data_file() {
    let folder = built();
    let name = names(folder.path()).into_iter().find(|name| name.starts_with("segment-")).unwrap();
    let bytes = fs::read(folder.path().join(name)).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut shapes: Vec<(&str, Vec<usize>)> =
        tensors.iter().map(|(name, view)| (name, view.shape().to_vec())).collect();
    shapes.sort();
    assert_eq!(
        shapes,
        [
            ("id_bytes", vec![2]),
            ("id_offsets", vec![4]),
            ("metadata.kind.bytes", vec![13]),
            ("metadata.kind.offsets", vec![4]),
            ("norms", vec![11]),
            ("pooled", vec![6, 3]),
            ("pooled_norms", vec![6]),
            ("target_texts", vec![4]),
            ("text_bytes", vec![67]),
            ("text_offsets", vec![7]),
            ("text_rows", vec![7]),
            ("units", vec![11, 3]),
        ]
    );
    let units = tensors.tensor("units").unwrap().data().as_ptr();
    assert_eq!((units as usize - bytes.as_ptr() as usize) % 64, 0);
}

#[test]
fn newer_versions_say_what_reads_them() {
    let folder = built();
    let path = folder.path();
    forge(path, "\"version\":[1,2]", "\"version\":[1,7],\"later\":{\"a\":[1]}");
    assert_eq!(open(path).len(), 3, "a newer minor version is read");
    for refused in [
        Writer::append(path).err(),
        Writer::create(path, spec(Dtype::Float32, Tokens::All)).err(),
        super::super::compact(path, NEVER).err(),
    ] {
        let Some(Error::CacheFormat { message, .. }) = &refused else { panic!("{refused:?}") };
        assert!(message.contains("format 1.7") && message.contains("update uwe"), "{message}");
    }
    forge(path, "\"readable_from\":\"0.1.0\"", "\"readable_from\":\"3.4.0\"");
    forge(path, "\"version\":[1,7]", "\"version\":[2,0]");
    // A newer major version may keep its checksum elsewhere.
    let file = path.join("manifest.json");
    let text = fs::read_to_string(&file).unwrap().replace("\"sha256\"", "\"blake\"");
    fs::write(&file, text).unwrap();
    for refused in [
        TargetCache::open(path).err(),
        Writer::create(path, spec(Dtype::Float32, Tokens::All)).err(),
    ] {
        let Some(Error::CacheFormat { message, .. }) = &refused else { panic!("{refused:?}") };
        assert!(message.contains("format 2.0") && message.contains("uwe 3.4.0"), "{message}");
    }
}

#[test]
fn a_manifest_that_lies_with_a_right_checksum_is_refused() {
    for (from, to) in [
        ("\"dim\":3", "\"dim\":4"),
        ("\"dim\":3", "\"dim\":0"),
        ("\"dim\":3", "\"dim\":99999999999"),
        ("\"dtype\":\"float32\"", "\"dtype\":\"float16\""),
        ("\"dtype\":\"float32\"", "\"dtype\":\"int8\""),
        ("\"tokens\":\"all\"", "\"tokens\":\"pooled\""),
        ("\"targets\":3", "\"targets\":2"),
        ("\"texts\":6", "\"texts\":5"),
        ("\"rows\":11", "\"rows\":18446744073709551615"),
        ("\"removed\":[]", "\"removed\":[[0,4]]"),
        ("\"removed\":[]", "\"removed\":[[1,1]]"),
        ("\"removed\":[]", "\"removed\":[[2,3],[0,1]]"),
        ("\"removed\":[]", "\"removed\":[[0,1],[1,2]]"),
        ("\"columns\":[\"kind\"]", "\"columns\":[\"kind\",\"kind\"]"),
        ("\"columns\":[\"kind\"]", "\"columns\":[\"other\"]"),
        ("\"segments\":[{\"sha256\":\"", "\"segments\":[{\"sha256\":\"../"),
        ("\"generation\":1", "\"generation\":-1"),
    ] {
        let folder = built();
        forge(folder.path(), from, to);
        let opened = TargetCache::open(folder.path());
        assert!(matches!(opened, Err(Error::CacheCorrupt { .. })), "{to}: {opened:?}");
    }
}

#[test]
fn a_folder_of_someone_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (name, content) in
        [("notes.txt", "mine"), ("manifest.json", "{\"name\": \"an app\"}"), ("segment-x", "")]
    {
        fs::write(path.join(name), content).unwrap();
        let refused = Writer::create(path, spec(Dtype::Float32, Tokens::All)).err();
        let Some(Error::CacheFormat { message, .. }) = &refused else { panic!("{refused:?}") };
        assert!(message.contains("nothing was touched"), "{message}");
        assert_eq!(names(path), [name]);
        assert!(TargetCache::open(path).is_err());
        let file = path.join(name);
        let refused = Writer::create(&file, spec(Dtype::Float32, Tokens::All)).err();
        assert!(matches!(refused, Some(Error::CacheFormat { .. })), "{refused:?}");
        assert!(matches!(TargetCache::open(&file), Err(Error::CacheNotFound(_))));
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_damaged_cache_can_be_built_over() {
    for damage in ["", "{", "no json at all", "{\"format\":\"uwe-target-cache\"}"] {
        let folder = built();
        fs::write(folder.path().join("manifest.json"), damage).unwrap();
        assert!(TargetCache::open(folder.path()).is_err());
        build(Box::new(Real), folder.path(), spec(Dtype::Float32, Tokens::All), &more()).unwrap();
        assert_eq!(open(folder.path()).len(), 2);
        assert_eq!(names(folder.path()).len(), 3);
    }
}

#[test]
fn tombstones_merge() {
    let mut stored = Stored {
        sha256: String::new(),
        bytes: 0,
        targets: 10,
        texts: 10,
        rows: 10,
        removed: Vec::new(),
    };
    assert_eq!(stored.remove(&[2, 3, 7]), 3);
    assert_eq!(stored.removed, [[2, 4], [7, 8]]);
    assert_eq!(stored.remove(&[3, 4, 5, 6, 9]), 4);
    assert_eq!(stored.removed, [[2, 8], [9, 10]]);
    assert_eq!(stored.live(), [0..2, 8..9]);
    assert_eq!(stored.remove(&[0, 1, 8]), 3);
    assert_eq!(stored.live(), []);
}

#[test]
fn manifests_survive_any_bytes() {
    let folder = built();
    let file = folder.path().join("manifest.json");
    let sound = fs::read(&file).unwrap();
    assert!(Manifest::parse(&sound, &file).is_ok());
    for i in 0..sound.len() {
        assert!(Manifest::parse(&sound[..i], &file).is_err(), "cut at {i}");
        for flip in [1, 0x20, 0x80] {
            let mut damaged = sound.clone();
            damaged[i] ^= flip;
            assert!(Manifest::parse(&damaged, &file).is_err(), "byte {i}");
        }
    }
}

proptest! {
    #[test]
    fn changed_data_files_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let folder = built();
        let name = names(folder.path()).into_iter().find(|name| name.starts_with("segment-"));
        let file = folder.path().join(name.unwrap());
        let mut bytes = fs::read(&file).unwrap();
        let sound = bytes.len();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        bytes.truncate(cut.map_or(sound, |cut| cut.index(sound)));
        fs::write(&file, &bytes).unwrap();
        forge(folder.path(), &format!("\"bytes\":{sound}"), &format!("\"bytes\":{}", bytes.len()));
        if let Ok(cache) = TargetCache::open(folder.path()) {
            for target in 0..cache.len() {
                for text in 0..cache.target_texts(target) {
                    let (units, norms) = cache.token_vectors(target, text);
                    prop_assert_eq!(units.len(), 3 * norms.len());
                    let _ = cache.text(target, text);
                }
                let _ = (cache.id(target), cache.metadata(0, target));
            }
            prop_assert_eq!(cache.pooled().len(), 3 * cache.texts());
        }
    }
}
