//! Opens any bytes as a target cache and reads everything: errors are fine, panics are not.
//!
//! Run it on a stable compiler: `cargo fuzz run --sanitizer none open_cache`.
//!
//! Checksums would stop a fuzzer at the door, so the first byte chooses what the others are: a
//! whole manifest; a manifest that gets a right checksum; a whole data file under a manifest that
//! is right about it; or changes to a sound data file, under such a manifest, with a screen or without.

#![no_main]

use _core::cache::{Block, Dtype, Model, Spec, StoredScorer, TargetCache, Tokens, Writer};
use _core::score::{self, Search};
use _core::tokens::TokenVectors;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_first() else { return };
    let folder = folder();
    let sound = if mode & 4 == 0 { sound() } else { screened() };
    match mode % 4 {
        0 => fs::write(folder.join("manifest.json"), data).unwrap(),
        1 => {
            write_segment(folder, &sound.segment);
            write_manifest(folder, &changed(sound.manifest(&sound.segment).into_bytes(), data));
        }
        2 => {
            write_segment(folder, data);
            write_manifest(folder, sound.manifest(data).as_bytes());
        }
        _ => {
            let segment = changed(sound.segment.clone(), data);
            write_segment(folder, &segment);
            write_manifest(folder, sound.manifest(&segment).as_bytes());
        }
    }
    read(folder);
    for entry in fs::read_dir(folder).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
});

/// Four bytes are a change: where, and to what; one beyond the end cuts there.
fn changed(mut bytes: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.chunks_exact(4) {
        let at = u32::from_le_bytes([change[0], change[1], change[2], 0]) as usize;
        match bytes.get_mut(at) {
            Some(byte) => *byte = change[3],
            None => bytes.truncate(at % (bytes.len() + 1)),
        }
    }
    bytes
}

/// Everything a reader can ask.
fn read(folder: &Path) {
    let Ok(cache) = TargetCache::open(folder) else { return };
    for target in 0..cache.len() {
        for text in 0..cache.target_texts(target) {
            let (units, norms) = cache.token_vectors(target, text);
            assert_eq!(units.len(), norms.len() * cache.dim());
            let _ = cache.text(target, text);
        }
        let _ = cache.id(target);
        for column in 0..cache.manifest().columns.len() {
            let _ = cache.metadata(column, target);
        }
    }
    assert_eq!(cache.pooled().len(), cache.texts() * cache.dim());
    assert_eq!(cache.text_targets().len(), cache.texts());
    let _ = cache.verify(&|| false);
    let values: Vec<f32> = (0..2 * cache.dim()).map(|i| 1.0 + i as f32).collect();
    let query = TokenVectors::new(&values, cache.dim(), &[0, 2]).unwrap();
    for (name, targets) in [("soft", cache.targets()), ("pooled", cache.pooled_targets())] {
        let scorer = score::Scorer::new(name, 0.5, None).unwrap();
        let query = if name == "pooled" {
            TokenVectors::pooled(&values, cache.dim(), &[0, 2]).unwrap()
        } else {
            query.clone()
        };
        let search = Search::new(&query, &targets, None, scorer, &|| false).unwrap();
        assert_eq!(search.scores().unwrap().len(), cache.len());
        // By bounds, where there is a screen.
        let best = search.top_k(10).unwrap();
        assert_eq!((best.len(), best[0].len()), (1, cache.len().min(10)));
    }
}

struct Sound {
    segment: Vec<u8>,
    /// Dimensions, targets, texts, rows.
    shape: [usize; 4],
}

impl Sound {
    /// Builds a cache of these texts and takes its data file.
    fn new(texts: &[Vec<String>], lengths: &[usize], dim: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec {
            model: Model { source: "m".into(), fingerprint: "f".into() },
            scorer: StoredScorer { name: "soft".into(), temperature: Some(0.5), pivot: None },
            dtype: Dtype::Float32,
            tokens: Tokens::All,
            columns: vec!["k".into()],
        };
        let mut offsets = vec![0_i64];
        for &length in lengths {
            offsets.push(offsets.last().unwrap() + length as i64);
        }
        let rows: usize = lengths.iter().sum();
        let mut state = 1_u32;
        let values = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8e6 - 1.0
        });
        let values: Vec<f32> = values.take(rows * dim).collect();
        let mut writer = Writer::create(folder.path(), spec).unwrap();
        let block = Block {
            values: &values,
            dim,
            offsets: &offsets,
            texts,
            ids: &(0..texts.len()).map(|i| (i == 0).then(|| "x".to_owned())).collect::<Vec<_>>(),
            metadata: &[vec!["\"v\"".to_owned(); texts.len()]],
        };
        writer.add(block).unwrap();
        writer.commit(&|| false).unwrap();
        let mut files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let segment = files.find(|path| path.extension().is_some_and(|e| e == "safetensors"));
        let segment = fs::read(segment.unwrap()).unwrap();
        Self { segment, shape: [dim, texts.len(), lengths.len(), rows] }
    }

    /// A manifest's body that is right about a data file's size and this one's shapes.
    fn manifest(&self, segment: &[u8]) -> String {
        let [dim, targets, texts, rows] = self.shape;
        format!(
            "\"format\":\"uwe-target-cache\",\"version\":[1,0],\"readable_from\":\"0\",\
             \"written_by\":\"0\",\"generation\":1,\"model\":{{\"source\":\"\",\"fingerprint\":\"\"}},\
             \"scorer\":{{\"name\":\"soft\",\"temperature\":0.5}},\"dim\":{dim},\
             \"dtype\":\"float32\",\"tokens\":\"all\",\"columns\":[\"k\"],\
             \"segments\":[{{\"sha256\":\"{}\",\"bytes\":{},\"targets\":{targets},\
             \"texts\":{texts},\"rows\":{rows},\"removed\":[]}}]}}",
            "0".repeat(64),
            segment.len(),
        )
    }
}

/// A data file with everything in it but a screen.
fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    let texts = [vec!["a b".to_owned(), "c".to_owned()], vec!["d".to_owned()]];
    SOUND.get_or_init(|| Sound::new(&texts, &[2, 1, 1], 2))
}

/// As small a data file as has a screen.
fn screened() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let texts: Vec<Vec<String>> = (0..1024).map(|i| vec![i.to_string()]).collect();
        Sound::new(&texts, &vec![1; 1024], 32)
    })
}

fn write_segment(folder: &Path, bytes: &[u8]) {
    fs::write(folder.join(format!("segment-{}.safetensors", "0".repeat(64))), bytes).unwrap();
}

fn write_manifest(folder: &Path, body: &[u8]) {
    let sha256: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut bytes = format!("{{\"sha256\":\"{sha256}\",\n").into_bytes();
    bytes.extend(body);
    fs::write(folder.join("manifest.json"), bytes).unwrap();
}

/// One folder for all runs, in memory where the system has such a place.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let make = || {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
    };
    FOLDER.get_or_init(|| make().unwrap()).path()
}
