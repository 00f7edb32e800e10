//! The target cache: a folder that holds a target space encoded once, memory-mapped and ready
//! to score.
//!
//! `manifest.json` is the cache: it names immutable data files by their content, so a commit is
//! one rename and a reader keeps what it opened. [`TargetCache`] reads, [`Writer`] builds and
//! appends, [`remove`] and [`compact`] change. The byte layout is in `docs/cache-format.md`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the cache is the room that touches files"
)]

#[cfg(target_endian = "big")]
compile_error!("data files are little-endian and mapped as they are");

mod change;
mod disk;
mod folder;
mod layout;
mod manifest;
mod map;
mod read;
mod screen;
mod screen_writer;
mod segment;
mod segment_writer;
mod spool;
mod strings;
mod write;

#[cfg(test)]
mod tests;

pub use change::{compact, remove};
pub use folder::forget_locks;
pub use manifest::{Dtype, Manifest, Model, Stored, StoredScorer, Tokens};
pub use read::TargetCache;
pub use write::{Block, Spec, Writer};

/// Bytes handled between two questions to a [`Check`], and held in memory at a time.
const PIECE: usize = 8 << 20;
