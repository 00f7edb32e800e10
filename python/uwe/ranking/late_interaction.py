"""Scores of token vectors that are given as bare arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe import _core
from uwe.checks import floats
from uwe.encoder.tokens import TokenVectors
from uwe.errors import InputError
from uwe.scorer import Scorer, checked_scorer, core_scorer

__all__ = ["late_interaction"]


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
    scores = _core.late_interaction(
        query.values,
        query.offsets,
        targets.values,
        targets.offsets,
        **core_scorer(chosen),
    )
    of_query: NDArray[np.float32] = scores[0]
    return of_query
