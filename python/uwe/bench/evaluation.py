"""`uwe.evaluate`: models on tasks, queries streaming past targets that were encoded once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.bench.adapters.resolve import bench_model
from uwe.bench.contamination import Auditor
from uwe.bench.machine import machine, peak_bytes, versions
from uwe.bench.model import BenchModel, EncoderModel, Scoring, TaskModel, checked_scorings
from uwe.bench.results import (
    METRICS,
    Entry,
    HardQuery,
    ModelRecord,
    RankedTarget,
    Results,
    TaskRecord,
)
from uwe.bench.space import PreparedSpace, Relevant, prepared
from uwe.bench.statistics import bootstrap
from uwe.bench.tasks import PAIRWISE, Task, chosen_splits
from uwe.bench.trec import new_run, write_qrels
from uwe.checks import flag, natural, path_of, positive
from uwe.data.layout import TaskSplit, data_folder
from uwe.encoder.truncation import Truncations, gathered
from uwe.errors import InputError, shown
from uwe.graphs.graph import folded
from uwe.metrics import checked_metrics
from uwe.progress import Progress, check_progress, reporting
from uwe.scorer import Scorer

_WHOLE = 64
"""Queries all of whose scores are held at once."""
_HARDEST, _SHOWN = 10, 5
"""How many hard queries a result describes, and how many targets of each."""


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
        progress: True for a bar on standard error if that is a terminal, or a callable that takes
            (done, total): texts of targets, and queries times ways to score.
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
        raise InputError(
            f"expected keep to be a callable, or None, got {shown(keep)}: leave it out"
        )
    parts = [
        _part(task, task.read(path, split), limit, seed, aliases=aliases)
        for task, path, split in chosen_splits(tasks, splits, data)
    ]
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

    groups = _by_space(parts, of_one_task=isinstance(chosen, TaskModel))
    work = sum(len(part.chosen) for part in parts) * max(1, len(scorings))
    work += sum(group[0].texts for group in groups)
    with reporting(progress, work, f"Evaluating {chosen.name}") as report:
        run = _Run(
            model=chosen,
            metrics=names,
            seed=seed,
            runs=runs,
            depth=depth,
            auditor=Auditor(_folder_or_none(data)),
            report=report,
        )
        for group in groups:
            with prepared(
                chosen,
                group[0].data.task.targets,
                group[0].aliases,
                scorings,
                lambda encoded: report(run.done + encoded),
                (group[0].task.query, group[0].task.target),
                names=group[0].task.names,
            ) as space:
                run.done += group[0].texts
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
                f"{model.name} scores by itself: expected no scorer, got {shown(scorer)}: leave it "
                "out"
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
class _Part:
    """A split to evaluate: which of its queries, with which other texts of targets."""

    task: Task
    data: TaskSplit
    chosen: list[int]  # which of its queries, ascending
    aliases: list[list[str]] | None  # other texts of targets that score too; None for labels alone
    record: TaskRecord  # what the results say of it

    @property
    def texts(self) -> int:
        """How many texts its targets have."""
        return self.record.targets + self.record.aliases


def _part(task: Task, data: TaskSplit, limit: int | None, seed: int, *, aliases: bool) -> _Part:
    aliases = aliases or task.names
    available = len(data.task.queries)
    chosen = list(range(available))
    if limit is not None and limit < available:
        drawn = np.random.default_rng(seed).choice(available, limit, replace=False)
        chosen = np.sort(drawn).tolist()
    relevant = [data.task.relevant[i] for i in chosen]
    if not any(relevant):
        raise InputError(
            f"{task.name}/{data.split}: none of the {limit} drawn queries has a relevant target: "
            "raise the limit, or take another seed"
        )
    others = sum(map(len, data.aliases)) if aliases else 0
    notes = list(data.notes)
    if aliases:
        notes += _notes_on_names(task, data, chosen, others)
    if len(chosen) < available:
        notes.append(f"a sample of {len(chosen):,} of {available:,} queries (seed {seed})")
    record = TaskRecord(
        name=task.name,
        split=data.split,
        paper=task.paper,
        substitute=task.substitute,
        space=task.space,
        measures=task.measures,
        licence=task.licence,
        deviations=task.deviations,
        notes=tuple(notes),
        seals=data.seals(),
        queries=len(chosen),
        available=available,
        left_out=sum(not row for row in relevant),
        targets=len(data.task.targets),
        aliases=others,
        pairs=sum(map(len, relevant)),
        query_words=tuple(len(data.task.queries[i].split()) for i in chosen),
        seed=seed if len(chosen) < available else None,
    )
    return _Part(task, data, chosen, data.aliases if others else None, record)


def _notes_on_names(
    task: Task, data: TaskSplit, chosen: Sequence[int], others: int
) -> Iterator[str]:
    """What a reader has to know of figures with other texts of targets, `others` in number."""
    if not others:
        yield "its targets have no aliases: labels alone were scored"
    else:
        extra = ": not a task of WorkRB" if task.paper else ""
        yield f"{others:,} aliases were scored as texts of their targets{extra}"
    if not (others or task.names):
        return
    found = sum(_is_text_of(data, query) for query in chosen)
    if task.names:
        # Said also where there is none: without it such a figure cannot be judged.
        names = {folded(text) for texts in (data.task.targets, *data.aliases) for text in texts}
        literal = sum(folded(data.task.queries[query]) in names for query in chosen)
        yield (
            f"{literal:,} of {len(chosen):,} queries are, but for case, a name of the space, "
            f"{found:,} of these a name of an accepted answer: they are looked up, which flatters"
        )
    elif found:
        yield (
            "queries that are themselves a text of a relevant target, which makes it a lookup: "
            f"{found:,}"
        )


def _is_text_of(data: TaskSplit, query: int) -> bool:
    """Whether a query is a label or an alias of a target relevant to it."""
    text = folded(data.task.queries[query])
    return any(
        text == folded(other)
        for target in data.task.relevant[query]
        for other in (data.task.targets[target], *data.aliases[target])
    )


def _by_space(parts: Sequence[_Part], *, of_one_task: bool) -> list[list[_Part]]:
    """Splits with the same target texts, ranked alike, together: these are encoded once.

    With `of_one_task`, their queries and targets have to be of the same sort, too.
    """
    groups: dict[tuple[Any, ...], list[_Part]] = {}
    for part in parts:
        sorts = (part.task.query, part.task.target) if of_one_task else None
        others = tuple(map(tuple, part.aliases or ()))
        key = (tuple(part.data.task.targets), others, sorts, part.task.names)
        groups.setdefault(key, []).append(part)
    return list(groups.values())


@dataclass
class _Run:
    """What goes from split to split: what is wanted of each, and how much is done."""

    model: BenchModel
    metrics: tuple[str, ...]
    seed: int
    runs: Path | None
    depth: int
    auditor: Auditor
    report: Callable[[int], object]
    done: int = 0

    def advance(self, number: int) -> None:
        """So many more queries are scored, in one of the ways to score."""
        self.done += number
        self.report(self.done)


def _evaluated(space: PreparedSpace, part: _Part, run: _Run) -> list[Entry]:
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
            truncated=len(cuts.cut),
            seconds={**seconds, "score": scored[name]},
            tied=tied,
            traps=_trap_ranks(space, part, name),
        )
        names = (*run.metrics, PAIRWISE) if entry.traps else run.metrics
        values = entry.values(names)
        intervals = bootstrap(values, seed=run.seed)
        with gathered(Truncations()):  # cuts are counted, and these queries were
            worst = _hardest(space, part, relevant, ranks[name], values[0], name)
        metrics = dict(zip(names, intervals, strict=True))
        entries.append(replace(entry, metrics=metrics, hardest=worst))
    return entries


def _trap_ranks(space: PreparedSpace, part: _Part, name: str) -> tuple[int, ...]:
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
    space: PreparedSpace, part: _Part, relevant: Relevant, cuts: Truncations, run: _Run
) -> dict[str, NDArray[np.int64]]:
    """Ranks of all relevant targets, by scoring; runs are written on the way."""
    task = part.data.task
    ranks: dict[str, list[NDArray[np.int64]]] = {name: [] for name in space.scorings}
    with ExitStack() as stack:
        writers = {}
        if run.runs is not None:
            split = part.record.key.replace("/", ".")
            write_qrels(run.runs, split, task, part.chosen)
            for name in space.scorings:
                label = f"{split}.{run.model.name} {name}".strip()
                writers[name] = stack.enter_context(new_run(run.runs, label, task))
        for start in range(0, len(part.chosen), space.block):
            end = min(start + space.block, len(part.chosen))
            rows = part.chosen[start:end]
            block = [task.queries[row] for row in rows]
            with gathered(cuts):
                for name, found in space.ranks(block, *relevant.block(start, end)):
                    ranks[name].append(found)
                    run.advance(len(rows))
            for name, add in writers.items():
                add(rows, *space.top(block, name, run.depth))
    return {name: np.concatenate(found) for name, found in ranks.items()}


def _hardest(
    space: PreparedSpace,
    part: _Part,
    relevant: Relevant,
    ranks: NDArray[np.int64],
    precision: NDArray[np.float64],
    scoring: str,
) -> tuple[HardQuery, ...]:
    """`Entry.hardest`, by the average precision of each query: NaN where it has no answer."""
    order = np.argsort(precision, kind="stable")[:_HARDEST]  # NaN last
    worst = [int(i) for i in order if np.isfinite(precision[i])]
    task = part.data.task
    rows = [part.chosen[i] for i in worst]
    queries = [task.queries[row] for row in rows]
    indices, scores = space.top(queries, scoring, _SHOWN)
    found: list[HardQuery] = []
    for number, (place, row) in enumerate(zip(worst, rows, strict=True)):
        of_query = slice(*relevant.offsets[place : place + 2].tolist())
        pairs = sorted(zip(ranks[of_query].tolist(), relevant.indices[of_query], strict=True))
        ranked: list[RankedTarget] = [
            {
                "label": task.targets[target],
                "score": score,
                "relevant": target in task.relevant[row],
                "words": space.words(queries[number], target, scoring),
            }
            for target, score in zip(indices[number].tolist(), scores[number].tolist(), strict=True)
        ]
        found.append(
            {
                "id": task.query_ids[row],
                "query": queries[number],
                "AP": float(precision[place]),
                "answers": len(pairs),
                "relevant": [
                    {"label": task.targets[target], "rank": rank} for rank, target in pairs[:_SHOWN]
                ],
                "ranked": ranked,
            }
        )
    return tuple(found)


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
