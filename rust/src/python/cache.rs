//! The target cache as Python sees it.

use super::convert::{self, array2, interrupted, slice1};
use crate::cache::{self, Block, Dtype, Model, Spec, StoredScorer, Tokens, Writer};
use crate::error::{Error, Result};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Floats1<'py> = Bound<'py, PyArray1<f32>>;
type Floats2<'py> = Bound<'py, PyArray2<f32>>;

/// An open target cache: one generation, whatever writers do afterwards.
#[pyclass(frozen, module = "uwe._core")]
pub(super) struct TargetCache {
    pub(super) cache: cache::TargetCache,
}

#[pymethods]
impl TargetCache {
    #[staticmethod]
    #[pyo3(signature = (path, *, resident=false))]
    fn open(py: Python<'_>, path: PathBuf, resident: bool) -> PyResult<Self> {
        let open = || {
            if resident {
                cache::TargetCache::open_resident(path, &interrupted)
            } else {
                cache::TargetCache::open(path)
            }
        };
        Ok(Self { cache: py.detach(open)? })
    }

    /// Whether its data are held in memory.
    #[getter]
    fn resident(&self) -> bool {
        self.cache.is_resident()
    }

    fn __len__(&self) -> usize {
        self.cache.len()
    }

    #[getter]
    fn dim(&self) -> usize {
        self.cache.dim()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        match self.cache.manifest().dtype {
            Dtype::Float32 => "float32",
            Dtype::Float16 => "float16",
            Dtype::Int8 => "int8",
        }
    }

    #[getter]
    fn tokens(&self) -> &'static str {
        match self.cache.manifest().tokens {
            Tokens::All => "all",
            Tokens::Pooled => "pooled",
        }
    }

    #[getter]
    fn texts(&self) -> usize {
        self.cache.texts()
    }

    #[getter]
    fn token_count(&self) -> usize {
        self.cache.token_count()
    }

    #[getter]
    fn manifest(&self) -> &str {
        self.cache.manifest_json()
    }

    #[getter]
    fn columns(&self) -> Vec<String> {
        self.cache.manifest().columns.clone()
    }

    fn labels(&self, py: Python<'_>, indices: PyReadonlyArray1<'_, i64>) -> Result<Vec<&str>> {
        let indices = slice1(&indices, "indices")?.to_vec();
        py.detach(|| indices.iter().map(|&i| self.cache.label(self.target(i)?)).collect())
    }

    fn ids(&self, py: Python<'_>, indices: PyReadonlyArray1<'_, i64>) -> Result<Vec<Option<&str>>> {
        let indices = slice1(&indices, "indices")?.to_vec();
        py.detach(|| indices.iter().map(|&i| self.cache.id(self.target(i)?)).collect())
    }

    fn aliases(&self, index: i64) -> Result<Vec<&str>> {
        let target = self.target(index)?;
        (1..self.cache.target_texts(target)).map(|text| self.cache.text(target, text)).collect()
    }

    /// One text of each of some targets, by its number: 0 is the label, then the aliases.
    fn texts_at(
        &self,
        indices: PyReadonlyArray1<'_, i64>,
        texts: PyReadonlyArray1<'_, i64>,
    ) -> Result<Vec<&str>> {
        let texts = convert::indices(slice1(&texts, "texts")?, "texts")?;
        let both = slice1(&indices, "indices")?.iter().zip(texts);
        both.map(|(&index, text)| self.cache.text(self.text(index, text)?, text)).collect()
    }

    /// One JSON array with the column's value of every target.
    fn column_json(&self, py: Python<'_>, name: &str) -> PyResult<String> {
        Ok(py.detach(|| {
            let column = self.column_index(name)?;
            let mut json = String::from("[");
            for target in 0..self.cache.len() {
                if target > 0 {
                    json.push(',');
                }
                json.push_str(self.cache.metadata(column, target)?);
            }
            json.push(']');
            Ok::<_, Error>(json)
        })?)
    }

    /// One JSON array a target, with its value in every column, one after the other with commas.
    fn metadata_json(&self, indices: PyReadonlyArray1<'_, i64>) -> Result<String> {
        let mut rows = Vec::new();
        for &index in slice1(&indices, "indices")? {
            let target = self.target(index)?;
            let columns = 0..self.cache.manifest().columns.len();
            let values = columns.map(|column| self.cache.metadata(column, target));
            rows.push(format!("[{}]", values.collect::<Result<Vec<_>>>()?.join(",")));
        }
        Ok(rows.join(","))
    }

    fn token_vectors<'py>(
        &self,
        py: Python<'py>,
        index: i64,
        text: usize,
    ) -> PyResult<(Floats2<'py>, Floats1<'py>)> {
        let target = self.text(index, text)?;
        let (units, norms) = self.cache.token_vectors(target, text);
        let units = array2(py, units, norms.len(), self.cache.dim())?;
        Ok((units, norms.into_pyarray(py)))
    }

    fn pooled_vector<'py>(
        &self,
        py: Python<'py>,
        index: i64,
        text: usize,
    ) -> PyResult<Floats1<'py>> {
        let target = self.text(index, text)?;
        Ok(self.cache.pooled_vector(target, text).into_pyarray(py))
    }

    fn pooled<'py>(&self, py: Python<'py>) -> PyResult<Floats2<'py>> {
        let units = py.detach(|| self.cache.pooled());
        Ok(array2(py, units, self.cache.texts(), self.cache.dim())?)
    }

    /// Whether a target has this text, in whatever ASCII case.
    fn has_text(&self, py: Python<'_>, text: &str) -> bool {
        py.detach(|| self.cache.has_text(text))
    }

    /// Whether a text of a target has this word, in whatever ASCII case.
    fn has_word(&self, py: Python<'_>, word: &str) -> bool {
        py.detach(|| self.cache.has_word(word))
    }

    fn text_targets<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        py.detach(|| self.cache.text_targets()).into_pyarray(py)
    }

    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.cache.verify(&interrupted))?)
    }
}

