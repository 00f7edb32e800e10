//! The folder of a cache: which files are its own, what a killed writer left, who may write.

use super::disk::Disk;
use super::manifest::{Manifest, Stored, names_format};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const MANIFEST: &str = "manifest.json";
const NEW_MANIFEST: &str = "manifest.json.new";
const LOCK: &str = "writer.lock";
const SPOOL: &str = ".uwe-spool";

/// Makes a cache's folder and those above it that are missing, each safe from a power cut.
pub(super) fn create(disk: &dyn Disk, folder: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut above = folder;
    while !above.exists() {
        missing.push(above);
        let next = parent(above);
        if next == above {
            break;
        }
        above = next;
    }
    if missing.is_empty() {
        return Ok(());
    }
    disk.create_dir(folder).map_err(Error::io(folder))?;
    // A folder's name is in the folder above it.
    for made in missing {
        disk.sync_dir(parent(made)).map_err(Error::io(parent(made)))?;
    }
    Ok(())
}

/// The folder that holds another one.
fn parent(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) => Path::new("."),
        None => folder,
    }
}

pub(super) fn manifest(folder: &Path) -> PathBuf {
    folder.join(MANIFEST)
}

pub(super) fn new_manifest(folder: &Path) -> PathBuf {
    folder.join(NEW_MANIFEST)
}

pub(super) fn spool(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{SPOOL}"))
}

pub(super) fn segment(folder: &Path, sha256: &str) -> PathBuf {
    folder.join(segment_name(sha256))
}

fn segment_name(sha256: &str) -> String {
    format!("segment-{sha256}.safetensors")
}

/// The manifest's bytes; [`Error::CacheNotFound`] where there is none.
pub(super) fn read_manifest(folder: &Path) -> Result<Vec<u8>> {
    let path = manifest(folder);
    fs::read(&path).map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Error::CacheNotFound(folder.to_path_buf())
        }
        _ => Error::Io { path, source },
    })
}

/// The lock files of this process's writers, by the number of their [`Lock`]. They are held here, so
/// that a child of a fork can close its copies: a file stays locked while any copy is open.
static LOCKED: Mutex<BTreeMap<u64, File>> = Mutex::new(BTreeMap::new());

fn locked() -> MutexGuard<'static, BTreeMap<u64, File>> {
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes the lock files that a fork copied into this process; their locks stay with the parent, and
/// end with it. To be called in the child, before anything is written.
pub fn forget_locks() {
    // Another thread of the parent may have held this at the moment of the fork.
    if let Ok(mut locked) = LOCKED.try_lock() {
        locked.clear();
    }
}

/// The one writer's hold on a folder. It ends with this value, or with its process.
#[derive(Debug)]
pub(super) struct Lock {
    number: u64,
    process: u32,
}

impl Lock {
    /// Whether this process took it: a child of a fork has a copy, which is its parent's.
    pub fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough while a child of a fork has it open.
        if self.is_ours() {
            let file = locked().remove(&self.number);
            file.map(|file| file.unlock().ok());
        }
    }
}

/// Waits for nobody: a second writer is an error.
pub(super) fn lock(disk: &dyn Disk, folder: &Path) -> Result<Lock> {
    let path = folder.join(LOCK);
    let file = disk.open_lock(&path).map_err(Error::io(&path))?;
    match file.try_lock() {
        Ok(()) => {
            static NUMBER: AtomicU64 = AtomicU64::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            locked().insert(number, file);
            Ok(Lock { number, process: std::process::id() })
        }
        Err(TryLockError::WouldBlock) => Err(Error::busy(
            folder,
            "another writer is building or changing this cache (it holds writer.lock): wait for \
             it to finish, then try again",
        )),
        Err(TryLockError::Error(source)) => Err(Error::Io { path, source }),
    }
}

/// Refuses a path that holds anything but a cache, what a killed build left, or nothing.
pub(super) fn check_own(folder: &Path) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(Error::format(
                folder,
                "expected a folder to build the cache in, found a file here or above: choose another \
                 path",
            ));
        }
        Err(error) => return Err(Error::io(folder)(error)),
    };
    let mut foreign = None;
    let (mut own, mut has_manifest) = (false, false);
    for entry in entries {
        let name = entry.map_err(Error::io(folder))?.file_name();
        let name = name.to_string_lossy();
        if name == MANIFEST {
            has_manifest = true;
        } else if name == LOCK || is_leftover(&name, &[]) {
            own = true;
        } else {
            foreign = Some(name.into_owned());
        }
    }
    if has_manifest {
        let bytes = read_manifest(folder)?;
        // A manifest damaged beyond recognition still counts among a cache's other files.
        if !names_format(&bytes) && (foreign.is_some() || !own) {
            foreign = Some(MANIFEST.into());
        } else {
            return Ok(());
        }
    }
    foreign.map_or(Ok(()), |name| {
        Err(Error::format(
            folder,
            format!(
                "expected a target cache, an empty folder or none; this folder holds other files \
                 ({name:?}): nothing was touched, choose another path"
            ),
        ))
    })
}

/// Removes what no manifest names: spools, half-written files, data files of older generations.
///
/// Call it with the lock held. Without a manifest nothing is named; beside a manifest that can
/// not be read, data files stay.
pub(super) fn sweep(disk: &dyn Disk, folder: &Path) -> Result<()> {
    let named = match read_manifest(folder) {
        Ok(bytes) => Manifest::parse(&bytes, &manifest(folder)).ok().map(|read| read.segments),
        Err(Error::CacheNotFound(_)) => Some(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut synced = false;
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let leftover = match &named {
            Some(named) => is_leftover(&name, named),
            None => name == NEW_MANIFEST || name.ends_with(SPOOL),
        };
        if leftover {
            // What goes may be named by the manifest that a power cut would bring back.
            if !synced {
                disk.sync_dir(folder).map_err(Error::io(folder))?;
                synced = true;
            }
            disk.remove(&entry.path()).map_err(Error::io(entry.path()))?;
        }
    }
    Ok(())
}

fn is_leftover(name: &str, named: &[Stored]) -> bool {
    name == NEW_MANIFEST
        || name.ends_with(SPOOL)
        || name.len() == segment_name("").len() + 64
            && name.starts_with("segment-")
            && name.ends_with(".safetensors")
            && named.iter().all(|stored| segment_name(&stored.sha256) != name)
}

/// Makes `new` the folder's manifest; its data files are on disk under their names.
///
/// After the rename the change has happened. Data files that no manifest names any more go last,
/// when the rename is known to survive a power cut; those that cannot be removed now are left to
/// the next writer.
pub(super) fn commit(disk: &dyn Disk, folder: &Path, new: &Manifest) -> Result<()> {
    let (from, to) = (new_manifest(folder), manifest(folder));
    let mut file = disk.create(&from).map_err(Error::io(&from))?;
    disk.write(&from, &mut file, &new.to_bytes()).map_err(Error::io(&from))?;
    disk.sync(&from, &file).map_err(Error::io(&from))?;
    drop(file);
    disk.rename(&from, &to).map_err(Error::io(&to))?;
    disk.sync_dir(folder).map_err(Error::io(folder))?;
    sweep(disk, folder).ok();
    Ok(())
}
