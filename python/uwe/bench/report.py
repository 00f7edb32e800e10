"""Results as sections of tables: what the terminal, the page and the Markdown show alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe.bench.figures import FRONT, entries_of, figure_table, figure_tables, measured_tasks
from uwe.bench.means import means
from uwe.bench.results import METRICS, Entry, HardQuery, Results, TaskRecord, read_results
from uwe.bench.tables import Figure, Section, Table, page, to_markdown
from uwe.errors import InputError

REGIMES = {
    "clean": "no training edge comes from what made the task, and at most 5 % of its pairs from "
    "elsewhere",
    "held-out": "such edges were used, its own pairs left out: at most 0.1 % are among them",
    "seen": "answers of the task were in training",
    "undeclared": "what the model was trained on is not said, or not at hand to be counted",
}
"""What each regime means."""

_SEEN = (
    "What a model had seen of a task, by counting the task's pairs of query and target in its "
    "training files."
)
_PARTS = ("encode targets", "encode queries", "score")
_HARDEST, _WORDS = 5, 3
_GROUPS = ("1", "2–3", "4–7", "8–15", "16–31", "32–63", "64–127", "128+")


@dataclass(frozen=True)
class Report:
    """Everything that a page shows."""

    title: str
    runs: tuple[Results, ...]  # each file's, as machines and times differ
    results: Results  # all of them in one

    @property
    def lead(self) -> str:
        """What it holds."""
        found = self.results
        return (
            f"Models: {', '.join(found.models)}; splits of tasks: {len(found.tasks)}; measured "
            f"with uwe {found.uwe} on {found.created[:10]}. Figures are per cent, with 95 % "
            "bootstrap intervals over queries; the best of a task is marked if all of it is of "
            "one regime."
        )

    def to_html(self) -> str:
        """The text of the page; the same report gives the same text."""
        return page(self.title, self.lead, self.sections())

    def to_markdown(self) -> str:
        """The same sections as Markdown."""
        return to_markdown(self.title, self.lead, self.sections())

    def sections(self) -> list[Section]:
        """All that a page shows, in its order."""
        results = self.results
        return [
            *summary(results),
            Section("All metrics", (figure_table(results, _metrics(results)),)),
            *_breakdowns(results),
            *_hardest(results),
            Section("Time", (_times(results),)),
            Section("Provenance", tuple(_provenance(self))),
        ]


def read_report(paths: Sequence[str | Path], *, title: str = "WorkBench") -> Report:
    """Read files of `uwe bench run` for one report; they fit together as `Results.joined` says."""
    runs: list[Results] = []
    results: Results | None = None
    for path in paths:
        runs.append(read_results(path))
        try:
            results = runs[-1] if results is None else results.joined(runs[-1])
        except InputError as error:
            raise InputError(f"{os.fspath(path)}: {error}") from None
    if results is None or not results.entries:
        raise InputError("expected results of  uwe bench run  with figures, got none")
    return Report(title=title, runs=tuple(runs), results=results)


def summary(results: Results) -> list[Section]:
    """What a terminal shows too: figures, means, what qualifies them, and what models had seen."""
    found = [Section("Figures", figure_tables(results))]
    if rows := [_mean_row(mean) for mean in means(results)]:
        header = ("model", "split", "regime", "mean of", *FRONT)
        found.append(
            Section("Means", (Table(header, tuple(rows), 4), "Never over two regimes or splits."))
        )
    notes = [
        f"{record.key}: {'; '.join(_notes(results, record))}" for record in measured_tasks(results)
    ]
    found.append(Section("Tasks", (notes,)))
    found.append(
        Section(
            "Regimes",
            (
                _SEEN,
                _reasons(results),
                [f"{name}: {meaning}" for name, meaning in REGIMES.items()],
            ),
        )
    )
    return found


def _metrics(results: Results) -> tuple[str, ...]:
    """All metrics that any entry has, the usual ones first."""
    found = dict.fromkeys(name for entry in results.entries for name in entry.metrics)
    return tuple([m for m in METRICS if m in found] + [m for m in found if m not in METRICS])


def _mean_row(mean: Any) -> tuple[str, ...]:
    figures = (f"{100 * mean.metrics[m]:.1f}" if m in mean.metrics else "–" for m in FRONT)
    return (mean.label, mean.split, mean.regime, mean.title, *figures)


def _notes(results: Results, record: TaskRecord) -> list[str]:
    """What one has to know to read the figures of a split."""
    found = [record.measures, f"{record.space}, {record.pairs:,} relevant pairs"]
    if record.left_out:
        found.append(f"{record.left_out:,} queries have no relevant target: no mean counts them")
    if record.substitute:
        found.append("only stands in for the paper's task")
    found += record.deviations
    found += record.notes
    entries = entries_of(results, record.key)
    # A model cuts for all its scorers alike.
    for model, cut in {entry.model: entry.truncated for entry in entries}.items():
        if cut:
            found.append(f"{model} reads only the beginning of {cut:,} queries")
    found += [
        f"queries for which {entry.label} scores all targets the same, so that their order ranks "
        f"them: {entry.tied:,}"
        for entry in entries
        if entry.tied
    ]
    return [*found, record.licence or "no licence stated"]


def _reasons(results: Results) -> list[str]:
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for entry in results.entries:
        reason = (entry.model, entry.regime.name, entry.regime.reason)
        found.setdefault(reason, {})[entry.task] = None
    return [
        f"{model} is {regime} on {', '.join(keys)}: {why}"
        for (model, regime, why), keys in found.items()
    ]


def _breakdowns(results: Results) -> list[Section]:
    """Where a mean comes from: MAP by kinds of queries and targets, for splits with two or more."""
    kinds: tuple[tuple[str, str, Callable[[Entry], tuple[ArrayLike, ArrayLike]]], ...] = (
        (
            "By how often a target is relevant",
            "Mean precision at the rank of each relevant pair, by how many queries share a target.",
            _pairs,
        ),
        (
            "By number of answers",
            "MAP by how many relevant targets a query has.",
            lambda entry: (entry.values(["MAP"])[0], [len(ranks) for ranks in entry.ranks]),
        ),
        (
            "By length of queries",
            "MAP by how many words a query has.",
            lambda e: (e.values(["MAP"])[0], results.tasks[e.task].query_words),
        ),
    )
    sections = []
    for title, text, values in kinds:
        rows: list[tuple[str | Figure, ...]] = []
        for record in measured_tasks(results):
            found = {e.label: by_group(*values(e)) for e in entries_of(results, record.key)}
            counts = next(iter(found.values()))[1]
            if np.count_nonzero(counts) < 2:
                continue
            rows.append((record.key, "number", *(f"{n:,}" if n else "" for n in counts.tolist())))
            for label, (sums, _) in found.items():
                cells = (
                    f"{100 * s / n:.1f}" if n else "" for s, n in zip(sums, counts, strict=True)
                )
                rows.append((record.key, label, *cells))
        if rows:
            table = Table(("task/split", "model", *_GROUPS), tuple(rows), 2)
            sections.append(Section(title, (Section(text, (table,), folded=True),)))
    return sections


def by_group(values: ArrayLike, sizes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum and number of values by group of size: 1, 2 to 3, 4 to 7, up to 128 and more.

    `values`, (n,), are float64, and NaN is left out; `sizes`, (n,), are integers from 1. Both
    results are (8,).
    """
    found, of = (np.asarray(a, dtype=np.float64) for a in (values, sizes))
    counted = np.isfinite(found)
    groups = np.log2(np.maximum(of[counted], 1)).astype(np.int64).clip(max=len(_GROUPS) - 1)
    return (
        np.bincount(groups, found[counted], len(_GROUPS)).astype(np.float64),
        np.bincount(groups, minlength=len(_GROUPS)).astype(np.int64),
    )


