//! A target space as the scorers see it: rows of units and norms, texts over rows, targets over texts.

use super::rows::Rows;
use super::screen::Screen;
use crate::tokens::TokenVectors;
use std::ops::Range;

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

    /// The texts of one target: its label, then its aliases.
    pub fn target(&self, target: usize) -> &[Text] {
        &self.texts[self.text_range(target)]
    }

    /// Where the texts of one target lie.
    pub fn text_range(&self, target: usize) -> Range<usize> {
        self.groups[target] as usize..self.groups[target + 1] as usize
    }
}
