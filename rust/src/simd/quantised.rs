//! A token vector as whole numbers, what they lose of it, and every constant of the proof that bounds
//! hold. Names and numbers in brackets are those of `docs/method.md`.

#![forbid(unsafe_code)]

/// Components of a block, half of which is what the level with 16 bits sums in them (14). A basis has a
/// multiple of as many.
pub const BLOCK: usize = 32;

/// Components whose codes lie together: four of one text, then four of the next.
pub const CHUNK: usize = 4;

/// `δ` (2): rows of a basis are orthonormal up to this; no Gram matrix of theirs minus one has a larger
/// sum of squares, rooted.
pub const DELTA: f64 = 1e-5;

/// `L_y` (8): the length of `ŷ` beyond its error, of units in half precision and in bytes too.
pub const TARGET_LENGTH: f32 = 1.002;

/// `L_q` (9): the length of a query's unit vector, with its rounding.
pub const QUERY_LENGTH: f32 = 1.000_001;

/// How much longer units in half precision make `ρ` (4).
const HALF_PRECISION: f64 = 1.001;

/// The error (5) of a unit that is stored as bytes, whose codes times its scale are rounded: by `2^-24` of
/// its length, at most.
pub const STORED_ERROR: f32 = f32::EPSILON;

/// The error of a row beyond a text's end (10): below every bound of a cosine.
pub const NO_TOKEN: f32 = -3.0;

/// Added to a target's codes, which are stored as bytes without sign (13).
pub const OFFSET: i32 = 128;

/// `γ` (3): the largest error of a computed coefficient of a unit vector, as of a cosine (`simd::dots`).
fn gamma(dim: usize) -> f64 {
    (132.0 + dim as f64 / 128.0) * f64::from(f32::EPSILON) / 2.0
}

/// The margin (11): how far a computed score may lie above the exact one of its vectors, and a computed
/// bound below its own; `tokens` are those of the query and of the target.
pub fn margin(dim: usize, tokens: f32) -> f32 {
    (1024.0 + dim as f32 / 64.0 + 4.0 * tokens) * f32::EPSILON / 2.0
}

/// What codes are held to, so that sums of their products fit (12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest absolute value of a code.
    pub range: i32,
    /// Largest sum of squares of half a block: of the first two of every four dimensions of it, or of
    /// the others.
    pub energy: i32,
}

impl Limits {
    /// Of a target's codes, the same at every level (12).
    pub const TARGET: Self = Self { range: 127, energy: 256 * 256 };

    /// Of a query's, where products are added in 32 bits.
    pub const QUERY: Self = Self { range: 127, energy: i32::MAX };

    /// Of a query's, where they are added in 16 bits: beyond `2 · 255 · 64` pairs saturate (13), and what
    /// the sum of half a block stands for is at most `256 · 127 < 2^15` (14).
    pub const QUERY_16_BITS: Self = Self { range: 64, energy: 127 * 127 };

    /// Of a query's that meets stored bytes, whatever these are, where products are added in 16 bits: what
    /// the sum of half a block stands for is at most `512 · 63 < 2^15` (15).
    pub const QUERY_OF_BYTES_16_BITS: Self = Self { range: 63, energy: 63 * 63 };

    /// What a query's codes are held to where they meet bytes as they are stored, if this is what they are
    /// held to where they meet a screen's.
    #[must_use]
    pub fn of_bytes(self) -> Self {
        if self == Self::QUERY_16_BITS { Self::QUERY_OF_BYTES_16_BITS } else { self }
    }

    /// The smallest scale found with which `values` over it round to codes within the limits, and
    /// those codes. Zeros have the scale zero.
    pub fn quantise(self, values: &[f32]) -> (Vec<i8>, f32) {
        let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let mut scale = largest / self.range as f32;
        let mut codes = Vec::with_capacity(values.len());
        loop {
            codes.clear();
            // A scale below the normal numbers has no reciprocal.
            let inverse = if scale < f32::MIN_POSITIVE { 0.0 } else { scale.recip() };
            let code = |value: &f32| (value * inverse).round().clamp(-127.0, 127.0) as i8;
            codes.extend(values.iter().map(code));
            let most = codes.chunks(BLOCK).flat_map(energies).max().unwrap_or(0);
            if most <= self.energy {
                return (codes, if inverse > 0.0 { scale } else { 0.0 });
            }
            scale *= (most as f32 / self.energy as f32).sqrt().max(1.001);
        }
    }
}

/// Sums of squares of both halves of a block.
fn energies(block: &[i8]) -> [i32; 2] {
    let mut energies = [0; 2];
    for four in block.chunks(CHUNK) {
        for (k, &code) in four.iter().enumerate() {
            energies[k / 2] += i32::from(code) * i32::from(code);
        }
    }
    energies
}

/// A unit vector's coefficients on a basis as codes times a scale, and what these lose of it, at least.
#[derive(Debug, Clone, Default)]
pub struct Quantised {
    /// `(components,)`
    pub codes: Vec<i8>,
    /// What a code is multiplied by.
    pub scale: f32,
    /// Length of what was rounded off: `e` (5) of a target, `f` (7) of a query.
    pub error: f32,
    /// `o` (6), of either: length of what lies outside the span of the basis.
    pub residual_norm: f32,
}

impl Quantised {
    /// A target's token, from its unit vector and the computed coefficients.
    pub fn target(unit: &[f32], coefficients: &[f32]) -> Self {
        Self::new(Limits::TARGET, unit, coefficients, HALF_PRECISION, |rounded, rho| {
            (rounded + rho) * (1.0 + DELTA) + 1.001 * DELTA
        })
    }

    /// A query's token, the same way; its `limits` are those of the level.
    pub fn query(limits: Limits, unit: &[f32], coefficients: &[f32]) -> Self {
        Self::new(limits, unit, coefficients, 1.0, |rounded, rho| rounded + rho)
    }

    fn new(
        limits: Limits,
        unit: &[f32],
        coefficients: &[f32],
        longest: f64,
        error: impl Fn(f64, f64) -> f64,
    ) -> Self {
        let (codes, scale) = limits.quantise(coefficients);
        let rho = longest * gamma(unit.len()) * (coefficients.len() as f64).sqrt();
        let square = |x: f64| x * x;
        let length: f64 = unit.iter().map(|&x| square(f64::from(x))).sum();
        let held: f64 = coefficients.iter().map(|&x| square(f64::from(x))).sum();
        let rounded: f64 = coefficients
            .iter()
            .zip(&codes)
            .map(|(&x, &code)| square(f64::from(x) - f64::from(scale) * f64::from(code)))
            .sum();
        let inside = (held.sqrt() - rho).max(0.0);
        let outside = (length - inside * inside * (1.0 - DELTA)).max(0.0).sqrt();
        let error = error(rounded.sqrt(), rho);
        Self { codes, scale, error: upwards(error), residual_norm: upwards(outside) }
    }

    /// What a bound's kernel multiplies a target's scaled sum, error and residual norm by, and what it
    /// adds (10). For tokens of a query.
    pub(super) fn terms(&self) -> [f32; 4] {
        let of_error = QUERY_LENGTH + self.error;
        [self.scale, of_error, self.residual_norm, TARGET_LENGTH * self.error]
    }
}

/// To single precision, never down.
fn upwards(value: f64) -> f32 {
    (value * (1.0 + 2.0 * f64::from(f32::EPSILON))) as f32
}
