//! Which instructions a call may use: asked once, forced by `UWE_SIMD` for tests.

use crate::error::{Error, Result};
use std::sync::OnceLock;

/// A set of instructions that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Portable float32 code for any processor.
    Scalar,
    /// x86-64 with AVX2, FMA and F16C: 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VNNI: 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 64-bit Arm: 4 lanes.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Level {
    /// Levels that this build has and this processor runs, the slowest first.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("popcnt")
            {
                levels.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
                {
                    levels.push(Self::Avx512);
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        levels.push(Self::Neon);
        levels
    }

    /// The level of this process: the fastest, or what `UWE_SIMD` names. Asked once.
    ///
    /// # Errors
    /// [`Error::Input`] if `UWE_SIMD` names a level that is unknown or not available here.
    pub fn active() -> Result<Self> {
        static ACTIVE: OnceLock<std::result::Result<Level, String>> = OnceLock::new();
        ACTIVE
            .get_or_init(|| match std::env::var_os("UWE_SIMD") {
                Some(name) if !name.is_empty() => Self::parse(&name.to_string_lossy()),
                _ => Ok(*Self::available().last().unwrap_or(&Self::Scalar)),
            })
            .clone()
            .map_err(Error::Input)
    }

    fn parse(name: &str) -> std::result::Result<Self, String> {
        let available = Self::available();
        available.iter().copied().find(|level| level.name() == name).ok_or_else(|| {
            let names: Vec<_> = available.iter().map(|level| level.name()).collect();
            format!(
                "UWE_SIMD={name}: expected a SIMD level that this processor and this build have \
                 ({}); unset UWE_SIMD to take the fastest",
                names.join(", ")
            )
        })
    }

    /// As `UWE_SIMD` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for level in Level::available() {
            assert_eq!(Level::parse(level.name()), Ok(level));
        }
    }

    #[test]
    fn an_unknown_level_lists_what_there_is() {
        let message = Level::parse("mmx").unwrap_err();
        assert!(message.contains("UWE_SIMD=mmx") && message.contains("scalar"), "{message}");
    }
}
