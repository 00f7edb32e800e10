//! The main axes of a space's tokens: the directions that hold most of their lengths.

use super::SKEW;
use crate::score::Rows;
use crate::simd::bound::BLOCK;
use nalgebra::{DMatrix, SymmetricEigen};

/// Tokens that are looked at, evenly spread.
const SAMPLE: usize = 16_384;

/// Share of the squared lengths that the axes hold. With less, bounds leave hundreds of texts; with
/// more, they take more room and more time than they save.
const SHARE: f64 = 0.88;

/// Dimensions beyond which finding axes takes minutes.
const LARGEST_DIM: usize = 2048;

/// The axes of unit vectors, `(axes, dim)`; none where there are too few or too many dimensions, or
/// no axes were found.
///
/// Their number is the multiple of a block that holds 94 % of what a sample of the tokens has.
pub fn axes(rows: Rows, dim: usize) -> Option<Vec<f32>> {
    if !(BLOCK..=LARGEST_DIM).contains(&dim) {
        return None;
    }
    let count = rows.len() / dim;
    let sampled = count.min(SAMPLE);
    let mut sample = Vec::with_capacity(sampled * dim);
    for i in 0..sampled {
        let row = i * count / sampled;
        rows.widen(row..row + 1, dim, &mut sample);
    }
    let sample = DMatrix::from_vec(dim, sampled, sample);
    let moments = (&sample * sample.transpose()).cast::<f64>();
    let eigen = SymmetricEigen::try_new(moments, f64::EPSILON, 100 * dim)?;
    let mut by_value: Vec<usize> = (0..dim).collect();
    by_value.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let total: f64 = eigen.eigenvalues.iter().sum();
    let mut held = 0.0;
    let enough = by_value.iter().take_while(|&&axis| {
        let take = held < SHARE * total;
        held += eigen.eigenvalues[axis];
        take
    });
    let number = enough.count().next_multiple_of(BLOCK).clamp(BLOCK, dim / BLOCK * BLOCK);
    let axes: Vec<f32> = by_value[..number]
        .iter()
        .flat_map(|&axis| {
            eigen.eigenvectors.column(axis).iter().map(|&x| x as f32).collect::<Vec<_>>()
        })
        .collect();
    (skew(&axes, dim) <= SKEW).then_some(axes)
}

/// Root of the summed squares of the axes' Gram matrix minus one.
fn skew(axes: &[f32], dim: usize) -> f64 {
    let axes = DMatrix::from_column_slice(dim, axes.len() / dim, axes).cast::<f64>();
    let gram = axes.transpose() * &axes;
    (gram - DMatrix::identity(axes.ncols(), axes.ncols())).norm()
}
