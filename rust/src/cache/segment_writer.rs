//! One data file in the making, joined from the spools of its tensors.

use super::disk::Disk;
use super::layout::{POOLED, UNITS, column_bytes, column_offsets};
use super::manifest::{Dtype, Stored, Tokens, hex};
use super::screen_writer::ScreenSpools;
use super::spool::{Spool, Tensor};
use super::{Check, PIECE, folder, stop};
use crate::error::{Error, Result};
use safetensors::tensor::{Dtype as Element, TensorInfo};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

/// Unit vectors start at a multiple of this, so that a row does not straddle cache lines.
const ALIGN: usize = 64;

/// Strings one after the other, and where each starts.
#[derive(Debug)]
struct Strings {
    bytes: Spool,
    offsets: Spool,
}

impl Strings {
    fn create(disk: &dyn Disk, root: &Path, name: &str) -> Result<Self> {
        let bytes = Spool::create(disk, root, &format!("{name}-bytes"))?;
        let mut offsets = Spool::create(disk, root, &format!("{name}-offsets"))?;
        offsets.push(disk, &0_i64.to_le_bytes())?;
        Ok(Self { bytes, offsets })
    }

    fn push(&mut self, disk: &dyn Disk, string: &str) -> Result<()> {
        self.bytes.push(disk, string.as_bytes())?;
        self.offsets.push(disk, &(self.bytes.bytes as i64).to_le_bytes())
    }
}

/// Rows as they are stored.
pub(super) struct StoredRows<'a> {
    /// `(rows, dim)` in the cache's dtype.
    pub(super) units: Cow<'a, [u8]>,
    /// `(rows,)` for bytes, none else.
    pub(super) scales: Cow<'a, [f32]>,
    /// `(rows,)`
    pub(super) norms: &'a [f32],
}

/// Rows in the making, all of one kind.
#[derive(Debug)]
struct Vectors {
    units: Spool,
    scales: Option<Spool>,
    norms: Spool,
}

impl Vectors {
    fn create(
        disk: &dyn Disk,
        root: &Path,
        [units, scales, norms]: [&str; 3],
        dtype: Dtype,
    ) -> Result<Self> {
        let spool = |name: &str| Spool::create(disk, root, name);
        Ok(Self {
            units: spool(units)?,
            scales: (dtype == Dtype::Int8).then(|| spool(scales)).transpose()?,
            norms: spool(norms)?,
        })
    }

    fn push(&mut self, disk: &dyn Disk, rows: &StoredRows) -> Result<()> {
        self.units.push(disk, &rows.units)?;
        if let Some(scales) = &mut self.scales {
            scales.push(disk, bytemuck::cast_slice(&rows.scales))?;
        }
        self.norms.push(disk, bytemuck::cast_slice(rows.norms))
    }

    fn flush(&mut self, disk: &dyn Disk) -> Result<()> {
        self.units.flush(disk)?;
        self.scales.as_mut().map_or(Ok(()), |scales| scales.flush(disk))
    }

    /// Norms and scales, and the units.
    fn tensors(
        &mut self,
        names: [&str; 3],
        element: Element,
        shape: [usize; 2],
    ) -> (Vec<Tensor<'_>>, Tensor<'_>) {
        let [units, scales, norms] = names;
        let rows = shape[0];
        let mut floats = vec![Tensor::new(norms, Element::F32, vec![rows], &mut self.norms)];
        if let Some(spool) = &mut self.scales {
            floats.push(Tensor::new(scales, Element::F32, vec![rows], spool));
        }
        (floats, Tensor::new(units, element, shape.to_vec(), &mut self.units))
    }
}

/// Streams targets into one data file.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    root: PathBuf,
    dtype: Dtype,
    dim: usize,
    targets: u64,
    texts: u64,
    rows: u64,
    vectors: Vectors,
    pooled: Option<Vectors>,
    screen: Option<ScreenSpools>,
    text_rows: Spool,
    target_texts: Spool,
    text: Strings,
    ids: Strings,
    columns: Vec<(String, Strings)>,
}

