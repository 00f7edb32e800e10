//! Token vectors as the kernels take them: checked once, unit vectors and norms apart.

#![forbid(unsafe_code)]

use crate::error::{Error, Result};

/// Token vectors of several texts, one after the other, each as a unit vector and a norm.
///
/// Attention uses raw dot products and values use cosines, so both parts are kept. A value of
/// this type is valid by construction; kernels check nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenVectors {
    dim: usize,
    units: Vec<f32>,
    norms: Vec<f32>,
    offsets: Vec<usize>,
}

impl TokenVectors {
    /// Checks raw vectors and splits them into units and norms (computed in f64, stored in f32).
    ///
    /// `values` is row-major, `(tokens, dim)`; text `i` owns rows `offsets[i]..offsets[i + 1]`.
    ///
    /// # Errors
    /// [`Error::Input`] if shapes do not fit, a text has no token, or a vector is zero or not
    /// finite.
    pub fn new(values: &[f32], dim: usize, offsets: &[i64]) -> Result<Self> {
        let offsets = check_offsets(values, dim, offsets)?;
        let mut units = vec![0.0; values.len()];
        let mut norms = vec![0.0; values.len() / dim];
        let rows = values.chunks_exact(dim).zip(units.chunks_exact_mut(dim));
        for (row, ((value, unit), norm)) in rows.zip(&mut norms).enumerate() {
            let exact = value.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            *norm = exact as f32;
            if *norm <= 0.0 || !norm.is_finite() {
                let text = offsets.partition_point(|&o| o <= row) - 1;
                return Err(Error::input(format!(
                    "expected token vectors with a finite length above zero; token {} of text \
                     {text} has length {exact}: drop the token, or look for what made it",
                    row - offsets[text],
                )));
            }
            for (u, &x) in unit.iter_mut().zip(value) {
                *u = (f64::from(x) / exact) as f32;
            }
        }
        Ok(Self { dim, units, norms, offsets })
    }

    /// One token a text: the mean of its *raw* token vectors, computed in f64.
    ///
    /// A mean of zero has no direction: its unit vector and its norm are zero, so that it scores
    /// 0 against everything.
    ///
    /// # Errors
    /// [`Error::Input`] as [`TokenVectors::new`].
    pub fn pooled(values: &[f32], dim: usize, offsets: &[i64]) -> Result<Self> {
        let offsets = check_offsets(values, dim, offsets)?;
        let texts = offsets.len() - 1;
        let mut units = Vec::with_capacity(texts * dim);
        let mut norms = Vec::with_capacity(texts);
        let mut mean = vec![0.0_f64; dim];
        for text in 0..texts {
            mean.fill(0.0);
            for row in values[offsets[text] * dim..offsets[text + 1] * dim].chunks_exact(dim) {
                for (m, &x) in mean.iter_mut().zip(row) {
                    *m += f64::from(x);
                }
            }
            let tokens = (offsets[text + 1] - offsets[text]) as f64;
            let exact = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
            let norm = (exact / tokens) as f32;
            if !norm.is_finite() {
                return Err(Error::input(format!(
                    "expected finite token vectors; those of text {text} are not"
                )));
            }
            let scale = if norm > 0.0 { exact.recip() } else { 0.0 };
            units.extend(mean.iter().map(|x| (x * scale) as f32));
            norms.push(norm);
        }
        Ok(Self { dim, units, norms, offsets: (0..=texts).collect() })
    }

    /// One text from parts of another value of this type.
    #[cfg(test)]
    pub(crate) fn from_parts(units: &[f32], norms: &[f32], dim: usize) -> Self {
        let offsets = vec![0, norms.len()];
        Self { dim, units: units.to_vec(), norms: norms.to_vec(), offsets }
    }

