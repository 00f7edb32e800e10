//! Scoring queries against a target space: exact, deterministic, in parallel.
//!
//! [`Search`] is the door; the best `k` of a space with a [`screen`] are found by bounds, `screened`.
//! A call cuts its queries into blocks and its targets into chunks; threads take chunks, and what comes
//! of a chunk is put together in an order that does not depend on them. The score of a pair depends on
//! its bytes, the scorer and the SIMD level alone.

#![forbid(unsafe_code)]

mod rows;
mod scorer;
pub mod screen;
mod screened;
mod search;
mod targets;
#[cfg(test)]
mod tests;
mod threads;
mod tile;
mod top_k;

pub use rows::Rows;
pub use scorer::Scorer;
pub use search::{Search, room_for_scores};
pub use targets::{Segment, Targets, Text};
pub use threads::{set_threads, threads};
#[cfg(feature = "python")]
pub(crate) use top_k::no_room;
pub use top_k::{Hit, top_k};
