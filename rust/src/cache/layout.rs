//! Names of the tensors of a data file, for those who write it and those who read it.

/// Names of the tensors of token vectors: units, scales, norms.
pub(super) const UNITS: [&str; 3] = ["units", "unit_scales", "norms"];

/// The same of pooled vectors.
pub(super) const POOLED: [&str; 3] = ["pooled", "pooled_scales", "pooled_norms"];

/// Axes, lanes, values and codes of a screen.
pub(super) const SCREEN_AXES: &str = "screen_axes";
pub(super) const SCREEN_TEXTS: &str = "screen_texts";
pub(super) const SCREEN_VALUES: &str = "screen_values";
pub(super) const SCREEN_CODES: &str = "screen_codes";

/// Name of the tensor with a column's JSON values.
pub(super) fn column_bytes(name: &str) -> String {
    format!("metadata.{name}.bytes")
}

/// Name of the tensor with the offsets of a column's JSON values.
pub(super) fn column_offsets(name: &str) -> String {
    format!("metadata.{name}.offsets")
}
