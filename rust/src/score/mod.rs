//! Scoring queries against a target space: exact, deterministic, in parallel.
//!
//! [`Search`] is the door; it chooses between a `scan` of all targets and, for the best `k` of a space with
//! a [`screen`], `prune`, which scores those whose bound reaches the threshold. Queries go in blocks and
//! targets in chunks; the `executor` hands them to threads, and what comes of them is put together in an
//! order that does not depend on these. The score of a pair depends on
//! its bytes, the scorer and the SIMD level alone.

#![forbid(unsafe_code)]

mod executor;
mod prune;
mod rows;
mod scan;
mod scorer;
pub mod screen;
mod search;
mod targets;
#[cfg(test)]
mod tests;
mod tile;
mod top_k;

pub(crate) use executor::Executor;
pub use executor::{set_threads, threads};
pub use rows::Rows;
pub use scorer::Scorer;
pub use search::{Search, room_for_scores};
pub use targets::{Segment, Targets, Text};
#[cfg(feature = "python")]
pub(crate) use top_k::no_room;
pub use top_k::{Hit, top_k};
