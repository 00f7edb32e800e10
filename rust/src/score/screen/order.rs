//! Which text lies in which lane: texts of like length share a group, so that little is stored for
//! nothing.

use crate::simd::codes::GROUP;
use std::ops::Range;

/// In place of a text: the lane is empty, or its text was removed.
pub const NO_TEXT: u32 = u32::MAX;

/// The text of each lane of each group: by length, then by index, the last group filled up.
pub fn sort(tokens: &[usize]) -> Vec<u32> {
    let mut texts: Vec<u32> = (0..tokens.len() as u32).collect();
    texts.sort_by_key(|&text| tokens[text as usize]);
    texts.resize(texts.len().next_multiple_of(GROUP), NO_TEXT);
    texts
}

/// Where the rows of each group lie, and how long its texts are.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// First row of each group, and the number of rows.
    rows: Vec<usize>,
    /// Tokens of each lane's text, 0 for none.
    tokens: Vec<[f32; GROUP]>,
}

impl Order {
    /// Reads the texts of all lanes; none if `tokens` knows none of a text, or no whole group is given.
    pub fn new(lanes: &[u32], mut tokens: impl FnMut(usize) -> Option<usize>) -> Option<Self> {
        let (groups, []) = lanes.as_chunks::<GROUP>() else { return None };
        let mut order = Self { rows: vec![0], tokens: Vec::with_capacity(groups.len()) };
        let mut rows = 0;
        for group in groups {
            let mut lengths = [0.0; GROUP];
            let mut longest = 0;
            for (length, &text) in lengths.iter_mut().zip(group) {
                if text != NO_TEXT {
                    let tokens = tokens(text as usize)?;
                    *length = tokens as f32;
                    longest = longest.max(tokens);
                }
            }
            rows += longest;
            order.rows.push(rows);
            order.tokens.push(lengths);
        }
        Some(order)
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Number of rows of all groups.
    pub fn row_count(&self) -> usize {
        self.rows.last().copied().unwrap_or(0)
    }

    pub(super) fn rows(&self, group: usize) -> Range<usize> {
        self.rows[group]..self.rows[group + 1]
    }

    pub(super) fn tokens(&self, group: usize) -> &[f32; GROUP] {
        &self.tokens[group]
    }
}
