//! Every operation on the disk fails once, or is the last one; the cache is old or new.

use super::super::disk::Real;
use super::super::{change, folder};
use super::*;
use crate::error::Error;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// The operation has no effect (a write: half of it) and returns an error; others work.
    Error,
    /// The process ends after the operation.
    Stop,
    /// The power ends: unsynced bytes are lost, unsynced renames never happened.
    PowerUndoes,
    /// The power ends: unsynced bytes are lost, unsynced renames happened.
    PowerKeeps,
    /// The power ends: unsynced bytes are lost, of unsynced renames only the last one happened.
    PowerReorders,
    /// ADDED: the operation fails, others work, then the power ends and undoes unsynced renames.
    ErrorThenPower,
}

const FAULTS: [Fault; 6] = [
    Fault::ErrorThenPower,
    Fault::Error,
    Fault::Stop,
    Fault::PowerUndoes,
    Fault::PowerKeeps,
    Fault::PowerReorders,
];

#[derive(Debug)]
struct State {
    fault: Fault,
    /// Operations until the fault.
    left: usize,
    done: usize,
    over: bool,
    /// Bytes that are safe, of files written since.
    unsynced: HashMap<PathBuf, u64>,
    /// Folders that were synced.
    folders: Vec<PathBuf>,
    /// From, to, and what was at `to` before.
    renames: Vec<(PathBuf, PathBuf, Option<Vec<u8>>)>,
}

#[derive(Debug, Clone)]
struct Faulty(Arc<Mutex<State>>);

impl Faulty {
    fn new(fault: Fault, after: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            fault,
            left: after,
            done: 0,
            over: false,
            unsynced: HashMap::new(),
            folders: Vec::new(),
            renames: Vec::new(),
        })))
    }

    fn never() -> Self {
        Self::new(Fault::Stop, usize::MAX)
    }

    fn operations(&self) -> usize {
        self.0.lock().unwrap().done
    }

    /// Does one operation, unless it is the one to fail or the process has ended.
    fn step<T>(
        &self,
        work: impl FnOnce(&mut State) -> io::Result<T>,
        half: impl FnOnce(),
    ) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        if state.over {
            return Err(io::Error::other("the process has ended"));
        }
        state.done += 1;
        let last = state.left == 0;
        state.left = state.left.wrapping_sub(1);
        if last && matches!(state.fault, Fault::Error | Fault::ErrorThenPower) {
            half();
            return Err(io::Error::from_raw_os_error(28));
        }
        let result = work(&mut state);
        if last {
            state.over = true;
        }
        result
    }

    /// What the disk holds when the power is back.
    fn power_cut(&self) {
        let mut state = self.0.lock().unwrap();
        let undone = match state.fault {
            Fault::Error | Fault::Stop => return,
            Fault::PowerUndoes | Fault::ErrorThenPower => state.renames.len(),
            Fault::PowerKeeps => 0,
            Fault::PowerReorders => state.renames.len().saturating_sub(1),
        };
        for (path, safe) in std::mem::take(&mut state.unsynced) {
            if let Ok(file) = File::options().write(true).open(path) {
                let half = safe + (file.metadata().unwrap().len() - safe) / 2;
                file.set_len(half).unwrap();
            }
        }
        let renames = std::mem::take(&mut state.renames);
        for (from, to, before) in renames.into_iter().take(undone).rev() {
            if !to.exists() {
                continue;
            }
            fs::rename(&to, &from).unwrap();
            if let Some(before) = before {
                fs::write(&to, before).unwrap();
            }
        }
    }
}

impl Disk for Faulty {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step(|_| Real.create_dir(path), || ())
    }

    fn open_lock(&self, path: &Path) -> io::Result<File> {
        self.step(|_| Real.open_lock(path), || ())
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let create = |state: &mut State| {
            state.unsynced.insert(path.to_path_buf(), 0);
            Real.create(path)
        };
        self.step(create, || ())
    }

    fn write(&self, path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let mut other = file.try_clone().unwrap();
        self.step(
            |_| Real.write(path, file, bytes),
            || Real.write(path, &mut other, &bytes[..bytes.len() / 2]).unwrap(),
        )
    }

    fn sync(&self, path: &Path, _: &File) -> io::Result<()> {
        let sync = |state: &mut State| {
            state.unsynced.remove(path);
            Ok(())
        };
        self.step(sync, || ())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let rename = |state: &mut State| {
            state.renames.push((from.into(), to.into(), fs::read(to).ok()));
            if let Some(safe) = state.unsynced.remove(from) {
                state.unsynced.insert(to.to_path_buf(), safe);
            }
            Real.rename(from, to)
        };
        self.step(rename, || ())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let sync = |state: &mut State| {
            state.renames.clear();
            state.folders.push(path.to_path_buf());
            Ok(())
        };
        self.step(sync, || ())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let remove = |state: &mut State| {
            state.unsynced.remove(path);
            Real.remove(path)
        };
        self.step(remove, || ())
    }
}

