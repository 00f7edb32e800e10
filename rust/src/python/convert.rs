//! Arrays to checked types, and back.

use crate::error::{Error, Result};
use crate::score::{self, Hit};
use crate::tokens::TokenVectors;
use numpy::ndarray::Array2;
use numpy::{
    Element, IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

/// `(indices, scores, texts)`, each `(queries, k)`.
pub(super) type Ranking<'py> =
    (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i64>>);

/// The values of an array that lies row by row in memory.
pub(super) fn slice1<'a, T: Element>(
    array: &'a PyReadonlyArray1<'_, T>,
    name: &str,
) -> Result<&'a [T]> {
    array.as_slice().map_err(|_| not_contiguous(name))
}

/// The values of an array that lies row by row in memory, and its width.
pub(super) fn slice2<'a, T: Element>(
    array: &'a PyReadonlyArray2<'_, T>,
    name: &str,
) -> Result<(&'a [T], usize)> {
    let width = array.shape()[1];
    // `as_slice` takes columns that lie one after the other for rows.
    match array.as_slice() {
        Ok(values) if array.is_c_contiguous() => Ok((values, width)),
        _ => Err(not_contiguous(name)),
    }
}

fn not_contiguous(name: &str) -> Error {
    Error::input(format!(
        "{name} must be C-contiguous and aligned: pass numpy.ascontiguousarray({name})"
    ))
}

/// Token vectors of several texts as they came, still to be checked.
pub(super) struct Tokens<'a> {
    pub(super) values: &'a [f32],
    pub(super) dim: usize,
    /// A copy: other threads may write to the array once the interpreter is released, and what was
    /// checked must be what is used.
    pub(super) offsets: Vec<i64>,
}

impl<'a> Tokens<'a> {
    /// From `(tokens, dim)` and `(texts + 1,)`, which are called `{of}_values` and `{of}_offsets`.
    pub(super) fn new(
        values: &'a PyReadonlyArray2<'_, f32>,
        offsets: &PyReadonlyArray1<'_, i64>,
        of: &str,
    ) -> Result<Self> {
        let (values, dim) = slice2(values, &format!("{of}values"))?;
        let offsets = slice1(offsets, &format!("{of}offsets"))?.to_vec();
        Ok(Self { values, dim, offsets })
    }

    /// As a scorer takes them: all of them, or their means.
    pub(super) fn checked(&self, pooled: bool) -> Result<TokenVectors> {
        let Self { values, dim, offsets } = self;
        let tokens = TokenVectors::new(values, *dim, offsets)?;
        // Checked token by token first: a mean hides what is wrong with one of them.
        if pooled { TokenVectors::pooled(values, *dim, offsets) } else { Ok(tokens) }
    }
}

/// Indices, offsets or ranks: never negative.
pub(super) fn indices(values: &[i64], name: &str) -> Result<Vec<usize>> {
    let convert = |(at, &value): (usize, &i64)| {
        usize::try_from(value).map_err(|_| {
            Error::input(format!("{name} must not be negative; entry {at} is {value}"))
        })
    };
    values.iter().enumerate().map(convert).collect()
}

/// Rows of equal length as an array.
pub(super) fn array2<T: Element>(
    py: Python<'_>,
    values: Vec<T>,
    rows: usize,
    width: usize,
) -> Result<Bound<'_, PyArray2<T>>> {
    Array2::from_shape_vec((rows, width), values)
        .map(|array| array.into_pyarray(py))
        .map_err(|error| Error::input(error.to_string()))
}

/// Best targets of every query, of which each has as many.
pub(super) fn ranking<'py>(py: Python<'py>, hits: &[Vec<Hit>]) -> Result<Ranking<'py>> {
    let (rows, width) = (hits.len(), hits.first().map_or(0, Vec::len));
    Ok((
        array2(py, of_hits(hits, |hit| hit.target as i64)?, rows, width)?,
        array2(py, of_hits(hits, |hit| hit.score)?, rows, width)?,
        array2(py, of_hits(hits, |hit| i64::from(hit.text))?, rows, width)?,
    ))
}

fn of_hits<T>(hits: &[Vec<Hit>], value: impl Fn(&Hit) -> T) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let width = hits.first().map_or(0, Vec::len);
    let room = values.try_reserve_exact(hits.len() * width);
    room.map_err(|_| score::no_room(width))?;
    values.extend(hits.iter().flatten().map(value));
    Ok(values)
}

/// Ranks as an array.
pub(super) fn ranks(py: Python<'_>, ranks: Vec<u64>) -> Bound<'_, PyArray1<i64>> {
    ranks.into_iter().map(|rank| rank as i64).collect::<Vec<_>>().into_pyarray(py)
}

/// Whether Python has a signal to handle; its exception is then set.
///
/// Signals are handled on the main thread only; on others this is always false.
pub(super) fn interrupted() -> bool {
    Python::attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(error) => {
            error.restore(py);
            true
        }
    })
}
