//! Removing and compacting: each ends in one commit or leaves the cache alone.

use super::disk::{Disk, Real};
use super::manifest::Stored;
use super::read::{Place, TargetCache};
use super::segment_writer::{SegmentWriter, StoredRows};
use super::{PIECE, folder};
use crate::error::{Check, Error, Result, stop};
use crate::score::screen::LEAST_TEXTS;
use crate::score::{self, Rows};
use std::ops::Range;
use std::path::Path;

/// Removes targets of an open cache from its folder. Returns how many were still there.
///
/// # Errors
/// [`Error::Input`] for an index out of range; [`Error::CacheBusy`] if another writer is at work
/// or the cache was built again or compacted since it was opened; as [`TargetCache::open`].
pub fn remove(cache: &TargetCache, targets: &[usize]) -> Result<usize> {
    remove_on(&Real, cache, targets)
}

pub(super) fn remove_on(disk: &dyn Disk, cache: &TargetCache, targets: &[usize]) -> Result<usize> {
    let mut places = Vec::with_capacity(targets.len());
    for &target in targets {
        let place: &Place = cache.places().get(target).ok_or_else(|| {
            Error::input(format!("expected targets below {}, got {target}", cache.len()))
        })?;
        places.push((place.segment as usize, place.target));
    }
    places.sort_unstable();
    places.dedup();
    let (_lock, now) = begin(disk, cache.path())?;
    let mut manifest = now.manifest().clone();
    let mut removed = 0;
    for of_segment in places.chunk_by(|a, b| a.0 == b.0) {
        let segment = of_segment[0].0;
        let opened = &cache.manifest().segments[segment].sha256;
        let Some(stored) = manifest.segments.get_mut(segment).filter(|s| s.sha256 == *opened)
        else {
            return Err(Error::busy(
                cache.path(),
                "the cache was compacted or built again since it was opened, so that its indices \
                 have moved: open it again",
            ));
        };
        removed += stored.remove(&of_segment.iter().map(|place| place.1).collect::<Vec<_>>());
    }
    if removed > 0 {
        manifest.generation += 1;
        folder::commit(disk, cache.path(), &manifest)?;
    }
    Ok(removed)
}

/// Rewrites a cache to one data file without removed targets, as this release writes it.
///
/// # Errors
/// As [`TargetCache::open`]; [`Error::CacheBusy`]; [`Error::Interrupted`].
pub fn compact(path: impl AsRef<Path>, check: Check) -> Result<()> {
    compact_on(&Real, path.as_ref(), check)
}

pub(super) fn compact_on(disk: &dyn Disk, path: &Path, check: Check) -> Result<()> {
    let (_lock, cache) = begin(disk, path)?;
    let old = cache.manifest();
    let whole = old.segments.len() <= 1 && old.segments.iter().all(|s| s.removed.is_empty());
    if whole && old.is_current() {
        return Ok(());
    }
    let mut manifest = old.renewed();
    manifest.segments.clear();
    let copied = if cache.is_empty() { Ok(None) } else { copy(disk, &cache, check).map(Some) };
    match copied {
        Ok(stored) => manifest.segments.extend(stored),
        Err(error) => {
            folder::sweep(disk, path).ok();
            return Err(error);
        }
    }
    manifest.generation += 1;
    folder::commit(disk, path, &manifest)
}

/// Copies all live targets to one new data file.
fn copy(disk: &dyn Disk, cache: &TargetCache, check: Check) -> Result<Stored> {
    let manifest = cache.manifest();
    let dim = cache.dim();
    // A damaged file must not be sealed again as if it were whole.
    cache.verify(check)?;
    let mut writer = SegmentWriter::create(
        disk,
        cache.path(),
        manifest.dtype,
        manifest.tokens,
        dim,
        &manifest.columns,
    )?;
    let pieces: Vec<_> = cache.segments().iter().map(|s| (s.rows(), s.pooled())).collect();
    let targets = cache.targets();
    let pooled = cache.pooled_targets();
    let mut copied = 0;
    for target in 0..cache.len() {
        for (number, (text, one)) in
            targets.target(target).iter().zip(pooled.target(target)).enumerate()
        {
            let (rows, pooled) = &pieces[text.segment as usize];
            let tokens = text.row..text.row + text.tokens as usize;
            let units = raw(rows, tokens.clone(), dim);
            copied += units.units.len();
            writer.rows(disk, &units, &raw(pooled, one.row..one.row + 1, dim))?;
            writer.text(disk, cache.text(target, number)?, tokens.len())?;
        }
        let metadata: Vec<&str> = (0..manifest.columns.len())
            .map(|column| cache.metadata(column, target))
            .collect::<Result<_>>()?;
        writer.target(disk, cache.id(target)?, metadata)?;
        if copied > PIECE {
            copied = 0;
            stop(check)?;
        }
    }
    writer.finish(disk, LEAST_TEXTS, check)
}

/// Locks a cache, cleans up after a killed writer, and opens what is there now.
pub(super) fn begin(disk: &dyn Disk, path: &Path) -> Result<(folder::Lock, TargetCache)> {
    // Before the lock, so that a wrong path is not written to.
    TargetCache::open(path)?;
    let lock = folder::lock(disk, path)?;
    let cache = TargetCache::open(path)?;
    cache.manifest().check_writable(&folder::manifest(path))?;
    folder::sweep(disk, path)?;
    Ok((lock, cache))
}

/// Some rows of a segment as they are stored.
fn raw<'a>(of: &score::Segment<'a>, rows: Range<usize>, dim: usize) -> StoredRows<'a> {
    let values = rows.start * dim..rows.end * dim;
    let (units, scales): (&[u8], &[f32]) = match of.rows {
        Rows::F32(all) => (bytemuck::cast_slice(&all[values]), &[]),
        Rows::F16(all) => (bytemuck::cast_slice(&all[values]), &[]),
        Rows::I8(codes, scales) => (bytemuck::cast_slice(&codes[values]), &scales[rows.clone()]),
    };
    StoredRows { units: units.into(), scales: scales.into(), norms: &of.norms[rows] }
}