def _pairs(entry: Entry) -> tuple[ArrayLike, ArrayLike]:
    # Of ascending ranks, the i-th has i relevant targets at or above it.
    places = [i / rank for ranks in entry.ranks for i, rank in enumerate(ranks, 1)]
    return places, [number for row in entry.frequencies for number in row]


def _hardest(results: Results) -> list[Section]:
    """Of each split the queries with the lowest average precision, model by model."""
    tasks = []
    for record in measured_tasks(results):
        models = tuple(
            Section(
                f"{entry.label}, {entry.regime.name}",
                tuple(_query(query) for query in entry.hardest[:_HARDEST]),
                folded=True,
            )
            for entry in entries_of(results, record.key)
            if entry.hardest
        )
        if models:
            tasks.append(Section(record.key, models, folded=True))
    if not tasks:
        return []
    text = (
        "Of each task those with the lowest average precision: what should have come first, with "
        "its rank, and what came first instead, with the words that earned most of the score."
    )
    return [Section("Hardest queries", (text, *tasks))]


def _query(query: HardQuery) -> Section:
    rows = []
    for number, target in enumerate(query["ranked"], 1):
        words = sorted(target["words"] or (), key=lambda pair: -pair[1])[:_WORDS]
        shares = ", ".join(f"{word} {100 * share:.0f} %" for word, share in words)
        relevant = "relevant" if target["relevant"] else ""
        rows.append((f"{number:,}", target["label"], relevant, shares))
    first = [f"{target['rank']:,}: {target['label']}" for target in query["relevant"]]
    more = query["answers"] - len(first)
    return Section(
        f"{query['query']} (AP {100 * query['AP']:.1f})",
        (
            [*first, *([f"and {more:,} more"] if more > 0 else [])],
            Table(("rank", "came first", "", "words"), tuple(rows)),
        ),
    )


