//! The crate's own thread pool: built at first use, serial in a forked child.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

struct Pool {
    threads: usize,
    built: Option<Arc<ThreadPool>>,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { threads: 0, built: None });

/// Process that built the pool; 0 before. Read before the lock is touched, since a fork may have
/// copied the lock while another thread held it.
static OWNER: AtomicU32 = AtomicU32::new(0);

fn forked() -> bool {
    let owner = OWNER.load(Ordering::Acquire);
    owner != 0 && owner != std::process::id()
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Number of threads that a call uses; 1 in a child forked after the pool was built.
pub fn threads() -> usize {
    if forked() {
        return 1;
    }
    match POOL.lock().unwrap_or_else(PoisonError::into_inner).threads {
        0 => default_threads(),
        threads => threads,
    }
}

/// Sets the number of threads of later calls; 0 means one for each processor. Running calls keep
/// theirs. Has no effect in a child forked after the pool was built.
pub fn set_threads(threads: usize) {
    if forked() {
        return;
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    pool.threads = threads;
    pool.built = None;
}

/// The pool, or none where a call must run serially: one thread, a forked child, or a system that
/// gives no threads.
pub(super) fn pool() -> Option<Arc<ThreadPool>> {
    if forked() {
        return None;
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = if pool.threads == 0 { default_threads() } else { pool.threads };
    if threads == 1 {
        return None;
    }
    if pool.built.is_none() {
        let name = |i| format!("uwe-{i}");
        pool.built = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(name)
            .build()
            .ok()
            .map(Arc::new);
        OWNER.store(std::process::id(), Ordering::Release);
    }
    pool.built.clone()
}
