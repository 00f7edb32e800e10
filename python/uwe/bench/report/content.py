"""What a report is made of: files of results, joined, and the order in which all is shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uwe.bench.results import METRICS, Entry, Results, TaskRecord, read_results
from uwe.bench.tasks import TASKS
from uwe.errors import InputError

__all__ = ["MOST_COLUMNS", "Report", "read_report"]

MOST_COLUMNS = 6
"""Columns of the headline table that a page still shows well; also the series of a plot."""


@dataclass(frozen=True)
class Report:
    """Everything that a page shows.

    Attributes:
        title: Of the page.
        runs: Each file's results, as machines and times differ.
        results: All of them in one.
    """

    title: str
    runs: tuple[Results, ...]
    results: Results

    @property
    def tasks(self) -> list[TaskRecord]:
        """Splits in the order of the table of tasks; a user's own follow."""
        order = {task.name: number for number, task in enumerate(TASKS)}
        return sorted(
            self.results.tasks.values(),
            key=lambda record: (order.get(record.name, len(order)), record.key),
        )

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics that any entry has, the usual ones first."""
        found = dict.fromkeys(name for entry in self.results.entries for name in entry.metrics)
        return [m for m in METRICS if m in found] + [m for m in found if m not in METRICS]

    @property
    def labels(self) -> list[str]:
        """Each model with each of its scorers, in the order of evaluation, a model together."""
        found: dict[str, list[str]] = {}
        for entry in self.results.entries:
            labels = found.setdefault(entry.model, [])
            if entry.label not in labels:
                labels.append(entry.label)
        return [label for labels in found.values() for label in labels]

    @property
    def shown(self) -> list[str]:
        """Labels in the headline and in plots: all, or of each model the first if all are many."""
        labels = self.labels
        if len(labels) <= MOST_COLUMNS:
            return labels
        first: dict[str, str] = {}
        for entry in self.results.entries:
            first.setdefault(entry.model, entry.label)
        return list(first.values())

    def of_task(self, key: str, labels: Sequence[str]) -> list[Entry]:
        """Entries of a split, in the order of `labels`."""
        found = {e.label: e for e in self.results.entries if e.task == key}
        return [found[label] for label in labels if label in found]


def read_report(paths: Sequence[str | Path], *, title: str = "WorkBench") -> Report:
    """Read files of `uwe bench run` for one report.

    Raises:
        InputError: If there is none, or they hold two versions of a task, two models of one name
            or the same figures twice.
        DataError: If one of them holds something else.
        OSError: If one can not be read.
    """
    if not paths:
        raise InputError("expected at least one result of  uwe bench run, got none")
    runs = tuple(map(read_results, paths))
    joined = runs[0]
    for path, run in zip(paths[1:], runs[1:], strict=True):
        joined = _joined(joined, run, path)
    if not joined.entries:
        raise InputError(f"{os.fspath(paths[0])}: expected figures, got a result without any")
    return Report(title=title, runs=runs, results=joined)


def _joined(results: Results, run: Results, path: str | Path) -> Results:
    try:
        return results.joined(run)
    except InputError as error:
        raise InputError(f"{os.fspath(path)}: {error}") from None
