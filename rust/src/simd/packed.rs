//! The query's side of the dot products: tokens in lanes, so that a target is read as it lies.

/// Float32 memory aligned to a cache line, as long as asked for, zeroed.
#[derive(Debug, Clone, Default)]
pub struct AlignedBuffer {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
struct Line([f32; 16]);

impl AlignedBuffer {
    /// Makes room for `len` values; what was there is kept or zero.
    pub fn grow(&mut self, len: usize) {
        let lines = len.div_ceil(16);
        if lines > self.lines.len() {
            self.lines.resize(lines, Line::default());
        }
    }

    /// The values.
    pub fn values(&self) -> &[f32] {
        // SAFETY: `Line` is `repr(C)` around 16 floats and has no padding (64 bytes, aligned to 64).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * 16) }
    }

    /// The values, to write.
    pub fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `values`, and the borrow is exclusive.
        unsafe {
            std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * 16)
        }
    }
}

/// Token vectors of one or more queries, transposed: dimension by dimension, tokens in lanes.
///
/// Lanes are cut into panels of one to three registers. A panel is `dim` rows of its lanes, one
/// after the other, so that the kernel reads it from front to back. Lanes beyond the last token
/// are zero.
#[derive(Debug, Clone)]
pub struct PackedQuery {
    pub(super) dim: usize,
    pub(super) lanes: usize,
    /// Lanes of a register at the level it was packed for.
    pub(super) width: usize,
    /// Registers of each panel.
    pub(super) panels: Vec<usize>,
    pub(super) units: AlignedBuffer,
    norms: AlignedBuffer,
}

impl PackedQuery {
    /// Packs rows `(tokens, dim)` and their norms for registers of `width` lanes.
    pub(super) fn new(units: &[f32], norms: &[f32], dim: usize, width: usize) -> Self {
        let registers = norms.len().div_ceil(width);
        let count = registers.div_ceil(3);
        let panels: Vec<usize> =
            (0..count).map(|i| registers / count + usize::from(i < registers % count)).collect();
        let lanes = registers * width;
        let mut packed = AlignedBuffer::default();
        packed.grow(dim * lanes);
        let mut first = 0;
        for &panel in &panels {
            let panel_lanes = panel * width;
            let to = &mut packed.values_mut()[first * dim..(first + panel_lanes) * dim];
            for lane in 0..panel_lanes.min(norms.len() - first) {
                let row = &units[(first + lane) * dim..][..dim];
                for (k, &x) in row.iter().enumerate() {
                    to[k * panel_lanes + lane] = x;
                }
            }
            first += panel_lanes;
        }
        let mut padded = AlignedBuffer::default();
        // One register more: a query's last register may start anywhere in its panel.
        padded.grow(lanes + width);
        padded.values_mut()[..norms.len()].copy_from_slice(norms);
        Self { dim, lanes, width, panels, units: packed, norms: padded }
    }

    /// Lanes in use, rounded up to whole registers: the row length of the dot products.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Norms of the tokens, one a lane, then zeros for at least one register.
    pub fn norms(&self) -> &[f32] {
        self.norms.values()
    }
}
