//! The bytes of a data file: mapped, or held in memory. The one place that maps.

use super::PIECE;
use crate::error::{Check, Error, Result, stop};
use memmap2::{Mmap, MmapMut};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Maps a whole file, read-only.
///
/// A file that is not there comes back as [`Error::Io`] with `NotFound`.
pub(super) fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(Error::io(path))?;
    // SAFETY: a mapping is sound while nobody changes the file. Data files of a cache are named
    // by their content and never written in place: they are made under another name, renamed, and
    // later at most unlinked, which leaves a mapping as it is. Whoever edits such a file by hand
    // breaks this; then floats and bytes change (every reader takes any bit pattern and checks
    // each string it slices), and only truncating a file that is open can end the process.
    unsafe { Mmap::map(&file) }.map_err(Error::io(path))
}

/// Reads a whole file into memory of its own, which nothing that happens to the file can change.
///
/// One of another length than `expected` comes back mapped: it is not worth the memory.
///
/// # Errors
/// As [`map`]; [`Error::Interrupted`].
pub(super) fn hold(path: &Path, expected: u64, check: Check) -> Result<Mmap> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let len = file.metadata().map_err(Error::io(path))?.len();
    if len != expected {
        return map(path);
    }
    // Memory of the system, so that it starts at a page as a mapping does.
    let len = usize::try_from(len).map_err(std::io::Error::other).map_err(Error::io(path))?;
    let mut bytes = MmapMut::map_anon(len).map_err(Error::io(path))?;
    for piece in bytes.chunks_mut(PIECE) {
        stop(check)?;
        file.read_exact(piece).map_err(Error::io(path))?;
    }
    bytes.make_read_only().map_err(Error::io(path))
}
