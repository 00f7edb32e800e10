//! Exact soft late interaction over large label spaces.
//!
//! Arrows point down: `cache` rests on `score`, `score` on `metrics`, `metrics` on `simd`, all on
//! `tokens` and `error`. The crate knows no Python unless the feature `python` is on.

pub mod cache;
pub mod error;
pub mod metrics;
#[cfg(feature = "python")]
mod python;
pub mod score;
pub mod simd;
pub mod tokens;
