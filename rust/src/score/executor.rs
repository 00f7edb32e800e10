//! Who works when: blocks of work go to the crate's own pool, built at first use, serial in a forked
//! child; between waves of them whoever waits is asked whether to stop.

use crate::error::{Check, Result, stop};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
    let known = match THREADS.load(Ordering::Relaxed) {
        0 => PROCESSORS.load(Ordering::Relaxed),
        threads => threads,
    };
    if known > 0 {
        return known;
    }
    let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let counted = from_environment().unwrap_or_else(processors);
    PROCESSORS.store(counted, Ordering::Relaxed);
    counted
}

/// What `UWE_THREADS` says, if that is a number; Python refuses what is none.
fn from_environment() -> Option<usize> {
    let threads = std::env::var("UWE_THREADS").ok()?.trim().parse().ok()?;
    (1..=1024).contains(&threads).then_some(threads)
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
fn pool() -> Option<Arc<ThreadPool>> {
    if threads() == 1 || !claim() {
        return None;
    }
    let name = |i| format!("uwe-{i}");
    built(&POOL, threads, |count| {
        ThreadPoolBuilder::new().num_threads(count).thread_name(name).build()
    })
}

/// The pool that is there, or a new one of as many threads as are asked for.
///
/// They are asked for under the lock: [`set_threads`] sets them first and empties the pool then, so
/// that no pool of the number before is left behind. A pool that could not be had is not remembered:
/// the next call may be luckier.
fn built(
    pool: &Mutex<Option<Arc<ThreadPool>>>,
    threads: impl FnOnce() -> usize,
    build: impl FnOnce(usize) -> std::result::Result<ThreadPool, ThreadPoolBuildError>,
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

/// Hands out the work of one call.
pub(crate) struct Executor<'a> {
    /// Asked for when there is more than one piece of work, and kept: a running call keeps its threads.
    pool: OnceLock<Option<Arc<ThreadPool>>>,
    interrupted: Check<'a>,
}

impl<'a> Executor<'a> {
    /// Asks `interrupted` from the calling thread.
    pub fn new(interrupted: Check<'a>) -> Self {
        Self { pool: OnceLock::new(), interrupted }
    }

    /// One that does all of it on the thread it is called from: for work that is a piece itself.
    pub fn serial(&self) -> Self {
        Self { pool: OnceLock::from(None), interrupted: self.interrupted }
    }

    fn pool(&self) -> Option<&ThreadPool> {
        self.pool.get_or_init(pool).as_deref()
    }

    /// `work` on the calling thread, a wave after the other, each a few hundred milliseconds at most;
    /// what it calls goes to the pool.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::error::Error::Interrupted), and those of `work`.
    pub fn waves<W>(
        &self,
        waves: impl IntoIterator<Item = W>,
        mut work: impl FnMut(W) -> Result<()>,
    ) -> Result<()> {
        for (number, wave) in waves.into_iter().enumerate() {
            if number > 0 {
                stop(self.interrupted)?;
            }
            work(wave)?;
        }
        Ok(())
    }

    /// `work` on each item, in order: on the pool where there is more than one. A thread that has done
    /// an item hands its scratch on to the next.
    pub fn each<T: Sync, S: Default + Send, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T, &mut S) -> R + Sync,
    ) -> Vec<R> {
        let pool = if items.len() > 1 { self.pool() } else { None };
        let Some(pool) = pool else {
            let mut scratch = S::default();
            return items.iter().map(|item| work(item, &mut scratch)).collect();
        };
        let spare = Mutex::new(Vec::new());
        let one = |item| {
            let lock = || spare.lock().unwrap_or_else(PoisonError::into_inner);
            let mut scratch = lock().pop().unwrap_or_default();
            let result = work(item, &mut scratch);
            lock().push(scratch);
            result
        };
        pool.install(|| items.par_iter().with_max_len(1).map(one).collect())
    }

    /// `work` on a thread of the pool, where several [`Executor::each`] follow one another: to wake the
    /// pool takes as long as some of them.
    pub fn inside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.pool() {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
