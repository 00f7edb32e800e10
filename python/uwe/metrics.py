"""How good a ranking is: metrics of each query from ranks that are counted, never sorted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe import _core
from uwe.config import Scorer
from uwe.errors import InputError
from uwe.queries import check_targets, core_temperature, encode_queries
from uwe.tokens import TokenVectors

if TYPE_CHECKING:
    from uwe.cache import TargetCache

__all__ = ["DEFAULT_METRICS", "QueryMetrics", "cache_metrics", "score_metrics"]

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
    names: Sequence[str] = DEFAULT_METRICS,
) -> QueryMetrics:
    """Metrics from a block of scores.

    Args:
        scores: (queries, targets), float32; equal scores rank in the order of the targets.
        relevant: For each query the indices of its relevant targets; may be empty for some.
        names: `MAP`, `MRR`, or `RP@k`, `nDCG@k`, `recall@k`, `hit@k` with a number for k.

    Returns:
        The metrics of each query.

    Raises:
        InputError: If shapes do not fit, a score is NaN, an index is out of range or twice there,
            or a name is unknown.
    """
    try:
        block = np.ascontiguousarray(scores, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"expected scores as an array of numbers, got {error}") from None
    if block.ndim != 2:
        raise InputError(f"expected scores of (queries, targets), got shape {block.shape}")
    if np.isnan(block).any():
        query, target = np.argwhere(np.isnan(block))[0].tolist()
        raise InputError(f"query {query}: the score of target {target} is NaN, which has no rank")
    flat, offsets = _ragged(relevant, block.shape[1])
    _same_length(len(block), offsets)
    ranks = _core.ranks(block, flat, offsets)
    return QueryMetrics(tuple(names), _core.metrics(ranks, offsets, list(names)))


def cache_metrics(
    queries: Sequence[str] | TokenVectors,
    targets: TargetCache,
    relevant: Iterable[Sequence[int]],
    *,
    names: Sequence[str] = DEFAULT_METRICS,
    scorer: Scorer | None = None,
    progress: Callable[[int], object] | None = None,
) -> QueryMetrics:
    """Metrics of queries against a whole target space, block by block: no matrix of all scores.

    Args:
        queries: Texts, or token vectors made by the model that made the cache.
        targets: The target space.
        relevant: For each query the indices of its relevant targets; may be empty for some.
        names: As in `score_metrics`.
        scorer: None takes the cache's own.
        progress: Called after each block with the number of queries finished so far.

    Returns:
        The metrics of each query.

    Raises:
        InputError: As `score_metrics`, or as `rank_many` for a query.
        CacheMismatchError: If the cache was built with another model.
        ModelError: If the cache's model can not be loaded.
    """
    check_targets(targets)
    flat, offsets = _ragged(relevant, len(targets))
    _same_length(len(queries), offsets)
    chosen = targets.scorer if scorer is None else scorer
    ranks = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(queries), _BLOCK):
        end = min(start + _BLOCK, len(queries))
        vectors = _block(queries, start, end, targets)
        ranks.append(
            _core.cache_ranks(
                targets.core,
                vectors.values,
                vectors.offsets,
                flat[offsets[start] : offsets[end]],
                offsets[start : end + 1] - offsets[start],
                scorer=chosen.name,
                temperature=core_temperature(chosen),
            )
        )
        if progress is not None:
            progress(end)
    return QueryMetrics(tuple(names), _core.metrics(np.concatenate(ranks), offsets, list(names)))


def _block(
    queries: Sequence[str] | TokenVectors, start: int, end: int, targets: TargetCache
) -> TokenVectors:
    if not isinstance(queries, TokenVectors):
        return encode_queries(queries[start:end], targets, first=start)
    first, last = queries.offsets[start], queries.offsets[end]
    return TokenVectors(queries.values[first:last], queries.offsets[start : end + 1] - first)


def _ragged(
    relevant: Iterable[Sequence[int]], targets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Relevant indices of all queries one after the other, and where each query's begin."""
    rows = []
    for i, row in enumerate(relevant):
        array = np.asarray(row)
        if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
            raise InputError(
                f"query {i}: expected a list of target indices as relevant, got {row!r}"
            )
        array = np.sort(array.astype(np.int64))
        if len(array) and (array[0] < 0 or array[-1] >= targets):
            raise InputError(
                f"query {i}: relevant targets must be from 0 to below {targets}, got "
                f"{array[0] if array[0] < 0 else array[-1]}"
            )
        if (np.diff(array) == 0).any():
            raise InputError(f"query {i}: a relevant target is listed twice: list it once")
        rows.append(array)
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return np.concatenate([np.zeros(0, dtype=np.int64), *rows]), offsets


def _same_length(queries: int, offsets: NDArray[np.int64]) -> None:
    if len(offsets) - 1 != queries:
        raise InputError(
            f"expected relevant targets for each of {queries} queries, got {len(offsets) - 1} lists"
        )
