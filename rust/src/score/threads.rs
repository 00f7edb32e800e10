//! The crate's own thread pool: built at first use, serial in a forked child.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that were asked for; 0 for one a processor.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The pool of this process, or that none could be had.
static POOL: Mutex<Option<Built>> = Mutex::new(None);

type Built = Result<Arc<ThreadPool>, ThreadPoolBuildError>;

/// Process that uses the pool; 0 before. Claimed before the lock is touched, since a fork may copy
/// the lock while another thread holds it.
static OWNER: AtomicU32 = AtomicU32::new(0);

fn forked() -> bool {
    let owner = OWNER.load(Ordering::Acquire);
    owner != 0 && owner != std::process::id()
}

/// Number of threads that a call uses; 1 in a child forked after the first call that used more.
pub fn threads() -> usize {
    if forked() {
        return 1;
    }
    match THREADS.load(Ordering::Relaxed) {
        0 => from_environment().unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        }),
        threads => threads,
    }
}

/// What `UWE_THREADS` says, if that is a number; Python refuses what is none.
fn from_environment() -> Option<usize> {
    let threads = std::env::var("UWE_THREADS").ok()?.trim().parse().ok()?;
    (1..=1024).contains(&threads).then_some(threads)
}

/// Sets the number of threads of later calls; 0 means one for each processor. Running calls keep
/// theirs. Has no effect in a child forked after the first call that used threads.
pub fn set_threads(threads: usize) {
    THREADS.store(threads, Ordering::Relaxed);
    if claim() {
        *POOL.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whether the pool is this process's own, which it is from the first asking on.
fn claim() -> bool {
    let me = std::process::id();
    let owner = OWNER.compare_exchange(0, me, Ordering::AcqRel, Ordering::Acquire);
    owner.is_ok() || owner == Err(me)
}

/// The pool, or none where a call must run serially: one thread, a forked child, or a system that
/// gives no threads.
pub(super) fn pool() -> Option<Arc<ThreadPool>> {
    let threads = threads();
    if threads == 1 || !claim() {
        return None;
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let name = |i| format!("uwe-{i}");
    let build = || ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build();
    pool.get_or_insert_with(|| build().map(Arc::new)).as_ref().ok().cloned()
}
