//! One data file: mapped, its layout checked once so that no later read can leave it.

use super::labels::{Offsets, Strings};
use super::layout::{
    POOLED, SCREEN_AXES, SCREEN_CODES, SCREEN_TEXTS, SCREEN_VALUES, UNITS, column_bytes,
    column_offsets,
};
use super::manifest::{Dtype, Manifest, Stored, Tokens, hex};
use super::screen::{self, Screen};
use super::{Check, PIECE, folder, map, stop};
use crate::error::{Error, Result};
use crate::score;
use crate::simd::codes::LANES;
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
    at: Ranges,
    screen: Option<Screen>,
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
        let map = hold.map_or_else(|| map::map(&path), |check| map::hold(&path, check))?;
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
        let layout = Layout { metadata: &metadata, start: header + 8 };
        let at = layout
            .read(stored, manifest)
            .and_then(|ranges| ranges.check(&map, stored, manifest))
            .map_err(damaged)?;
        let text_rows = Offsets::new(&map[at.text_rows.clone()]);
        let screen = at
            .screen
            .clone()
            .map(|screen| Screen::open(&map, screen, manifest.dim as usize, text_rows));
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
        let found = hex(&hash.finalize());
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
            screen.set_live(&self.map, live);
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Unit vectors and norms of all texts' tokens.
    pub(super) fn rows(&self) -> score::Segment<'_> {
        score::Segment {
            screen: self.screen.as_ref().map(|screen| screen.view(&self.map)),
            ..self.vectors(&self.at.vectors)
        }
    }

    /// Unit vectors and norms of all texts' pooled vectors.
    pub(super) fn pooled(&self) -> score::Segment<'_> {
        match &self.at.pooled {
            Some(pooled) => self.vectors(pooled),
            None => self.rows(),
        }
    }

    /// First row of each text, and the number of rows last.
    pub(super) fn text_rows(&self) -> Offsets<'_> {
        Offsets::new(&self.map[self.at.text_rows.clone()])
    }

    /// First text of each target, and the number of texts last.
    pub(super) fn target_texts(&self) -> Offsets<'_> {
        Offsets::new(&self.map[self.at.target_texts.clone()])
    }

    pub(super) fn texts(&self) -> Strings<'_> {
        self.strings(&self.at.texts)
    }

    /// The id of each target, empty where it has none.
    pub(super) fn ids(&self) -> Strings<'_> {
        self.strings(&self.at.ids)
    }

    /// One metadata value a target, as JSON.
    pub(super) fn column(&self, column: usize) -> Strings<'_> {
        self.strings(&self.at.columns[column])
    }

    fn strings(&self, [bytes, offsets]: &[Range<usize>; 2]) -> Strings<'_> {
        Strings::new(&self.map[bytes.clone()], Offsets::new(&self.map[offsets.clone()]))
    }

    fn vectors(&self, at: &Vectors) -> score::Segment<'_> {
        score::Segment {
            rows: self.dtype.rows(&self.map[at.units.clone()], &self.map[at.scales.clone()]),
            norms: bytemuck::cast_slice(&self.map[at.norms.clone()]),
            screen: None,
        }
    }
}

/// Where each tensor lies in the file.
#[derive(Debug)]
struct Ranges {
    vectors: Vectors,
    /// The pooled vectors; None where those above are pooled themselves.
    pooled: Option<Vectors>,
    screen: Option<screen::Ranges>,
    text_rows: Range<usize>,
    target_texts: Range<usize>,
    texts: [Range<usize>; 2],
    ids: [Range<usize>; 2],
    columns: Vec<[Range<usize>; 2]>,
}

/// Where rows of vectors lie.
#[derive(Debug)]
struct Vectors {
    units: Range<usize>,
    /// Empty unless units are bytes.
    scales: Range<usize>,
    norms: Range<usize>,
}

