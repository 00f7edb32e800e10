//! What a data file holds: name, element and shape of every tensor, for those who write it and those who
//! read it.

use super::manifest::{Dtype, Tokens};
use crate::simd::codes::GROUP;
use safetensors::tensor::Dtype as Element;

/// Unit vectors, which start at a cache line.
pub(super) const UNITS: &str = "units";

/// A screen's first tensor, which stands for all.
pub(super) const SCREEN: &str = "screen_axes";

/// Which tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(usize);

impl Slot {
    pub(super) const NORMS: Self = Self(0);
    pub(super) const SCALES: Self = Self(1);
    pub(super) const SCREEN_BASIS: Self = Self(2);
    pub(super) const SCREEN_TEXTS: Self = Self(3);
    pub(super) const SCREEN_VALUES: Self = Self(4);
    pub(super) const POOLED_NORMS: Self = Self(5);
    pub(super) const POOLED_SCALES: Self = Self(6);
    pub(super) const SCREEN_CODES: Self = Self(7);
    pub(super) const UNITS: Self = Self(8);
    pub(super) const POOLED: Self = Self(9);
    pub(super) const TEXT_ROWS: Self = Self(10);
    pub(super) const TARGET_TEXTS: Self = Self(11);

    /// Labels and aliases, one after the other; ids; JSON values of a metadata column.
    pub(super) const TEXTS: Self = Self(12);
    pub(super) const IDS: Self = Self(14);
    pub(super) const fn column(column: usize) -> Self {
        Self(16 + 2 * column)
    }

    /// Of its file while it is written: a column's name may not be one.
    pub(super) fn name(self) -> String {
        format!("tensor-{}", self.0)
    }

    /// Where each of some strings starts.
    pub(super) const fn offsets(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Name, element and shape of a tensor; a size that is not known is none.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub(super) slot: Slot,
    pub(super) name: String,
    pub(super) element: Element,
    pub(super) shape: Vec<Option<usize>>,
}

/// What the tensors of a file depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes<'a> {
    pub(super) dtype: Dtype,
    pub(super) tokens: Tokens,
    pub(super) columns: &'a [String],
    pub(super) dim: usize,
    pub(super) targets: usize,
    pub(super) texts: usize,
    pub(super) rows: usize,
    /// Components, lanes and rows of the screen, if there is one.
    pub(super) screen: Option<[Option<usize>; 3]>,
}

impl Sizes<'_> {
    /// All tensors in the order of the file: what must be aligned first, wider elements first; codes are
    /// whole cache lines, so that units after them start at one too.
    pub(super) fn tensors(&self) -> Vec<Tensor> {
        let (dim, element) = (Some(self.dim), self.dtype.element());
        let (targets, texts, rows) = (self.targets, Some(self.texts), Some(self.rows));
        let (scales, pooled) = (self.dtype == Dtype::Int8, self.tokens == Tokens::All);
        let screen = self.screen.is_some();
        let [components, lanes, group_rows] = self.screen.unwrap_or_default();
        let mut tensors = Vec::new();
        let mut add = |there: bool, slot, name: &str, element, shape: &[Option<usize>]| {
            if there {
                let (name, shape) = (name.to_owned(), shape.to_vec());
                tensors.push(Tensor { slot, name, element, shape });
            }
        };
        let values = [group_rows, Some(3), Some(GROUP)];
        let codes = [group_rows, components, Some(GROUP)];
        add(true, Slot::NORMS, "norms", Element::F32, &[rows]);
        add(scales, Slot::SCALES, "unit_scales", Element::F32, &[rows]);
        add(screen, Slot::SCREEN_BASIS, SCREEN, Element::F32, &[components, dim]);
        add(screen, Slot::SCREEN_TEXTS, "screen_texts", Element::U32, &[lanes]);
        add(screen, Slot::SCREEN_VALUES, "screen_values", Element::F32, &values);
        add(pooled, Slot::POOLED_NORMS, "pooled_norms", Element::F32, &[texts]);
        add(pooled && scales, Slot::POOLED_SCALES, "pooled_scales", Element::F32, &[texts]);
        add(screen, Slot::SCREEN_CODES, "screen_codes", Element::U8, &codes);
        add(true, Slot::UNITS, UNITS, element, &[rows, dim]);
        add(pooled, Slot::POOLED, "pooled", element, &[texts, dim]);
        add(true, Slot::TEXT_ROWS, "text_rows", Element::I64, &[Some(self.texts + 1)]);
        add(true, Slot::TARGET_TEXTS, "target_texts", Element::I64, &[Some(targets + 1)]);
        let mut strings = vec![
            (Slot::TEXTS, "text_bytes".to_owned(), "text_offsets".to_owned(), self.texts),
            (Slot::IDS, "id_bytes".to_owned(), "id_offsets".to_owned(), targets),
        ];
        strings.extend(self.columns.iter().enumerate().map(|(i, name)| {
            let of = |part| format!("metadata.{name}.{part}");
            (Slot::column(i), of("bytes"), of("offsets"), targets)
        }));
        for (slot, _, offsets, count) in &strings {
            add(true, slot.offsets(), offsets, Element::I64, &[Some(count + 1)]);
        }
        for (slot, bytes, _, _) in &strings {
            add(true, *slot, bytes, Element::U8, &[None]);
        }
        tensors
    }
}

/// A value for each tensor that is there.
#[derive(Debug)]
pub(super) struct Slots<T>(Vec<Option<T>>);

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn set(&mut self, slot: Slot, value: T) -> &mut T {
        if self.0.len() <= slot.0 {
            self.0.resize_with(slot.0 + 1, || None);
        }
        self.0[slot.0].insert(value)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        self.0.get(slot.0)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.0.get_mut(slot.0)?.as_mut()
    }
}
