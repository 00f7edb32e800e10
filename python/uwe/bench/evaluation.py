"""`uwe.evaluate`: models on tasks, queries streaming past targets that were encoded once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.bench.adapters.resolve import bench_model
from uwe.bench.hardest import hardest
from uwe.bench.intervals import bootstrap
from uwe.bench.machine import machine, peak_bytes, versions
from uwe.bench.model import BenchModel, EncoderModel, TaskModel
from uwe.bench.plan import Part, by_space, planned
from uwe.bench.progress import Reporter, progress_of
from uwe.bench.regimes import Auditor
from uwe.bench.results import METRICS, PAIRWISE, Entry, ModelRecord, Results
from uwe.bench.scoring import Scoring, checked_scorings
from uwe.bench.space import PreparedSpace, Relevant, prepared
from uwe.bench.trec import RunWriter, write_qrels
from uwe.checks import flag, natural, path_of, positive
from uwe.data.layout import data_folder
from uwe.encoder.truncation import Truncations, gathered
from uwe.errors import InputError
from uwe.metrics import checked_metrics
from uwe.progress import Progress, check_progress
from uwe.scorer import Scorer

__all__ = ["evaluate"]

_WHOLE = 64
"""Queries all of whose scores are held at once."""


def evaluate(
    model: object,
    *,
    tasks: str | Path | Sequence[str | Path] = "all",
    splits: str | Sequence[str] = "all",
    data: str | Path | None = None,
    scorer: Scorer | Scoring | str | Sequence[Scorer | Scoring | str] | None = None,
    metrics: str | Sequence[str] = METRICS,
    aliases: bool = False,
    limit: int | None = None,
    seed: int = 0,
    runs: str | Path | None = None,
    depth: int = 100,
    progress: Progress = False,
    keep: Callable[[Results], object] | None = None,
) -> Results:
    """Evaluate a model on ranking tasks: MAP, RP@10 and others, with intervals and regimes.

    Targets are encoded once for each target space, queries stream through the core in blocks; the
    matrix of all scores never exists.

    Args:
        model: What `uwe.load` gives; `uwe-mini`, a model folder or a hub id; `bm25`, `tfidf` or
            `sentence-transformers:FOLDER` (extra `bench`); a model object of sentence-transformers
            or WorkRB; anything with `encode(texts)`, or such a function.
        tasks: `all` for every task of WorkBench that the data folder has, `typed` for every task of
            what people type, `probes` for small cases by category; names out of `uwe bench tasks`,
            or paths of task folders and of files of probe cases.
        splits: `all`, or names such as `val` and `test`. Of all tasks, those without one are passed
            over; a task that was named must have one.
        data: The data folder; None takes the environment variable UWE_DATA.
        scorer: One or several, such as `Scorer("soft", temperature=0.5)`, `"soft:0.5"`, or
            `"soft_query:0.5/pooled"` against pooled targets; `"all"` compares all. None takes the
            model's own. Models that score by themselves have none.
        metrics: `MAP`, `MRR`, or `RP@k`, `nDCG@k`, `recall@k`, `hit@k` with a number for k.
        aliases: Whether targets' other texts are scored too, where a task folder has them: a
            target scores as the best of its texts.
        limit: Most queries of a split, drawn at random by `seed`; None takes all.
        seed: Of that draw and of the bootstrap.
        runs: A folder for runs and judgements in TREC form and JSON lines; None writes none.
        depth: How many targets of each query those runs hold.
        progress: True for a bar on standard error if that is a terminal, lines otherwise; or a
            callable that takes (done, total): queries times ways to score.
        keep: Called after each target space with the results so far, which an interruption or an
            error would lose: `keep=lambda results: results.save("result.json")`.

    Returns:
        Figures with 95 % intervals (10,000 bootstraps over queries), per-query ranks, and what
        the figures depend on.

    Raises:
        InputError: If an argument is wrong, or a model gives no usable scores or vectors.
        DataError: If a task is missing or malformed; with its path and line.
        ModelError: If the model cannot be loaded.
        MissingExtraError: If the model needs the extra `bench`.
    """
    started = time.perf_counter()
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    chosen = bench_model(model)
    scorings = _scorings(chosen, scorer)
    wanted = checked_metrics([metrics] if isinstance(metrics, str) else metrics)
    names = tuple(dict.fromkeys(("MAP", *wanted)))
    depth, seed = positive("depth", depth), natural("seed", seed)
    if limit is not None:
        limit = positive("limit", limit)
    aliases = flag("aliases", aliases)
    check_progress(progress)
    if keep is not None and not callable(keep):
        raise InputError(f"expected keep to be a callable, or None, got {keep!r}: leave it out")
    parts = planned(tasks, splits, data, limit=limit, seed=seed, aliases=aliases)
    if runs is not None:
        runs = path_of("runs", runs)
        if runs.exists() and not runs.is_dir():
            raise InputError(f"{runs}: expected a folder for runs, got a file: name another")
        runs.mkdir(parents=True, exist_ok=True)  # what cannot be made is told before the work
    entries: list[Entry] = []

    def results() -> Results:
        done = {entry.task for entry in entries}
        return Results(
            created=created,
            uwe=metadata.version("uwe"),
            versions=versions(),
            machine=machine(),
            seed=seed,
            limit=limit,
            seconds=time.perf_counter() - started,
            peak_bytes=peak_bytes(),
            models={chosen.name: ModelRecord.of(chosen)},
            tasks={part.record.key: part.record for part in parts if part.record.key in done},
            entries=tuple(entries),
        )

    work = sum(len(part.chosen) for part in parts) * max(1, len(scorings))
    with progress_of(progress, chosen.name, work) as bar:
        run = _Run(
            model=chosen,
            metrics=names,
            seed=seed,
            runs=runs,
            depth=depth,
            bar=bar,
            auditor=Auditor(_folder_or_none(data)),
        )
        for group in by_space(parts, of_one_task=isinstance(chosen, TaskModel)):
            first = group[0]
            aka = first.data.aliases if first.aliases else None
            sorts = (first.task.query, first.task.target)
            labels = first.data.task.targets
            bar.say(f"encoding {len(labels):,} targets")
            with prepared(
                chosen, labels, aka, scorings, bar.encoded, sorts, names=first.task.names
            ) as space:
                for part in group:
                    entries += _evaluated(space, part, run)
            if keep is not None:
                keep(results())
    return results()


def _scorings(model: BenchModel, scorer: Any) -> tuple[Scoring, ...]:
    """How an encoder's vectors are compared; none for a model that scores by itself."""
    if not isinstance(model, EncoderModel):
        if scorer is not None:
            raise InputError(
                f"{model.name} scores by itself: expected no scorer, got {scorer!r}: leave it out"
            )
        return ()
    scorings = checked_scorings(scorer, model.scorer)
    others = [s for s in scorings if s.scorer.name != "pooled"]
    if model.one_vector and others:
        raise InputError(
            f"{model.name} gives one vector a text, for which only the scorer 'pooled' differs "
            f"from none: got {others[0]}: leave it out"
        )
    return scorings


