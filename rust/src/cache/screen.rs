//! The screen of an open data file: four tensors more, from which bounds of scores are computed.

use super::labels::Offsets;
use crate::score::screen::{self, NO_TEXT, Order};
use crate::simd::codes::{BLOCK, LANES, ROW_VALUES};
use std::ops::Range;

/// The screen of an open data file, its layout checked.
#[derive(Debug)]
pub(super) struct Screen {
    at: Ranges,
    order: Order,
    /// Which of the cache's texts is in each lane.
    live: Vec<u32>,
}

/// Where its tensors lie.
#[derive(Debug, Clone)]
pub(super) struct Ranges {
    pub(super) axes: Range<usize>,
    pub(super) texts: Range<usize>,
    pub(super) values: Range<usize>,
    pub(super) codes: Range<usize>,
}

impl Screen {
    /// Checks that its rows are those of the file's texts, whose offsets are checked.
    pub(super) fn open(
        map: &[u8],
        at: Ranges,
        dim: usize,
        text_rows: Offsets,
    ) -> std::result::Result<Self, String> {
        let lanes: &[u32] = bytemuck::cast_slice(&map[at.texts.clone()]);
        let mut seen = vec![false; text_rows.iter().count() - 1];
        let tokens = |text: usize| {
            let twice = std::mem::replace(seen.get_mut(text)?, true);
            (!twice).then_some(text_rows.get(text + 1)? - text_rows.get(text)?)
        };
        let wrong = || "expected a screen of this file's texts, got another one".to_owned();
        let order = Order::new(lanes, tokens).ok_or_else(wrong)?;
        // A text that no lane held would never be found.
        if !seen.into_iter().all(|seen| seen) {
            return Err(wrong());
        }
        let (axes, rows) = (at.axes.len() / 4 / dim, order.row_count());
        let fits = axes > 0
            && axes.is_multiple_of(BLOCK)
            && at.values.len() == rows * ROW_VALUES * 4
            && at.codes.len() == rows * axes * LANES;
        if !fits {
            return Err(wrong());
        }
        Ok(Self { at, order, live: Vec::new() })
    }

    /// Says which of the cache's texts each text of the file is: `live[text]`, or [`NO_TEXT`].
    pub(super) fn set_live(&mut self, map: &[u8], live: &[u32]) {
        let lanes: &[u32] = bytemuck::cast_slice(&map[self.at.texts.clone()]);
        let of = |&text: &u32| live.get(text as usize).copied().unwrap_or(NO_TEXT);
        self.live = lanes.iter().map(of).collect();
    }

    pub(super) fn view<'a>(&'a self, map: &'a [u8]) -> screen::Screen<'a> {
        screen::Screen {
            axes: bytemuck::cast_slice(&map[self.at.axes.clone()]),
            codes: &map[self.at.codes.clone()],
            values: bytemuck::cast_slice(&map[self.at.values.clone()]),
            order: &self.order,
            texts: &self.live,
        }
    }
}
