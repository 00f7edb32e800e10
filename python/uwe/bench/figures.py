"""Figures of results as tables: a line for each split of a task, model and scorer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from uwe.bench.tables import Figure, Table
from uwe.bench.tasks import PAIRWISE, TASKS

if TYPE_CHECKING:
    from uwe.bench.results import Entry, Results, TaskRecord


FRONT = ("MAP", "RP@10")
"""The metrics of WorkBench."""


def figure_tables(results: Results) -> tuple[Table, ...]:
    """The metrics that tasks are read by, in one table for all tasks that share them."""
    groups: dict[tuple[str, ...], list[TaskRecord]] = {}
    for record in measured_tasks(results):
        groups.setdefault(_shown(results, record), []).append(record)
    return tuple(figure_table(results, names, records) for names, records in groups.items())


def measured_tasks(results: Results) -> list[TaskRecord]:
    """Splits in the order of the table of tasks; a user's own follow."""
    order = {task.name: number for number, task in enumerate(TASKS)}
    measured = dict.fromkeys(entry.task for entry in results.entries)
    records = [results.tasks[key] for key in results.tasks if key in measured]
    return sorted(records, key=lambda record: order.get(record.name, len(order)))


def entries_of(results: Results, key: str) -> list[Entry]:
    """The entries of one split."""
    return [entry for entry in results.entries if entry.task == key]


def _shown(results: Results, record: TaskRecord) -> tuple[str, ...]:
    """The metrics that a task is read by, or what was asked for where these were not measured."""
    measured = next(iter(entries_of(results, record.key))).metrics
    of_cases = (PAIRWISE, "hit@1", "hit@10") if PAIRWISE in measured else FRONT
    wanted = next((task.shown for task in TASKS if task.name == record.name), ()) or of_cases
    if set(wanted) - {PAIRWISE} <= set(measured):
        return wanted
    return tuple(measured)[:2]


def figure_table(
    results: Results, metrics: Sequence[str], records: Sequence[TaskRecord] | None = None
) -> Table:
    """A line for each split, model and scorer."""
    rows: list[tuple[str | Figure, ...]] = []
    for record in measured_tasks(results) if records is None else records:
        entries = entries_of(results, record.key)
        best = {name: _best(entries, name) for name in metrics}
        for entry in entries:
            figures = [Figure(entry.metrics.get(m), entry.label in best[m]) for m in metrics]
            size = f"{record.queries:,} x {record.targets:,}"
            rows.append(
                (record.key, entry.model, entry.scorer or "-", entry.regime.name, size, *figures)
            )
    header = ("task/split", "model", "scorer", "regime", "queries x targets", *metrics)
    return Table(header, tuple(rows), 4)


def _best(entries: Sequence[Entry], metric: str) -> list[str]:
    """Labels of the best; none where nothing differs from it, or where there are several regimes.

    Beside a greater figure of another regime, a mark would hold up the smaller one.
    """
    known = {e.label: e.metrics[metric].mean for e in entries if metric in e.metrics}
    known = {label: mean for label, mean in known.items() if np.isfinite(mean)}
    regimes = {entry.regime.name for entry in entries if entry.label in known}
    if len(set(known.values())) < 2 or len(regimes) > 1:
        return []
    return [label for label, mean in known.items() if mean == max(known.values())]
