//! One data file: mapped, its layout checked once so that no later read can leave it.

use super::layout::{SCREEN, Sizes, Slot, Slots, Tensor};
use super::manifest::{Dtype, Manifest, Stored, Tokens};
use super::screen::{StoredScreen, tensor};
use super::strings::{Offsets, Strings};
use super::{PIECE, folder, map};
use crate::error::{Check, Error, Result, stop};
use crate::score;
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype as Element, Metadata};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a check found, or what is wrong.
type Checked<T> = std::result::Result<T, String>;

/// A data file of an open cache.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    map: Mmap,
    dtype: Dtype,
    /// Where each tensor lies.
    at: Slots<Range<usize>>,
    screen: Option<StoredScreen>,
}

impl Segment {
    /// Maps a data file and checks its size, its header, its shapes and all offsets; or, where there is
    /// a check to `hold` it with, reads and hashes all of it.
    pub(super) fn open(
        root: &Path,
        stored: &Stored,
        manifest: &Manifest,
        hold: Option<Check>,
    ) -> Result<Self> {
        let path = folder::segment(root, &stored.sha256);
        let map =
            hold.map_or_else(|| map::map(&path), |check| map::hold(&path, stored.bytes, check))?;
        let damaged = |what: String| {
            Error::corrupt(
                &path,
                format!("{what}; the file was changed or damaged: rebuild the cache"),
            )
        };
        if map.len() as u64 != stored.bytes {
            return Err(damaged(format!("expected {} bytes, got {}", stored.bytes, map.len())));
        }
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|error| damaged(format!("expected a safetensors header, got {error}")))?;
        let at = layout(&metadata, header + 8, stored, manifest).map_err(damaged)?;
        check_offsets(&map, &at, stored, manifest).map_err(damaged)?;
        let screen = at
            .get(Slot::SCREEN_BASIS)
            .map(|_| StoredScreen::open(&map, &at, manifest.dim as usize));
        let screen = screen.transpose().map_err(damaged)?;
        let segment = Self { path, map, dtype: manifest.dtype, at, screen };
        hold.map_or(Ok(()), |check| segment.verify(stored, check))?;
        Ok(segment)
    }

    /// Hashes the whole file and compares with the manifest.
    pub(super) fn verify(&self, stored: &Stored, check: Check) -> Result<()> {
        let mut hash = Sha256::new();
        for piece in self.map.chunks(PIECE) {
            stop(check)?;
            hash.update(piece);
        }
        let found = format!("{:x}", hash.finalize());
        if found == stored.sha256 {
            return Ok(());
        }
        Err(Error::corrupt(
            &self.path,
            format!(
                "expected sha256 {}, got {found}; the file was changed or damaged: rebuild the cache",
                stored.sha256
            ),
        ))
    }

    /// Says which of the cache's texts each text of the file is, for bounds: `live[text]`, or
    /// [`NO_TEXT`](crate::score::screen::NO_TEXT).
    pub(super) fn set_live(&mut self, live: &[u32]) {
        if let Some(screen) = &mut self.screen {
            screen.set_live(tensor(&self.map, &self.at, Slot::SCREEN_TEXTS), live);
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn tensor(&self, slot: Slot) -> &[u8] {
        tensor(&self.map, &self.at, slot)
    }

    /// Unit vectors and norms of all texts' tokens.
    pub(super) fn rows(&self) -> score::Segment<'_> {
        score::Segment {
            screen: self.screen.as_ref().map(|screen| screen.view(&self.map, &self.at)),
            ..self.vectors([Slot::UNITS, Slot::SCALES, Slot::NORMS])
        }
    }

    /// Unit vectors and norms of all texts' pooled vectors.
    pub(super) fn pooled(&self) -> score::Segment<'_> {
        match self.at.get(Slot::POOLED) {
            Some(_) => self.vectors([Slot::POOLED, Slot::POOLED_SCALES, Slot::POOLED_NORMS]),
            None => self.rows(),
        }
    }

    fn vectors(&self, [units, scales, norms]: [Slot; 3]) -> score::Segment<'_> {
        score::Segment {
            rows: self.dtype.rows(self.tensor(units), self.tensor(scales)),
            norms: bytemuck::cast_slice(self.tensor(norms)),
            screen: None,
        }
    }

    /// First row of each text, and the number of rows last.
    pub(super) fn text_rows(&self) -> Offsets<'_> {
        Offsets::new(self.tensor(Slot::TEXT_ROWS))
    }

    /// First text of each target, and the number of texts last.
    pub(super) fn target_texts(&self) -> Offsets<'_> {
        Offsets::new(self.tensor(Slot::TARGET_TEXTS))
    }

    pub(super) fn texts(&self) -> Strings<'_> {
        self.strings(Slot::TEXTS)
    }

    /// The id of each target, empty where it has none.
    pub(super) fn ids(&self) -> Strings<'_> {
        self.strings(Slot::IDS)
    }

    /// One metadata value a target, as JSON.
    pub(super) fn column(&self, column: usize) -> Strings<'_> {
        self.strings(Slot::column(column))
    }

    fn strings(&self, slot: Slot) -> Strings<'_> {
        Strings::new(self.tensor(slot), Offsets::new(self.tensor(slot.offsets())))
    }
}

