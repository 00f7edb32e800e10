//! All scores of some queries: every target that takes part, by blocks of queries and chunks of targets.

use super::executor::{Executor, threads};
use super::tile::{QueryBlock, Question, Scratch};
use super::top_k::{Hit, TopK};
use crate::error::Result;
use std::ops::Range;

/// Targets of a chunk: what one task scores.
const CHUNK: usize = 256;

/// Target texts of average length between two questions whether to stop, over all threads: some
/// hundred milliseconds for full blocks of queries.
const WAVE: usize = 64 * CHUNK;

/// Tokens of an average label; longer texts make a wave shorter.
const LABEL_TOKENS: usize = 8;

/// Runs `work` for every block of some queries and every chunk of targets, and hands what comes of it, in
/// order, to `merge` on the calling thread.
///
/// # Errors
/// [`Error::Interrupted`](crate::error::Error::Interrupted) if the caller asked to stop.
pub(super) fn scan<T: Send>(
    question: &Question,
    queries: Vec<usize>,
    executor: &Executor,
    work: impl Fn(&QueryBlock, Range<usize>, &mut Scratch) -> T + Sync,
    mut merge: impl FnMut(&QueryBlock, usize, T),
) -> Result<()> {
    let blocks = QueryBlock::all(question.kernels, question.queries, queries);
    let starts = (0..question.len()).step_by(CHUNK);
    let tasks: Vec<(&QueryBlock, usize)> =
        blocks.iter().flat_map(|block| starts.clone().map(move |start| (block, start))).collect();
    let run = |&(block, start): &(&QueryBlock, usize), scratch: &mut Scratch| {
        work(block, start..question.len().min(start + CHUNK), scratch)
    };
    executor.waves(tasks.chunks(wave(question)), |wave| {
        for (&(block, start), part) in wave.iter().zip(executor.each(wave, run)) {
            merge(block, start, part);
        }
        Ok(())
    })
}

/// Tasks of a wave: at least one a thread.
fn wave(question: &Question) -> usize {
    let targets = question.targets;
    let tokens: usize = targets.texts.iter().map(|text| text.tokens as usize).sum();
    let of_a_target = tokens.div_ceil(targets.len().max(1)).max(1);
    (WAVE * LABEL_TOKENS / CHUNK / of_a_target).clamp(1, WAVE / CHUNK).max(threads())
}

/// Room for the best `k` of each of so many queries.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) where there is no memory for it.
pub(super) fn room(question: &Question, queries: usize, k: usize) -> Result<Vec<TopK>> {
    (0..queries).map(|_| TopK::with_room(k, question.len())).collect()
}

/// The best `k` of all scores of some queries, in ascending order: what every other way to find them is
/// held to.
///
/// # Errors
/// As [`room`] and [`scan`].
pub(super) fn top_k(
    question: &Question,
    queries: &[usize],
    k: usize,
    executor: &Executor,
) -> Result<Vec<Vec<Hit>>> {
    let mut best = room(question, queries.len(), k)?;
    scan(
        question,
        queries.to_vec(),
        executor,
        |block, positions, scratch| {
            let mut part = vec![TopK::new(k); block.len()];
            question.score(block, positions, scratch, |target| {
                let index = question.target(target.position);
                for (query, part) in part.iter_mut().enumerate() {
                    let (score, text) = (target.scores[query], target.texts[query]);
                    part.push(Hit { target: index, score, text });
                }
            });
            part
        },
        |block, _, part| {
            for (query, part) in block.queries.iter().zip(part) {
                let place = queries.partition_point(|other| other < query);
                best[place].absorb(part);
            }
        },
    )?;
    Ok(best.into_iter().map(TopK::finish).collect())
}
