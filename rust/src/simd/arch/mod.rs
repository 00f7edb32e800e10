//! What each level's registers do: floats (`Vector`) and bytes (`Bytes`), one file a level.

/// The operations of a register, each unsafe as `Vector` says, and inlined into functions of its level.
macro_rules! inlined {
    ($(fn $name:ident($($arguments:tt)*) $(-> $result:ty)? { $($body:tt)* })*) => {
        $(
            #[inline(always)]
            #[allow(unused_unsafe, clippy::undocumented_unsafe_blocks, reason = "the trait's contract")]
            unsafe fn $name($($arguments)*) $(-> $result)? {
                unsafe { $($body)* }
            }
        )*
    };
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) mod amx;
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
