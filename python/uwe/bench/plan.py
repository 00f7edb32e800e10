"""What an evaluation will do: which splits of which tasks, on which of their queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from uwe.bench.results import TaskRecord
from uwe.bench.task import Task
from uwe.bench.tasks import GROUPS, chosen_tasks
from uwe.checks import listed, text_of
from uwe.data.layout import TaskSplit
from uwe.errors import DataError, InputError
from uwe.graphs.graph import folded

__all__ = ["Part", "by_space", "chosen_splits", "planned"]


@dataclass(frozen=True)
class Part:
    """A split to evaluate.

    Attributes:
        task: What it is a split of.
        data: The split.
        chosen: Which of its queries, ascending.
        aliases: Whether other texts of targets are scored too.
        record: What the results say of it.
    """

    task: Task
    data: TaskSplit
    chosen: list[int]
    aliases: bool
    record: TaskRecord

    @property
    def queries(self) -> list[str]:
        """Texts of the chosen queries."""
        return [self.data.task.queries[i] for i in self.chosen]


def planned(
    tasks: str | Path | Sequence[str | Path],
    splits: str | Sequence[str],
    data: str | Path | None,
    *,
    limit: int | None,
    seed: int,
    aliases: bool,
) -> list[Part]:
    """Read every split that was asked for.

    Raises:
        InputError: If a task is unknown, or there is no data folder.
        DataError: If a task is missing or malformed, or a named one has no such split.
    """
    return [
        _part(task, task.read(path, split), limit, seed, aliases=aliases)
        for task, path, split in chosen_splits(tasks, splits, data)
    ]


def chosen_splits(
    tasks: str | Path | Sequence[str | Path],
    splits: str | Sequence[str],
    data: str | Path | None,
    *,
    named: bool | None = None,
) -> list[tuple[Task, Path, str]]:
    """Tasks with their folders and names of splits.

    Args:
        tasks: As `chosen_tasks` takes them.
        splits: Names, or `all`.
        data: The data folder.
        named: Whether a task without such a split is an error, in place of being passed over; None
            unless only groups, such as `all`, are named.

    Raises:
        InputError: If a task is unknown, there is no data folder, or no task has such a split.
        DataError: If a task is missing, or a named one has no such split.
    """
    wanted = [splits] if isinstance(splits, str) else listed("splits", splits)
    for split in wanted:
        text_of("each of splits", split)
    if not wanted:
        raise InputError("expected at least one split, got none: pass splits='all'")
    if named is None:
        several = [tasks] if isinstance(tasks, str | Path) else listed("tasks", tasks)
        named = not all(isinstance(name, str) and name in GROUPS for name in several)
    found: list[tuple[Task, Path, str]] = []
    for task, path in chosen_tasks(tasks, data):
        there = task.splits(path)
        chosen = there if "all" in wanted else [split for split in there if split in wanted]
        if not chosen and named:
            raise DataError(
                f"expected the task {task.name} to have the split {' or '.join(wanted)}, found "
                f"{', '.join(there) or 'none'}: name another split, or leave the task out",
                path=path,
            )
        found += [(task, path, split) for split in chosen]
    if not found:
        raise InputError(
            "expected a split that a task has, val or test with most, got "
            f"{', '.join(wanted)}: name another, or none for all"
        )
    return found


def _part(task: Task, data: TaskSplit, limit: int | None, seed: int, *, aliases: bool) -> Part:
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
        seals=data.seals,
        queries=len(chosen),
        available=available,
        left_out=sum(not row for row in relevant),
        targets=len(data.task.targets),
        aliases=others,
        pairs=sum(map(len, relevant)),
        query_words=tuple(len(data.task.queries[i].split()) for i in chosen),
    )
    return Part(task, data, chosen, aliases and others > 0, record)


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


def by_space(parts: Sequence[Part], *, of_one_task: bool) -> Iterator[list[Part]]:
    """Splits with the same target texts, ranked alike, together: these are encoded once.

    Args:
        parts: The splits.
        of_one_task: Whether their queries and targets have to be of the same sort, too.
    """
    groups: dict[tuple[Any, ...], list[Part]] = {}
    for part in parts:
        others = tuple(map(tuple, part.data.aliases)) if part.aliases else ()
        sorts = (part.task.query, part.task.target) if of_one_task else None
        key = (tuple(part.data.task.targets), others, sorts, part.task.names)
        groups.setdefault(key, []).append(part)
    yield from groups.values()
