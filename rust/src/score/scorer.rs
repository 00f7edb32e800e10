//! Which score is computed.

use crate::error::{Error, Result};
use crate::simd::Attention;

/// A scorer and its numbers, checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scorer {
    kind: Kind,
    temperature: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    SoftTarget,
    SoftQuery,
    /// Both axes: as much of one as of the other, or by the query's length.
    Soft {
        pivot: Option<f64>,
    },
    Max,
    Pooled,
}

impl Scorer {
    /// Names as they are spelled everywhere.
    pub const NAMES: [&'static str; 5] = ["soft_target", "soft_query", "soft", "max", "pooled"];

    /// A scorer by name; `temperature` is ignored by `max` and `pooled`.
    ///
    /// `soft` with a `pivot` weighs its axes by the query's length: a query of as many tokens as the
    /// pivot says has them weigh the same.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown name, a temperature outside `1e-30..=1e30`, a pivot outside
    /// `0..=1e30`, or one that is given to another scorer.
    pub fn new(name: &str, temperature: f64, pivot: Option<f64>) -> Result<Self> {
        let kind = match name {
            "soft_target" => Kind::SoftTarget,
            "soft_query" => Kind::SoftQuery,
            "soft" => Kind::Soft { pivot },
            "max" => Kind::Max,
            "pooled" => Kind::Pooled,
            _ => {
                return Err(Error::input(format!(
                    "expected a scorer, one of {}, got '{name}'",
                    Self::NAMES.join(", "),
                )));
            }
        };
        if let Some(pivot) = pivot {
            if !matches!(kind, Kind::Soft { .. }) {
                return Err(Error::input(format!(
                    "scorer {name} has one axis and no pivot, got {pivot}: leave it out",
                )));
            }
            if !(0.0..=1e30).contains(&pivot) {
                return Err(Error::input(format!(
                    "expected a pivot of 0 or more tokens (up to 1e30), got {pivot}",
                )));
            }
        }
        let soft = !matches!(kind, Kind::Pooled | Kind::Max);
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

    /// How a query of so many tokens and a target attend. Pooled vectors are single tokens, whose only
    /// cosine every attention returns.
    pub fn attention(self, query_tokens: usize) -> Attention {
        match self.kind {
            Kind::SoftTarget => Attention::Target,
            Kind::SoftQuery => Attention::Query,
            Kind::Soft { pivot: None } => Attention::Both { by_query: 0.5 },
            Kind::Soft { pivot: Some(pivot) } => {
                let tokens = query_tokens as f64;
                Attention::Both { by_query: tokens / (tokens + pivot) }
            }
            Kind::Max | Kind::Pooled => Attention::Max,
        }
    }

    /// Temperature of the attention.
    pub fn temperature(self) -> f64 {
        self.temperature
    }
}
