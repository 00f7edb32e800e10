"""What a report is made of: files of results, joined, and the order in which all is shown."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import ne
from pathlib import Path

from uwe.bench.probes import ProbeResults, read_probes
from uwe.bench.results import METRICS, Entry, Results, TaskRecord, read_results
from uwe.bench.tasks import TASKS
from uwe.errors import DataError, InputError

__all__ = ["HEADLINE", "MOST_COLUMNS", "Report", "joined_probes", "read_report"]

HEADLINE = ("MAP", "RP@10")
"""WorkBench's metrics."""

MOST_COLUMNS = 6
"""Columns of the headline table that a page still shows well; also the series of a plot."""


@dataclass(frozen=True)
class Report:
    """Everything that a page shows.

    Attributes:
        title: Of the page.
        runs: Each file's results, as machines and times differ.
        results: All of them in one.
        probes: What the probes found, where they ran.
    """

    title: str
    runs: tuple[Results, ...]
    results: Results
    probes: ProbeResults | None = None

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
    def front(self) -> list[str]:
        """Of WorkBench's two metrics those that were measured: what headline tables show."""
        return [name for name in HEADLINE if name in self.metrics]

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
    """Read files of `uwe bench run`, and of `uwe bench probes`, for one report.

    Raises:
        InputError: If there is none, or they hold two versions of a task, two models of one name
            or the same figures twice.
        DataError: If one of them holds something else.
        OSError: If one can not be read.
    """
    runs: list[Results] = []
    probes: ProbeResults | None = None
    results: Results | None = None
    for path in paths:
        found = _read(path)
        try:
            if isinstance(found, ProbeResults):
                probes = found if probes is None else joined_probes(probes, found)
            else:
                results = found if results is None else results.joined(found)
                runs.append(found)
        except InputError as error:
            raise InputError(f"{os.fspath(path)}: {error}") from None
    if probes is not None and results is None:
        results = Results(
            created=probes.created, uwe=probes.uwe, versions={}, machine={}, seed=0, limit=None,
            seconds=probes.seconds, peak_bytes=0, models=probes.models,
        )  # fmt: skip
    if results is None or not (results.entries or probes):
        raise InputError("expected results of  uwe bench run  with figures, got none")
    return Report(title=title, runs=tuple(runs), results=results, probes=probes)


def joined_probes(probes: ProbeResults, other: ProbeResults) -> ProbeResults:
    """Both in one.

    Raises:
        InputError: If their target spaces or cases differ, or both hold the same figures.
    """
    mine, its = ((p.space, p.targets, p.cases) for p in (probes, other))
    if mine != its:
        raise InputError(
            f"expected probes of the same cases, got {len(probes.cases)} against {probes.space} "
            f"and {len(other.cases)} against {other.space}: run them anew"
        )
    for label in probes.labels:
        if label in other.labels:
            raise InputError(f"the probes of {label} are in two results: leave one out")
    return replace(
        probes,
        models={**probes.models, **other.models},
        outcomes=(*probes.outcomes, *other.outcomes),
    )


def _read(path: str | Path) -> Results | ProbeResults:
    """Read a file of either kind."""
    with Path(path).open("rb") as file:
        start = file.read(100)
    if re.match(rb'\s*{\s*"format"\s*:\s*"uwe-probes"', start):
        return read_probes(path)
    results = read_results(path)
    for entry in results.entries:
        try:
            whole = _is_whole(entry, results.tasks[entry.task])
        except (TypeError, ValueError):
            whole = False
        if not whole:
            raise DataError(
                f"expected whole figures of {entry.label} on {entry.task}, but they are damaged: "
                "evaluate anew",
                path=path,
            )
    return results


def _is_whole(entry: Entry, record: TaskRecord) -> bool:
    """Whether all that is kept of each query is there."""
    rows = (entry.ranks, entry.frequencies, record.query_words)
    if any(len(row) != record.queries for row in rows):
        return False
    if any(map(ne, map(len, entry.ranks), map(len, entry.frequencies))):
        return False
    return all(
        {"query", "AP", "relevant", "ranked"} <= set(query)
        and all({"label", "rank"} <= set(target) for target in query["relevant"])
        and all({"label", "relevant"} <= set(target) for target in query["ranked"])
        for query in entry.hardest
    )
