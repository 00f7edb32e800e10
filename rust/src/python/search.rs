//! Queries against an open target cache.

use super::cache::TargetCache;
use super::convert::{self, Tokens, array2, indices, interrupted, slice1};
use crate::error::Result;
use crate::score::{Hit, Scorer, Search};
use numpy::{PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

type Matrix<'py> = PyReadonlyArray2<'py, f32>;
type Indices<'py> = PyReadonlyArray1<'py, i64>;

/// `(indices, scores, texts, label_scores)`, each `(queries, k)`.
type LabelledRanking<'py> = (
    Bound<'py, PyArray2<i64>>,
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray2<i64>>,
    Bound<'py, PyArray2<f32>>,
);

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

/// The best k targets of each query: indices, scores, which text matched (0 is the label), and, if they
/// are asked for, what labels alone score.
#[pyfunction]
#[pyo3(signature = (cache, query_values, query_offsets, *, scorer, temperature, pivot=None, k, subset=None, label_scores=false))]
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
    label_scores: bool,
) -> PyResult<LabelledRanking<'py>> {
    let query = Query::new(&query_values, &query_offsets, scorer, temperature, pivot)?;
    let subset = subset.as_ref().map(|s| indices(slice1(s, "subset")?, "subset")).transpose()?;
    query.rank(py, cache, subset.as_deref(), label_scores, |search| search.top_k(k))
}

/// The best k targets by the texts that each query names: as `cache_rank`.
#[pyfunction]
#[pyo3(signature = (cache, query_values, query_offsets, named, named_offsets, *, scorer, temperature, pivot=None, k, label_scores=false))]
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
    label_scores: bool,
) -> PyResult<LabelledRanking<'py>> {
    let query = Query::new(&query_values, &query_offsets, scorer, temperature, pivot)?;
    let named = indices(slice1(&named, "named")?, "named")?;
    let offsets = indices(slice1(&named_offsets, "named_offsets")?, "named_offsets")?;
    query.rank(py, cache, None, label_scores, |search| search.top_k_among(k, &named, &offsets))
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

    /// What `best` finds as arrays; with the scores of labels, or the scores once more.
    fn rank<'py>(
        &self,
        py: Python<'py>,
        cache: &TargetCache,
        subset: Option<&[usize]>,
        label_scores: bool,
        best: impl FnOnce(&Search) -> Result<Vec<Vec<Hit>>> + Send,
    ) -> PyResult<LabelledRanking<'py>> {
        let (hits, labels) = py.detach(|| {
            self.search(cache, subset, |search| {
                let hits = best(search)?;
                let labels = label_scores.then(|| search.label_scores(&hits)).transpose()?;
                Ok((hits, labels))
            })
        })?;
        let (indices, scores, texts) = convert::ranking(py, &hits)?;
        let labels = match labels {
            None => scores.clone(),
            Some(labels) => {
                let width = hits.first().map_or(0, Vec::len);
                array2(py, labels, hits.len(), width)?
            }
        };
        Ok((indices, scores, texts, labels))
    }
}
