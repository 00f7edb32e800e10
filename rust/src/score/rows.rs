//! Unit vectors as they are stored.

use half::f16;
use std::ops::Range;

/// Unit vectors as stored, row-major.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Half precision: the *stored* values are what a score is exact for.
    F16(&'a [f16]),
    /// Bytes: a unit is its codes times its scale, one scale a row. These products are the stored
    /// values.
    I8(&'a [i8], &'a [f32]),
}

impl Rows<'_> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(all) => all.len(),
            Self::F16(all) => all.len(),
            Self::I8(codes, _) => codes.len(),
        }
    }

    /// Bytes that a scan moves for each row of `dim` values: those that are stored, and where these are
    /// not single precision the ones that they are widened to.
    pub(super) fn row_bytes(&self, dim: usize) -> usize {
        dim * match self {
            Self::F32(_) => 4,
            Self::F16(_) => 2 + 4,
            Self::I8(..) => 1 + 4,
        }
    }

    /// Appends some rows, of `dim` values each, in single precision.
    pub fn widen(&self, rows: Range<usize>, dim: usize, to: &mut Vec<f32>) {
        let values = rows.start * dim..rows.end * dim;
        match self {
            Self::F32(all) => to.extend_from_slice(&all[values]),
            Self::F16(all) => to.extend(all[values].iter().map(|value| value.to_f32())),
            Self::I8(codes, scales) => {
                for (codes, scale) in codes[values].chunks_exact(dim).zip(&scales[rows]) {
                    to.extend(codes.iter().map(|&code| f32::from(code) * scale));
                }
            }
        }
    }
}
