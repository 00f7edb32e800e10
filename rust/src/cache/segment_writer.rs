//! One data file in the making, joined from the spools of its tensors.

use super::disk::Disk;
use super::layout::{Sizes, Slot, Slots, Tensor, UNITS};
use super::manifest::{Dtype, Stored, Tokens};
use super::spool::Spool;
use super::{PIECE, folder, map, screen_writer};
use crate::error::{Check, Error, Result, stop};
use memmap2::Mmap;
use safetensors::tensor::{Dtype as Element, TensorInfo};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

/// Unit vectors start at a multiple of this, so that a row does not straddle cache lines.
const ALIGN: usize = 64;

/// Rows as they are stored.
pub(super) struct StoredRows<'a> {
    /// `(rows, dim)` in the cache's dtype.
    pub(super) units: Cow<'a, [u8]>,
    /// `(rows,)` for bytes, none else.
    pub(super) scales: Cow<'a, [f32]>,
    /// `(rows,)`
    pub(super) norms: &'a [f32],
}

/// Streams targets into one data file.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    root: PathBuf,
    dtype: Dtype,
    tokens: Tokens,
    columns: Vec<String>,
    dim: usize,
    targets: usize,
    texts: usize,
    rows: usize,
    screen: Option<[Option<usize>; 3]>,
    spools: Slots<Spool>,
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
        let mut writer = Self {
            root: root.to_path_buf(),
            dtype,
            tokens,
            columns: columns.to_vec(),
            dim,
            targets: 0,
            texts: 0,
            rows: 0,
            screen: None,
            spools: Slots::new(),
        };
        for tensor in writer.tensors() {
            let spool = Spool::create(disk, root, &tensor.slot.name())?;
            let spool = writer.spools.set(tensor.slot, spool);
            if tensor.element == Element::I64 {
                spool.push(disk, &0_i64.to_le_bytes())?;
            }
        }
        Ok(writer)
    }

    /// All tensors in the order of the file.
    fn tensors(&self) -> Vec<Tensor> {
        let Self { dtype, tokens, ref columns, dim, targets, texts, rows, screen, .. } = *self;
        Sizes { dtype, tokens, columns, dim, targets, texts, rows, screen }.tensors()
    }

    /// Appends to a tensor; nothing where the file has none of the kind.
    fn push(&mut self, disk: &dyn Disk, slot: Slot, bytes: &[u8]) -> Result<()> {
        self.spools.get_mut(slot).map_or(Ok(()), |spool| spool.push(disk, bytes))
    }

    /// Appends an offset: where the next one starts.
    fn end(&mut self, disk: &dyn Disk, slot: Slot, end: u64) -> Result<()> {
        self.push(disk, slot, &(end as i64).to_le_bytes())
    }

    fn string(&mut self, disk: &dyn Disk, slot: Slot, string: &str) -> Result<()> {
        self.push(disk, slot, string.as_bytes())?;
        let end = self.spools.get(slot).map_or(0, |spool| spool.bytes);
        self.end(disk, slot.offsets(), end)
    }

    /// Appends the vectors of whole texts and their pooled ones, which are ignored where the vectors are
    /// pooled themselves; [`SegmentWriter::text`] follows for each of them.
    pub(super) fn rows(
        &mut self,
        disk: &dyn Disk,
        rows: &StoredRows,
        pooled: &StoredRows,
    ) -> Result<()> {
        for (rows, [units, scales, norms]) in [
            (rows, [Slot::UNITS, Slot::SCALES, Slot::NORMS]),
            (pooled, [Slot::POOLED, Slot::POOLED_SCALES, Slot::POOLED_NORMS]),
        ] {
            self.push(disk, units, &rows.units)?;
            self.push(disk, scales, bytemuck::cast_slice(&rows.scales))?;
            self.push(disk, norms, bytemuck::cast_slice(rows.norms))?;
        }
        Ok(())
    }

    /// Appends a text and how many rows it has.
    pub(super) fn text(&mut self, disk: &dyn Disk, text: &str, rows: usize) -> Result<()> {
        self.texts += 1;
        self.rows += rows;
        self.end(disk, Slot::TEXT_ROWS, self.rows as u64)?;
        self.string(disk, Slot::TEXTS, text)
    }

    /// Ends a target, to which all texts since the last one belong.
    pub(super) fn target<'m>(
        &mut self,
        disk: &dyn Disk,
        id: Option<&str>,
        metadata: impl IntoIterator<Item = &'m str>,
    ) -> Result<()> {
        self.targets += 1;
        self.end(disk, Slot::TARGET_TEXTS, self.texts as u64)?;
        self.string(disk, Slot::IDS, id.unwrap_or_default())?;
        for (column, value) in metadata.into_iter().enumerate() {
            self.string(disk, Slot::column(column), value)?;
        }
        Ok(())
    }

    pub(super) fn targets(&self) -> u64 {
        self.targets as u64
    }

    pub(super) fn texts(&self) -> u64 {
        self.texts as u64
    }

    /// Joins the spools to one file, safe on disk under the name of its content; with a screen where there
    /// are `least` texts.
    pub(super) fn finish(mut self, disk: &dyn Disk, least: usize, check: Check) -> Result<Stored> {
        if self.tokens == Tokens::All && self.texts >= least {
            self.write_screen(disk, check)?;
        }
        let path = folder::spool(&self.root, "segment");
        let mut file = disk.create(&path).map_err(Error::io(&path))?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut put = |piece: &[u8]| {
            hash.update(piece);
            bytes += piece.len() as u64;
            disk.write(&path, &mut file, piece).map_err(Error::io(&path))
        };
        let tensors = self.tensors();
        put(&self.header(&tensors))?;
        let mut piece = vec![0; PIECE];
        for Tensor { slot, .. } in tensors {
            let Some(spool) = self.spools.get_mut(slot) else { continue };
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
        let sha256 = format!("{:x}", hash.finalize());
        disk.sync(&path, &file).map_err(Error::io(&path))?;
        drop(file);
        let named = folder::segment(&self.root, &sha256);
        disk.rename(&path, &named).map_err(Error::io(&named))?;
        disk.sync_dir(&self.root).map_err(Error::io(&self.root))?;
        let (targets, texts, rows) = (self.targets as u32, self.texts as u32, self.rows as u64);
        Ok(Stored { sha256, bytes, targets, texts, rows, removed: Vec::new() })
    }

    /// Quantises all tokens that the spools hold.
    fn write_screen(&mut self, disk: &dyn Disk, check: Check) -> Result<()> {
        let mut read = |slot| -> Result<_> {
            let Some(spool) = self.spools.get_mut(slot) else { return Ok(None) };
            spool.flush(disk)?;
            map::map(&spool.path).map(Some)
        };
        let (units, scales) = (read(Slot::UNITS)?, read(Slot::SCALES)?);
        let text_rows = read(Slot::TEXT_ROWS)?;
        let rows = self.dtype.rows(bytes(units.as_ref()), bytes(scales.as_ref()));
        let (root, spools) = (&self.root, &mut self.spools);
        self.screen = screen_writer::write(
            rows,
            bytes(text_rows.as_ref()),
            self.dim,
            check,
            |slot, bytes| {
                let spool = match spools.get_mut(slot) {
                    Some(spool) => spool,
                    None => spools.set(slot, Spool::create(disk, root, &slot.name())?),
                };
                spool.push(disk, bytes)
            },
        )?;
        Ok(())
    }

    /// The file's first bytes: a safetensors header, filled with spaces until units are aligned.
    fn header(&self, tensors: &[Tensor]) -> Vec<u8> {
        let mut infos = BTreeMap::new();
        let (mut start, mut units) = (0, 0);
        for Tensor { slot, name, element, shape } in tensors {
            let bytes = self.spools.get(*slot).map_or(0, |spool| spool.bytes as usize);
            if name == UNITS {
                units = start;
            }
            // Only strings have a size that is not known: that of their bytes.
            let shape = shape.iter().map(|size| size.unwrap_or(bytes)).collect();
            let data_offsets = (start, start + bytes);
            infos.insert(name, TensorInfo { dtype: *element, shape, data_offsets });
            start += bytes;
        }
        let mut json = serde_json::to_vec(&infos).expect("names and numbers serialise");
        while !(8 + json.len() + units).is_multiple_of(ALIGN) {
            json.push(b' ');
        }
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json);
        bytes
    }
}

fn bytes(map: Option<&Mmap>) -> &[u8] {
    map.map_or(&[], |map| map)
}
