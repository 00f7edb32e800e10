//! What each level's registers do: floats (`Vector`) and bytes (`Bytes`), one file a level.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod generic;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;

/// Bytes between what is computed and what is asked for from memory: codes are read from front to
/// back, across pages.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 4096;