    /// Makes one value of a unit vector what a damaged file may hold.
    #[cfg(test)]
    pub(crate) fn damage(&mut self, value: usize) {
        self.units[value] = f32::NAN;
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Width of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All unit vectors, row-major `(tokens, dim)`.
    pub fn units(&self) -> &[f32] {
        &self.units
    }

    /// All norms, `(tokens,)`.
    pub fn norms(&self) -> &[f32] {
        &self.norms
    }

    /// First token of each text, and the number of tokens last: `(texts + 1,)`.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Number of tokens of one text.
    pub fn tokens(&self, text: usize) -> usize {
        self.offsets[text + 1] - self.offsets[text]
    }

    /// Unit vectors and norms of one text.
    pub fn text(&self, text: usize) -> (&[f32], &[f32]) {
        let rows = self.offsets[text]..self.offsets[text + 1];
        (&self.units[rows.start * self.dim..rows.end * self.dim], &self.norms[rows])
    }
}

/// Offsets must start at 0, grow, and end at the number of rows.
fn check_offsets(values: &[f32], dim: usize, offsets: &[i64]) -> Result<Vec<usize>> {
    if dim == 0 || !values.len().is_multiple_of(dim) {
        return Err(Error::input(format!(
            "expected vectors of at least one dimension, got {} values in rows of {dim}",
            values.len(),
        )));
    }
    let rows = (values.len() / dim) as i64;
    if offsets.first() != Some(&0) || offsets.last() != Some(&rows) {
        return Err(Error::input(format!(
            "offsets must start at 0 and end at the number of tokens, {rows}; got {:?} and {:?}",
            offsets.first(),
            offsets.last(),
        )));
    }
    if let Some(text) = offsets.windows(2).position(|pair| pair[0] >= pair[1]) {
        return Err(Error::input(format!(
            "every text needs at least one token; offsets of text {text} are {} and {}",
            offsets[text],
            offsets[text + 1],
        )));
    }
    Ok(offsets.iter().map(|&o| o as usize).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_into_units_and_norms() {
        let tokens = TokenVectors::new(&[3.0, 4.0, 0.0, -2.0], 2, &[0, 1, 2]).unwrap();
        assert_eq!(tokens.units(), [0.6, 0.8, 0.0, -1.0]);
        assert_eq!(tokens.norms(), [5.0, 2.0]);
        assert_eq!(tokens.text(1), ([0.0, -1.0].as_slice(), [2.0].as_slice()));
    }

    #[test]
    fn pools_raw_vectors() {
        let pooled =
            TokenVectors::pooled(&[3.0, 0.0, 3.0, 8.0, 1.0, 0.0, -1.0, 0.0], 2, &[0, 2, 4]);
        let pooled = pooled.unwrap();
        assert_eq!(pooled.units(), [0.6, 0.8, 0.0, 0.0]);
        assert_eq!(pooled.norms(), [5.0, 0.0]);
        assert_eq!(pooled.offsets(), [0, 1, 2]);
    }

    #[test]
    fn huge_and_tiny_vectors_keep_their_direction() {
        for scale in [1e-38_f32, 1e37] {
            let tokens = TokenVectors::new(&[3.0 * scale, 4.0 * scale], 2, &[0, 1]).unwrap();
            assert!((tokens.units()[0] - 0.6).abs() < 1e-6, "{scale}: {:?}", tokens.units());
        }
    }

    #[test]
    fn refuses_what_has_no_direction() {
        for bad in [0.0, f32::NAN, f32::INFINITY] {
            let error = TokenVectors::new(&[1.0, 0.0, bad, 0.0], 2, &[0, 2]).unwrap_err();
            assert!(error.to_string().contains("token 1 of text 0"), "{error}");
        }
        for offsets in [&[][..], &[0], &[1, 2], &[0, 0, 2], &[0, 3], &[0, 2, 1, 2]] {
            assert!(TokenVectors::new(&[1.0, 0.0, 0.0, 1.0], 2, offsets).is_err(), "{offsets:?}");
        }
        assert!(TokenVectors::new(&[1.0; 3], 2, &[0, 1]).is_err());
        assert!(TokenVectors::new(&[], 0, &[0]).is_err());
    }
}
