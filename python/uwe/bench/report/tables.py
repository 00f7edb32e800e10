"""The tables of a report, as values that the page and the Markdown print alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uwe.bench.report.content import Report
from uwe.bench.results import Entry, Interval, Regime, TaskRecord

__all__ = [
    "Figure",
    "Line",
    "ScorerTable",
    "TaskLines",
    "figure",
    "headline",
    "metric_lines",
    "percent",
    "sample_mark",
    "scorer_tables",
]


@dataclass(frozen=True)
class Figure:
    """A mean with its interval, in per cent, and whether it is the best it is compared with."""

    mean: str
    interval: str
    best: bool = False


@dataclass(frozen=True)
class Line:
    """Figures of one model with one scorer on one split."""

    label: str
    model: str
    scorer: str
    regime: Regime
    figures: tuple[Figure, ...]
    truncated: int


@dataclass(frozen=True)
class TaskLines:
    """Lines of one split; None where something was not evaluated on it."""

    record: TaskRecord
    lines: tuple[Line | None, ...]


@dataclass(frozen=True)
class ScorerTable:
    """All scorers of one model, on each split."""

    model: str
    scorers: tuple[str, ...]
    tasks: tuple[TaskLines, ...]


def percent(value: float) -> str:
    """`0.1234` as `12.3`; a dash for what is no number."""
    return f"{value * 100:.1f}" if np.isfinite(value) else "–"


def figure(interval: Interval | None, best: bool = False) -> Figure:
    """A mean and its interval as texts; a dash where there is none."""
    if interval is None:
        return Figure("–", "")
    ends = (interval.low, interval.high)
    between = "–".join(map(percent, ends)) if np.isfinite(ends).all() else ""
    return Figure(percent(interval.mean), between, best)


def sample_mark(record: TaskRecord) -> str:
    """`sample of 200 of 13,492`; empty where all queries were evaluated."""
    if record.queries >= record.available:
        return ""
    return f"sample of {record.queries:,} of {record.available:,}"


def headline(report: Report) -> list[TaskLines]:
    """MAP and RP@10 of each shown model and scorer on each split."""
    return [_lines(report, record, report.shown, report.front) for record in report.tasks]


def metric_lines(report: Report) -> list[TaskLines]:
    """Every metric of every model and scorer on each split."""
    return [_lines(report, record, report.labels, report.metrics) for record in report.tasks]


def scorer_tables(report: Report) -> list[ScorerTable]:
    """For each model with several scorers, MAP and RP@10 of all of them."""
    found = []
    for model in dict.fromkeys(entry.model for entry in report.results.entries):
        own = [e for e in report.results.entries if e.model == model]
        scorers = tuple(dict.fromkeys(entry.scorer for entry in own))
        labels = list(dict.fromkeys(entry.label for entry in own))
        tasks = {entry.task for entry in own}
        if len(scorers) > 1:
            found.append(
                ScorerTable(
                    model=model,
                    scorers=scorers,
                    tasks=tuple(
                        _lines(report, record, labels, report.front)
                        for record in report.tasks
                        if record.key in tasks
                    ),
                )
            )
    return found


def _lines(
    report: Report, record: TaskRecord, labels: Sequence[str], metrics: Sequence[str]
) -> TaskLines:
    entries = report.of_task(record.key, labels)
    best = {(metric, entry.label) for metric in metrics for entry in _best(entries, metric)}
    lines = {
        entry.label: Line(
            label=entry.label,
            model=entry.model,
            scorer=entry.scorer,
            regime=entry.regime,
            figures=tuple(
                figure(entry.metrics.get(metric), (metric, entry.label) in best)
                for metric in metrics
            ),
            truncated=entry.truncated,
        )
        for entry in entries
    }
    return TaskLines(record=record, lines=tuple(lines.get(label) for label in labels))


def _best(entries: Sequence[Entry], metric: str) -> list[Entry]:
    """The best of a row; none where nothing differs from it, or where it has several regimes.

    Beside a greater figure of another regime, a mark would hold up the smaller one.
    """
    known = [e for e in entries if metric in e.metrics and np.isfinite(e.metrics[metric].mean)]
    means = [entry.metrics[metric].mean for entry in known]
    if len(set(means)) < 2 or len({entry.regime.name for entry in known}) > 1:
        return []
    return [e for e, mean in zip(known, means, strict=True) if mean == max(means)]
