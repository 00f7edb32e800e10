//! A screen: a target space's tokens on its main axes, cut to bytes, from which a bound of every
//! score is computed by reading a sixth of what the scores themselves would read.
//!
//! [`axes`] finds the axes, `cut` stores the tokens, `query` cuts a query's tokens;
//! `simd::bound` is the arithmetic, and `docs/method.md` has the proof. What is stored says of
//! itself how far it may be off, so a bound holds for whatever axes.

mod axes;
mod cut;
mod order;
mod query;

pub use axes::axes;
pub use cut::{Cutter, GroupRows};
pub use order::{NO_TEXT, Order, sort};
pub(super) use query::bound_query;

use crate::simd::codes::{BoundGroup, LANES, ROW_VALUES};

/// Texts of a space below which reading all of them is as quick.
pub const LEAST_TEXTS: usize = 1024;

/// The same of texts that come to a space: what a search with bounds takes to start is paid for there.
/// A query is laid on the axes of each screen, which takes as long as reading so many tokens.
pub const LEAST_APPENDED: usize = 256;

/// Axes are orthonormal up to this: no entry of their Gram matrix minus one has a larger sum of
/// squares, rooted.
pub(super) const SKEW: f64 = 1e-5;

/// The screen of one segment.
#[derive(Debug, Clone, Copy)]
pub struct Screen<'a> {
    /// `(axes, dim)`, rows orthonormal up to 1e-5.
    pub axes: &'a [f32],
    /// Bytes of all groups, one after the other.
    pub codes: &'a [u8],
    /// Scales, errors and residuals of all groups.
    pub values: &'a [f32],
    /// Which rows belong to which group.
    pub order: &'a Order,
    /// Which text of the target space is in each lane of each group; [`NO_TEXT`] for none.
    pub texts: &'a [u32],
}

impl<'a> Screen<'a> {
    /// Number of axes, for vectors of so many dimensions.
    pub(super) fn count(&self, dim: usize) -> usize {
        self.axes.len() / dim
    }

    /// Bytes that bounds of all its texts are computed from.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.axes) + size_of_val(self.codes) + size_of_val(self.values)
    }

    /// One group of texts.
    pub(super) fn group(&self, group: usize, axes: usize) -> BoundGroup<'a> {
        let rows = self.order.rows(group);
        BoundGroup {
            codes: &self.codes[rows.start * axes * LANES..rows.end * axes * LANES],
            values: &self.values[rows.start * ROW_VALUES..rows.end * ROW_VALUES],
            tokens: self.order.tokens(group),
        }
    }
}

/// Largest error of a computed coefficient of a unit vector: as that of a cosine (`simd::dots`).
fn rounding(dim: usize) -> f64 {
    (132.0 + dim as f64 / 128.0) * f64::from(f32::EPSILON) / 2.0
}

/// What is left of a vector outside the axes, at most: its length squared and that of its computed
/// coefficients are given, and how far these may be off.
fn residual(length: f64, coefficients: f64, off: f64) -> f64 {
    let inside = (coefficients.sqrt() - off).max(0.0);
    (length - inside * inside * (1.0 - SKEW)).max(0.0).sqrt()
}

/// Upwards to single precision.
fn at_least(value: f64) -> f32 {
    (value * (1.0 + 2.0 * f64::from(f32::EPSILON))) as f32
}

/// How far a computed score may lie above the exact one of its vectors, and a computed bound below
/// its own: roundings of a cosine, of sums over tokens, and of a few operations (`docs/method.md`).
pub(super) fn margin(dim: usize, tokens: f32) -> f32 {
    (1024.0 + dim as f32 / 64.0 + 4.0 * tokens) * f32::EPSILON / 2.0
}
