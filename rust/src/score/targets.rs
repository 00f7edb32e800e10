//! A target space as the scorers see it: rows of units and norms, texts over rows, targets over texts.

use super::screen::Screen;
use crate::tokens::TokenVectors;
use half::f16;
use std::ops::Range;

/// Unit vectors as stored, row-major.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Half precision: the *stored* values are what a score is exact for.
    F16(&'a [f16]),
    /// Bytes: a unit is its codes times its scale, one scale a row. These products are the stored
    /// values.
    I8(&'a [i8], &'a [f32]),
}

impl Rows<'_> {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(all) => all.len(),
            Self::F16(all) => all.len(),
            Self::I8(codes, _) => codes.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that a scan moves for each row of `dim` values: those that are stored, and where these are
    /// not single precision the ones that they are widened to.
    pub(super) fn row_bytes(&self, dim: usize) -> usize {
        dim * match self {
            Self::F32(_) => 4,
            Self::F16(_) => 2 + 4,
            Self::I8(..) => 1 + 4,
        }
    }

    /// Appends some rows, of `dim` values each, in single precision.
    pub fn widen(&self, rows: Range<usize>, dim: usize, to: &mut Vec<f32>) {
        let values = rows.start * dim..rows.end * dim;
        match self {
            Self::F32(all) => to.extend_from_slice(&all[values]),
            Self::F16(all) => to.extend(all[values].iter().map(|value| value.to_f32())),
            Self::I8(codes, scales) => {
                for (codes, scale) in codes[values].chunks_exact(dim).zip(&scales[rows]) {
                    to.extend(codes.iter().map(|&code| f32::from(code) * scale));
                }
            }
        }
    }
}

/// Rows that lie together in memory: one file of a target cache.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// `(rows, dim)`
    pub rows: Rows<'a>,
    /// `(rows,)`
    pub norms: &'a [f32],
    /// Bounds of its texts, where it has them.
    pub screen: Option<Screen<'a>>,
}

/// Where the tokens of one text lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Index of the segment.
    pub segment: u32,
    /// Number of tokens, at least one.
    pub tokens: u32,
    /// First row in the segment.
    pub row: usize,
}

/// A target space. Target `t` is the texts `groups[t]..groups[t + 1]`: its label, then its
/// aliases; it scores as the best of them.
///
/// Whoever makes one guarantees that texts lie within their segments, that every segment holds
/// `norms.len() * dim` values, and that `groups` starts at 0, grows, and ends at `texts.len()`.
#[derive(Debug, Clone)]
pub struct Targets<'a> {
    /// Width of a vector.
    pub dim: usize,
    /// All segments.
    pub segments: Vec<Segment<'a>>,
    /// Texts in the order of their targets.
    pub texts: std::borrow::Cow<'a, [Text]>,
    /// `(targets + 1,)`
    pub groups: std::borrow::Cow<'a, [u32]>,
}

impl<'a> Targets<'a> {
    /// One target for each text of bare token vectors.
    pub fn from_tokens(tokens: &'a TokenVectors) -> Self {
        let texts = (0..tokens.len())
            .map(|i| Text { segment: 0, tokens: tokens.tokens(i) as u32, row: tokens.offsets()[i] })
            .collect();
        Self {
            dim: tokens.dim(),
            segments: vec![Segment {
                rows: Rows::F32(tokens.units()),
                norms: tokens.norms(),
                screen: None,
            }],
            texts,
            groups: (0..=tokens.len() as u32).collect(),
        }
    }

    /// Some texts of a space as a space of their own, a target each.
    pub(super) fn of_texts(all: &Self, texts: Vec<Text>) -> Self {
        let groups = (0..=texts.len() as u32).collect();
        Self { dim: all.dim, segments: all.segments.clone(), texts: texts.into(), groups }
    }

    /// Number of targets.
    pub fn len(&self) -> usize {
        self.groups.len() - 1
    }

    /// Whether there is no target.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The texts of one target: its label, then its aliases.
    pub fn target(&self, target: usize) -> &[Text] {
        &self.texts[self.text_range(target)]
    }

    /// Where the texts of one target lie.
    pub fn text_range(&self, target: usize) -> Range<usize> {
        self.groups[target] as usize..self.groups[target + 1] as usize
    }
}