/// A folder as it is; none where there is none.
fn copy(from: &Path, to: &Path) {
    let Ok(entries) = fs::read_dir(from) else { return };
    fs::create_dir(to).unwrap();
    for entry in entries {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Runs `change` from the state that `prepare` makes, once with each fault after each operation.
fn inject(prepare: impl Fn(&Path), change: impl Fn(Box<dyn Disk>, &Path) -> Result<()>) {
    let sample = tempfile::tempdir().unwrap();
    let template = sample.path().join("template.uwe");
    prepare(&template);
    let old = TargetCache::open(&template).ok().map(|cache| seen(&cache));
    let path = sample.path().join("space.uwe");
    copy(&template, &path);
    let counter = Faulty::never();
    change(Box::new(counter.clone()), &path).unwrap();
    let new = open(&path);
    assert!(counter.operations() > 5);
    assert_ne!(old.as_ref(), Some(&new));
    let (mut olds, mut news) = (0, 0);
    for fault in FAULTS {
        for after in 0..counter.operations() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("space.uwe");
            copy(&template, &path);
            let disk = Faulty::new(fault, after);
            let outcome = change(Box::new(disk.clone()), &path);
            disk.power_cut();
            let place = format!("{fault:?} after {after}: {outcome:?}");
            if let Err(error) = &outcome {
                assert!(matches!(error, Error::Io { .. }), "{place}");
            }
            let now = match TargetCache::open(&path) {
                Ok(cache) => {
                    cache.verify(NEVER).unwrap_or_else(|error| panic!("{place}: {error}"));
                    Some(seen(&cache))
                }
                Err(Error::CacheNotFound(_)) => None,
                Err(error) => panic!("{place}: {error}"),
            };
            let is_new = now.as_ref() == Some(&new);
            assert!(is_new || now == old, "{place}: {now:?}");
            assert!(is_new || outcome.is_err(), "{place}");
            if is_new {
                news += 1;
            } else {
                olds += 1;
                change(Box::new(Faulty::never()), &path)
                    .unwrap_or_else(|error| panic!("{place}, then: {error}"));
            }
            // Whoever writes next finds no trace.
            change::compact_on(&Faulty::never(), &path, NEVER).unwrap();
            assert_eq!(seen(&TargetCache::open(&path).unwrap()), new, "{place}");
            assert_eq!(names(&path).len(), 3, "{place}: {:?}", names(&path));
        }
    }
    assert!(olds > 10 && news > 0, "{olds} {news}");
}

fn prepared(path: &Path) {
    build(Box::new(Faulty::never()), path, spec(Dtype::Float32, Tokens::All), &first()).unwrap();
    append(Box::new(Faulty::never()), path, &more()).unwrap();
    let cache = TargetCache::open(path).unwrap();
    change::remove_on(&Faulty::never(), &cache, &[1]).unwrap();
}

#[test]
fn a_first_build_is_there_or_not() {
    inject(|_| (), |disk, path| build(disk, path, spec(Dtype::Float16, Tokens::All), &first()));
}

#[test]
fn every_folder_that_a_build_makes_survives_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/space.uwe");
    let disk = Faulty::never();
    build(Box::new(disk.clone()), &path, spec(Dtype::Float32, Tokens::All), &first()).unwrap();
    let synced = &disk.0.lock().unwrap().folders;
    for above in [folder.path().to_path_buf(), folder.path().join("a"), folder.path().join("a/b")] {
        assert!(synced.contains(&above), "{above:?} is not among {synced:?}");
    }
}

#[test]
fn a_build_over_a_cache_replaces_it_or_not() {
    inject(prepared, |disk, path| build(disk, path, spec(Dtype::Float32, Tokens::Pooled), &more()));
}

#[test]
fn a_build_of_the_same_content_is_safe_too() {
    let change = |disk: Box<dyn Disk>, path: &Path| {
        build(disk, path, spec(Dtype::Float32, Tokens::All), &first())
    };
    inject(
        |path| {
            change(Box::new(Faulty::never()), path).unwrap();
            let cache = TargetCache::open(path).unwrap();
            change::remove_on(&Faulty::never(), &cache, &[1]).unwrap();
        },
        change,
    );
}

#[test]
fn an_append_is_there_or_not() {
    inject(prepared, |disk, path| append(disk, path, &[target(&["new"], Some("n"), "2")]));
}

#[test]
fn a_removal_happens_or_not() {
    inject(prepared, |disk, path| {
        let cache = TargetCache::open(path)?;
        let spark = (0..cache.len()).find(|&i| cache.label(i).unwrap() == "Apache Spark");
        change::remove_on(&*disk, &cache, &[spark.unwrap()]).map(|_| ())
    });
}

#[test]
fn a_compaction_changes_files_and_no_content() {
    let sample = tempfile::tempdir().unwrap();
    let template = sample.path().join("template.uwe");
    prepared(&template);
    let content = open(&template);
    let path = sample.path().join("space.uwe");
    copy(&template, &path);
    let counter = Faulty::never();
    change::compact_on(&counter, &path, NEVER).unwrap();
    assert_eq!(open(&path), content);
    for fault in FAULTS {
        for after in 0..counter.operations() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("space.uwe");
            copy(&template, &path);
            let disk = Faulty::new(fault, after);
            let outcome = change::compact_on(&disk, &path, NEVER);
            disk.power_cut();
            let cache = TargetCache::open(&path).unwrap();
            cache.verify(NEVER).unwrap();
            assert_eq!(seen(&cache), content, "{fault:?} after {after}: {outcome:?}");
            change::compact_on(&Faulty::never(), &path, NEVER).unwrap();
            assert_eq!(open(&path), content);
            assert_eq!(names(&path).len(), 3, "{fault:?} after {after}: {:?}", names(&path));
        }
    }
}

#[test]
fn a_failed_change_cleans_up_behind_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("space.uwe");
    prepared(&path);
    let before = names(&path);
    let counter = Faulty::never();
    let mut writer = Writer::append_on(Box::new(counter.clone()), &path).unwrap();
    add(&mut writer, &[target(&["x"], None, "1")]).unwrap();
    assert!(names(&path).len() > before.len());
    drop(writer);
    assert_eq!(names(&path), before);
    assert!(folder::read_manifest(&path).is_ok());
}
