//! A screen: a target space's tokens on a basis of their own, quantised, from which a bound of every
//! score is computed by reading an eighth of what the scores themselves would read.
//!
//! [`basis`](fn@basis) finds the basis, `quantise` lays tokens on it; `simd::quantised` says what is lost
//! of them, `simd::bound` is the arithmetic, and `docs/method.md` has the proof. What is stored says of
//! itself how far it may be off, so a bound holds for whatever basis.

mod basis;
mod order;
mod quantise;

pub use basis::basis;
pub use order::{NO_TEXT, Order, sort};
pub use quantise::{GroupRows, Quantiser};
pub(super) use quantise::{bound_tokens, byte_group, byte_tokens};

use crate::simd::codes::{BoundGroup, GROUP, ROW_VALUES};

/// Texts of a space below which reading all of them is as quick.
pub const LEAST_TEXTS: usize = 1024;

/// The same of texts that come to a space: what a search with bounds takes to start is paid for there.
/// A query is laid on the basis of each screen, which takes as long as reading so many tokens.
pub const LEAST_APPENDED: usize = 256;

/// The screen of one segment.
#[derive(Debug, Clone, Copy)]
pub struct Screen<'a> {
    /// `(components, dim)`, rows orthonormal up to 1e-5.
    pub basis: &'a [f32],
    /// Codes of all groups, one after the other.
    pub codes: &'a [u8],
    /// Scales, errors and residual norms of all groups.
    pub values: &'a [f32],
    /// Which rows belong to which group.
    pub order: &'a Order,
    /// Which text of the target space is in each lane of each group; [`NO_TEXT`] for none.
    pub texts: &'a [u32],
}

impl<'a> Screen<'a> {
    /// Number of codes of a token, for vectors of so many dimensions.
    pub(super) fn components(&self, dim: usize) -> usize {
        self.basis.len() / dim
    }

    /// Bytes that bounds of all its texts are computed from.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.basis) + size_of_val(self.codes) + size_of_val(self.values)
    }

    /// One group of texts.
    pub(super) fn group(&self, group: usize, components: usize) -> BoundGroup<'a> {
        let rows = self.order.rows(group);
        BoundGroup {
            codes: &self.codes[rows.start * components * GROUP..rows.end * components * GROUP],
            values: &self.values[rows.start * ROW_VALUES..rows.end * ROW_VALUES],
            tokens: self.order.tokens(group),
        }
    }
}
