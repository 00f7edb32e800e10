//! The only door through which a cache changes the disk, so that tests can fail or stop it after
//! every operation.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Every operation that changes the disk. [`Real`] is the file system; a test's own disk refuses
/// or stops where it likes.
pub(super) trait Disk: Send {
    /// Makes a folder and its parents; one that is there is fine.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Opens the lock file for writing, made if it is not there, its content left alone.
    fn open_lock(&self, path: &Path) -> io::Result<File>;
    /// Makes an empty file, or empties the one that is there; also readable.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Appends bytes.
    fn write(&self, path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()>;
    /// Waits until the file's bytes would survive a power cut.
    fn sync(&self, path: &Path, file: &File) -> io::Result<()>;
    /// Moves a file over another in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Waits until the folder's renames would survive a power cut.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Real;

impl Disk for Real {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn open_lock(&self, path: &Path) -> io::Result<File> {
        File::options().create(true).truncate(false).write(true).open(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        File::options().create(true).truncate(true).read(true).write(true).open(path)
    }

    fn write(&self, _: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, _: &Path, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // A folder cannot be opened as a file on Windows, where renames are journaled anyway.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}
