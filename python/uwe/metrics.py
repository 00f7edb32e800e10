"""How good a ranking is: metrics of each query from ranks that are counted, never sorted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe import _core
from uwe.checks import floats, is_iterable, listed
from uwe.columns import values_of
from uwe.encoder.tokens import TokenVectors
from uwe.errors import InputError, shown
from uwe.progress import Progress, check_progress, reporting
from uwe.ranking.queries import Targets, chosen_scorer, encoded, several, target_cache
from uwe.scorer import Scorer, core_scorer

DEFAULT_METRICS = ("MAP", "RP@10", "MRR")
"""What WorkBench reports for its ranking tasks."""

_BLOCK = 256
"""Queries whose token vectors are held at once."""


@dataclass(frozen=True, eq=False)
class QueryMetrics:
    """Metrics of each query, and their means.

    Attributes:
        names: Names of the metrics, such as `MAP` and `RP@10`.
        values: (names, queries), float64, from 0 to 1; NaN for queries without a relevant target.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]

    @property
    def counted(self) -> int:
        """Queries that the means run over."""
        return int(np.isfinite(self.values[0]).sum())

    @property
    def left_out(self) -> int:
        """Queries without a relevant target, which no metric says anything about."""
        return int(self.values.shape[1]) - self.counted

    def means(self) -> dict[str, float]:
        """Mean of each metric over the counted queries; NaN if there is none."""
        if self.counted == 0:
            return dict.fromkeys(self.names, math.nan)
        return dict(zip(self.names, np.nanmean(self.values, axis=1).tolist(), strict=True))


def score_metrics(
    scores: ArrayLike,
    relevant: Iterable[Sequence[int]],
    *,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
) -> QueryMetrics:
    """Metrics from a block of scores.

    Args:
        scores: (queries, targets), float32; equal scores rank in the order of the targets.
        relevant: For each query the indices of its relevant targets; may be empty for some.
        metrics: One or several of `MAP`, `MRR`, and `RP@k`, `nDCG@k`, `recall@k`, `hit@k` with a
            number for k.

    Returns:
        The metrics of each query.

    Raises:
        InputError: If shapes do not fit, a score is NaN, an index is out of range or twice there,
            or a name is unknown.
    """
    wanted = checked_metrics(metrics)
    block = floats("scores", scores)
    if block.ndim != 2:
        raise InputError(f"expected scores of (queries, targets), got shape {block.shape}")
    flat, offsets = _ragged(relevant, block.shape[1])
    _same_length(len(block), offsets)
    ranks = _core.ranks(block, flat, offsets)
    return QueryMetrics(tuple(wanted), _core.metrics(ranks, offsets, wanted))


def cache_metrics(
    queries: Sequence[str] | TokenVectors,
    targets: Targets,
    relevant: Iterable[Sequence[int]],
    *,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    scorer: Scorer | str | None = None,
    progress: Progress = False,
) -> QueryMetrics:
    """Metrics of queries against a whole target space, block by block: no matrix of all scores.

    Args:
        queries: Texts, all there at once, or token vectors made by the model that made the cache.
        targets: A target space, or labels, as in `rank`.
        relevant: For each query the indices of its relevant targets; may be empty for some.
        metrics: As in `score_metrics`.
        scorer: None takes the cache's own.
        progress: True for a bar on standard error (if that is a terminal), or a callable that takes
            the number of queries done and of all queries.

    Returns:
        The metrics of each query.

    Raises:
        InputError: As `score_metrics`, or as `rank_many` for a query.
        CacheMismatchError: If the cache was built with another model.
        ModelError: If the cache's model cannot be loaded.

    Warns:
        TruncationWarning: Once, if the model cut queries that are too long for it.
    """
    cache = target_cache(targets)
    check_progress(progress)
    wanted = checked_metrics(metrics)
    flat, offsets = _ragged(relevant, len(cache))
    queries = several(queries)
    _same_length(len(queries), offsets)
    chosen = chosen_scorer(cache, scorer)
    ranks = [np.zeros(0, dtype=np.int64)]
    with reporting(progress, len(queries), "Ranking") as report:
        for start, end, vectors in encoded(queries, cache, block=_BLOCK):
            ranks.append(
                _core.cache_ranks(
                    cache.core,
                    vectors.values,
                    vectors.offsets,
                    flat[offsets[start] : offsets[end]],
                    offsets[start : end + 1] - offsets[start],
                    **core_scorer(chosen),
                )
            )
            report(end)
    return QueryMetrics(tuple(wanted), _core.metrics(np.concatenate(ranks), offsets, wanted))


def checked_metrics(names: str | Sequence[str]) -> list[str]:
    """Names of metrics as a list, at least one and all of them known; InputError otherwise."""
    found = [names] if isinstance(names, str) else listed("metrics", names)
    if not found or not all(isinstance(name, str) and name.isascii() for name in found):
        raise InputError(
            f"expected names of metrics, got {shown(found)}: pass metrics=['MAP'], say"
        )
    # The core knows them, and refuses others also where there is no rank to look at.
    _core.metrics(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), found)
    return found


def _ragged(
    relevant: Iterable[Sequence[int]], targets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Relevant indices of all queries one after the other, and where each query's begin."""
    relevant = values_of("relevant", relevant)
    if not is_iterable(relevant):
        raise InputError(
            "expected for each query a list of its relevant targets, got "
            f"{type(relevant).__name__}: pass relevant=[[0, 7], [], ...]"
        )
    rows = list(relevant)
    # NumPy would take thousands of lists one by one.
    plain = _core.concatenate(rows)
    if plain is None:
        checked = [_indices(row, query) for query, row in enumerate(rows)]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in checked], out=offsets[1:])
        plain = np.concatenate([np.zeros(0, dtype=np.int64), *checked]), offsets
    flat, offsets = plain
    outside = np.flatnonzero((flat < 0) | (flat >= targets))
    if len(outside):
        query = np.searchsorted(offsets, outside[0], side="right") - 1
        raise InputError(
            f"query {query}: relevant targets must be from 0 to below {targets}, "
            f"got {flat[outside[0]]}"
        )
    return flat, offsets


def _indices(row: Sequence[int], query: int) -> NDArray[np.int64]:
    try:
        indices = np.asarray(row)
    except ValueError:  # ragged
        indices = np.zeros((0, 0))
    if (
        np.ma.is_masked(row)
        or indices.ndim != 1
        or (len(indices) and indices.dtype.kind not in "iu")
    ):
        raise InputError(
            f"query {query}: expected a list of target indices as relevant, got {shown(row)}"
        )
    return indices.astype(np.int64)


def _same_length(queries: int, offsets: NDArray[np.int64]) -> None:
    if len(offsets) - 1 != queries:
        raise InputError(
            f"expected relevant targets for each of {queries} queries, got {len(offsets) - 1} lists"
        )
