//! `manifest.json`: what a cache is. Whoever replaces it commits.

use crate::error::{Error, Result};
use crate::score::Rows;
use safetensors::tensor::Dtype as Element;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The format's name, in every manifest.
const FORMAT: &str = "uwe-target-cache";
/// Major and minor version that this release writes. A reader takes every minor version.
const VERSION: [u32; 2] = [1, 2];
/// The oldest release that reads [`VERSION`].
const READABLE_FROM: &str = "0.1.0";
/// What stands before the checksum; the checksum covers every byte after its line.
const HEAD: &str = "{\"sha256\":\"";
const NECK: &str = "\",\n";
const SHA: usize = 64;

/// How unit vectors are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Single precision.
    Float32,
    /// Half precision: half the size, about 1e-3 of a score.
    Float16,
    /// Bytes with a scale for each row: a quarter of the size.
    Int8,
}

impl Dtype {
    /// As safetensors calls it.
    pub(super) fn element(self) -> Element {
        match self {
            Self::Float32 => Element::F32,
            Self::Float16 => Element::F16,
            Self::Int8 => Element::I8,
        }
    }

    /// Stored bytes as rows; `scales` are read for bytes only.
    pub(super) fn rows<'a>(self, units: &'a [u8], scales: &'a [u8]) -> Rows<'a> {
        match self {
            Self::Float32 => Rows::F32(bytemuck::cast_slice(units)),
            Self::Float16 => Rows::F16(bytemuck::cast_slice(units)),
            Self::Int8 => Rows::I8(bytemuck::cast_slice(units), bytemuck::cast_slice(scales)),
        }
    }
}

/// Which rows a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tokens {
    /// One for each token, and the pooled vector beside.
    All,
    /// The pooled vector only.
    Pooled,
}

/// The model that encoded the targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// What to load it from; empty where that is unknown.
    pub source: String,
    /// What it computes, as a hash; empty where that is unknown.
    pub fingerprint: String,
}

/// The scorer that ranks against this cache unless another is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredScorer {
    /// Its name.
    pub name: String,
    /// The attention's temperature, where the scorer has one.
    pub temperature: Option<f64>,
    /// The query's tokens at which both axes of `soft` weigh the same, where the scorer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pivot: Option<f64>,
}

/// One data file and which of its targets are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Hash of the file, also its name.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// Targets in the file.
    pub targets: u32,
    /// Texts in the file: labels and aliases.
    pub texts: u32,
    /// Rows of unit vectors in the file.
    pub rows: u64,
    /// Tombstones: ranges `[first, end)` of removed targets, ascending and apart.
    pub removed: Vec<[u32; 2]>,
}

/// A whole manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    version: [u32; 2],
    readable_from: String,
    written_by: String,
    /// Counts the commits of this folder.
    pub generation: u64,
    /// Who encoded.
    pub model: Model,
    /// Who scores.
    pub scorer: StoredScorer,
    /// Width of a vector.
    pub dim: u64,
    /// How unit vectors are stored.
    pub dtype: Dtype,
    /// Which rows a text has.
    pub tokens: Tokens,
    /// Names of the metadata columns, in order.
    pub columns: Vec<String>,
    /// Data files, in the order of their targets.
    pub segments: Vec<Stored>,
}