@dataclass(frozen=True)
class _Run:
    """What stays the same from split to split."""

    model: BenchModel
    metrics: tuple[str, ...]
    seed: int
    runs: Path | None
    depth: int
    bar: Reporter
    auditor: Auditor


def _evaluated(space: PreparedSpace, part: Part, run: _Run) -> list[Entry]:
    """The entries of one split, one for each scoring."""
    task = part.data.task
    relevant = Relevant([task.relevant[i] for i in part.chosen])
    encoded, scored = space.seconds["encode queries"], dict(space.score_seconds)
    tied = space.tied
    cuts = Truncations()
    ranks = _ranked(space, part, relevant, cuts, run)
    tied = None if space.tied is None else space.tied - (tied or 0)
    seconds = {
        "encode targets": space.seconds["encode targets"],
        "encode queries": space.seconds["encode queries"] - encoded,
    }
    scored = {n: space.score_seconds[n] - scored.get(n, 0.0) for n in space.scorings}
    counts = np.bincount(relevant.indices, minlength=len(task.targets))
    regime = run.auditor.regime(run.model, part.task, part.data)
    entries = []
    for name in space.scorings:
        by_query, frequencies = _rows(relevant, ranks[name], counts[relevant.indices])
        entry = Entry(
            model=run.model.name,
            scorer=name,
            task=part.record.key,
            regime=regime,
            metrics={},
            ranks=by_query,
            frequencies=frequencies,
            truncated=cuts.cut,
            seconds={**seconds, "score": scored[name]},
            tied=tied,
            traps=_trap_ranks(space, part, name),
        )
        names = (*run.metrics, PAIRWISE) if entry.traps else run.metrics
        values = entry.values(names)
        intervals = bootstrap(values, seed=run.seed)
        with gathered(Truncations()):  # cuts are counted, and these queries were
            worst = hardest(space, part.data, part.chosen, relevant, ranks[name], values[0], name)
        metrics = dict(zip(names, intervals, strict=True))
        entry = replace(entry, metrics=metrics, hardest=worst)
        entries.append(entry)
        run.bar.finished(entry)
    return entries


