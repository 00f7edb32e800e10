//! The one place that maps a file into memory.

use crate::error::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
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
