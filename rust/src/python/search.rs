//! Queries against an open target cache.

use super::cache::TargetCache;
use super::convert::{self, Ranking, Tokens, array2, indices, interrupted, slice1};
use crate::error::Result;
use crate::score::{Scorer, Search};
use numpy::{PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

type Matrix<'py> = PyReadonlyArray2<'py, f32>;
type Indices<'py> = PyReadonlyArray1<'py, i64>;

/// Scores of every target, or of a subset: (queries, targets or subset), float32.
#[pyfunction]
#[pyo3(signature = (cache, query_values, query_offsets, *, scorer, temperature, pivot=None, subset=None))]
pub(super) fn cache_scores<'py>(
    py: Python<'py>,
    cache: &TargetCache,
    query_values: Matrix<'py>,
    query_offsets: Indices<'py>,
    scorer: &str,
    temperature: f64,
    pivot: Option<f64>,
    subset: Option<Indices<'py>>,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let query = Query::new(&query_values, &query_offsets, scorer, temperature, pivot)?;
    let subset = subset.as_ref().map(|s| indices(slice1(s, "subset")?, "subset")).transpose()?;
    let (scores, width) = py.detach(|| {
        query.search(cache, subset.as_deref(), |search| Ok((search.scores()?, search.len())))
    })?;
    Ok(array2(py, scores, query.tokens.offsets.len() - 1, width)?)
}

/// The best k targets of each query: indices, scores, and which text matched (0 is the label).
#[pyfunction]
#[pyo3(signature = (cache, query_values, query_offsets, *, scorer, temperature, pivot=None, k, subset=None))]
pub(super) fn cache_rank<'py>(
    py: Python<'py>,
    cache: &TargetCache,
    query_values: Matrix<'py>,
    query_offsets: Indices<'py>,
    scorer: &str,
    temperature: f64,
    pivot: Option<f64>,
    k: usize,
    subset: Option<Indices<'py>>,
) -> PyResult<Ranking<'py>> {
    let query = Query::new(&query_values, &query_offsets, scorer, temperature, pivot)?;
    let subset = subset.as_ref().map(|s| indices(slice1(s, "subset")?, "subset")).transpose()?;
    let hits = py.detach(|| query.search(cache, subset.as_deref(), |search| search.top_k(k)))?;
    Ok(convert::ranking(py, &hits)?)
}

/// The best k targets by the texts that each query names: as `cache_rank`.
#[pyfunction]
#[pyo3(signature = (cache, query_values, query_offsets, named, named_offsets, *, scorer, temperature, pivot=None, k))]
pub(super) fn cache_rank_among<'py>(
    py: Python<'py>,
    cache: &TargetCache,
    query_values: Matrix<'py>,
    query_offsets: Indices<'py>,
    named: Indices<'py>,
    named_offsets: Indices<'py>,
    scorer: &str,
    temperature: f64,
    pivot: Option<f64>,
    k: usize,
) -> PyResult<Ranking<'py>> {
    let query = Query::new(&query_values, &query_offsets, scorer, temperature, pivot)?;
    let named = indices(slice1(&named, "named")?, "named")?;
    let offsets = indices(slice1(&named_offsets, "named_offsets")?, "named_offsets")?;
    let hits =
        py.detach(|| query.search(cache, None, |search| search.top_k_among(k, &named, &offsets)))?;
    Ok(convert::ranking(py, &hits)?)
}

/// Ranks of relevant targets, counted block by block: (relevant,), int64, first place 1.
#[pyfunction]
#[pyo3(signature = (cache, query_values, query_offsets, relevant, relevant_offsets, *, scorer, temperature, pivot=None))]
pub(super) fn cache_ranks<'py>(
    py: Python<'py>,
    cache: &TargetCache,
    query_values: Matrix<'py>,
    query_offsets: Indices<'py>,
    relevant: Indices<'py>,
    relevant_offsets: Indices<'py>,
    scorer: &str,
    temperature: f64,
    pivot: Option<f64>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let query = Query::new(&query_values, &query_offsets, scorer, temperature, pivot)?;
    let relevant = indices(slice1(&relevant, "relevant")?, "relevant")?;
    let offsets = indices(slice1(&relevant_offsets, "relevant_offsets")?, "relevant_offsets")?;
    let ranks =
        py.detach(|| query.search(cache, None, |search| search.ranks(&relevant, &offsets)))?;
    Ok(convert::ranks(py, ranks))
}

/// Scores of labels alone, of some targets of each query: (wanted,), float32.
#[pyfunction]
#[pyo3(signature = (cache, query_values, query_offsets, wanted, wanted_offsets, *, scorer, temperature, pivot=None))]
pub(super) fn cache_label_scores<'py>(
    py: Python<'py>,
    cache: &TargetCache,
    query_values: Matrix<'py>,
    query_offsets: Indices<'py>,
    wanted: Indices<'py>,
    wanted_offsets: Indices<'py>,
    scorer: &str,
    temperature: f64,
    pivot: Option<f64>,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let query = Query::new(&query_values, &query_offsets, scorer, temperature, pivot)?;
    let wanted = indices(slice1(&wanted, "wanted")?, "wanted")?;
    let offsets = indices(slice1(&wanted_offsets, "wanted_offsets")?, "wanted_offsets")?;
    let scores =
        py.detach(|| query.search(cache, None, |search| search.label_scores(&wanted, &offsets)))?;
    Ok(PyArray1::from_vec(py, scores))
}

/// Query token vectors as they came, and the scorer they are for.
struct Query<'a> {
    tokens: Tokens<'a>,
    scorer: Scorer,
}

impl<'a> Query<'a> {
    fn new(
        values: &'a Matrix<'_>,
        offsets: &Indices<'_>,
        scorer: &str,
        temperature: f64,
        pivot: Option<f64>,
    ) -> Result<Self> {
        let scorer = Scorer::new(scorer, temperature, pivot)?;
        Ok(Self { tokens: Tokens::new(values, offsets, "query_")?, scorer })
    }

    /// Asks the cache's rows that the scorer compares: all tokens, or pooled vectors.
    fn search<T>(
        &self,
        cache: &TargetCache,
        subset: Option<&[usize]>,
        ask: impl FnOnce(&Search) -> Result<T>,
    ) -> Result<T> {
        let pooled = self.scorer.is_pooled();
        let queries = self.tokens.checked(pooled)?;
        let cache = &cache.cache;
        let targets = if pooled { cache.pooled_targets() } else { cache.targets() };
        ask(&Search::new(&queries, &targets, subset, self.scorer, &interrupted)?)
    }
}
