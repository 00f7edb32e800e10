//! Scoring queries against a target space: exact, deterministic, in parallel.

mod targets;

pub use targets::{Rows, Segment, Targets, Text};