impl Manifest {
    /// A manifest of this release without targets.
    pub(super) fn new(
        model: Model,
        scorer: StoredScorer,
        dtype: Dtype,
        tokens: Tokens,
        columns: Vec<String>,
    ) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            readable_from: READABLE_FROM.into(),
            written_by: env!("CARGO_PKG_VERSION").into(),
            generation: 0,
            model,
            scorer,
            dim: 0,
            dtype,
            tokens,
            columns,
            segments: Vec::new(),
        }
    }

    /// The bytes of `manifest.json`.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let json = serde_json::to_string(self).expect("strings, numbers and lists serialise");
        let body = format!("{}\n", &json[1..]);
        format!("{HEAD}{:x}{NECK}{body}", Sha256::digest(&body)).into_bytes()
    }

    /// Reads and checks everything that can be checked without the data files.
    ///
    /// `path` is the manifest's own, for messages.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        check_head(bytes, path)?;
        let damaged = |what: String| {
            Error::corrupt(path, format!("{what}: rebuild the cache, or restore the file"))
        };
        let start = HEAD.len() + SHA + NECK.len();
        let (head, body) = bytes.split_at_checked(start).unwrap_or((bytes, &[]));
        let expected = format!("{HEAD}{:x}{NECK}", Sha256::digest(body));
        if head != expected.as_bytes() {
            return Err(damaged(format!(
                "expected the manifest to match its own checksum, {}; it was changed or damaged",
                &expected[HEAD.len()..HEAD.len() + SHA],
            )));
        }
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| damaged(format!("expected a manifest of this format, got {error}")))?;
        manifest.check(path)?;
        Ok(manifest)
    }

    fn check(&self, path: &Path) -> Result<()> {
        let wrong = |what: String| {
            Error::corrupt(path, format!("{what}, which no release writes: rebuild the cache"))
        };
        if self.dim == 0 || self.dim > u64::from(u32::MAX) {
            return Err(wrong(format!("vectors have {} dimensions", self.dim)));
        }
        if let Some(twice) = duplicate(&self.columns) {
            return Err(wrong(format!("the column {twice:?} is listed twice")));
        }
        let mut texts = 0_u64;
        for stored in &self.segments {
            texts += u64::from(stored.texts);
            let named = stored.sha256.len() == SHA
                && stored.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !named {
                return Err(wrong(format!("a data file is named {:?}", stored.sha256)));
            }
            if self.tokens == Tokens::Pooled && stored.rows != u64::from(stored.texts) {
                return Err(wrong(format!("{} texts have {} rows", stored.texts, stored.rows)));
            }
            let mut end = 0;
            for (i, range) in stored.removed.iter().enumerate() {
                let apart = i == 0 || range[0] > end;
                if !apart || range[0] >= range[1] || range[1] > stored.targets {
                    return Err(wrong(format!("removed targets {range:?} do not fit")));
                }
                end = range[1];
            }
        }
        if texts > u64::from(u32::MAX) {
            return Err(wrong(format!("there are {texts} texts")));
        }
        Ok(())
    }

    /// Whether this release may change the cache: a newer minor version may hold what it would lose.
    pub(super) fn check_writable(&self, path: &Path) -> Result<()> {
        if self.version[1] > VERSION[1] {
            return Err(Error::format(
                path,
                format!(
                    "uwe {} wrote this cache in format {}.{}, which this release ({}) can read but \
                     not change: update uwe, or build the cache again",
                    self.written_by,
                    self.version[0],
                    self.version[1],
                    env!("CARGO_PKG_VERSION"),
                ),
            ));
        }
        Ok(())
    }

    /// Whether this release would write all of it in the same way.
    pub(super) fn is_current(&self) -> bool {
        self.version == VERSION
    }

    /// The same in the version that this release writes.
    pub(super) fn renewed(&self) -> Self {
        Self {
            version: VERSION,
            readable_from: READABLE_FROM.into(),
            written_by: env!("CARGO_PKG_VERSION").into(),
            ..self.clone()
        }
    }

    /// Texts in all data files, removed ones too.
    pub(super) fn texts(&self) -> u64 {
        self.segments.iter().map(|stored| u64::from(stored.texts)).sum()
    }
}

impl Stored {
    /// Targets that are not removed, as ranges.
    pub(super) fn live(&self) -> Vec<std::ops::Range<u32>> {
        let mut start = 0;
        let mut live = Vec::with_capacity(self.removed.len() + 1);
        for &[first, end] in &self.removed {
            live.push(start..first);
            start = end;
        }
        live.push(start..self.targets);
        live.retain(|range| !range.is_empty());
        live
    }

    /// Adds tombstones; `targets` ascend. Returns how many were live before.
    pub(super) fn remove(&mut self, targets: &[u32]) -> usize {
        let before: u32 = self.removed.iter().map(|[first, end]| end - first).sum();
        let mut ranges = std::mem::take(&mut self.removed);
        ranges.extend(targets.iter().map(|&t| [t, t + 1]));
        ranges.sort_unstable();
        for [first, end] in ranges {
            match self.removed.last_mut() {
                Some(last) if first <= last[1] => last[1] = last[1].max(end),
                _ => self.removed.push([first, end]),
            }
        }
        let after: u32 = self.removed.iter().map(|[first, end]| end - first).sum();
        (after - before) as usize
    }
}

/// Whether a manifest's bytes, perhaps damaged, name this format.
pub(super) fn names_format(bytes: &[u8]) -> bool {
    bytes.windows(FORMAT.len()).any(|window| window == FORMAT.as_bytes())
}

/// What any version of the format promises: a JSON object with its format's name and version.
fn check_head(bytes: &[u8], path: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: [u32; 2],
        #[serde(default)]
        readable_from: Option<String>,
    }
    let head: Head = match serde_json::from_slice(bytes) {
        Ok(head) => head,
        Err(_) if names_format(bytes) => {
            return Err(Error::corrupt(
                path,
                "the manifest is not readable as JSON, it was changed or damaged: rebuild the \
                 cache, or restore the file",
            ));
        }
        Err(_) => return Err(no_cache(path)),
    };
    if head.format != FORMAT {
        return Err(no_cache(path));
    }
    if head.version[0] != VERSION[0] {
        let [major, minor] = head.version;
        let needs = head.readable_from.unwrap_or_else(|| "a newer release".into());
        return Err(Error::format(
            path,
            format!(
                "the cache has format {major}.{minor}, this release ({}) reads {}.x: it needs uwe \
                 {needs}; update it, or build the cache again",
                env!("CARGO_PKG_VERSION"),
                VERSION[0],
            ),
        ));
    }
    Ok(())
}

fn no_cache(path: &Path) -> Error {
    Error::format(
        path,
        format!("expected the manifest of a target cache (format \"{FORMAT}\"), this file is none"),
    )
}

/// The first string that occurs a second time.
pub(super) fn duplicate(strings: &[String]) -> Option<&str> {
    let mut seen = std::collections::HashSet::new();
    strings.iter().map(String::as_str).find(|s| !seen.insert(*s))
}
