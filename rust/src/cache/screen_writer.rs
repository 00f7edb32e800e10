//! The screen of a data file in the making: all its tokens, cut to bytes on their main axes.

use super::disk::Disk;
use super::labels::Offsets;
use super::layout::{SCREEN_AXES, SCREEN_CODES, SCREEN_TEXTS, SCREEN_VALUES};
use super::manifest::Dtype;
use super::spool::{Spool, Tensor};
use super::{Check, PIECE, map, stop};
use crate::error::Result;
use crate::score;
use crate::score::screen::{Cutter, axes, sort};
use crate::simd::Kernels;
use crate::simd::codes::{LANES, ROW_VALUES};
use safetensors::tensor::Dtype as Element;
use std::path::Path;

/// A screen in the making.
#[derive(Debug)]
pub(super) struct ScreenSpools {
    axes: Spool,
    texts: Spool,
    values: Spool,
    codes: Spool,
    /// Numbers of axes, lanes and rows.
    shape: [usize; 3],
}

impl ScreenSpools {
    /// Cuts all tokens of a data file, whose spools are on disk; none where there are fewer than `least`
    /// texts, or no axes.
    pub(super) fn write(
        disk: &dyn Disk,
        root: &Path,
        (units, scales, text_rows): (&Path, Option<&Path>, &Path),
        dtype: Dtype,
        dim: usize,
        least: usize,
        check: Check,
    ) -> Result<Option<Self>> {
        let starts = map::map(text_rows)?;
        let starts: Vec<usize> = Offsets::new(&starts).iter().map(|start| start as usize).collect();
        if starts.len() <= least {
            return Ok(None);
        }
        let units = map::map(units)?;
        let scales = scales.map(map::map).transpose()?;
        let rows = dtype.rows(&units, scales.as_deref().unwrap_or_default());
        let Some(axes) = axes(rows, dim, check)? else { return Ok(None) };
        let lengths: Vec<usize> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let texts = sort(&lengths);
        let spool = |name| Spool::create(disk, root, name);
        let mut spools = Self {
            axes: spool(SCREEN_AXES)?,
            texts: spool(SCREEN_TEXTS)?,
            values: spool(SCREEN_VALUES)?,
            codes: spool(SCREEN_CODES)?,
            shape: [axes.len() / dim, texts.len(), 0],
        };
        spools.axes.push(disk, bytemuck::cast_slice(&axes))?;
        spools.texts.push(disk, bytemuck::cast_slice(&texts))?;
        let cutter = Cutter::new(Kernels::active()?, &axes, rows, dim);
        let text_rows = |text: u32| starts[text as usize]..starts[text as usize + 1];
        let row_bytes = spools.shape[0] * LANES + ROW_VALUES * size_of::<f32>();
        for some in batches(&texts, &lengths, row_bytes, score::threads()) {
            stop(check)?;
            for group in cutter.groups(some, text_rows) {
                spools.values.push(disk, bytemuck::cast_slice(&group.values))?;
                spools.codes.push(disk, &group.codes)?;
                spools.shape[2] += group.values.len() / ROW_VALUES;
            }
        }
        Ok(Some(spools))
    }

    /// Its tensors: those of four bytes an element, and the codes.
    pub(super) fn tensors(&mut self, dim: usize) -> ([Tensor<'_>; 3], Tensor<'_>) {
        let [axes, lanes, rows] = self.shape;
        (
            [
                Tensor::new(SCREEN_AXES, Element::F32, vec![axes, dim], &mut self.axes),
                Tensor::new(SCREEN_TEXTS, Element::U32, vec![lanes], &mut self.texts),
                Tensor::new(SCREEN_VALUES, Element::F32, vec![rows, 3, LANES], &mut self.values),
            ],
            Tensor::new(SCREEN_CODES, Element::U8, vec![rows, axes, LANES], &mut self.codes),
        )
    }
}

/// Lanes of the groups that are cut between two questions to a [`Check`] and held in memory together:
/// a piece, or one group a thread where these are larger.
fn batches<'a>(
    lanes: &'a [u32],
    lengths: &[usize],
    row_bytes: usize,
    threads: usize,
) -> Vec<&'a [u32]> {
    let mut batches = Vec::new();
    let (mut first, mut held) = (0, 0);
    for (group, texts) in lanes.chunks(LANES).enumerate() {
        let longest = texts.iter().filter_map(|&text| lengths.get(text as usize)).max();
        let bytes = longest.unwrap_or(&0) * row_bytes;
        if held + bytes > PIECE && group >= first + threads {
            batches.push(&lanes[first * LANES..group * LANES]);
            (first, held) = (group, 0);
        }
        held += bytes;
    }
    batches.push(&lanes[first * LANES..]);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_in_memory_are_few_where_texts_are_long() {
        let lengths: Vec<usize> = (0..16_000).map(|i| if i < 8000 { 4 } else { 256 }).collect();
        let lanes = sort(&lengths);
        let row_bytes = 256 * LANES + ROW_VALUES * 4;
        for threads in [1, 2, 16] {
            let batches = batches(&lanes, &lengths, row_bytes, threads);
            assert_eq!(batches.concat(), lanes);
            for batch in batches {
                assert!(!batch.is_empty() && batch.len() % LANES == 0);
                let longest = |texts: &[u32]| {
                    texts.iter().filter_map(|&text| lengths.get(text as usize)).max().copied()
                };
                let rows: usize = batch.chunks(LANES).filter_map(longest).sum();
                let groups = batch.len() / LANES;
                let bytes = rows * row_bytes;
                assert!(bytes <= PIECE || groups <= threads, "{groups} groups, {bytes} bytes");
            }
        }
    }
}