impl SegmentWriter {
    pub(super) fn create(
        disk: &dyn Disk,
        root: &Path,
        dtype: Dtype,
        tokens: Tokens,
        dim: usize,
        columns: &[String],
    ) -> Result<Self> {
        let spool = |name: &str| Spool::create(disk, root, name);
        let mut writer = Self {
            root: root.to_path_buf(),
            dtype,
            dim,
            targets: 0,
            texts: 0,
            rows: 0,
            vectors: Vectors::create(disk, root, UNITS, dtype)?,
            pooled: match tokens {
                Tokens::All => Some(Vectors::create(disk, root, POOLED, dtype)?),
                Tokens::Pooled => None,
            },
            screen: None,
            text_rows: spool("text_rows")?,
            target_texts: spool("target_texts")?,
            text: Strings::create(disk, root, "text")?,
            ids: Strings::create(disk, root, "id")?,
            columns: columns
                .iter()
                .enumerate()
                .map(|(i, name)| {
                    Ok((name.clone(), Strings::create(disk, root, &format!("column{i}"))?))
                })
                .collect::<Result<_>>()?,
        };
        writer.text_rows.push(disk, &0_i64.to_le_bytes())?;
        writer.target_texts.push(disk, &0_i64.to_le_bytes())?;
        Ok(writer)
    }

    /// Appends the vectors of whole texts and their pooled ones, which are ignored where the vectors are
    /// pooled themselves; [`SegmentWriter::text`] follows for each of them.
    pub(super) fn rows(
        &mut self,
        disk: &dyn Disk,
        rows: &StoredRows,
        pooled: &StoredRows,
    ) -> Result<()> {
        self.vectors.push(disk, rows)?;
        self.pooled.as_mut().map_or(Ok(()), |spools| spools.push(disk, pooled))
    }

    /// Appends a text and how many rows it has.
    pub(super) fn text(&mut self, disk: &dyn Disk, text: &str, rows: usize) -> Result<()> {
        self.texts += 1;
        self.rows += rows as u64;
        self.text_rows.push(disk, &(self.rows as i64).to_le_bytes())?;
        self.text.push(disk, text)
    }