impl Ranges {
    /// Checks the offsets, which every later read relies on.
    fn check(self, map: &[u8], stored: &Stored, manifest: &Manifest) -> Checked<Self> {
        let (texts, rows) = (stored.texts as usize, to_usize(stored.rows)?);
        let tiles = |range: &Range<usize>, end: usize, strict: bool, name: &str| {
            if Offsets::new(&map[range.clone()]).tile(end, strict) {
                return Ok(());
            }
            let how = if strict { "grow" } else { "not fall" };
            Err(format!("expected {name} to start at 0, {how} and end at {end}, they do not"))
        };
        tiles(&self.text_rows, rows, true, "text_rows")?;
        tiles(&self.target_texts, texts, true, "target_texts")?;
        tiles(&self.texts[1], self.texts[0].len(), false, "text_offsets")?;
        tiles(&self.ids[1], self.ids[0].len(), false, "id_offsets")?;
        for (range, name) in self.columns.iter().zip(&manifest.columns) {
            tiles(&range[1], range[0].len(), false, &format!("offsets of column {name:?}"))?;
        }
        let mut last = 0;
        for offset in Offsets::new(&map[self.text_rows.clone()]).iter() {
            if offset - last > i64::from(u32::MAX) {
                return Err(format!("a text has {} rows", offset - last));
            }
            last = offset;
        }
        Ok(self)
    }
}

struct Layout<'a> {
    metadata: &'a Metadata,
    start: usize,
}

impl Layout<'_> {
    fn read(&self, stored: &Stored, manifest: &Manifest) -> Checked<Ranges> {
        let dim = to_usize(manifest.dim)?;
        let (targets, texts) = (stored.targets as usize, stored.texts as usize);
        let rows = to_usize(stored.rows)?;
        let vectors = |[units, scales, norms]: [&str; 3], rows| {
            Checked::Ok(Vectors {
                units: self.tensor(units, manifest.dtype.element(), &[Some(rows), Some(dim)])?,
                scales: match manifest.dtype {
                    Dtype::Int8 => self.tensor(scales, Element::F32, &[Some(rows)])?,
                    _ => 0..0,
                },
                norms: self.tensor(norms, Element::F32, &[Some(rows)])?,
            })
        };
        let strings = |bytes: &str, offsets: &str, count: usize| {
            let bytes = self.tensor(bytes, Element::U8, &[None])?;
            Checked::Ok([bytes, self.tensor(offsets, Element::I64, &[Some(count + 1)])?])
        };
        let pooled = match manifest.tokens {
            Tokens::Pooled => None,
            Tokens::All => Some(vectors(POOLED, texts)?),
        };
        Ok(Ranges {
            vectors: vectors(UNITS, rows)?,
            pooled,
            screen: self.screen(manifest, dim)?,
            text_rows: self.tensor("text_rows", Element::I64, &[Some(texts + 1)])?,
            target_texts: self.tensor("target_texts", Element::I64, &[Some(targets + 1)])?,
            texts: strings("text_bytes", "text_offsets", texts)?,
            ids: strings("id_bytes", "id_offsets", targets)?,
            columns: manifest
                .columns
                .iter()
                .map(|name| strings(&column_bytes(name), &column_offsets(name), targets))
                .collect::<Checked<_>>()?,
        })
    }

    /// Where the screen lies, if there is one: its first tensor stands for all.
    fn screen(&self, manifest: &Manifest, dim: usize) -> Checked<Option<screen::Ranges>> {
        if manifest.tokens == Tokens::Pooled || self.metadata.info(SCREEN_AXES).is_none() {
            return Ok(None);
        }
        let lanes = Some(LANES);
        Ok(Some(screen::Ranges {
            axes: self.tensor(SCREEN_AXES, Element::F32, &[None, Some(dim)])?,
            texts: self.tensor(SCREEN_TEXTS, Element::U32, &[None])?,
            values: self.tensor(SCREEN_VALUES, Element::F32, &[None, Some(3), lanes])?,
            codes: self.tensor(SCREEN_CODES, Element::U8, &[None, None, lanes])?,
        }))
    }

    /// Where a tensor lies; its element type, shape and alignment must be as expected.
    fn tensor(
        &self,
        name: &str,
        element: Element,
        shape: &[Option<usize>],
    ) -> Checked<Range<usize>> {
        let info = self.metadata.info(name).ok_or_else(|| format!("expected a tensor {name:?}"))?;
        let fits = info.dtype == element
            && info.shape.len() == shape.len()
            && info.shape.iter().zip(shape).all(|(got, want)| want.is_none_or(|want| want == *got));
        if !fits {
            return Err(format!(
                "expected the tensor {name:?} to be {element:?} {shape:?}, got {:?} {:?}",
                info.dtype, info.shape
            ));
        }
        let range = self.start + info.data_offsets.0..self.start + info.data_offsets.1;
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
}

fn to_usize(number: u64) -> Checked<usize> {
    usize::try_from(number).map_err(|_| format!("{number} does not fit this machine"))
}
