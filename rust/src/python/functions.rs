//! Functions on bare arrays.

use super::convert::{self, Tokens, array2, indices, interrupted, slice1, slice2};
use crate::error::{Error, Result};
use crate::metrics::{self as ranking_metrics, Metric};
use crate::score::{self, Scorer, Search, Targets};
use crate::simd::{Kernels, reference as definition};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyInt, PyList};

type Matrix<'py> = PyReadonlyArray2<'py, f32>;
type Indices<'py> = PyReadonlyArray1<'py, i64>;

/// Scores of queries against targets: (queries, targets or subset), float32.
#[pyfunction]
#[pyo3(signature = (query_values, query_offsets, target_values, target_offsets, *, scorer, temperature, pivot=None, subset=None))]
pub(super) fn late_interaction<'py>(
    py: Python<'py>,
    query_values: Matrix<'py>,
    query_offsets: Indices<'py>,
    target_values: Matrix<'py>,
    target_offsets: Indices<'py>,
    scorer: &str,
    temperature: f64,
    pivot: Option<f64>,
    subset: Option<Indices<'py>>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let scorer = Scorer::new(scorer, temperature, pivot)?;
    let queries = Tokens::new(&query_values, &query_offsets, "query_")?;
    let targets = Tokens::new(&target_values, &target_offsets, "target_")?;
    let subset = subset.as_ref().map(|s| indices(slice1(s, "subset")?, "subset")).transpose()?;
    let (scores, rows, width) = py.detach(|| -> Result<_> {
        let pooled = scorer.is_pooled();
        let queries = queries.checked(pooled)?;
        let tokens = targets.checked(pooled)?;
        let targets = Targets::from_tokens(&tokens);
        let search = Search::new(&queries, &targets, subset.as_deref(), scorer, &interrupted)?;
        Ok((search.scores()?, queries.len(), search.len()))
    })?;
    Ok(array2(py, scores, rows, width)?)
}

/// The definition of `late_interaction` in plain float64 loops: (queries, targets), float64.
#[pyfunction]
#[pyo3(signature = (query_values, query_offsets, target_values, target_offsets, *, scorer, temperature, pivot=None))]
pub(super) fn twin<'py>(
    py: Python<'py>,
    query_values: Matrix<'py>,
    query_offsets: Indices<'py>,
    target_values: Matrix<'py>,
    target_offsets: Indices<'py>,
    scorer: &str,
    temperature: f64,
    pivot: Option<f64>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let scorer = Scorer::new(scorer, temperature, pivot)?;
    let queries = Tokens::new(&query_values, &query_offsets, "query_")?;
    let targets = Tokens::new(&target_values, &target_offsets, "target_")?;
    let (scores, rows, width) = py.detach(|| -> Result<_> {
        let pooled = scorer.is_pooled();
        let (queries, targets) = (queries.checked(pooled)?, targets.checked(pooled)?);
        if queries.dim() != targets.dim() {
            return Err(Error::input(format!(
                "expected vectors of one width, got {} and {}",
                queries.dim(),
                targets.dim(),
            )));
        }
        let (t, dim) = (scorer.temperature(), queries.dim());
        let mut scores: Vec<f64> = score::room_for_scores(queries.len(), targets.len())?;
        scores.clear();
        for query in 0..queries.len() {
            for target in 0..targets.len() {
                let attention = scorer.attention(queries.tokens(query));
                let (query, target) = (queries.text(query), targets.text(target));
                scores.push(definition::score(attention, t, query, target, dim));
            }
        }
        Ok((scores, queries.len(), targets.len()))
    })?;
    Ok(array2(py, scores, rows, width)?)
}

/// The best k of each row of scores: indices and scores, (queries, min(k, targets)).
#[pyfunction]
#[pyo3(signature = (scores, k))]
pub(super) fn top_k<'py>(
    py: Python<'py>,
    scores: Matrix<'py>,
    k: usize,
) -> PyResult<(Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f32>>)> {
    let (values, width) = slice2(&scores, "scores")?;
    if k == 0 || width == 0 {
        let message = format!("expected k >= 1 and scores, got k = {k} and {width} targets");
        return Err(Error::input(message).into());
    }
    let hits = py.detach(|| {
        values.chunks_exact(width).map(|row| score::top_k(row, k)).collect::<Result<Vec<_>>>()
    })?;
    let (indices, scores, _) = convert::ranking(py, &hits)?;
    Ok((indices, scores))
}

