//! How quantised tokens lie in memory: those of 32 texts side by side, those of some queries in panels.

#![forbid(unsafe_code)]

use super::quantised::{BLOCK, CHUNK, OFFSET, Quantised};

/// Texts of a group.
pub const GROUP: usize = 32;

/// Floats beside the codes of a group's row: scale, error and residual norm of each lane.
pub const ROW_VALUES: usize = 3 * GROUP;

/// The tokens of some queries, one after the other, laid out for one level.
#[derive(Debug, Clone)]
pub struct BoundQueries {
    /// Codes of a token.
    pub(super) components: usize,
    /// Components of a window, unless there are fewer.
    pub(super) window: usize,
    /// Where each query's tokens end.
    pub(super) ends: Vec<usize>,
    /// Tokens of a panel, whose sums fit the registers; the last panel is filled up with zeros.
    pub(super) panel: usize,
    /// Panel by panel, window by window, token by token, so many chunks of four codes as a window has.
    pub(super) codes: Vec<u32>,
    /// The sum of a token's codes times -[`OFFSET`], panel by panel: it is added to a target's codes.
    pub(super) offsets: Vec<i32>,
    /// The same of the halves of each block, in 16 bits that wrap, panel by panel, block by block.
    pub(super) half_offsets: Vec<u32>,
    /// [`Quantised::terms`] of each token.
    pub(super) values: Vec<[f32; 4]>,
}

impl BoundQueries {
    /// Lays out queries of tokens of `components` codes each; `panel` tokens at most are computed side
    /// by side, of whichever query. A window has `window` components, or all if there are fewer; the
    /// last one ends with them, and has zeros where those before it had their codes.
    pub(super) fn new(
        components: usize,
        queries: &[&[Quantised]],
        panel: usize,
        window: usize,
    ) -> Self {
        let tokens: Vec<&Quantised> = queries.iter().copied().flatten().collect();
        let count = tokens.len();
        let panels = count.div_ceil(panel);
        let panel = count.div_ceil(panels);
        let (chunks, blocks) = (components / CHUNK, components / BLOCK);
        let in_window = window.min(components) / CHUNK;
        let windows = chunks.div_ceil(in_window);
        let ends = queries.iter().scan(0, |end, tokens| {
            *end += tokens.len();
            Some(*end)
        });
        let mut laid = Self {
            components,
            window,
            ends: ends.collect(),
            panel,
            codes: vec![0; panels * panel * windows * in_window],
            offsets: vec![0; panels * panel],
            half_offsets: vec![0; panels * panel * blocks],
            values: Vec::with_capacity(count),
        };
        for (i, token) in tokens.iter().enumerate() {
            let (first, lane) = (i / panel * panel, i % panel);
            for (c, four) in token.codes.chunks_exact(CHUNK).enumerate() {
                let four = [four[0], four[1], four[2], four[3]].map(i8::cast_unsigned);
                let number = c / in_window;
                let within = c - (number * in_window).min(chunks - in_window);
                let place = (first * windows + number * panel + lane) * in_window + within;
                laid.codes[place] = u32::from_le_bytes(four);
            }
            for (b, block) in token.codes.chunks_exact(BLOCK).enumerate() {
                let mut sums = [0_i32; 2];
                for four in block.chunks_exact(CHUNK) {
                    sums[0] += i32::from(four[0]) + i32::from(four[1]);
                    sums[1] += i32::from(four[2]) + i32::from(four[3]);
                }
                laid.offsets[i] -= OFFSET * (sums[0] + sums[1]);
                let wrapped = sums.map(|sum| (-OFFSET * sum) as u16);
                laid.half_offsets[first * blocks + b * panel + lane] =
                    u32::from(wrapped[0]) | u32::from(wrapped[1]) << 16;
            }
            laid.values.push(token.terms());
        }
        laid
    }

    /// What the dot products of a panel read: its codes, the offset of each token, and those of the
    /// halves of each block.
    pub(super) fn panel(&self, panel: usize) -> (&[u32], &[i32], &[u32]) {
        let codes = self.codes.len() / self.panels();
        let blocks = self.components / BLOCK;
        let tokens = panel * self.panel..(panel + 1) * self.panel;
        (
            &self.codes[panel * codes..(panel + 1) * codes],
            &self.offsets[tokens.clone()],
            &self.half_offsets[tokens.start * blocks..tokens.end * blocks],
        )
    }

    pub(super) fn panels(&self) -> usize {
        self.offsets.len() / self.panel
    }

    /// Number of queries.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Values that [`super::Kernels::bounds`] needs as scratch.
    pub fn scratch_len(&self) -> usize {
        (self.offsets.len() + self.values.len()) * GROUP
    }
}

/// Up to 32 texts, by row: row `j` holds token `j` of each text.
#[derive(Debug, Clone, Copy)]
pub struct BoundGroup<'a> {
    /// `(rows, components / 4, 32, 4)`, [`OFFSET`] added.
    pub codes: &'a [u8],
    /// `(rows, 3, 32)`: scales, errors, residual norms; beyond a text's end
    /// [`NO_TOKEN`](super::quantised::NO_TOKEN).
    pub values: &'a [f32],
    /// Tokens of each text; 0 where the lane has none.
    pub tokens: &'a [f32; GROUP],
}
