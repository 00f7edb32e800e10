//! The door between the languages: `NumPy` arrays in, new arrays out, the interpreter released.

mod cache;
mod errors;

use pyo3::prelude::*;

#[pymodule(name = "_core")]
mod core {
    #[pymodule_export]
    use super::cache::{CacheWriter, TargetCache, cache_compact, cache_remove};
}
