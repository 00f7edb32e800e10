//! Scores held against a mark: counted, or kept. The counts are plain loops, which the compiler turns
//! into a level's registers.

use super::vector::Vector;

/// Scores that a counter of 32 bits takes in before it is added up.
const COUNTED: usize = 1 << 20;

/// How many of `scores` are above `mark`, and how many are at least that.
#[inline(always)]
pub(super) fn count_above(scores: &[f32], mark: f32) -> (usize, usize) {
    let mut count = (0, 0);
    for block in scores.chunks(COUNTED) {
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

/// Copies the scores that are at least `floor`, in their order; returns how many, and whether each
/// score is a number at all. What follows the kept ones is of no meaning. Asks for the memory of as
/// many scores again behind those read, where the next row of a block lies.
///
/// # Safety
/// As [`Vector`]. Both are `len` values; they may be the same ones.
#[inline(always)]
pub(super) unsafe fn keep_from<V: Vector>(
    floor: f32,
    from: *const f32,
    to: *mut f32,
    len: usize,
) -> (usize, bool) {
    let whole = len / V::LANES * V::LANES;
    let (mut kept, mut numbers) = (0, true);
    // SAFETY: registers from `at` on end within `len`, and `kept` is never beyond `at`: so what is
    // written lies within `len` too, and, where both are the same, has been read before.
    unsafe {
        let floors = V::splat(floor);
        let mut ordered = u32::MAX;
        for at in (0..whole).step_by(V::LANES) {
            V::prefetch(from.wrapping_add(at + len));
            let scores = V::load(from.add(at));
            ordered &= scores.at_least(scores);
            let bits = scores.at_least(floors);
            scores.compact(bits).store(to.add(kept));
            kept += bits.count_ones() as usize;
        }
        numbers &= whole == 0 || ordered == V::splat(0.0).at_least(V::splat(0.0));
        for at in whole..len {
            let score = *from.add(at);
            numbers &= !score.is_nan();
            *to.add(kept) = score;
            kept += usize::from(score >= floor);
        }
    }
    (kept, numbers)
}