def _times(results: Results) -> Table:
    """Seconds by part; a target space is encoded once for all splits and scorers that share it."""
    rows = [
        (
            record.key,
            entry.label,
            *(f"{entry.seconds[p]:,.2f}" if p in entry.seconds else "–" for p in _PARTS),
            f"{sum(entry.seconds.values()):,.2f}",
        )
        for record in measured_tasks(results)
        for entry in entries_of(results, record.key)
    ]
    return Table(("task/split", "model", *(f"{p}, s" for p in _PARTS), "sum"), tuple(rows), 2)


def _provenance(report: Report) -> list[Section]:
    """Of each model, run and split what makes its figures repeatable."""
    found = []
    for model in report.results.models.values():
        trained = [f"{source.name} {source.sha256}" for source in model.trained_on] or [
            "states nothing"
        ]
        facts = [("kind", model.kind), ("source", model.source)]
        facts += [("fingerprint", model.fingerprint or "not known")]
        facts += [("trained on", text) for text in trained]
        found.append((f"Model {model.name}", facts))
    for run in report.runs:
        limit = "none" if run.limit is None else f"at most {run.limit:,} queries of a split"
        facts = [
            ("uwe", run.uwe),
            ("packages", ", ".join(f"{name} {version}" for name, version in run.versions.items())),
            *((name, _fact(name, value)) for name, value in run.machine.items()),
            ("seed", str(run.seed)),
            ("limit", limit),
            ("wall time", f"{run.seconds:,.1f} s"),
            ("peak memory", f"{run.peak_bytes / 1e6:,.0f} MB"),
        ]
        found.append((f"Run of {run.created}", facts))
    found += [(f"Data of {r.key}", list(r.seals.items())) for r in measured_tasks(report.results)]
    return [
        Section(name, ([f"{fact}: {value}" for fact, value in facts if value],), folded=True)
        for name, facts in found
    ]


def _fact(name: str, value: Any) -> str:
    return f"{value / 1e9:,.1f} GB" if name == "memory" and type(value) is int else str(value)
