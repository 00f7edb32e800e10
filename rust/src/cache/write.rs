//! Building and appending: a stream of blocks, seen when it is committed or never.

use super::disk::{Disk, Real};
use super::manifest::{Dtype, Manifest, Model, StoredScorer, Tokens, duplicate, names_format};
use super::segment_writer::{SegmentWriter, StoredRows};
use super::{change, folder};
use crate::error::{Check, Error, Result};
use crate::score::screen::{LEAST_APPENDED, LEAST_TEXTS};
use crate::tokens::TokenVectors;
use half::f16;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What a new cache is.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Who encodes.
    pub model: Model,
    /// Who scores.
    pub scorer: StoredScorer,
    /// How unit vectors are stored.
    pub dtype: Dtype,
    /// Which rows a text has.
    pub tokens: Tokens,
    /// Names of the metadata columns.
    pub columns: Vec<String>,
}

/// Some targets with the vectors of all their texts.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Raw token vectors of all texts, row-major `(tokens, dim)`.
    pub values: &'a [f32],
    /// Width of a vector.
    pub dim: usize,
    /// `(texts + 1,)`: text `i` owns rows `offsets[i]..offsets[i + 1]`.
    pub offsets: &'a [i64],
    /// For each target its label, then its aliases.
    pub texts: &'a [Vec<String>],
    /// One for each target.
    pub ids: &'a [Option<String>],
    /// For each column of the cache one JSON value for each target.
    pub metadata: &'a [Vec<String>],
}

/// Streams targets into a new cache or to the end of one. Nothing is seen before
/// [`Writer::commit`]; dropping the writer leaves the cache as it was.
///
/// Memory holds a block, and every id (they must differ).
pub struct Writer {
    disk: Box<dyn Disk>,
    folder: PathBuf,
    /// Held until the end: one writer at a time.
    lock: folder::Lock,
    manifest: Manifest,
    segment: Option<SegmentWriter>,
    ids: HashMap<String, u64>,
    /// Targets before the first one of this writer.
    before: u64,
    done: bool,
}

impl Writer {
    /// Starts a build. A cache at the path stays until the commit replaces it.
    ///
    /// # Errors
    /// [`Error::CacheFormat`] if the path holds something else or a newer format,
    /// [`Error::CacheBusy`], [`Error::Input`] for a column listed twice, [`Error::Io`].
    pub fn create(path: impl AsRef<Path>, spec: Spec) -> Result<Self> {
        Self::create_on(Box::new(Real), path.as_ref(), spec)
    }

    pub(super) fn create_on(disk: Box<dyn Disk>, path: &Path, spec: Spec) -> Result<Self> {
        if let Some(twice) = duplicate(&spec.columns) {
            return Err(Error::input(format!(
                "expected metadata columns of different names, got {twice:?} twice"
            )));
        }
        folder::check_own(path)?;
        folder::create(&*disk, path)?;
        let lock = folder::lock(&*disk, path)?;
        let generation = generation_of(path)?;
        folder::sweep(&*disk, path)?;
        let Spec { model, scorer, dtype, tokens, columns } = spec;
        let mut manifest = Manifest::new(model, scorer, dtype, tokens, columns);
        manifest.generation = generation;
        Ok(Self {
            disk,
            folder: path.to_path_buf(),
            lock,
            manifest,
            segment: None,
            ids: HashMap::new(),
            before: 0,
            done: false,
        })
    }

    /// Starts an append: new targets come after those that are there.
    ///
    /// # Errors
    /// As [`super::TargetCache::open`]; [`Error::CacheBusy`]; [`Error::CacheFormat`] if a newer release
    /// wrote the cache.
    pub fn append(path: impl AsRef<Path>) -> Result<Self> {
        Self::append_on(Box::new(Real), path.as_ref())
    }

