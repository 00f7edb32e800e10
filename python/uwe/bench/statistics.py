"""How sure a figure is: bootstrap intervals over queries, and the paired sign-flip test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe.bench.results import Interval
from uwe.errors import InputError, shown

SAMPLES = 10_000
_BOUNDS = (0.025, 0.975)
_LARGE = 16
"""Queries with equal values from which on they are drawn together: what costs least in trials."""
_BLOCK = 8
"""Draws whose counts are held at once: 4.6 MB for 71,540 queries that all differ."""
_HELD = 1_000_000
"""Counts of drawn texts that are held at once."""


def bootstrap(values: ArrayLike, *, seed: int, samples: int = SAMPLES) -> list[Interval]:
    """Mean of each metric, and its 95 % interval by the percentile method.

    Each draw takes as many queries as there are, with replacement, and all metrics from the same
    ones. The generator is this call's own: what else is evaluated changes nothing. `values` are
    (metrics, queries), float64; NaN in a whole column leaves that query out; NaN beside numbers
    is an error. There is one interval a metric.
    """
    means, drawn = _means(values, seed, samples)
    low, high = np.quantile(drawn, _BOUNDS, axis=0)
    rows = zip(means.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Interval(*numbers) for numbers in rows]


def bootstrap_mean(tasks: Sequence[ArrayLike], *, seed: int) -> Interval:
    """Mean of the tasks' means, each task counting alike, and its 95 % interval.

    Queries are drawn within each task, so that every draw has as many of each as there are. Each
    task is (queries,), float64; NaN leaves a query out.
    """
    if not tasks:
        raise InputError("expected at least one task, got none")
    found = [
        _means(np.asarray(values)[None], [seed, number], SAMPLES)
        for number, values in enumerate(tasks)
    ]
    mean = sum(float(means[0]) for means, _ in found) / len(tasks)
    drawn = np.mean([draws[:, 0] for _, draws in found], axis=0)
    return Interval(mean, *np.quantile(drawn, _BOUNDS).tolist())


def bootstrap_sums(
    counts: ArrayLike,
    metrics: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    seed: int,
) -> list[Interval]:
    """Metrics of sums over texts, such as micro F1, and their 95 % intervals.

    Each draw takes as many texts as there are, with replacement, and sums their counts. `counts`
    are (texts, counts); `metrics` takes sums, (draws, counts), float64, and gives (draws, metrics).
    There is one interval a metric; its `mean` is the metric of the sums over all texts.
    """
    rows = np.ascontiguousarray(counts, dtype=np.float64)
    if rows.ndim != 2:
        raise InputError(f"expected counts of (texts, counts), got shape {rows.shape}")
    _check_finite(rows)
    rng = np.random.default_rng(seed)
    shares = np.full(len(rows), 1 / len(rows))
    size = max(1, _HELD // len(rows))
    drawn = np.concatenate(
        [
            metrics(rng.multinomial(len(rows), shares, size=min(size, SAMPLES - start)) @ rows)
            for start in range(0, SAMPLES, size)
        ]
    )
    low, high = np.quantile(drawn, _BOUNDS, axis=0).tolist()
    (over_all,) = metrics(rows.sum(axis=0)[None]).tolist()
    return [Interval(*numbers) for numbers in zip(over_all, low, high, strict=True)]


def _means(
    values: ArrayLike, seed: int | list[int], samples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each metric over the queries, and over those of each draw: (draws, metrics)."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise InputError(f"expected values of (metrics, queries), got shape {table.shape}")
    _check_samples(samples)
    left_out = np.isnan(table)
    if (left_out.any(axis=0) != left_out.all(axis=0)).any():
        raise InputError("expected all metrics of a query or none, got some NaN beside numbers")
    rows = np.ascontiguousarray(table[:, ~left_out.any(axis=0)].T)
    _check_finite(rows)
    # From the first query on: where all are equal, the interval is that value to the last digit.
    first = rows[0].copy()
    rows -= first
    drawn = np.concatenate([sums / len(rows) for sums in _resampled_sums(rows, seed, samples)])
    return first + rows.mean(axis=0), first + drawn


def sign_flip(differences: ArrayLike, *, seed: int, samples: int = SAMPLES) -> float:
    """Two-sided p of the paired randomisation test: that the mean difference is 0.

    If neither of two models is better, each query's difference might as well have the other sign.
    p is the share of random signs whose mean is as far from 0 as the observed one, the observed
    signs counted as one more draw: never 0, and 1 where nothing differs. `differences` of paired
    values are (queries,), float64; NaN leaves a query out.
    """
    found = np.asarray(differences, dtype=np.float64)
    if found.ndim != 1:
        raise InputError(f"expected differences of (queries,), got shape {found.shape}")
    _check_samples(samples)
    found = found[~np.isnan(found)]
    _check_finite(found)
    found = found[found != 0]
    if not len(found):
        return 1.0
    rng = np.random.default_rng(seed)
    total = found.sum()
    # Sums in another order differ in the last digits, which must not make of an equal mean a
    # smaller one.
    reached = abs(total) - 1e-12 * np.abs(found).sum()
    count = 0
    for size in _blocks(samples):
        bits = rng.integers(0, 256, size=(size, -(-len(found) // 8)), dtype=np.uint8)
        flipped = np.unpackbits(bits, axis=1, count=len(found)).astype(np.float64) @ found
        count += int((np.abs(total - 2 * flipped) >= reached).sum())
    return (count + 1) / (samples + 1)


def _resampled_sums(
    rows: NDArray[np.float64], seed: int | list[int], samples: int
) -> Iterator[NDArray[np.float64]]:
    """Sums of drawn rows, (draws, metrics) a block.

    Most queries share their values with others: every one that ranks its only target first has 1
    throughout. How often a draw takes one of such a group is one multinomial number for the whole
    group; only rows that few share are drawn one by one. The distribution is that of drawing each.
    """
    rng = np.random.default_rng(seed)
    groups, sizes = np.unique(rows, axis=0, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    groups, sizes = groups[order], sizes[order]
    large = int((sizes >= _LARGE).sum())
    width = len(groups) - large
    rare = np.repeat(np.arange(width), sizes[large:])
    shares = np.append(sizes[:large], len(rare)) / len(rows)
    held = np.empty((min(samples, _BLOCK), len(groups)))
    for size in _blocks(samples):
        drawn = rng.multinomial(len(rows), shares, size=size)
        counts = held[:size]
        counts[:, :large] = drawn[:, :-1]
        if len(rare):
            picked = rare[rng.integers(len(rare), size=drawn[:, -1].sum())]
            picked += np.repeat(np.arange(size) * width, drawn[:, -1])
            counts[:, large:] = np.bincount(picked, minlength=size * width).reshape(size, width)
        yield counts @ groups


def _blocks(samples: int) -> Iterator[int]:
    for start in range(0, samples, _BLOCK):
        yield min(_BLOCK, samples - start)


def _check_samples(samples: int) -> None:
    if type(samples) is not int or samples < 1:
        raise InputError(f"expected samples >= 1, got {shown(samples)}: pass 10000, say")


def _check_finite(values: NDArray[np.float64]) -> None:
    if not len(values):
        raise InputError(
            "expected a query with a relevant target, got none: no mean and no interval exists"
        )
    if not np.isfinite(values).all():
        raise InputError("expected finite values, got an infinite one")


def roc_auc(score: NDArray[np.floating[Any]], positive: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve: the share of pairs in order; ties count half.

    Both arguments are (n,). The area is from 0 to 1, or None where all are of one sort.
    """
    if positive.all() or not positive.any():
        return None
    low, high = np.sort(score[~positive]), score[positive]
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.sum() / (2 * len(low) * len(high)))
