//! The screen of an open data file: four tensors more, from which bounds of scores are computed.

use super::layout::{Slot, Slots};
use super::strings::Offsets;
use crate::score::screen::{self, NO_TEXT, Order};
use crate::simd::codes::{GROUP, ROW_VALUES};
use crate::simd::quantised::BLOCK;
use std::ops::Range;

/// The screen of an open data file, its layout checked.
#[derive(Debug)]
pub(super) struct StoredScreen {
    order: Order,
    /// Which of the cache's texts is in each lane.
    live: Vec<u32>,
}

/// The bytes of a tensor; none where the file has no such tensor.
pub(super) fn tensor<'a>(map: &'a [u8], at: &Slots<Range<usize>>, slot: Slot) -> &'a [u8] {
    at.get(slot).map_or(&[], |range| &map[range.clone()])
}

impl StoredScreen {
    /// Checks that its rows are those of the file's texts, whose offsets are checked.
    pub(super) fn open(
        map: &[u8],
        at: &Slots<Range<usize>>,
        dim: usize,
    ) -> std::result::Result<Self, String> {
        let tensor = |slot| tensor(map, at, slot);
        let text_rows = Offsets::new(tensor(Slot::TEXT_ROWS));
        let lanes: &[u32] = bytemuck::cast_slice(tensor(Slot::SCREEN_TEXTS));
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
        let len = |slot| tensor(slot).len();
        let (components, rows) = (len(Slot::SCREEN_BASIS) / 4 / dim, order.row_count());
        let fits = components > 0
            && components.is_multiple_of(BLOCK)
            && len(Slot::SCREEN_VALUES) == rows * ROW_VALUES * 4
            && len(Slot::SCREEN_CODES) == rows * components * GROUP;
        if fits { Ok(Self { order, live: Vec::new() }) } else { Err(wrong()) }
    }

    /// Says which of the cache's texts each text of the file is: `live[text]`, or [`NO_TEXT`].
    pub(super) fn set_live(&mut self, lanes: &[u8], live: &[u32]) {
        let lanes: &[u32] = bytemuck::cast_slice(lanes);
        let of = |&text: &u32| live.get(text as usize).copied().unwrap_or(NO_TEXT);
        self.live = lanes.iter().map(of).collect();
    }

    pub(super) fn view<'a>(
        &'a self,
        map: &'a [u8],
        at: &Slots<Range<usize>>,
    ) -> screen::Screen<'a> {
        screen::Screen {
            basis: bytemuck::cast_slice(tensor(map, at, Slot::SCREEN_BASIS)),
            codes: tensor(map, at, Slot::SCREEN_CODES),
            values: bytemuck::cast_slice(tensor(map, at, Slot::SCREEN_VALUES)),
            order: &self.order,
            texts: &self.live,
        }
    }
}