    pub(super) fn append_on(disk: Box<dyn Disk>, path: &Path) -> Result<Self> {
        let (lock, cache) = change::begin(&*disk, path)?;
        let mut ids = HashMap::new();
        for target in 0..cache.len() {
            if let Some(id) = cache.id(target)? {
                ids.insert(id.to_owned(), target as u64);
            }
        }
        Ok(Self {
            folder: path.to_path_buf(),
            lock,
            segment: None,
            ids,
            before: cache.len() as u64,
            manifest: cache.manifest().renewed(),
            disk,
            done: false,
        })
    }

    /// Adds some targets. After an error the writer is good for nothing but being dropped.
    ///
    /// # Errors
    /// [`Error::Input`] as [`TokenVectors::new`], if counts or widths do not fit, if an id comes
    /// twice or there are too many texts; [`Error::Io`].
    pub fn add(&mut self, block: Block) -> Result<()> {
        self.check_process()?;
        self.check_counts(&block)?;
        let dim = block.dim;
        let start = self.segment.as_ref().map_or(0, SegmentWriter::texts);
        let place = |error| match error {
            Error::Input(message) if start > 0 => {
                Error::Input(format!("{message} (counted from text {start} on)"))
            }
            other => other,
        };
        let all = TokenVectors::new(block.values, dim, block.offsets).map_err(place)?;
        let pooled = TokenVectors::pooled(block.values, dim, block.offsets).map_err(place)?;
        let mut texts = block.texts.iter().flatten();
        let stored = match self.manifest.tokens {
            Tokens::All => &all,
            Tokens::Pooled => {
                if let Some(zero) = pooled.norms().iter().position(|&norm| norm <= 0.0) {
                    return Err(Error::input(format!(
                        "the token vectors of {:?} have a mean of zero, which has no direction to \
                         store: build with tokens=\"all\", or drop the text",
                        texts.nth(zero).map_or("", String::as_str),
                    )));
                }
                &pooled
            }
        };
        if all.len() != texts.clone().count() {
            return Err(Error::input(format!(
                "expected token vectors of {} texts (labels and aliases), got those of {}",
                texts.count(),
                all.len(),
            )));
        }
        self.check_ids(&block)?;
        if self.segment.is_none() {
            self.manifest.dim = dim as u64;
            self.segment = Some(SegmentWriter::create(
                &*self.disk,
                &self.folder,
                self.manifest.dtype,
                self.manifest.tokens,
                dim,
                &self.manifest.columns,
            )?);
        }
        let (disk, Some(segment)) = (&*self.disk, &mut self.segment) else { unreachable!() };
        let dtype = self.manifest.dtype;
        segment.rows(
            disk,
            &narrow(stored.units(), stored.norms(), dim, dtype),
            &narrow(pooled.units(), pooled.norms(), dim, dtype),
        )?;
        let mut text = 0;
        for (target, texts) in block.texts.iter().enumerate() {
            for string in texts {
                segment.text(disk, string, stored.tokens(text))?;
                text += 1;
            }
            let metadata = block.metadata.iter().map(|column| column[target].as_str());
            segment.target(disk, block.ids[target].as_deref(), metadata)?;
        }
        Ok(())
    }

    /// Makes everything added part of the cache, at once.
    ///
    /// # Errors
    /// [`Error::Input`] if nothing was added; [`Error::Io`]; [`Error::Interrupted`].
    pub fn commit(mut self, check: Check) -> Result<()> {
        self.check_process()?;
        let Some(segment) = self.segment.take() else {
            return Err(Error::input("expected at least one target, got none"));
        };
        let least = if self.manifest.segments.is_empty() { LEAST_TEXTS } else { LEAST_APPENDED };
        self.manifest.segments.push(segment.finish(&*self.disk, least, check)?);
        self.manifest.generation += 1;
        folder::commit(&*self.disk, &self.folder, &self.manifest)?;
        self.done = true;
        Ok(())
    }

    fn check_process(&self) -> Result<()> {
        if self.lock.is_ours() {
            return Ok(());
        }
        Err(Error::input("a child process cannot go on with the writer of its parent"))
    }

