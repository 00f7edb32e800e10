//! The basis of a space's tokens: their main axes (PCA), the directions that hold most of their lengths.

use crate::error::{Check, Result, stop};
use crate::score::rows::Rows;
use crate::simd::quantised::{BLOCK, DELTA};
use nalgebra::{DMatrix, SymmetricEigen};

/// Tokens that are looked at, evenly spread.
const SAMPLE: usize = 16_384;

/// Of these at a time, between two questions whether to stop.
const PART: usize = 1024;

/// Share of the squared lengths that the basis holds. With less, bounds leave hundreds of texts; with
/// more, they take more room and more time than they save.
const SHARE: f64 = 0.88;

/// Dimensions beyond which finding a basis takes long.
const LARGEST_DIM: usize = 2048;

/// Widest matrix whose eigenvectors are computed, which takes the cube of this and hears nobody: less
/// than a second. Also the most components there are.
const DECOMPOSED: usize = 1024;

/// A basis of unit vectors, `(components, dim)`; none where there are too few or too many dimensions, or
/// none was found.
///
/// Their number is the multiple of a block that holds 88 % of what a sample of the tokens has.
///
/// # Errors
/// [`Error::Interrupted`](crate::error::Error::Interrupted) if `check` says so.
pub fn basis(rows: Rows, dim: usize, check: Check) -> Result<Option<Vec<f32>>> {
    if !(BLOCK..=LARGEST_DIM).contains(&dim) {
        return Ok(None);
    }
    let moments = moments(rows, dim, check)?;
    let basis = main_axes(&moments, DECOMPOSED, check)?;
    stop(check)?;
    Ok(basis.filter(|basis| skew(basis, dim) <= DELTA))
}

/// The second moments of a sample, `(dim, dim)`.
fn moments(rows: Rows, dim: usize, check: Check) -> Result<DMatrix<f64>> {
    let count = rows.len() / dim;
    let sampled = count.min(SAMPLE);
    let mut moments = DMatrix::zeros(dim, dim);
    for first in (0..sampled).step_by(PART) {
        stop(check)?;
        let part = first..sampled.min(first + PART);
        let mut sample = Vec::with_capacity(part.len() * dim);
        for i in part.clone() {
            let row = i * count / sampled;
            rows.widen(row..row + 1, dim, &mut sample);
        }
        let sample = DMatrix::from_vec(dim, part.len(), sample);
        moments += (&sample * sample.transpose()).cast::<f64>();
    }
    Ok(moments)
}

/// The eigenvectors that hold most, as rows. Of a wider matrix than is decomposed they are sought in a
/// subspace that holds nearly as much: bounds hold for any orthonormal axes.
fn main_axes(moments: &DMatrix<f64>, decomposed: usize, check: Check) -> Result<Option<Vec<f32>>> {
    let dim = moments.nrows();
    let basis = (dim > decomposed).then(|| subspace(moments, decomposed, check)).transpose()?;
    let within = match &basis {
        Some(basis) => basis.transpose() * (moments * basis),
        None => moments.clone(),
    };
    stop(check)?;
    let width = within.nrows();
    let Some(eigen) = SymmetricEigen::try_new(within, f64::EPSILON, 100 * width) else {
        return Ok(None);
    };
    stop(check)?;
    let mut by_value: Vec<usize> = (0..width).collect();
    by_value.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let total = moments.trace();
    let mut held = 0.0;
    let enough = by_value.iter().take_while(|&&axis| {
        let take = held < SHARE * total;
        held += eigen.eigenvalues[axis];
        take
    });
    let number = enough.count().next_multiple_of(BLOCK).clamp(BLOCK, width / BLOCK * BLOCK);
    let axes = eigen.eigenvectors.select_columns(&by_value[..number]);
    let axes = match basis {
        Some(basis) => basis * axes,
        None => axes,
    };
    Ok(Some(axes.iter().map(|&x| x as f32).collect()))
}

