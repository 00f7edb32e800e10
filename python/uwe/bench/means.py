"""Means over tasks, and what each may be called: only some are the paper's macro."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from uwe.bench.results import Entry, Results, TaskRecord
from uwe.bench.tasks import PAPER_TASKS, TASKS

__all__ = ["Mean", "means"]


@dataclass(frozen=True)
class Mean:
    """Mean figures of one model and scorer, over tasks of one split, regime and limit.

    Attributes:
        label: Model and scorer, as `Entry.label`.
        split: Of all its tasks.
        regime: Of all its tasks, such as `clean`.
        names: The paper's tasks that it runs over; each says so if it is not whole, as in
            `skillextract: 3 of 4 sets` or `skillsim_esco for skillsim`.
        of: How many tasks the paper has.
        metrics: By name; fractions of 1.
        limit: Most queries of a split that were evaluated; None for all.
    """

    label: str
    split: str
    regime: str
    names: tuple[str, ...]
    of: int
    metrics: dict[str, float]
    limit: int | None = None

    @property
    def title(self) -> str:
        """`macro` for all of the paper's tasks, whole and clean, or how many it is of and which."""
        if self.names == PAPER_TASKS and self.regime == "clean" and self.limit is None:
            return "macro"
        some = "" if self.limit is None else f", at most {self.limit:,} queries each"
        return f"mean of {len(self.names)} of {self.of} ({', '.join(self.names)}{some})"


def means(results: Results) -> list[Mean]:
    """Means over the paper's tasks, each of one model, scorer, split, regime and limit.

    The sets of skillextract count as one task, by their mean. A substitute counts only where the
    task itself is not there. One figure alone has no mean.

    Returns:
        In the order in which the entries have them.
    """
    groups: dict[tuple[str, str, str, str], list[Entry]] = {}
    for entry in results.entries:
        task = results.tasks[entry.task]
        if task.paper in PAPER_TASKS:
            key = (entry.model, entry.scorer, task.split, entry.regime.name)
            groups.setdefault(key, []).append(entry)
    found = []
    for (_, _, split, regime), limit, members in _by_limit(groups, results):
        group: dict[str, list[Entry]] = {}
        for entry in members:
            group.setdefault(results.tasks[entry.task].paper, []).append(entry)
        whole = {paper: _counting(group[paper], results) for paper in PAPER_TASKS if paper in group}
        entries = [entry for chosen in whole.values() for entry in chosen]
        if len(entries) == 1:
            continue
        common = [m for m in entries[0].metrics if all(m in entry.metrics for entry in entries)]
        found.append(
            Mean(
                label=entries[0].label,
                split=split,
                regime=regime,
                names=tuple(
                    _name(paper, [results.tasks[entry.task] for entry in chosen])
                    for paper, chosen in whole.items()
                ),
                of=len(PAPER_TASKS),
                metrics={
                    metric: fmean(
                        fmean(entry.metrics[metric].mean for entry in chosen)
                        for chosen in whole.values()
                    )
                    for metric in common
                },
                limit=limit,
            )
        )
    return found


_Key = tuple[str, str, str, str]


def _by_limit(
    groups: dict[_Key, list[Entry]], results: Results
) -> Iterator[tuple[_Key, int | None, list[Entry]]]:
    """Entries that one limit may have given, also where results of several are joined.

    A sample has as many queries as the limit; a split that is whole and has no more goes with it.
    """
    for key, entries in groups.items():
        parts = [(entry, results.tasks[entry.task]) for entry in entries]
        whole = [(entry, task) for entry, task in parts if task.queries == task.available]
        limits = sorted({task.queries for _, task in parts if task.queries < task.available})
        if not limits or any(task.queries > limits[-1] for _, task in whole):
            yield key, None, [entry for entry, _ in whole]
        for limit in limits:
            small = [entry for entry, task in whole if task.queries < limit]
            yield key, limit, [entry for entry, task in parts if task.queries == limit] + small


def _counting(entries: list[Entry], results: Results) -> list[Entry]:
    own = [entry for entry in entries if not results.tasks[entry.task].substitute]
    return own or entries


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
