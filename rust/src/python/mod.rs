//! The door `uwe._core`: `NumPy` arrays in, new arrays out, the interpreter released in between.

mod cache;
mod convert;
mod errors;
mod functions;
mod search;

use pyo3::prelude::*;

/// Compiled core of `uwe`: scoring, target caches, ranking metrics.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::cache::{CacheWriter, TargetCache, cache_compact, cache_remove};
    #[pymodule_export]
    use super::functions::{
        concatenate, late_interaction, metrics, multiply_add, ranks, set_threads, simd_level,
        simd_levels, threads, top_k, twin,
    };
    #[pymodule_export]
    use super::search::{cache_rank, cache_ranks, cache_scores};
}
