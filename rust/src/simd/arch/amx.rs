//! AMX: dot products of bytes by tiles, 16 tokens of queries against 16 texts at once. Floats are those of
//! AVX-512.
//!
//! There are no stable intrinsics for tiles. A function compiled without AMX neither uses them nor knows of
//! them, so what one instruction leaves in them the next one finds, though no rule of the language says so.
//! The chunks of a group lie as a tile wants them: four codes of a text, then four of the next.

use super::AHEAD;
use super::avx512::Avx512;
use crate::simd::bytes::Bytes;
use crate::simd::codes::{BoundQueries, GROUP};
use crate::simd::quantised::CHUNK;
use std::arch::asm;
use std::arch::x86_64::{
    __cpuid_count, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi32, _mm512_cvtepi32_ps,
    _mm512_loadu_si512, _mm512_set1_epi32,
};

/// Bytes from a chunk of a group's row to the next, and from a token's cells to the next token's.
const STRIDE: usize = CHUNK * GROUP;

/// Whether the processor has AMX for bytes, and Linux lets this process use it: it is asked to, from which
/// on signals need larger stacks.
pub(in crate::simd) fn available() -> bool {
    const TILES_AND_BYTES: u32 = 0b11 << 24;
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: processors with AVX-512 have this leaf.
    #[allow(unused_unsafe, reason = "safe from Rust 1.94 on")]
    let has = unsafe { __cpuid_count(7, 0) }.edx & TILES_AND_BYTES == TILES_AND_BYTES;
    // SAFETY: the call changes nothing but what this process may use, and fails where it is not known.
    has && unsafe {
        libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0
    }
}

/// Rows and bytes of a row of each tile, as `ldtilecfg` reads them.
#[repr(C, align(64))]
struct Tiles {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Bytes for Avx512<true> {
    const PANEL: usize = 16;
    /// Bytes of a tile's row.
    const WINDOW: usize = 64;

    /// Tiles 0 to 3 have the sums of two panels by 16 texts and 16 texts, 4 and 5 the codes of the
    /// panels, 6 and 7 those of the texts.
    #[inline(always)]
    unsafe fn begin(queries: &BoundQueries) {
        let (tokens, wide) = (queries.panel as u8, queries.components.min(Self::WINDOW) as u16);
        let chunks = wide as u8 / CHUNK as u8;
        let mut tiles = Tiles {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        tiles.row_bytes[..8].copy_from_slice(&[64, 64, 64, 64, wide, wide, 64, 64]);
        tiles.rows[..6].fill(tokens);
        tiles.rows[6..8].fill(chunks);
        // SAFETY: the level has tiles, a panel 1 to 16 tokens and a window at most 64 components.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const tiles, options(nostack, readonly)) }
    }

    #[inline(always)]
    unsafe fn end() {
        // SAFETY: the level has tiles.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }

    /// Two panels at a time: four tiles of sums that do not wait for each other.
    #[inline(always)]
    unsafe fn row(queries: &BoundQueries, codes: *const u8, cells: *mut f32) {
        let (components, panels) = (queries.components, queries.panels());
        let wide = components.min(Self::WINDOW);
        let tokens = queries.codes.as_ptr().cast::<u8>();
        let panel = queries.codes.len() * CHUNK / panels;
        let store = |to: *mut f32, number: usize| {
            // SAFETY: the caller has 32 cells for each token of each panel.
            unsafe { to.add(number * queries.panel * GROUP) }
        };
        // SAFETY: tiles are as `begin` says; the caller has the codes of each of 32 texts, the queries
        // theirs in windows, which overlap where the components are no multiple of one.
        unsafe {
            for first in (0..panels).step_by(2) {
                let two = first + 1 < panels;
                asm!("tilezero tmm0", "tilezero tmm1", options(nostack, nomem));
                if two {
                    asm!("tilezero tmm2", "tilezero tmm3", options(nostack, nomem));
                }
                for window in 0..components.div_ceil(wide) {
                    let tokens = tokens.add(first * panel + window * queries.panel * wide);
                    let codes = codes.add((window * wide).min(components - wide) * GROUP);
                    // Few tokens wait for memory, many for tiles.
                    if panels == 1 {
                        for line in (0..wide * GROUP).step_by(64) {
                            _mm_prefetch::<_MM_HINT_T0>(codes.wrapping_add(AHEAD + line).cast());
                        }
                    }
                    asm!(
                        "tileloadd tmm6, [{codes} + {stride}]",
                        "tileloadd tmm7, [{codes} + {stride} + 64]",
                        "tileloadd tmm4, [{tokens} + {wide}]",
                        "tdpbsud tmm0, tmm4, tmm6",
                        "tdpbsud tmm1, tmm4, tmm7",
                        codes = in(reg) codes,
                        stride = in(reg) STRIDE,
                        tokens = in(reg) tokens,
                        wide = in(reg) wide,
                        options(nostack, readonly),
                    );
                    if two {
                        asm!(
                            "tileloadd tmm5, [{tokens} + {wide}]",
                            "tdpbsud tmm2, tmm5, tmm6",
                            "tdpbsud tmm3, tmm5, tmm7",
                            tokens = in(reg) tokens.add(panel),
                            wide = in(reg) wide,
                            options(nostack, readonly),
                        );
                    }
                }
                asm!(
                    "tilestored [{cells} + {stride}], tmm0",
                    "tilestored [{cells} + {stride} + 64], tmm1",
                    cells = in(reg) store(cells, first),
                    stride = in(reg) STRIDE,
                    options(nostack),
                );
                if two {
                    asm!(
                        "tilestored [{cells} + {stride}], tmm2",
                        "tilestored [{cells} + {stride} + 64], tmm3",
                        cells = in(reg) store(cells, first + 1),
                        stride = in(reg) STRIDE,
                        options(nostack),
                    );
                }
            }
        }
    }

    /// The sums as they were stored, whole numbers.
    #[inline(always)]
    unsafe fn load_sums(from: *const f32, offset: i32) -> Self {
        // SAFETY: the caller has 16 values, whatever they are.
        unsafe {
            let sums = _mm512_loadu_si512(from.cast());
            let sums = _mm512_add_epi32(sums, _mm512_set1_epi32(offset));
            Self(_mm512_cvtepi32_ps(sums))
        }
    }
}