impl TargetCache {
    /// The target that has such a text.
    fn text(&self, index: i64, text: usize) -> Result<usize> {
        let target = self.target(index)?;
        let texts = self.cache.target_texts(target);
        if text >= texts {
            return Err(Error::input(format!(
                "target {index} has {texts} texts (its label is 0), got {text}"
            )));
        }
        Ok(target)
    }

    fn target(&self, index: i64) -> Result<usize> {
        let len = self.cache.len();
        usize::try_from(index).ok().filter(|&target| target < len).ok_or_else(|| {
            Error::input(format!("expected a target index from 0 to below {len}, got {index}"))
        })
    }

    fn column_index(&self, name: &str) -> Result<usize> {
        let columns = &self.cache.manifest().columns;
        columns.iter().position(|column| column == name).ok_or_else(|| {
            Error::input(format!("expected a metadata column of {columns:?}, got {name:?}"))
        })
    }
}

/// Streams targets into a new cache, or to the end of one.
#[pyclass(frozen, module = "uwe._core")]
pub(super) struct CacheWriter {
    writer: Mutex<Option<Writer>>,
}

#[pymethods]
impl CacheWriter {
    #[staticmethod]
    #[pyo3(signature = (path, *, source, fingerprint, scorer, temperature, pivot=None, dtype, tokens, columns))]
    fn create(
        py: Python<'_>,
        path: PathBuf,
        source: String,
        fingerprint: String,
        scorer: String,
        temperature: Option<f64>,
        pivot: Option<f64>,
        dtype: &str,
        tokens: &str,
        columns: Vec<String>,
    ) -> PyResult<Self> {
        let spec = Spec {
            model: Model { source, fingerprint },
            scorer: StoredScorer { name: scorer, temperature, pivot },
            dtype: parse_dtype(dtype)?,
            tokens: parse_tokens(tokens)?,
            columns,
        };
        Ok(Self::new(py.detach(|| Writer::create(path, spec))?))
    }

    #[staticmethod]
    fn append(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Ok(Self::new(py.detach(|| Writer::append(path))?))
    }

    /// Targets with raw token vectors of all their texts: label, then aliases.
    fn add(
        &self,
        py: Python<'_>,
        values: PyReadonlyArray2<'_, f32>,
        offsets: PyReadonlyArray1<'_, i64>,
        texts: Vec<Vec<String>>,
        ids: Vec<Option<String>>,
        metadata: Vec<Vec<String>>,
    ) -> PyResult<()> {
        let tokens = convert::Tokens::new(&values, &offsets, "")?;
        Ok(py.detach(|| {
            // Taken out, and put back if all went well: half a block must not be committed.
            let mut writer = self.lock().take().ok_or_else(ended)?;
            writer.add(Block {
                values: tokens.values,
                dim: tokens.dim,
                offsets: &tokens.offsets,
                texts: &texts,
                ids: &ids,
                metadata: &metadata,
            })?;
            *self.lock() = Some(writer);
            Ok::<_, Error>(())
        })?)
    }

    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| {
            // Not under the lock: a signal handler may use this writer.
            let writer = self.lock().take();
            writer.ok_or_else(ended)?.commit(&interrupted)
        })?)
    }

    fn abort(&self, py: Python<'_>) {
        py.detach(|| drop(self.lock().take()));
    }
}

impl CacheWriter {
    fn new(writer: Writer) -> Self {
        Self { writer: Mutex::new(Some(writer)) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes targets of an open cache from its folder; returns how many were still there.
#[pyfunction]
pub(super) fn cache_remove(
    py: Python<'_>,
    cache: &Bound<'_, TargetCache>,
    indices: PyReadonlyArray1<'_, i64>,
) -> PyResult<usize> {
    let cache = cache.get();
    let indices = slice1(&indices, "indices")?;
    let targets = indices.iter().map(|&i| cache.target(i)).collect::<Result<Vec<_>>>()?;
    Ok(py.detach(|| cache::remove(&cache.cache, &targets))?)
}

/// Rewrites a cache to one data file without removed targets.
#[pyfunction]
pub(super) fn cache_compact(py: Python<'_>, path: PathBuf) -> PyResult<()> {
    Ok(py.detach(|| cache::compact(path, &interrupted))?)
}

fn ended() -> Error {
    Error::input("this writer has ended: start another")
}

fn parse_dtype(name: &str) -> Result<Dtype> {
    match name {
        "float32" => Ok(Dtype::Float32),
        "float16" => Ok(Dtype::Float16),
        "int8" => Ok(Dtype::Int8),
        _ => Err(Error::input(format!(
            "expected dtype \"float32\", \"float16\" or \"int8\", got {name:?}"
        ))),
    }
}

fn parse_tokens(name: &str) -> Result<Tokens> {
    match name {
        "all" => Ok(Tokens::All),
        "pooled" => Ok(Tokens::Pooled),
        _ => Err(Error::input(format!("expected tokens \"all\" or \"pooled\", got {name:?}"))),
    }
}
