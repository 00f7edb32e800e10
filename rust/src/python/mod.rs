//! The door `uwe._core`: `NumPy` arrays in, new arrays out, the interpreter released in between.

#![allow(
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    clippy::type_complexity,
    reason = "what Python passes, and gets"
)]

mod cache;
mod convert;
mod errors;
mod functions;
mod search;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

/// Compiled core of `uwe`: scoring, target caches, ranking metrics.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::cache::{CacheWriter, TargetCache, cache_compact, cache_remove};
    #[pymodule_export]
    use super::functions::{
        concatenate, late_interaction, metrics, multiply_add, ranks, set_threads, shared_trigrams,
        simd_level, simd_levels, threads, top_k, twin,
    };
    #[pymodule_export]
    use super::search::{cache_rank, cache_rank_among, cache_ranks, cache_scores};

    #[pymodule_init]
    fn init(module: &super::Bound<'_, super::PyModule>) -> super::PyResult<()> {
        super::after_fork(module.py())
    }
}

/// Has every child that Python forks close its copies of the locks of its parent's writers: a child
/// that outlives the parent would else keep caches locked.
fn after_fork(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    // Where nothing forks, there is no such function.
    let Some(register) = os.getattr_opt("register_at_fork")? else { return Ok(()) };
    let forget = PyCFunction::new_closure(py, None, None, |_, _| crate::cache::forget_locks())?;
    let keywords = PyDict::new(py);
    keywords.set_item("after_in_child", forget)?;
    register.call((), Some(&keywords)).map(drop)
}
