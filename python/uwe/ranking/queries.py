"""What ranking, explanation and metrics do with a query before they score it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.cache.filters import Where
from uwe.cache.target_cache import TargetCache
from uwe.checks import is_iterable, listed, texts_of
from uwe.columns import values_of
from uwe.encoder.loading import load
from uwe.encoder.text_encoder import TextEncoder
from uwe.encoder.tokens import TokenVectors, checked_vectors
from uwe.encoder.truncation import Truncations, gathered
from uwe.errors import InputError, shown
from uwe.scorer import Scorer, checked_scorer, core_scorer

Targets = TargetCache | Iterable[str]
"""A target space, or labels, which the shipped model encodes at each call."""


class Found(NamedTuple):
    """The best targets of one query, best first."""

    indices: NDArray[np.int64]  # (k,)
    scores: NDArray[np.float32]  # (k,)
    texts: NDArray[np.int64]  # (k,): which text scored; 0 is the label, then the aliases
    label_scores: NDArray[np.float32]  # (k,): what the label alone scores


class NamedTexts(NamedTuple):
    """The texts that are named for each query."""

    texts: NDArray[np.int64]  # (texts,): their numbers in the space
    offsets: NDArray[np.int64]  # (queries + 1,): where the texts of each query begin and end


def encode_queries(queries: Sequence[str], targets: TargetCache) -> TokenVectors:
    """Token vectors of checked queries from the model of a cache."""
    vectors = checked_vectors(targets.model.encode(queries), len(queries))
    if vectors.dim != targets.dim:
        raise InputError(
            f"expected token vectors of width {targets.dim} from the model, as the cache has, got "
            f"{vectors.dim}: correct its encode"
        )
    return vectors


def several(queries: Iterable[str] | TokenVectors) -> Sequence[str] | TokenVectors:
    """The queries, at hand all at once; InputError if they are not several."""
    return queries if isinstance(queries, TokenVectors) else listed("queries", queries)


def encoded(
    queries: Sequence[str] | TokenVectors, targets: TargetCache, *, block: int
) -> Iterator[tuple[int, int, TokenVectors]]:
    """Token vectors of some queries at a time, each with the numbers of its first and its end.

    Queries that are token vectors already are taken as they are. Texts that the model cut are
    warned of once, at the end.
    """
    if isinstance(queries, TokenVectors) and queries.dim != targets.dim:
        raise InputError(
            f"expected query vectors of width {targets.dim}, as the cache has, got {queries.dim}: "
            "take both from one model"
        )
    cuts = Truncations("queries")
    for start in range(0, len(queries), block):
        end = min(start + block, len(queries))
        if isinstance(queries, TokenVectors):
            yield start, end, queries.part(start, end)
            continue
        with gathered(cuts):
            texts = texts_of("queries", queries[start:end], "query", first=start)
            vectors = encode_queries(texts, targets)
        yield start, end, vectors
    cuts.warn()


def target_cache(targets: Targets) -> TargetCache:
    """`targets` as a cache; the shipped model encodes labels, again at each call."""
    if isinstance(targets, TargetCache):
        return targets
    labels = values_of("targets", targets)
    if is_iterable(labels) and not isinstance(labels, str | bytes | Mapping):
        return TargetCache.build(_shipped_model(), labels)
    raise InputError(
        f"expected targets to be a uwe.TargetCache or a list of labels, got {shown(targets)}: open "
        "a cache with uwe.TargetCache.open(path), or take a built-in one with "
        "uwe.space_cache(name)"
    )


@cache
def _shipped_model() -> TextEncoder:
    return load()


def chosen_scorer(targets: TargetCache, scorer: Scorer | str | None) -> Scorer:
    """The scorer that was passed, or the cache's own for None; InputError for anything else."""
    return targets.scorer if scorer is None else checked_scorer(scorer)


def best_targets(
    queries: TokenVectors,
    targets: TargetCache,
    *,
    scorer: Scorer,
    k: int,
    subset: NDArray[np.int64] | None = None,
    among: NamedTexts | None = None,
    with_labels: bool = False,
) -> list[Found]:
    """The best `k` targets of each query.

    They are those of all targets or of a strictly increasing `subset`; or those that are best by
    the texts that are named for each query, which must be of `k` targets. What labels score alone
    is computed `with_labels` only; otherwise it is the score.
    """
    asked = targets.core, queries.values, queries.offsets
    form = core_scorer(scorer)
    if among is None:
        arrays = _core.cache_rank(*asked, **form, k=k, subset=subset, label_scores=with_labels)
    else:
        arrays = _core.cache_rank_among(*asked, *among, **form, k=k, label_scores=with_labels)
    return [Found(*found) for found in zip(*arrays, strict=True)]


def subset_of(targets: TargetCache, where: Where | None) -> NDArray[np.int64] | None:
    """Ascending indices of the targets that a filter keeps; None where there is no filter."""
    return None if where is None else np.flatnonzero(targets.mask(where))
