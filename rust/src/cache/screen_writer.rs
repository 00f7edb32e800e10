//! The screen of a data file in the making: all its tokens, quantised on a basis of their own.

use super::PIECE;
use super::layout::Slot;
use super::strings::Offsets;
use crate::error::{Check, Result};
use crate::score::screen::{Quantiser, basis, sort};
use crate::score::{Executor, Rows, threads};
use crate::simd::Kernels;
use crate::simd::codes::{GROUP, ROW_VALUES};

/// Quantises all tokens of a data file, whose texts have the rows `text_rows`; hands the bytes of each
/// tensor, piece by piece, to `put`. Returns the numbers of components, lanes and rows; none where there
/// is no basis.
pub(super) fn write(
    rows: Rows,
    text_rows: &[u8],
    dim: usize,
    check: Check,
    mut put: impl FnMut(Slot, &[u8]) -> Result<()>,
) -> Result<Option<[Option<usize>; 3]>> {
    let Some(basis) = basis(rows, dim, check)? else { return Ok(None) };
    let starts: Vec<usize> = Offsets::new(text_rows).iter().map(|start| start as usize).collect();
    let lengths: Vec<usize> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let texts = sort(&lengths);
    put(Slot::SCREEN_BASIS, bytemuck::cast_slice(&basis))?;
    put(Slot::SCREEN_TEXTS, bytemuck::cast_slice(&texts))?;
    let quantiser = Quantiser::new(Kernels::active()?, &basis, rows, dim);
    let text_rows = |text: u32| starts[text as usize]..starts[text as usize + 1];
    let (components, executor) = (basis.len() / dim, Executor::new(check));
    let row_bytes = components * GROUP + ROW_VALUES * size_of::<f32>();
    let mut group_rows = 0;
    executor.waves(batches(&texts, &lengths, row_bytes, threads()), |some| {
        for group in quantiser.groups(some, text_rows, &executor) {
            put(Slot::SCREEN_VALUES, bytemuck::cast_slice(&group.values))?;
            put(Slot::SCREEN_CODES, &group.codes)?;
            group_rows += group.values.len() / ROW_VALUES;
        }
        Ok(())
    })?;
    Ok(Some([components, texts.len(), group_rows].map(Some)))
}

/// Lanes of the groups that are quantised between two questions to a [`Check`] and held in memory together:
/// a piece, or one group a thread where these are larger.
fn batches<'a>(
    lanes: &'a [u32],
    lengths: &[usize],
    row_bytes: usize,
    threads: usize,
) -> Vec<&'a [u32]> {
    let mut batches = Vec::new();
    let (mut first, mut held) = (0, 0);
    for (group, texts) in lanes.chunks(GROUP).enumerate() {
        let longest = texts.iter().filter_map(|&text| lengths.get(text as usize)).max();
        let bytes = longest.unwrap_or(&0) * row_bytes;
        if held + bytes > PIECE && group >= first + threads {
            batches.push(&lanes[first * GROUP..group * GROUP]);
            (first, held) = (group, 0);
        }
        held += bytes;
    }
    batches.push(&lanes[first * GROUP..]);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_in_memory_are_few_where_texts_are_long() {
        let lengths: Vec<usize> = (0..16_000).map(|i| if i < 8000 { 4 } else { 256 }).collect();
        let lanes = sort(&lengths);
        let row_bytes = 256 * GROUP + ROW_VALUES * 4;
        for threads in [1, 2, 16] {
            let batches = batches(&lanes, &lengths, row_bytes, threads);
            assert_eq!(batches.concat(), lanes);
            for batch in batches {
                assert!(!batch.is_empty() && batch.len() % GROUP == 0);
                let longest = |texts: &[u32]| {
                    texts.iter().filter_map(|&text| lengths.get(text as usize)).max().copied()
                };
                let rows: usize = batch.chunks(GROUP).filter_map(longest).sum();
                let groups = batch.len() / GROUP;
                let bytes = rows * row_bytes;
                assert!(bytes <= PIECE || groups <= threads, "{groups} groups, {bytes} bytes");
            }
        }
    }
}