    /// Ends a target, to which all texts since the last one belong.
    pub(super) fn target<'m>(
        &mut self,
        disk: &dyn Disk,
        id: Option<&str>,
        metadata: impl IntoIterator<Item = &'m str>,
    ) -> Result<()> {
        self.targets += 1;
        self.target_texts.push(disk, &(self.texts as i64).to_le_bytes())?;
        self.ids.push(disk, id.unwrap_or_default())?;
        for ((_, column), value) in self.columns.iter_mut().zip(metadata) {
            column.push(disk, value)?;
        }
        Ok(())
    }

    pub(super) fn targets(&self) -> u64 {
        self.targets
    }

    pub(super) fn texts(&self) -> u64 {
        self.texts
    }

    /// Joins the spools to one file, safe on disk under the name of its content; with a screen where there
    /// are `least` texts.
    pub(super) fn finish(mut self, disk: &dyn Disk, least: usize, check: Check) -> Result<Stored> {
        let root = self.root.clone();
        if self.pooled.is_some() {
            self.vectors.flush(disk)?;
            self.text_rows.flush(disk)?;
            self.screen = ScreenSpools::write(
                disk,
                &root,
                (
                    &self.vectors.units.path,
                    self.vectors.scales.as_ref().map(|spool| spool.path.as_path()),
                    &self.text_rows.path,
                ),
                self.dtype,
                self.dim,
                least,
                check,
            )?;
        }
        let path = folder::spool(&root, "segment");
        let mut file = disk.create(&path).map_err(Error::io(&path))?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut put = |piece: &[u8]| {
            hash.update(piece);
            bytes += piece.len() as u64;
            disk.write(&path, &mut file, piece).map_err(Error::io(&path))
        };
        let stored = (self.targets as u32, self.texts as u32, self.rows);
        let tensors = self.tensors();
        put(&header(&tensors))?;
        let mut piece = vec![0; PIECE];
        for Tensor { spool, .. } in tensors {
            spool.flush(disk)?;
            spool.file.rewind().map_err(Error::io(&spool.path))?;
            let mut left = spool.bytes;
            while left > 0 {
                stop(check)?;
                let size = left.min(PIECE as u64) as usize;
                spool.file.read_exact(&mut piece[..size]).map_err(Error::io(&spool.path))?;
                put(&piece[..size])?;
                left -= size as u64;
            }
            disk.remove(&spool.path).map_err(Error::io(&spool.path))?;
        }
        let sha256 = hex(&hash.finalize());
        disk.sync(&path, &file).map_err(Error::io(&path))?;
        drop(file);
        let named = folder::segment(&root, &sha256);
        disk.rename(&path, &named).map_err(Error::io(&named))?;
        disk.sync_dir(&root).map_err(Error::io(&root))?;
        let (targets, texts, rows) = stored;
        Ok(Stored { sha256, bytes, targets, texts, rows, removed: Vec::new() })
    }

    /// All tensors in the order of the file: what must be aligned first, wider elements first.
    fn tensors(&mut self) -> Vec<Tensor<'_>> {
        let (targets, texts, rows) =
            (self.targets as usize, self.texts as usize, self.rows as usize);
        let element = self.dtype.element();
        let (mut floats, units) = self.vectors.tensors(UNITS, element, [rows, self.dim]);
        let mut vectors = vec![units];
        if let Some(screen) = &mut self.screen {
            let (wide, codes) = screen.tensors(self.dim);
            floats.extend(wide);
            // Whole cache lines, so that units after them start at one too.
            vectors.insert(0, codes);
        }
        if let Some(pooled) = &mut self.pooled {
            let (wide, units) = pooled.tensors(POOLED, element, [texts, self.dim]);
            floats.extend(wide);
            vectors.push(units);
        }
        let mut offsets = vec![
            Tensor::new("text_rows", Element::I64, vec![texts + 1], &mut self.text_rows),
            Tensor::new("target_texts", Element::I64, vec![targets + 1], &mut self.target_texts),
        ];
        let mut bytes = Vec::new();
        let named = [
            ("text_bytes".to_owned(), "text_offsets".to_owned(), texts, &mut self.text),
            ("id_bytes".to_owned(), "id_offsets".to_owned(), targets, &mut self.ids),
        ];
        let columns = self
            .columns
            .iter_mut()
            .map(|(name, strings)| (column_bytes(name), column_offsets(name), targets, strings));
        for (of_bytes, of_offsets, count, strings) in named.into_iter().chain(columns) {
            let size = strings.bytes.bytes as usize;
            offsets.push(Tensor::new(
                of_offsets,
                Element::I64,
                vec![count + 1],
                &mut strings.offsets,
            ));
            bytes.push(Tensor::new(of_bytes, Element::U8, vec![size], &mut strings.bytes));
        }
        floats.into_iter().chain(vectors).chain(offsets).chain(bytes).collect()
    }
}

/// The file's first bytes: a safetensors header, filled with spaces until units are aligned.
fn header(tensors: &[Tensor]) -> Vec<u8> {
    let mut infos = BTreeMap::new();
    let (mut start, mut units) = (0, 0);
    for tensor in tensors {
        let end = start + tensor.spool.bytes as usize;
        if tensor.name == "units" {
            units = start;
        }
        let info = TensorInfo {
            dtype: tensor.element,
            shape: tensor.shape.clone(),
            data_offsets: (start, end),
        };
        infos.insert(&tensor.name, info);
        start = end;
    }
    let mut json = serde_json::to_vec(&infos).expect("names and numbers serialise");
    while !(8 + json.len() + units).is_multiple_of(ALIGN) {
        json.push(b' ');
    }
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json);
    bytes
}
