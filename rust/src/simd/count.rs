//! Scores held against a mark: counted, or kept. The counts are plain loops, which the compiler turns
//! into a level's registers.

use super::vector::Vector;

/// Scores that a counter of 32 bits takes in before it is added up.
const BLOCK: usize = 1 << 20;

/// How many of `scores` are above `mark`, and how many are at least that.
#[inline(always)]
pub(super) fn count_above(scores: &[f32], mark: f32) -> (usize, usize) {
    let mut count = (0, 0);
    for block in scores.chunks(BLOCK) {
        // Lanes of 32 bits, as wide as a score: no conversion in the loop.
        let (mut above, mut at_least) = (0_u32, 0_u32);
        for &score in block {
            above += u32::from(score > mark);
            at_least += u32::from(score >= mark);
        }
        count = (count.0 + above as usize, count.1 + at_least as usize);
    }
    count
}

/// Whether one of `scores` is NaN.
#[inline(always)]
pub(super) fn has_nan(scores: &[f32]) -> bool {
    scores
        .chunks(BLOCK)
        .any(|block| block.iter().map(|score| u32::from(score.is_nan())).sum::<u32>() > 0)
}

/// Copies the scores that are at least `floor`, in their order; returns how many. What follows them
/// is of no meaning.
///
/// # Safety
/// As [`Vector`]. Both are `len` values; they may be the same ones.
#[inline(always)]
pub(super) unsafe fn keep_from<V: Vector>(
    floor: f32,
    from: *const f32,
    to: *mut f32,
    len: usize,
) -> usize {
    let whole = len / V::LANES * V::LANES;
    let mut kept = 0;
    // SAFETY: registers from `at` on end within `len`, and `kept` is never beyond `at`: so what is
    // written lies within `len` too, and, where both are the same, has been read before.
    unsafe {
        for at in (0..whole).step_by(V::LANES) {
            let scores = V::load(from.add(at));
            let bits = scores.at_least(V::splat(floor));
            scores.compact(bits).store(to.add(kept));
            kept += bits.count_ones() as usize;
        }
        for at in whole..len {
            let score = *from.add(at);
            *to.add(kept) = score;
            kept += usize::from(score >= floor);
        }
    }
    kept
}
