"""Means over tasks, and what each may be called: only some are the paper's macro."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from uwe.bench.results import Entry, Results, TaskRecord
from uwe.bench.tasks import PAPER_TASKS, TASKS

_Figure = tuple[Entry, TaskRecord]


@dataclass(frozen=True)
class Mean:
    """Mean figures of one model and scorer, over tasks of one split, regime and limit.

    `names` are the paper's tasks that it runs over; each says so if it is not whole, as in
    `skillextract: 3 of 4 sets` or `skillsim_esco for skillsim`.
    """

    label: str  # model and scorer, as `Entry.label`
    split: str
    regime: str  # such as `clean`
    names: tuple[str, ...]
    metrics: dict[str, float]  # by name; fractions of 1
    limit: int | None = None  # most queries of a split that were evaluated; None for all

    @property
    def title(self) -> str:
        """`macro` for all of the paper's tasks, whole and clean, or how many it is of and which."""
        if self.names == PAPER_TASKS and self.regime == "clean" and self.limit is None:
            return "macro"
        some = "" if self.limit is None else f", at most {self.limit:,} queries each"
        of = f"mean of {len(self.names)} of {len(PAPER_TASKS)}"
        return f"{of} ({', '.join(self.names)}{some})"


def means(results: Results) -> list[Mean]:
    """Means over the paper's tasks, each of one model, scorer, split, regime and limit.

    The sets of skillextract count as one task, by their mean. A substitute counts only where the
    task itself is not there. One figure alone has no mean. The means are in the order of the
    entries.
    """
    groups: dict[tuple[str, str, str, str], list[_Figure]] = {}
    for entry in results.entries:
        task = results.tasks[entry.task]
        if task.paper in PAPER_TASKS:
            key = (entry.model, entry.scorer, task.split, entry.regime.name)
            groups.setdefault(key, []).append((entry, task))
    found = []
    for group in groups.values():
        for limit, figures in _by_limit(group):
            members = _by_paper(figures)
            if sum(map(len, members.values())) > 1:
                found.append(_mean(members, limit))
    return found


def _by_limit(figures: list[_Figure]) -> Iterator[tuple[int | None, list[_Figure]]]:
    """Figures that one limit may have given, also where results of several are joined.

    A sample has as many queries as the limit; a split that is whole and has no more goes with it.
    """
    whole = [(entry, task) for entry, task in figures if task.queries == task.available]
    limits = sorted({task.queries for _, task in figures if task.queries < task.available})
    if not limits or any(task.queries > limits[-1] for _, task in whole):
        yield None, whole
    for limit in limits:
        sampled = [(entry, task) for entry, task in figures if task.queries == limit]
        yield limit, sampled + [(entry, task) for entry, task in whole if task.queries < limit]


def _by_paper(figures: list[_Figure]) -> dict[str, list[_Figure]]:
    """The figures that count for each of the paper's tasks that are there."""
    found = {}
    for paper in PAPER_TASKS:
        members = [(entry, task) for entry, task in figures if task.paper == paper]
        if members:
            own = [(entry, task) for entry, task in members if not task.substitute]
            found[paper] = own or members
    return found


def _mean(members: dict[str, list[_Figure]], limit: int | None) -> Mean:
    figures = [figure for found in members.values() for figure in found]
    first, task = figures[0]
    common = [m for m in first.metrics if all(m in entry.metrics for entry, _ in figures)]
    return Mean(
        label=first.label,
        split=task.split,
        regime=first.regime.name,
        names=tuple(_name(paper, [task for _, task in found]) for paper, found in members.items()),
        metrics={
            metric: fmean(
                fmean(entry.metrics[metric].mean for entry, _ in found)
                for found in members.values()
            )
            for metric in common
        },
        limit=limit,
    )


def _name(paper: str, tasks: list[TaskRecord]) -> str:
    sets = sum(task.paper == paper and not task.substitute for task in TASKS)
    name = paper
    if tasks[0].substitute:
        name = f"{', '.join(task.name for task in tasks)} for {paper}"
    elif len(tasks) < sets:
        name = f"{paper}: {len(tasks)} of {sets} sets"
    if any(task.aliases for task in tasks):
        name += " with aliases"
    return name
