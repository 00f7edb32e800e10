//! An open target cache: one generation, mapped, unchanged by whatever writers do afterwards.

use super::folder;
use super::manifest::Manifest;
use super::segment::Segment;
use crate::error::{Check, Error, Result};
use crate::score::screen::NO_TEXT;
use crate::score::{Targets, Text};
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A target space on disk, ready to score. Opening reads a manifest, headers and offsets; vectors
/// and texts stay on disk until they are used.
#[derive(Debug)]
pub struct TargetCache {
    path: PathBuf,
    manifest: Manifest,
    json: String,
    segments: Vec<Segment>,
    /// Texts of live targets: their rows, and the same texts with their one pooled row.
    texts: Vec<Text>,
    pooled: Vec<Text>,
    groups: Vec<u32>,
    places: Vec<Place>,
    token_count: usize,
    resident: bool,
    /// Words of ASCII letters and digits in the texts, in lower case, once one was asked for.
    words: OnceLock<HashSet<Box<[u8]>>>,
}

/// Where a live target lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u32,
    /// Index among the segment's targets, removed ones counted.
    pub(super) target: u32,
    /// First of its texts in the segment.
    pub(super) text: u32,
}

impl TargetCache {
    /// Opens a cache: its manifest, sizes, headers and offsets are checked, its data are not.
    ///
    /// # Errors
    /// [`Error::CacheNotFound`] without a manifest, [`Error::CacheFormat`] for a newer version or
    /// something else than a cache, [`Error::CacheCorrupt`] if manifest and files disagree,
    /// [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_as(path.as_ref(), None)
    }

    /// Opens a cache and reads all of it into memory, where it stays whatever happens to the files: one
    /// that is truncated while it is mapped ends the process. The data are checked too.
    ///
    /// # Errors
    /// As [`TargetCache::open`] and [`TargetCache::verify`].
    pub fn open_resident(path: impl AsRef<Path>, check: Check) -> Result<Self> {
        Self::open_as(path.as_ref(), Some(check))
    }

    fn open_as(path: &Path, hold: Option<Check>) -> Result<Self> {
        loop {
            let bytes = folder::read_manifest(path)?;
            let missing = match Self::from_manifest(path, &bytes, hold) {
                Err(Error::Io { path, source }) if source.kind() == ErrorKind::NotFound => path,
                done => return done,
            };
            // A writer may have replaced the manifest and removed the file since.
            if folder::read_manifest(path)? == bytes {
                return Err(Error::corrupt(
                    missing,
                    "the file is missing, which the manifest names: rebuild the cache, or restore \
                     the file",
                ));
            }
        }
    }

    fn from_manifest(path: &Path, bytes: &[u8], hold: Option<Check>) -> Result<Self> {
        let manifest = Manifest::parse(bytes, &folder::manifest(path))?;
        let json = String::from_utf8_lossy(bytes).into_owned();
        let mut cache = Self {
            path: path.to_path_buf(),
            segments: Vec::with_capacity(manifest.segments.len()),
            texts: Vec::new(),
            pooled: Vec::new(),
            groups: vec![0],
            places: Vec::new(),
            token_count: 0,
            resident: hold.is_some(),
            words: OnceLock::new(),
            json,
            manifest,
        };
        for i in 0..cache.manifest.segments.len() {
            let stored = &cache.manifest.segments[i];
            cache.segments.push(Segment::open(path, stored, &cache.manifest, hold)?);
            cache.add_live(i);
        }
        Ok(cache)
    }

    /// Appends the live targets of a segment, whose offsets are checked, to the tables.
    fn add_live(&mut self, segment: usize) {
        let read: &Segment = &self.segments[segment];
        let rows: Vec<i64> = read.text_rows().iter().collect();
        let texts: Vec<i64> = read.target_texts().iter().collect();
        let mut live = vec![NO_TEXT; rows.len() - 1];
        for target in self.manifest.segments[segment].live().into_iter().flatten() {
            let first = texts[target as usize];
            let end = texts[target as usize + 1];
            self.places.push(Place { segment: segment as u32, target, text: first as u32 });
            for text in first as usize..end as usize {
                live[text] = self.texts.len() as u32;
                let tokens = rows[text + 1] - rows[text];
                self.texts.push(Text {
                    segment: segment as u32,
                    tokens: tokens as u32,
                    row: rows[text] as usize,
                });
                self.pooled.push(Text { segment: segment as u32, tokens: 1, row: text });
                self.token_count += tokens as usize;
            }
            self.groups.push(self.texts.len() as u32);
        }
        self.segments[segment].set_live(&live);
    }

    /// Whether its data are held in memory.
    pub fn is_resident(&self) -> bool {
        self.resident
    }

    /// Number of targets.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether every target was removed.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Width of a vector.
    pub fn dim(&self) -> usize {
        self.manifest.dim as usize
    }

    /// Number of texts: labels and aliases.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    /// Number of stored token vectors; of texts where only pooled vectors are stored.
    pub fn token_count(&self) -> usize {
        self.token_count
    }

    /// What the cache says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest as it stands on disk.
    pub fn manifest_json(&self) -> &str {
        &self.json
    }

    /// The folder it was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every target with the rows of its texts, as the scorers take them.
    pub fn targets(&self) -> Targets<'_> {
        Targets {
            dim: self.dim(),
            segments: self.segments.iter().map(Segment::rows).collect(),
            texts: Cow::Borrowed(&self.texts),
            groups: Cow::Borrowed(&self.groups),
        }
    }

    /// Every target with the one pooled row of each text.
    pub fn pooled_targets(&self) -> Targets<'_> {
        Targets {
            dim: self.dim(),
            segments: self.segments.iter().map(Segment::pooled).collect(),
            texts: Cow::Borrowed(&self.pooled),
            groups: Cow::Borrowed(&self.groups),
        }
    }

    /// Number of texts of a target: its label and its aliases.
    pub fn target_texts(&self, target: usize) -> usize {
        (self.groups[target + 1] - self.groups[target]) as usize
    }

    /// Text `text` of a target: 0 is the label, aliases follow.
    ///
    /// # Errors
    /// [`Error::CacheCorrupt`] if the stored bytes are no UTF-8.
    pub fn text(&self, target: usize, text: usize) -> Result<&str> {
        let place = self.places[target];
        let segment = &self.segments[place.segment as usize];
        let string = segment.texts().get(place.text as usize + text);
        string.ok_or_else(|| damaged_text(segment, "text", place))
    }

    /// The target's label.
    ///
    /// # Errors
    /// As [`TargetCache::text`].
    pub fn label(&self, target: usize) -> Result<&str> {
        self.text(target, 0)
    }

    /// The target's id, if it has one.
    ///
    /// # Errors
    /// As [`TargetCache::text`].
    pub fn id(&self, target: usize) -> Result<Option<&str>> {
        let place = self.places[target];
        let segment = &self.segments[place.segment as usize];
        match segment.ids().get(place.target as usize) {
            Some("") => Ok(None),
            Some(id) => Ok(Some(id)),
            None => Err(damaged_text(segment, "id", place)),
        }
    }

    /// The target's value in a metadata column (an index into the manifest's list), as JSON.
    ///
    /// # Errors
    /// As [`TargetCache::text`].
    pub fn metadata(&self, column: usize, target: usize) -> Result<&str> {
        let place = self.places[target];
        let segment = &self.segments[place.segment as usize];
        let value = segment.column(column).get(place.target as usize);
        value.ok_or_else(|| damaged_text(segment, "metadata", place))
    }

    /// Unit vectors `(n, dim)` and norms `(n,)` of one text as stored, widened.
    pub fn token_vectors(&self, target: usize, text: usize) -> (Vec<f32>, Vec<f32>) {
        let place = self.texts[self.groups[target] as usize + text];
        let segment = self.segments[place.segment as usize].rows();
        let rows = place.row..place.row + place.tokens as usize;
        let mut units = Vec::with_capacity(rows.len() * self.dim());
        segment.rows.widen(rows.clone(), self.dim(), &mut units);
        (units, segment.norms[rows].to_vec())
    }

    /// Pooled unit vectors of every text, `(texts, dim)`, widened.
    pub fn pooled(&self) -> Vec<f32> {
        let segments: Vec<_> = self.segments.iter().map(Segment::pooled).collect();
        let mut units = Vec::with_capacity(self.texts.len() * self.dim());
        for text in &self.pooled {
            segments[text.segment as usize].rows.widen(
                text.row..text.row + 1,
                self.dim(),
                &mut units,
            );
        }
        units
    }

    /// Pooled unit vector of one text of a target, its label first.
    pub fn pooled_vector(&self, target: usize, text: usize) -> Vec<f32> {
        let place = self.pooled[self.groups[target] as usize + text];
        let mut unit = Vec::with_capacity(self.dim());
        let rows = self.segments[place.segment as usize].pooled().rows;
        rows.widen(place.row..place.row + 1, self.dim(), &mut unit);
        unit
    }

    /// Whether a target has this text, in whatever case.
    pub fn has_text(&self, text: &str) -> bool {
        if text.is_ascii() {
            return self.any_text(|own| own.eq_ignore_ascii_case(text.as_bytes()));
        }
        let lower = text.to_lowercase();
        let same = |own: &str| own.to_lowercase() == lower;
        self.any_text(|own| !own.is_ascii() && std::str::from_utf8(own).is_ok_and(same))
    }

    /// Whether a text of a target has this word of ASCII letters and digits, in whatever case. The first
    /// call collects the words of all texts.
    pub fn has_word(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        if let Some(words) = self.words.get() {
            return words.contains(word.as_bytes());
        }
        // Set when they are all there: a fork may copy what is being set, in a locked state.
        let words = self.all_words();
        self.words.get_or_init(|| words).contains(word.as_bytes())
    }

    fn all_words(&self) -> HashSet<Box<[u8]>> {
        let apart = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'_';
        let mut words = HashSet::new();
        self.any_text(|own| {
            let own = own.to_ascii_lowercase();
            for word in own.split(apart) {
                if !words.contains(word) {
                    words.insert(word.into());
                }
            }
            false
        });
        words
    }

    fn any_text(&self, mut holds: impl FnMut(&[u8]) -> bool) -> bool {
        let texts: Vec<_> = self.segments.iter().map(Segment::texts).collect();
        self.places.iter().enumerate().any(|(target, place)| {
            let first = place.text as usize;
            (first..first + self.target_texts(target))
                .any(|text| texts[place.segment as usize].bytes(text).is_some_and(&mut holds))
        })
    }

    /// The target of every text, `(texts,)`.
    pub fn text_targets(&self) -> Vec<i64> {
        let groups = self.groups.windows(2).enumerate();
        groups.flat_map(|(t, pair)| (pair[0]..pair[1]).map(move |_| t as i64)).collect()
    }

    /// Hashes every data file and compares with the manifest.
    ///
    /// # Errors
    /// [`Error::CacheCorrupt`] names the damaged file; [`Error::Interrupted`].
    pub fn verify(&self, check: Check) -> Result<()> {
        for (segment, stored) in self.segments.iter().zip(&self.manifest.segments) {
            segment.verify(stored, check)?;
        }
        Ok(())
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }
}

fn damaged_text(segment: &Segment, what: &str, place: Place) -> Error {
    Error::corrupt(
        segment.path(),
        format!(
            "the {what} of target {} is not valid UTF-8; the file was changed or damaged: rebuild \
             the cache",
            place.target
        ),
    )
}