/// Character trigrams of each text and of one of some others, `others[which[i]]`: how many different ones
/// are of both, of either, and of the text.
#[pyfunction]
#[pyo3(signature = (texts, others, which))]
pub(super) fn shared_trigrams(
    texts: Vec<PyBackedStr>,
    others: Vec<PyBackedStr>,
    which: Indices,
) -> Result<Vec<(usize, usize, usize)>> {
    let which = indices(slice1(&which, "which")?, "which")?;
    let others: Vec<_> = others.iter().map(|other| trigrams(other)).collect();
    let shared = |(text, which): (&PyBackedStr, usize)| {
        let (own, other) = (trigrams(text), others.get(which)?);
        let both = own.iter().filter(|&one| other.binary_search(one).is_ok()).count();
        Some((both, own.len() + other.len() - both, own.len()))
    };
    let found: Option<Vec<_>> = texts.iter().zip(which).map(shared).collect();
    found.ok_or_else(|| Error::input(format!("which must be below {}", others.len())))
}

/// The different trigrams of a text's characters, ascending, each as one number.
fn trigrams(text: &str) -> Vec<u64> {
    let chars: Vec<u64> = text.chars().map(|one| u64::from(u32::from(one))).collect();
    let mut found: Vec<u64> =
        chars.windows(3).map(|three| (three[0] << 42) | (three[1] << 21) | three[2]).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Lists of ints one after the other, and where each begins: (E,) and (lists + 1,), int64. None if one
/// of them is no list, or an entry no int of 64 bits.
#[pyfunction]
pub(super) fn concatenate<'py>(
    lists: &Bound<'py, PyList>,
) -> Option<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>)> {
    let (mut flat, mut offsets) = (Vec::new(), vec![0]);
    for list in lists {
        for entry in list.cast_exact::<PyList>().ok()? {
            flat.push(entry.cast_exact::<PyInt>().ok()?.extract::<i64>().ok()?);
        }
        offsets.push(flat.len() as i64);
    }
    Some((flat.into_pyarray(lists.py()), offsets.into_pyarray(lists.py())))
}

/// Ranks of relevant targets in a block of scores: (relevant,), int64, first place 1.
#[pyfunction]
#[pyo3(signature = (scores, relevant, relevant_offsets))]
pub(super) fn ranks<'py>(
    py: Python<'py>,
    scores: Matrix<'py>,
    relevant: Indices<'py>,
    relevant_offsets: Indices<'py>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let (values, width) = slice2(&scores, "scores")?;
    let relevant = indices(slice1(&relevant, "relevant")?, "relevant")?;
    let offsets = indices(slice1(&relevant_offsets, "relevant_offsets")?, "relevant_offsets")?;
    let ranks = py.detach(|| ranking_metrics::ranks(values, width, &relevant, &offsets))?;
    Ok(convert::ranks(py, ranks))
}

/// Metrics of each query from ranks: (names, queries), float64, NaN without a relevant target.
#[pyfunction]
#[pyo3(signature = (ranks, relevant_offsets, names))]
pub(super) fn metrics<'py>(
    py: Python<'py>,
    ranks: Indices<'py>,
    relevant_offsets: Indices<'py>,
    names: Vec<String>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let ranks = indices(slice1(&ranks, "ranks")?, "ranks")?;
    let offsets = indices(slice1(&relevant_offsets, "relevant_offsets")?, "relevant_offsets")?;
    let names = names.iter().map(|name| Metric::parse(name)).collect::<Result<Vec<_>>>()?;
    let values = py.detach(|| {
        let ranks: Vec<u64> = ranks.into_iter().map(|rank| rank as u64).collect();
        ranking_metrics::metrics(&ranks, &offsets, &names)
    })?;
    Ok(array2(py, values, names.len(), offsets.len() - 1)?)
}

/// The SIMD level of this process: the fastest, or what `UWE_SIMD` names.
#[pyfunction]
pub(super) fn simd_level() -> PyResult<&'static str> {
    Ok(Kernels::active()?.name())
}

/// Levels that this build has and this processor runs, the slowest first.
#[pyfunction]
pub(super) fn simd_levels() -> Vec<&'static str> {
    Kernels::available().into_iter().map(Kernels::name).collect()
}

/// Multiplies and adds in registers for so many rounds, on the calling thread; the number of
/// floating point operations. Benches time it: no kernel of this level can be faster.
#[pyfunction]
#[pyo3(signature = (rounds))]
pub(super) fn multiply_add(py: Python<'_>, rounds: u64) -> PyResult<u64> {
    let kernels = Kernels::active()?;
    Ok(py.detach(|| kernels.multiply_add(rounds)))
}

/// Number of threads that a call uses; 1 in a child forked after the first call that used more.
#[pyfunction]
pub(super) fn threads() -> usize {
    score::threads()
}

/// Sets the number of threads of later calls; 0 means one for each processor.
#[pyfunction]
#[pyo3(signature = (count))]
pub(super) fn set_threads(count: usize) {
    score::set_threads(count);
}