/// Where each tensor lies in the file, which has all that it must have.
fn layout(
    metadata: &Metadata,
    start: usize,
    stored: &Stored,
    manifest: &Manifest,
) -> Checked<Slots<Range<usize>>> {
    let screen = manifest.tokens == Tokens::All && metadata.info(SCREEN).is_some();
    let sizes = Sizes {
        dtype: manifest.dtype,
        tokens: manifest.tokens,
        columns: &manifest.columns,
        dim: to_usize(manifest.dim)?,
        targets: stored.targets as usize,
        texts: stored.texts as usize,
        rows: to_usize(stored.rows)?,
        screen: screen.then_some([None; 3]),
    };
    let mut at = Slots::new();
    for tensor in sizes.tensors() {
        at.set(tensor.slot, place(metadata, start, &tensor)?);
    }
    Ok(at)
}

/// Where a tensor lies; its element type, shape and alignment must be as expected.
fn place(
    metadata: &Metadata,
    start: usize,
    Tensor { name, element, shape, .. }: &Tensor,
) -> Checked<Range<usize>> {
    let info = metadata.info(name).ok_or_else(|| format!("expected a tensor {name:?}"))?;
    let fits = info.dtype == *element
        && info.shape.len() == shape.len()
        && info.shape.iter().zip(shape).all(|(got, want)| want.is_none_or(|want| want == *got));
    if !fits {
        return Err(format!(
            "expected the tensor {name:?} to be {element:?} {shape:?}, got {:?} {:?}",
            info.dtype, info.shape
        ));
    }
    let range = start + info.data_offsets.0..start + info.data_offsets.1;
    let align = match element {
        Element::F32 | Element::U32 => 4,
        Element::F16 => 2,
        _ => 1,
    };
    // A mapping starts at a page, so an offset in the file is as aligned as its address.
    if !range.start.is_multiple_of(align) {
        return Err(format!("expected the tensor {name:?} at a multiple of {align} bytes"));
    }
    Ok(range)
}

/// Checks the offsets, which every later read relies on.
fn check_offsets(
    map: &[u8],
    at: &Slots<Range<usize>>,
    stored: &Stored,
    manifest: &Manifest,
) -> Checked<()> {
    let check = |slot, end: usize, strict: bool, name: &str| {
        if Offsets::new(tensor(map, at, slot)).tile(end, strict) {
            return Ok(());
        }
        let how = if strict { "grow" } else { "not fall" };
        Err(format!("expected {name} to start at 0, {how} and end at {end}, they do not"))
    };
    check(Slot::TEXT_ROWS, to_usize(stored.rows)?, true, "text_rows")?;
    check(Slot::TARGET_TEXTS, stored.texts as usize, true, "target_texts")?;
    let columns = manifest.columns.iter().enumerate();
    let columns = columns.map(|(i, name)| (Slot::column(i), format!("offsets of column {name:?}")));
    let strings = [(Slot::TEXTS, "text_offsets".into()), (Slot::IDS, "id_offsets".into())];
    for (slot, name) in strings.into_iter().chain(columns) {
        check(slot.offsets(), tensor(map, at, slot).len(), false, &name)?;
    }
    let mut last = 0;
    for offset in Offsets::new(tensor(map, at, Slot::TEXT_ROWS)).iter() {
        if offset - last > i64::from(u32::MAX) {
            return Err(format!("a text has {} rows", offset - last));
        }
        last = offset;
    }
    Ok(())
}

fn to_usize(number: u64) -> Checked<usize> {
    usize::try_from(number).map_err(|_| format!("{number} does not fit this machine"))
}
