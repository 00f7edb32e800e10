//! Which score is computed.

use crate::error::{Error, Result};
use crate::simd::Attention;

/// A scorer and its temperature, checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scorer {
    kind: Kind,
    temperature: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tokens(Attention),
    Pooled,
}

impl Scorer {
    /// Names as they are spelled everywhere.
    pub const NAMES: [&'static str; 5] = ["soft_target", "soft_query", "soft", "max", "pooled"];

    /// A scorer by name; `temperature` is ignored by `max` and `pooled`.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown name, or a temperature outside `1e-30..=1e30`.
    pub fn new(name: &str, temperature: f64) -> Result<Self> {
        let kind = match name {
            "soft_target" => Kind::Tokens(Attention::Target),
            "soft_query" => Kind::Tokens(Attention::Query),
            "soft" => Kind::Tokens(Attention::Both),
            "max" => Kind::Tokens(Attention::Max),
            "pooled" => Kind::Pooled,
            _ => {
                return Err(Error::input(format!(
                    "expected a scorer, one of {}, got '{name}'",
                    Self::NAMES.join(", "),
                )));
            }
        };
        let soft = !matches!(kind, Kind::Pooled | Kind::Tokens(Attention::Max));
        // Beyond, a logit or its reciprocal leaves float32 while the product of norms is still in it.
        if soft && !(1e-30..=1e30).contains(&temperature) {
            return Err(Error::input(format!(
                "scorer {name} needs a temperature above zero (1e-30 to 1e30), got {temperature}",
            )));
        }
        Ok(Self { kind, temperature: if soft { temperature } else { 1.0 } })
    }

    /// Whether it compares pooled vectors, one a text, rather than all tokens.
    pub fn is_pooled(self) -> bool {
        self.kind == Kind::Pooled
    }

    /// The attention over tokens. Pooled vectors are single tokens, whose only cosine every
    /// attention returns.
    pub fn attention(self) -> Attention {
        match self.kind {
            Kind::Tokens(attention) => attention,
            Kind::Pooled => Attention::Max,
        }
    }

    /// Temperature of the attention.
    pub fn temperature(self) -> f64 {
        self.temperature
    }
}
