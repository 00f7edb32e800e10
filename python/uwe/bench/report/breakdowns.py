"""Where a mean comes from: MAP by kinds of queries and targets, and RP@k along k."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe.bench.results import Entry, TaskRecord

__all__ = ["FEW", "Breakdown", "by_frequency", "by_labels", "by_length", "rp_curve"]

FEW = 30
"""Below so many, a mean of a group says little: plots show it hollow."""

_NAMES = ("1", "2–3", "4–7", "8–15", "16–31", "32–63", "64–127", "128+")


@dataclass(frozen=True)
class Breakdown:
    """Means by group, of one split of a task.

    Attributes:
        groups: Names of those groups that hold anything, such as `4–7`.
        counts: What each holds: queries, or pairs of a query and a target.
        means: Of each entry by its label, a mean a group.
    """

    groups: tuple[str, ...]
    counts: tuple[int, ...]
    means: dict[str, tuple[float, ...]]


def by_frequency(entries: Sequence[Entry]) -> Breakdown:
    """Mean precision at the rank of each relevant pair, by how many queries share its target.

    MAP is a mean of these precisions, by query; here each pair counts once.
    """

    def pairs(entry: Entry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Of ascending ranks, the i-th has i relevant targets at or above it.
        places = _flat([range(1, len(ranks) + 1) for ranks in entry.ranks])
        return places / _flat(entry.ranks), _flat(entry.frequencies)

    return _breakdown(entries, pairs)


def by_labels(entries: Sequence[Entry]) -> Breakdown:
    """MAP by how many relevant targets a query has."""
    return _breakdown(
        entries, lambda entry: (entry.values(["MAP"])[0], [len(ranks) for ranks in entry.ranks])
    )


def by_length(entries: Sequence[Entry], record: TaskRecord) -> Breakdown:
    """MAP by how many words a query has."""
    return _breakdown(entries, lambda entry: (entry.values(["MAP"])[0], record.query_words))


def rp_curve(entry: Entry, most: int = 50) -> NDArray[np.float64]:
    """R-precision at k for k = 1 to `most`, means over queries: (most,)."""
    values = entry.values([f"RP@{k}" for k in range(1, most + 1)])
    counted = np.isfinite(values[0])
    if not counted.any():
        return np.full(most, np.nan)
    return np.asarray(values[:, counted].mean(axis=1))


def _breakdown(
    entries: Sequence[Entry], values_of: Callable[[Entry], tuple[ArrayLike, ArrayLike]]
) -> Breakdown:
    counts = np.zeros(len(_NAMES), dtype=np.int64)
    sums: dict[str, NDArray[np.float64]] = {}
    for entry in entries:
        values, sizes = (np.asarray(a, dtype=np.float64) for a in values_of(entry))
        counted = np.isfinite(values)
        groups = np.log2(np.maximum(sizes[counted], 1)).astype(np.int64).clip(max=len(_NAMES) - 1)
        # The same queries and judgements for every entry, so the same counts.
        counts = np.bincount(groups, minlength=len(_NAMES)).astype(np.int64)
        sums[entry.label] = np.bincount(groups, values[counted], len(_NAMES)).astype(np.float64)
    held = [int(i) for i in np.flatnonzero(counts)]
    return Breakdown(
        groups=tuple(_NAMES[i] for i in held),
        counts=tuple(int(counts[i]) for i in held),
        means={
            label: tuple(float(total[i] / counts[i]) for i in held) for label, total in sums.items()
        },
    )


def _flat(rows: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    return np.array([value for row in rows for value in row], dtype=np.float64)
