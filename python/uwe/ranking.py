"""Queries in, the best targets out: exact over every target, or over proposed candidates."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe import _core
from uwe.checks import check_counter, floats, positive
from uwe.config import Scorer, checked_scorer
from uwe.errors import InputError
from uwe.queries import check_targets, chosen_scorer, core_temperature, encode_queries
from uwe.tokens import TokenVectors
from uwe.truncation import Truncations, gathered

if TYPE_CHECKING:
    from uwe.cache import TargetCache
    from uwe.filters import Where

__all__ = ["Match", "late_interaction", "rank", "rank_many", "rank_stream"]

_BLOCK = 64
"""Queries that are encoded and scored at once: enough to keep two cores busy, small in memory."""


@dataclass(frozen=True)
class Match:
    """One ranked target; hashable.

    Attributes:
        label: The target's label.
        score: Score of its best text, a float32 value.
        index: Its place in the target space; ties are broken by it.
        id: Its id, or None where the space has none.
        alias: The alias that matched better than the label, or None where the label did best.
        metadata: Its values in the space's metadata columns.
    """

    label: str
    score: float
    index: int
    id: str | None
    alias: str | None
    metadata: dict[str, Any] = field(hash=False)

    def to_dict(self) -> dict[str, Any]:
        """The attributes as a dictionary that `json.dumps` takes."""
        return {
            "label": self.label,
            "score": self.score,
            "index": self.index,
            "id": self.id,
            "alias": self.alias,
            "metadata": dict(self.metadata),
        }


def rank(
    query: str,
    targets: TargetCache,
    *,
    k: int = 10,
    where: Where | None = None,
    min_score: float | None = None,
    scorer: Scorer | None = None,
    candidates: int | None = None,
) -> list[Match]:
    """The best targets for one query, best first; equal scores in the order of the targets.

    Args:
        query: A job title, a sentence, a skill: any text that is not blank.
        targets: The target space.
        k: How many to return at most; 10 is what RP@10 looks at. All of them if it is larger than
            the space.
        where: Restricts the targets before they are scored: `{column: value or list of values}`
            (all must hold), a boolean mask of (targets,), or target indices. If it selects
            nothing, nothing is returned.
        min_score: Leaves out matches that score less.
        scorer: How to compare token vectors; None takes the cache's own.
        candidates: None ranks exactly over every target. A number takes that many targets which
            an approximate index over pooled vectors proposes (extra `ann`), and ranks those
            exactly; one below `k` counts as `k`.

    Returns:
        At most `k` matches.

    Raises:
        InputError: If an argument is wrong, or the query is blank.
        CacheMismatchError: If the cache was built with another model.
        ModelError: If the cache's model can not be loaded.
        MissingExtraError: If `candidates` is given and hnswlib is not installed.

    Warns:
        TruncationWarning: If the model cut the query because it is too long for it.
    """
    if not isinstance(query, str):
        raise InputError(
            f"expected one query as text, got {type(query).__name__}: pass lists to rank_many"
        )
    return rank_many(
        [query],
        targets,
        k=k,
        where=where,
        min_score=min_score,
        scorer=scorer,
        candidates=candidates,
    )[0]


def rank_many(
    queries: Iterable[str],
    targets: TargetCache,
    *,
    k: int = 10,
    where: Where | None = None,
    min_score: float | None = None,
    scorer: Scorer | None = None,
    candidates: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> list[list[Match]]:
    """`rank` for many queries: the same matches, in less time than one call for each.

    Args:
        queries: Texts that are not blank, in any iterable; may be empty.
        targets: The target space.
        k: As in `rank`.
        where: As in `rank`, for all queries alike.
        min_score: As in `rank`.
        scorer: As in `rank`.
        candidates: As in `rank`.
        progress: Called after each block with the number of queries finished so far.

    Returns:
        One list of matches for each query, in their order.

    Raises:
        InputError: As `rank`; the message names the index of the query.
        CacheMismatchError: As `rank`.
        ModelError: As `rank`.
        MissingExtraError: As `rank`.

    Warns:
        TruncationWarning: Once, if the model cut queries that are too long for it.
    """
    check_counter(progress)
    cuts = Truncations()
    stream = rank_stream(
        queries,
        targets,
        k=k,
        where=where,
        min_score=min_score,
        scorer=scorer,
        candidates=candidates,
    )
    found = []
    with gathered(cuts):
        for matches in stream:
            found.append(matches)
            if progress is not None and len(found) % _BLOCK == 0:
                progress(len(found))
    cuts.warn()
    if progress is not None and len(found) % _BLOCK:
        progress(len(found))
    return found


def rank_stream(
    queries: Iterable[str],
    targets: TargetCache,
    *,
    k: int = 10,
    where: Where | None = None,
    min_score: float | None = None,
    scorer: Scorer | None = None,
    candidates: int | None = None,
    block: int = _BLOCK,
) -> Iterator[list[Match]]:
    """`rank_many`, one query's matches after the other, for more queries than fit into memory.

    Arguments are checked at the call; queries are taken from the iterable a block at a time.

    Args:
        queries: Texts that are not blank, in any iterable.
        targets: The target space.
        k: As in `rank`.
        where: As in `rank`, for all queries alike.
        min_score: As in `rank`.
        scorer: As in `rank`.
        candidates: As in `rank`.
        block: Queries that are encoded and scored at once; 1 answers each as soon as it comes.

    Returns:
        An iterator over one list of matches for each query, in their order.

    Raises:
        InputError: As `rank_many`; for a query, when it is reached.
        CacheMismatchError: As `rank`.
        ModelError: As `rank`.
        MissingExtraError: As `rank`.

    Warns:
        TruncationWarning: Once, for the first block with a query that is too long for the model.
    """
    if isinstance(queries, str | bytes):
        raise InputError(
            f"expected several queries, got one {type(queries).__name__}: call rank, or pass a list"
        )
    try:
        source = iter(queries)
    except TypeError:
        raise InputError(
            f"expected an iterable of queries, got {type(queries).__name__}: pass a list of texts"
        ) from None
    settings = _Settings.checked(targets, k, where, min_score, scorer, candidates)
    return _ranked(source, settings, min(positive("block", block), sys.maxsize))


def late_interaction(
    query_vectors: ArrayLike, values: ArrayLike, offsets: ArrayLike, *, scorer: Scorer
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
        scorer=chosen.name,
        temperature=core_temperature(chosen),
        pivot=chosen.pivot,
    )
    of_query: NDArray[np.float32] = scores[0]
    return of_query


@dataclass(frozen=True)
class _Settings:
    """The checked arguments of a ranking."""

    targets: TargetCache
    k: int
    subset: NDArray[np.int64] | None
    min_score: np.float32
    scorer: Scorer
    candidates: int | None

    @classmethod
    def checked(
        cls,
        targets: TargetCache,
        k: int,
        where: Where | None,
        min_score: float | None,
        scorer: Scorer | None,
        candidates: int | None,
    ) -> _Settings:
        check_targets(targets)
        return cls(
            targets=targets,
            k=min(positive("k", k), max(1, len(targets))),
            subset=None if where is None else np.flatnonzero(targets.mask(where)),
            min_score=_score_bound(min_score),
            scorer=chosen_scorer(targets, scorer),
            candidates=None if candidates is None else positive("candidates", candidates),
        )


def _ranked(source: Iterator[str], settings: _Settings, block: int) -> Iterator[list[Match]]:
    done = 0
    cuts = Truncations()
    while queries := list(islice(source, block)):
        with gathered(cuts):
            vectors = encode_queries(queries, settings.targets, first=done)
        cuts.warn()
        yield from _ranked_block(vectors, settings)
        done += len(queries)


def _ranked_block(queries: TokenVectors, settings: _Settings) -> list[list[Match]]:
    targets = settings.targets
    if settings.subset is not None and len(settings.subset) == 0:
        return [[] for _ in range(len(queries))]
    if settings.candidates is not None:
        from uwe.candidates import propose

        count = max(settings.candidates, settings.k)
        proposed = propose(queries, targets, count=count, subset=settings.subset)
        found = []
        for i, subset in enumerate(proposed):
            one = TokenVectors.from_list([queries[i]])
            found += _best(one, settings, subset)
        return found
    return _best(queries, settings, settings.subset)


def _best(
    queries: TokenVectors, settings: _Settings, subset: NDArray[np.int64] | None
) -> list[list[Match]]:
    scorer = settings.scorer
    indices, scores, texts = _core.cache_rank(
        settings.targets.core,
        queries.values,
        queries.offsets,
        scorer=scorer.name,
        temperature=core_temperature(scorer),
        pivot=scorer.pivot,
        k=settings.k,
        subset=subset,
    )
    found = []
    for row in range(len(queries)):
        enough = scores[row] >= settings.min_score
        found.append(
            _matches(
                settings.targets, indices[row][enough], scores[row][enough], texts[row][enough]
            )
        )
    return found


def _matches(
    targets: TargetCache,
    indices: NDArray[np.int64],
    scores: NDArray[np.float32],
    texts: NDArray[np.int64],
) -> list[Match]:
    core = targets.core
    rows = zip(
        core.labels(indices),
        core.ids(indices),
        indices.tolist(),
        scores.tolist(),
        texts.tolist(),
        strict=True,
    )
    return [
        Match(
            label=label,
            score=score,
            index=index,
            id=id_,
            alias=core.aliases(index)[text - 1] if text else None,
            metadata=targets.metadata(index),
        )
        for label, id_, index, score, text in rows
    ]


def _score_bound(value: float | None) -> np.float32:
    """The bound in the precision of the scores, so that a score that is passed back is kept."""
    if value is None:
        return np.float32(-math.inf)
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isnan(number):
        raise InputError(f"expected min_score to be a number or None, got {value!r}: correct it")
    with np.errstate(over="ignore"):
        return np.float32(number)