/// An orthonormal basis, `(dim, width)`, of a subspace that holds nearly as much as the main axes do:
/// the image of random vectors (Halko, Martinsson and Tropp, 2011), the same ones every time.
fn subspace(moments: &DMatrix<f64>, width: usize, check: Check) -> Result<DMatrix<f64>> {
    let dim = moments.nrows();
    let mut state = 0_u64;
    let mut random = || {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    // Where tokens fill fewer dimensions than are asked for, the rest is random.
    let least = 1e-9 * moments.trace();
    let mut basis = DMatrix::zeros(dim, width);
    for start in (0..width).step_by(BLOCK) {
        stop(check)?;
        let vectors = DMatrix::from_fn(dim, BLOCK.min(width - start), |_, _| random());
        let mut block = moments * &vectors + least * vectors;
        // Twice: what the first pass leaves of a vector may be small, and its rounding errors not.
        let done = basis.columns(0, start);
        let turned = done.transpose();
        for _ in 0..2 {
            let inside = &turned * &block;
            block -= done * inside;
        }
        for column in 0..block.ncols() {
            let (before, mut after) = block.columns_range_pair_mut(..column, column..);
            let mut vector = after.column_mut(0);
            for _ in 0..2 {
                let inside = before.tr_mul(&vector);
                vector -= &before * inside;
            }
            let length = vector.norm();
            vector /= length;
        }
        basis.columns_mut(start, block.ncols()).copy_from(&block);
    }
    Ok(basis)
}

/// Root of the summed squares of the axes' Gram matrix minus one.
fn skew(axes: &[f32], dim: usize) -> f64 {
    let axes = DMatrix::from_column_slice(dim, axes.len() / dim, axes).cast::<f64>();
    let gram = axes.transpose() * &axes;
    (gram - DMatrix::identity(axes.ncols(), axes.ncols())).norm()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Rows whose coordinates have ever less weight, `weight(k)` of the k-th.
    fn rows(count: usize, dim: usize, weight: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut state = 1_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count * dim).map(|i| random() * weight(i % dim)).collect()
    }

    /// Share of the squared lengths that the axes hold.
    fn held(axes: &[f32], rows: &[f32], dim: usize) -> f64 {
        let rows = DMatrix::from_column_slice(dim, rows.len() / dim, rows).cast::<f64>();
        let axes = DMatrix::from_column_slice(dim, axes.len() / dim, axes).cast::<f64>();
        (axes.transpose() * &rows).norm_squared() / rows.norm_squared()
    }

    #[test]
    fn axes_in_a_subspace_hold_nearly_as_much() {
        let dim = 256;
        let all = rows(3000, dim, |k| 1.0 / (1.0 + k as f32).sqrt());
        let moments = moments(Rows::F32(&all), dim, &|| false).unwrap();
        let best = main_axes(&moments, dim, &|| false).unwrap().unwrap();
        let wide = main_axes(&moments, 192, &|| false).unwrap().unwrap();
        for axes in [&best, &wide] {
            assert!(held(axes, &all, dim) >= SHARE, "{}", held(axes, &all, dim));
            assert!(skew(axes, dim) <= DELTA);
        }
        assert!(wide.len() <= best.len() + 32 * dim, "{} {}", wide.len(), best.len());
        // Even: no axes hold much more than their part, and there are as many as there may be.
        let all = rows(3000, dim, |_| 1.0);
        let moments = super::moments(Rows::F32(&all), dim, &|| false).unwrap();
        let wide = main_axes(&moments, 128, &|| false).unwrap().unwrap();
        assert_eq!(wide.len(), 128 * dim);
        assert!(skew(&wide, dim) <= DELTA && held(&wide, &all, dim) > 0.5);
        // Few directions: a basis all the same.
        let all = rows(3000, dim, |k| f32::from(u8::from(k < 3)));
        let moments = super::moments(Rows::F32(&all), dim, &|| false).unwrap();
        let wide = main_axes(&moments, 128, &|| false).unwrap().unwrap();
        assert_eq!(wide.len(), 32 * dim);
        assert!(skew(&wide, dim) <= DELTA && held(&wide, &all, dim) > 0.999_999);
    }

    #[test]
    fn whoever_waits_for_axes_is_heard() {
        let dim = 96;
        let all = rows(3 * PART, dim, |_| 1.0);
        let all = Rows::F32(&all);
        let asked = AtomicUsize::new(0);
        let whole = |last: usize| {
            asked.store(0, Ordering::Relaxed);
            let check = || asked.fetch_add(1, Ordering::Relaxed) == last;
            main_axes(&moments(all, dim, &check)?, 64, &check)
        };
        whole(usize::MAX).unwrap().unwrap();
        // Once a part of the sample, once a block of the basis, before and after the eigenvectors.
        assert_eq!(asked.load(Ordering::Relaxed), 3 + 2 + 2);
        for last in 0..7 {
            assert!(matches!(whole(last), Err(Error::Interrupted)), "{last}");
        }
    }
}
