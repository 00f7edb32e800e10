//! Exact soft late interaction over large label spaces.
//!
//! Arrows point down: `cache` and `metrics` rest on `score`, `score` on `simd`, all on `tokens`
//! and `error`. The crate knows no Python unless the feature `python` is on.

pub mod cache;
pub mod error;
#[cfg(feature = "python")]
mod python;
pub mod score;
pub mod tokens;
