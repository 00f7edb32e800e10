//! Arithmetic on token vectors: one kernel text, compiled once for each SIMD level.
//!
//! From the outside in: [`Kernels`] is the table of functions of one level, `arch` what the registers of
//! each level do. The kernels are generic over
//! `vector::Vector`: `dots` and `attend` make scores, `bundle` those of many queries of one length;
//! `count` makes ranks, `bound` and `bytes` upper bounds from what [`mod@quantised`] is; `peak` is what
//! none of them can exceed.
//! [`mod@reference`] is the definition of scores in plain float64 loops; nothing dispatches to it.
//!
//! This room knows no files and no threads. A score depends on its operands, the attention, the
//! temperature and the level alone.

#![allow(
    clippy::inline_always,
    clippy::wildcard_imports,
    reason = "a kernel is compiled for its level only where it is inlined into a function of it; \
              intrinsics come by the dozen"
)]

mod arch;
mod attend;
mod bound;
mod bundle;
mod bytes;
pub mod codes;
mod count;
mod dots;
mod exp;
mod kernels;
mod packed;
mod peak;
pub mod quantised;
pub mod reference;
mod vector;

pub use attend::{Attention, Pair};
pub use kernels::Kernels;
pub use packed::{AlignedBuffer, PackedQuery};
