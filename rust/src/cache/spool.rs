//! A tensor in the making streams to a file of its own, since a file that names its sizes first can
//! only be written when they are known.

use super::disk::Disk;
use super::folder;
use crate::error::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Bytes that wait in memory before a spool writes them.
const BUFFER: usize = 1 << 18;

/// One tensor of the file.
#[derive(Debug)]
pub(super) struct Spool {
    pub(super) path: PathBuf,
    pub(super) file: File,
    waiting: Vec<u8>,
    pub(super) bytes: u64,
}

impl Spool {
    pub(super) fn create(disk: &dyn Disk, root: &Path, name: &str) -> Result<Self> {
        let path = folder::spool(root, name);
        let file = disk.create(&path).map_err(Error::io(&path))?;
        Ok(Self { path, file, waiting: Vec::new(), bytes: 0 })
    }

    pub(super) fn push(&mut self, disk: &dyn Disk, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= BUFFER { self.flush(disk) } else { Ok(()) }
    }

    pub(super) fn flush(&mut self, disk: &dyn Disk) -> Result<()> {
        if !self.waiting.is_empty() {
            disk.write(&self.path, &mut self.file, &self.waiting).map_err(Error::io(&self.path))?;
            self.waiting.clear();
        }
        Ok(())
    }
}
