"""Whether one of two evaluations is better than the other, task by task, or only luckier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uwe.bench.results import (
    Entry,
    Interval,
    Results,
    TaskRecord,
    check_same_queries,
)
from uwe.bench.statistics import bootstrap, bootstrap_mean, sign_flip
from uwe.bench.tasks import PAIRWISE
from uwe.checks import listed, text_of
from uwe.errors import InputError, shown
from uwe.metrics import checked_metrics


@dataclass(frozen=True)
class Difference:
    """The mean figures of two models on one task, of the same queries."""

    task: str  # its key, such as `job2skill/test`
    queries: int  # how many both figures are means of
    sampled_from: int | None  # how many the split has, where both were evaluated under a limit
    first: float
    second: float
    difference: Interval  # second less first, with its 95 % bootstrap interval over queries
    p: float  # two-sided, of the paired sign-flip test: how often chance makes such a difference
    regimes: tuple[str, str]  # of the first and of the second


@dataclass(frozen=True)
class Comparison:
    """Two models or scorers side by side."""

    first: str  # its label: model and scorer
    second: str
    metric: str
    differences: tuple[Difference, ...]  # one a task that both were evaluated on
    unpaired: tuple[str, ...]  # tasks that only one of them was evaluated on
    mean: Interval | None = None  # of the differences of the tasks asked for, each counting alike


def compare(
    first: Results,
    second: Results | None = None,
    *,
    models: Sequence[str] = (),
    metric: str = "MAP",
    mean: Sequence[str] = (),
) -> Comparison:
    """Compare two models, scorers or runs, query by query.

    Args:
        first: Where the first is.
        second: Where the second is; None looks for it in `first` too.
        models: Which of the first and which of the second, as `uwe-mini`, or `uwe-mini soft:0.5`
            where a model has several scorers; one name means the same in both. May be left out
            where there is no choice.
        metric: `MAP`, `MRR`, `pairwise`, or `RP@k`, `nDCG@k`, `recall@k`, `hit@k` with a number for
            k.
        mean: Keys of tasks, such as `jobnorm/val`, whose mean difference is wanted too; they share
            a regime.
    """
    for results in (first, first if second is None else second):
        if not isinstance(results, Results):
            raise InputError(
                f"expected results of an evaluation, got {shown(results)}: pass what uwe.evaluate "
                "or uwe.bench.results.read_results gives"
            )
    if metric != PAIRWISE:
        checked_metrics([metric])
    models = [text_of("each of models", name) for name in listed("models", models)]
    mean = [text_of("each of mean", key) for key in listed("mean", mean)]
    if len(set(mean)) < len(mean):
        raise InputError(
            f"expected different tasks for their mean, got {', '.join(mean)}: name each once"
        )
    mine, its = _sides(first, second, models)
    second = first if second is None else second
    shared = [task for task in mine if task in its]
    label, other = (next(iter(side.values())).label for side in (mine, its))
    if not shared:
        raise InputError(
            f"expected a task that both were evaluated on, got {', '.join(mine)} of {label} and "
            f"{', '.join(its)} of {other}: evaluate them on the same one"
        )
    check_same_queries(first, second, shared)
    return Comparison(
        first=label,
        second=other,
        metric=metric,
        differences=tuple(
            _difference(mine[key], its[key], first.tasks[key], metric) for key in shared
        ),
        unpaired=tuple(task for task in {**mine, **its} if task not in shared),
        mean=_mean(mine, its, mean, metric) if mean else None,
    )


def _mean(
    mine: dict[str, Entry], its: dict[str, Entry], tasks: Sequence[str], metric: str
) -> Interval:
    for task in tasks:
        if task not in mine or task not in its:
            raise InputError(
                f"expected tasks of both for their mean, got {shown(task)}: name some of "
                f"{', '.join(key for key in mine if key in its)}"
            )
    for side in (mine, its):
        regimes = dict.fromkeys(side[task].regime.name for task in tasks)
        if len(regimes) > 1:
            raise InputError(
                f"expected tasks of one regime for their mean, got {' and '.join(regimes)}: name "
                "those of one"
            )
    values = [its[t].values([metric])[0] - mine[t].values([metric])[0] for t in tasks]
    return bootstrap_mean(values, seed=0)


def _difference(mine: Entry, its: Entry, task: TaskRecord, metric: str) -> Difference:
    if [len(ranks) for ranks in mine.ranks] != [len(ranks) for ranks in its.ranks]:
        raise InputError(
            f"{mine.task}: expected the same relevant targets query by query, got others: a result "
            "is damaged: evaluate again"
        )
    values = np.concatenate([entry.values([metric]) for entry in (mine, its)])
    difference = values[1] - values[0]
    before, after = np.nanmean(values, axis=1).tolist()
    return Difference(
        task=mine.task,
        queries=int((~np.isnan(difference)).sum()),
        sampled_from=task.available if task.queries < task.available else None,
        first=before,
        second=after,
        difference=bootstrap(difference[None], seed=0)[0],
        p=sign_flip(difference, seed=0),
        regimes=(mine.regime.name, its.regime.name),
    )


def _sides(
    first: Results, second: Results | None, models: Sequence[str]
) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Entries of either side, by task."""
    names: list[str | None] = list(models)
    if second is None:
        names = names or list(dict.fromkeys(entry.label for entry in first.entries))
    elif len(names) < 2:
        names = (names or [None]) * 2
    if len(names) != 2:
        raise InputError(
            f"expected two models or scorers to compare, got {_listed(names)}: name two with "
            "models= (--model), or pass a second result"
        )
    mine, its = (
        _entries(results, name)
        for results, name in zip((first, second or first), names, strict=True)
    )
    if (second is None or second is first) and mine == its:
        raise InputError(f"expected two different models, got {names[0]} twice: name another")
    return mine, its


def _entries(results: Results, name: str | None) -> dict[str, Entry]:
    """Entries of the one label that a name means, by task."""
    labels = dict.fromkeys(entry.label for entry in results.entries)
    fitting = [label for label in labels if label == name] or list(
        dict.fromkeys(e.label for e in results.entries if name in (None, e.model))
    )
    if len(fitting) != 1:
        named = "" if name is None else f" for {name!r}"
        raise InputError(
            f"expected one model and scorer of a result{named}, found "
            f"{_listed(fitting or list(labels))}: name one of these with models= (--model)"
        )
    return {entry.task: entry for entry in results.entries if entry.label == fitting[0]}


def _listed(names: Sequence[object]) -> str:
    return ", ".join(map(repr, names)) or "none"
