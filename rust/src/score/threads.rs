//! The crate's own thread pool: built at first use, serial in a forked child.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Threads that were asked for; 0 for what `UWE_THREADS` says, or one a processor.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Processors of this process; 0 before they were counted. The system reads files to count them, 11
/// to 25 µs a time, and a query of a millisecond needs the number several times. No `OnceLock`, which
/// a fork may copy while it is locked.
static PROCESSORS: AtomicUsize = AtomicUsize::new(0);

/// The pool of this process, once it was built.
static POOL: Mutex<Option<Arc<ThreadPool>>> = Mutex::new(None);

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
        0 => known(&PROCESSORS, || {
            from_environment().unwrap_or_else(|| {
                std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
            })
        }),
        threads => threads,
    }
}

/// What `UWE_THREADS` says, if that is a number; Python refuses what is none.
fn from_environment() -> Option<usize> {
    let threads = std::env::var("UWE_THREADS").ok()?.trim().parse().ok()?;
    (1..=1024).contains(&threads).then_some(threads)
}

/// What is in `number`, or, while that is 0, what `count` puts there.
fn known(number: &AtomicUsize, count: impl FnOnce() -> usize) -> usize {
    match number.load(Ordering::Relaxed) {
        0 => {
            let counted = count();
            number.store(counted, Ordering::Relaxed);
            counted
        }
        known => known,
    }
}

/// Sets the number of threads of later calls; 0 means one for each processor, counted again.
/// Running calls keep theirs. Has no effect in a child forked after the first call that used threads.
pub fn set_threads(threads: usize) {
    PROCESSORS.store(0, Ordering::Relaxed);
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
    if threads() == 1 || !claim() {
        return None;
    }
    let name = |i| format!("uwe-{i}");
    built(&POOL, threads, |count| {
        ThreadPoolBuilder::new().num_threads(count).thread_name(name).build()
    })
}

/// `work` on each item, in order: on the pool where there is one and more than one item.
pub(super) fn each<T: Sync, R: Send>(
    pool: Option<&ThreadPool>,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    match pool {
        Some(pool) if items.len() > 1 => {
            pool.install(|| items.par_iter().with_max_len(1).map(&work).collect())
        }
        _ => items.iter().map(work).collect(),
    }
}

/// The pool that is there, or a new one of as many threads as are asked for.
///
/// They are asked for under the lock: [`set_threads`] sets them first and empties the pool then, so
/// that no pool of the number before is left behind. A pool that could not be had is not remembered:
/// the next call may be luckier.
fn built(
    pool: &Mutex<Option<Arc<ThreadPool>>>,
    threads: impl FnOnce() -> usize,
    build: impl FnOnce(usize) -> Result<ThreadPool, ThreadPoolBuildError>,
) -> Option<Arc<ThreadPool>> {
    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.is_none() {
        let threads = threads();
        if threads == 1 {
            return None;
        }
        *pool = build(threads).ok().map(Arc::new);
    }
    pool.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_once() {
        let number = AtomicUsize::new(0);
        assert_eq!(known(&number, || 3), 3);
        assert_eq!(known(&number, || panic!("counted again")), 3);
    }

    #[test]
    fn threads_are_asked_for_under_the_lock() {
        let pool = Mutex::new(None);
        let threads = || {
            assert!(pool.try_lock().is_err(), "another thread may have emptied the pool meanwhile");
            2
        };
        let build = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
        assert_eq!(built(&pool, threads, build).unwrap().current_num_threads(), 2);
        // Kept, whatever is asked for later: it is emptied where that changes.
        assert_eq!(built(&pool, || 3, build).unwrap().current_num_threads(), 2);
        *pool.lock().unwrap() = None;
        assert!(built(&pool, || 1, build).is_none());
    }

    #[test]
    fn a_pool_that_could_not_be_built_is_tried_again() {
        let pool = Mutex::new(None);
        let refused = |_| {
            let system = |_: rayon::ThreadBuilder| Err(std::io::Error::other("no threads left"));
            ThreadPoolBuilder::new().num_threads(2).spawn_handler(system).build()
        };
        assert!(built(&pool, || 2, refused).is_none());
        let build = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
        assert!(built(&pool, || 2, build).is_some());
    }
}