def _trap_ranks(space: PreparedSpace, part: Part, name: str) -> tuple[int, ...]:
    """`Entry.traps`, by score: the order of equal ones, such as a word count's 0, says nothing."""
    if not part.data.traps:
        return ()
    found = []
    for start in range(0, len(part.chosen), _WHOLE):
        rows = part.chosen[start : start + _WHOLE]
        queries = [part.data.task.queries[row] for row in rows]
        with gathered(Truncations()):  # cuts are counted, and these queries were
            block = space.scores(queries, name)
        for row, scores in zip(rows, block, strict=True):
            best = scores[list(part.data.traps[row])].max()
            found.append(1 + int((scores > best).sum()))
    return tuple(found)


def _ranked(
    space: PreparedSpace, part: Part, relevant: Relevant, cuts: Truncations, run: _Run
) -> dict[str, NDArray[np.int64]]:
    """Ranks of all relevant targets, by scoring; runs are written on the way."""
    task, queries = part.data.task, part.queries
    ranks: dict[str, list[NDArray[np.int64]]] = {name: [] for name in space.scorings}
    with ExitStack() as stack:
        writers: dict[str, RunWriter] = {}
        ids = [task.query_ids[i] for i in part.chosen]
        if run.runs is not None:
            split = part.record.key.replace("/", ".")
            rows = [task.relevant[i] for i in part.chosen]
            write_qrels(run.runs, split, ids, rows, task.target_ids)
            for name in space.scorings:
                label = f"{split}.{run.model.name} {name}".strip()
                writers[name] = stack.enter_context(RunWriter(run.runs, label))
        for start in range(0, len(queries), space.block):
            end = min(start + space.block, len(queries))
            block = queries[start:end]
            with gathered(cuts):
                for name, found in space.ranks(block, *relevant.block(start, end)):
                    ranks[name].append(found)
                    run.bar.done(part.record.key, end - start)
            for name, writer in writers.items():
                indices, scores = space.top(block, name, run.depth)
                judged = [bool(task.relevant[i]) for i in part.chosen[start:end]]
                writer.add(ids[start:end], indices, scores, task.target_ids, judged=judged)
    return {name: np.concatenate(found) for name, found in ranks.items()}


def _rows(
    relevant: Relevant, ranks: NDArray[np.int64], frequencies: NDArray[np.int64]
) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """Ranks and frequencies query by query, each query's in the order of its ranks."""
    lengths = np.diff(relevant.offsets)
    order = np.lexsort((ranks, np.repeat(np.arange(len(lengths)), lengths)))
    by_query, of_targets = (
        tuple(tuple(row.tolist()) for row in np.split(values[order], relevant.offsets[1:-1]))
        for values in (ranks, frequencies)
    )
    return by_query, of_targets


def _folder_or_none(data: str | Path | None) -> Path | None:
    try:
        return data_folder(data)
    except InputError:
        if data is not None:
            raise
        return None