    fn check_counts(&self, block: &Block) -> Result<()> {
        let (targets, columns) = (block.texts.len(), self.manifest.columns.len());
        let dim = self.manifest.dim;
        if dim != 0 && block.dim as u64 != dim {
            return Err(Error::input(format!(
                "expected vectors of {dim} dimensions, as the cache has, got {}",
                block.dim
            )));
        }
        if block.ids.len() != targets || block.metadata.iter().any(|c| c.len() != targets) {
            return Err(Error::input(format!(
                "expected an id and a value of every metadata column for each of {targets} targets"
            )));
        }
        if block.metadata.len() != columns {
            return Err(Error::input(format!(
                "expected metadata of the columns {:?}, got {} columns",
                self.manifest.columns,
                block.metadata.len(),
            )));
        }
        if block.texts.iter().any(Vec::is_empty) {
            return Err(Error::input("expected a label for every target"));
        }
        let texts = self.manifest.texts()
            + self.segment.as_ref().map_or(0, SegmentWriter::texts)
            + block.texts.iter().map(|texts| texts.len() as u64).sum::<u64>();
        if texts > u64::from(u32::MAX) {
            return Err(Error::input(format!(
                "a target cache holds at most {} texts: split the target space",
                u32::MAX
            )));
        }
        Ok(())
    }

    fn check_ids(&mut self, block: &Block) -> Result<()> {
        let first = self.before + self.segment.as_ref().map_or(0, SegmentWriter::targets);
        for (id, target) in block.ids.iter().zip(first..) {
            let Some(id) = id else { continue };
            if id.is_empty() {
                return Err(Error::input(format!(
                    "expected an id or none for target {target}, got an empty string"
                )));
            }
            if let Some(other) = self.ids.insert(id.clone(), target) {
                return Err(Error::input(format!(
                    "expected ids that differ, got {id:?} for targets {other} and {target}"
                )));
            }
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A child of a fork shares files and lock with its parent, whose they stay.
        if self.lock.is_ours() && !self.done {
            // What cannot be removed now is left to the next writer.
            folder::sweep(&*self.disk, &self.folder).ok();
        }
    }
}

/// Commits so far of the cache that a build replaces; 0 where none can be read.
fn generation_of(path: &Path) -> Result<u64> {
    let bytes = match folder::read_manifest(path) {
        Err(Error::CacheNotFound(_)) => return Ok(0),
        read => read?,
    };
    let manifest = folder::manifest(path);
    match Manifest::parse(&bytes, &manifest) {
        Ok(old) => old.check_writable(&manifest).map(|()| old.generation),
        Err(Error::CacheCorrupt { .. }) => Ok(0),
        Err(_) if !names_format(&bytes) => Ok(0),
        // A newer format may hold what this release does not know to remove.
        Err(error) => Err(error),
    }
}

/// Rows in the cache's dtype.
fn narrow<'a>(units: &'a [f32], norms: &'a [f32], dim: usize, dtype: Dtype) -> StoredRows<'a> {
    let mut scales = Vec::new();
    let units = match dtype {
        Dtype::Float32 => Cow::Borrowed(bytemuck::cast_slice(units)),
        Dtype::Float16 => {
            let half: Vec<f16> = units.iter().map(|&unit| f16::from_f32(unit)).collect();
            Cow::Owned(bytemuck::cast_slice(&half).to_vec())
        }
        Dtype::Int8 => {
            let mut codes: Vec<i8> = Vec::with_capacity(units.len());
            scales.extend(units.chunks_exact(dim).map(|unit| quantise(unit, &mut codes)));
            Cow::Owned(bytemuck::cast_slice(&codes).to_vec())
        }
    };
    StoredRows { units, scales: scales.into(), norms }
}

/// Appends the codes of a unit vector, the nearest multiples of a 127th of its largest value. Returns
/// the scale that makes them a unit vector again; 0 for zeros.
fn quantise(unit: &[f32], codes: &mut Vec<i8>) -> f32 {
    let largest = unit.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let first = codes.len();
    codes.extend(unit.iter().map(|value| (value * inverse).round() as i8));
    let square: i64 = codes[first..].iter().map(|&code| i64::from(code) * i64::from(code)).sum();
    if square == 0 { 0.0 } else { (square as f64).sqrt().recip() as f32 }
}
