"""Rankings and scores as arrays, for queries as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe import _core
from uwe.cache.filters import Where
from uwe.checks import floats, positive
from uwe.encoder.tokens import TokenVectors
from uwe.errors import InputError
from uwe.ranking.queries import Targets, chosen_scorer, encoded, several, subset_of, target_cache
from uwe.scorer import Scorer, checked_scorer, core_scorer

_Number = TypeVar("_Number", np.int64, np.float32)

_BLOCK = 64
"""Queries that are encoded and scored at once."""


class TopK(NamedTuple):
    """The best targets of each query, best first, as arrays.

    Attributes:
        indices: (queries, k), int64: their places in the target space.
        scores: (queries, k), float32.
        texts: (queries, k), int64: which text of the target scored; 0 is its label, then its
            aliases.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float32]
    texts: NDArray[np.int64]


def top_k(
    queries: Sequence[str] | TokenVectors,
    targets: Targets,
    *,
    k: int = 10,
    where: Where | None = None,
    scorer: Scorer | str | None = None,
) -> TopK:
    """`rank_many` as arrays, for queries as they stand: `abbreviations=False`.

    `queries` may also be token vectors from the model of the cache; other arguments are as in
    `rank_many`.

    Returns:
        Arrays of (queries, k'), where k' is `k`, or the number of targets that `where` keeps if
        that is less.

    Raises:
        InputError: As `rank_many`, like other errors; if token vectors have another width than the
            cache's, or the arrays do not fit into memory.
    """
    cache = target_cache(targets)
    queries = several(queries)
    chosen, k, subset = chosen_scorer(cache, scorer), positive("k", k), subset_of(cache, where)
    k = min(k, len(cache) if subset is None else len(subset))
    shape, remedy = (len(queries), k), "ask for a smaller k"
    best = TopK(
        _zeros(shape, np.int64, remedy),
        _zeros(shape, np.float32, remedy),
        _zeros(shape, np.int64, remedy),
    )
    for start, end, vectors in encoded(queries, cache, block=_BLOCK):
        if k:
            rows = slice(start, end)
            best.indices[rows], best.scores[rows], best.texts[rows], _ = _core.cache_rank(
                cache.core,
                vectors.values,
                vectors.offsets,
                **core_scorer(chosen),
                k=k,
                subset=subset,
            )
    return best


def scores(
    queries: Sequence[str] | TokenVectors,
    targets: Targets,
    *,
    where: Where | None = None,
    scorer: Scorer | str | None = None,
) -> NDArray[np.float32]:
    """The score of every query, as it stands, against every target, or those that `where` keeps.

    Arguments are as in `top_k`.

    Returns:
        (queries, targets), float32; a target scores as the best of its texts.

    Raises:
        InputError: As `top_k`, like other errors; if the block does not fit into memory.
    """
    cache = target_cache(targets)
    queries = several(queries)
    chosen, subset = chosen_scorer(cache, scorer), subset_of(cache, where)
    shape = len(queries), len(cache) if subset is None else len(subset)
    block = _zeros(shape, np.float32, "call top_k")
    for start, end, vectors in encoded(queries, cache, block=_BLOCK):
        if shape[1]:
            block[start:end] = _core.cache_scores(
                cache.core, vectors.values, vectors.offsets, **core_scorer(chosen), subset=subset
            )
    return block


def _zeros(shape: tuple[int, int], dtype: type[_Number], remedy: str) -> NDArray[_Number]:
    """Room for the result; InputError if it does not fit into memory."""
    try:
        return np.zeros(shape, dtype=dtype)
    except MemoryError:
        raise InputError(
            f"expected a result that fits into memory, got {shape[0]} queries and {shape[1]} "
            f"targets of each: pass fewer queries at a time, or {remedy}"
        ) from None


def late_interaction(
    query_vectors: ArrayLike, values: ArrayLike, offsets: ArrayLike, *, scorer: Scorer | str
) -> NDArray[np.float32]:
    """Scores of one query against targets given as bare arrays.

    Args:
        query_vectors: (m, dim), raw token vectors of the query.
        values: (tokens, dim), raw token vectors of all targets, one after the other.
        offsets: (targets + 1,), integers; target `t` owns rows `offsets[t]:offsets[t + 1]`.
        scorer: One of the five; its temperature belongs to the model that made the vectors.

    Returns:
        (targets,), float32.

    Raises:
        InputError: If shapes or dtypes do not fit, a target has no token, or a vector is zero or
            not finite.
    """
    chosen = checked_scorer(scorer)
    array = floats("query_vectors", query_vectors)
    if array.ndim != 2:
        raise InputError(
            f"expected query_vectors of shape (tokens, dim), got {array.shape}: pass the token "
            "vectors of one query"
        )
    query = TokenVectors.from_list([array])
    # It takes whatever `floats` and an array of integers can be made of, and refuses the rest.
    targets = TokenVectors(values, offsets)  # type: ignore[arg-type]
    if query.dim != targets.dim:
        raise InputError(
            f"expected query and target vectors of one width, got {query.dim} and {targets.dim}: "
            "take both from one model"
        )
    found: NDArray[np.float32] = _core.late_interaction(
        query.values, query.offsets, targets.values, targets.offsets, **core_scorer(chosen)
    )[0]
    return found
