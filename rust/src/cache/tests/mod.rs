//! Caches in temporary folders, through the crate's own door.

mod faults;
mod formats;
mod round_trip;
mod screens;

use super::disk::Disk;
use super::{Block, Dtype, Model, Spec, StoredScorer, TargetCache, Tokens, Writer};
use crate::error::{Check, Result};
use std::path::Path;

const NEVER: Check = &|| false;

/// One target of a test.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    texts: Vec<String>,
    id: Option<String>,
    kind: String,
}

fn target(texts: &[&str], id: Option<&str>, kind: &str) -> Target {
    Target {
        texts: texts.iter().map(|&text| text.to_owned()).collect(),
        id: id.map(str::to_owned),
        kind: kind.to_owned(),
    }
}

fn first() -> Vec<Target> {
    vec![
        target(&["Apache Spark", "Spark"], Some("a"), "\"tool\""),
        target(&["pastry baking"], None, "null"),
        target(&["contract law", "law of contracts", "contracts"], Some("c"), "1.5"),
    ]
}

fn more() -> Vec<Target> {
    vec![target(&["welding steel"], Some("d"), "\"skill\""), target(&["Spark"], None, "true")]
}

fn spec(dtype: Dtype, tokens: Tokens) -> Spec {
    Spec {
        model: Model { source: "uwe-mini".into(), fingerprint: "f00".into() },
        scorer: StoredScorer { name: "soft".into(), temperature: Some(0.5), pivot: Some(4.0) },
        dtype,
        tokens,
        columns: vec!["kind".into()],
    }
}

/// Three dimensions, one token a word.
fn encode(texts: &[Vec<String>]) -> (Vec<f32>, Vec<i64>) {
    let (mut values, mut offsets) = (Vec::new(), vec![0]);
    for text in texts.iter().flatten() {
        for word in text.split(' ') {
            let sum: u32 = word.bytes().map(u32::from).sum();
            values.extend([1.0 + word.len() as f32, (sum % 17) as f32 - 8.0, (sum % 5) as f32]);
        }
        offsets.push(values.len() as i64 / 3);
    }
    (values, offsets)
}

fn add(writer: &mut Writer, targets: &[Target]) -> Result<()> {
    let texts: Vec<Vec<String>> = targets.iter().map(|t| t.texts.clone()).collect();
    let ids: Vec<Option<String>> = targets.iter().map(|t| t.id.clone()).collect();
    let kinds: Vec<String> = targets.iter().map(|t| t.kind.clone()).collect();
    let (values, offsets) = encode(&texts);
    writer.add(Block {
        values: &values,
        dim: 3,
        offsets: &offsets,
        texts: &texts,
        ids: &ids,
        metadata: &[kinds],
    })
}

fn build(disk: Box<dyn Disk>, path: &Path, spec: Spec, targets: &[Target]) -> Result<()> {
    let mut writer = Writer::create_on(disk, path, spec)?;
    // Two blocks, so that something is written before all is known.
    let (head, tail) = targets.split_at(1);
    add(&mut writer, head)?;
    add(&mut writer, tail)?;
    writer.commit(NEVER)
}

fn append(disk: Box<dyn Disk>, path: &Path, targets: &[Target]) -> Result<()> {
    let mut writer = Writer::append_on(disk, path)?;
    add(&mut writer, targets)?;
    writer.commit(NEVER)
}

/// Everything a reader sees of each target: texts, id, metadata, vectors.
type Seen = Vec<(Target, Vec<(Vec<f32>, Vec<f32>)>, Vec<Vec<f32>>)>;

fn seen(cache: &TargetCache) -> Seen {
    let pooled = cache.pooled_targets();
    (0..cache.len())
        .map(|i| {
            let texts: Vec<String> = (0..cache.target_texts(i))
                .map(|text| cache.text(i, text).unwrap().to_owned())
                .collect();
            let vectors = (0..texts.len()).map(|text| cache.token_vectors(i, text)).collect();
            let means = pooled.target(i).iter().map(|text| {
                assert_eq!(text.tokens, 1);
                let mut mean = Vec::new();
                let rows = pooled.segments[text.segment as usize].rows;
                rows.widen(text.row..text.row + 1, 3, &mut mean);
                mean
            });
            let target = Target {
                texts,
                id: cache.id(i).unwrap().map(str::to_owned),
                kind: cache.metadata(0, i).unwrap().to_owned(),
            };
            (target, vectors, means.collect())
        })
        .collect()
}

fn open(path: &Path) -> Seen {
    seen(&TargetCache::open(path).unwrap())
}

fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
