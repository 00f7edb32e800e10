"""Queries in, the best targets out: exact over every target, or over proposed candidates."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uwe.checks import check_counter, positive
from uwe.config import Scorer
from uwe.errors import InputError
from uwe.lexicon import Abbreviations, checked_abbreviations
from uwe.queries import (
    Found,
    best_targets,
    check_queries,
    check_targets,
    chosen_scorer,
    encode_queries,
)
from uwe.readings import Hits, best_of_readings
from uwe.tokens import TokenVectors
from uwe.truncation import Truncations, gathered

if TYPE_CHECKING:
    from uwe.cache import TargetCache
    from uwe.filters import Where

__all__ = ["Abbreviate", "Match", "rank", "rank_many", "rank_stream"]

Abbreviate = bool | str | PathLike[str] | Mapping[str, str | Sequence[str]] | Abbreviations
"""True for the table of the package, False for none, or a table of one's own."""

_BLOCK = 64
"""Queries that are encoded and scored at once: enough to keep two cores busy, small in memory."""


@dataclass(frozen=True)
class Match:
    """One ranked target; hashable.

    Attributes:
        label: The target's label.
        score: Score of its best text, a float32 value.
        index: Its place in the target space, which breaks ties among those matched by their label,
            and among those matched by an alias.
        id: Its id, or None where the space has none.
        alias: The alias that matched better than the label, or None where the label did best.
        read_as: The query as it was read for this match, with abbreviations written out, or None
            where it was taken as it stands.
        metadata: Its values in the space's metadata columns.
    """

    label: str
    score: float
    index: int
    id: str | None
    alias: str | None
    metadata: dict[str, Any] = field(hash=False)
    read_as: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The attributes as a dictionary that `json.dumps` takes."""
        return {
            "label": self.label,
            "score": self.score,
            "index": self.index,
            "id": self.id,
            "alias": self.alias,
            "read_as": self.read_as,
            "metadata": dict(self.metadata),
        }


def rank(
    query: str,
    targets: TargetCache,
    *,
    k: int = 10,
    where: Where | None = None,
    min_score: float | None = None,
    scorer: Scorer | str | None = None,
    candidates: int | None = None,
    abbreviations: Abbreviate = True,
) -> list[Match]:
    """The best targets for one query, best first.

    At equal score those matched by their label come first, then the order is that of the targets.

    Args:
        query: A job title, a sentence, a skill: any text that is not blank.
        targets: The target space.
        k: How many to return at most; 10 is what RP@10 looks at. All of them if it is larger than
            the space.
        where: Restricts the targets before they are scored: `{column: value or list of values}`
            (all must hold), a boolean mask of (targets,), or target indices. If it selects
            nothing, nothing is returned.
        min_score: Leaves out matches that score less.
        scorer: How to compare token vectors, a `Scorer` or its text (`"soft:0.5:4"`); None takes
            the cache's own.
        candidates: None ranks exactly over every target. A number takes that many targets which
            an approximate index over pooled vectors proposes (extra `ann`), and ranks those
            exactly; one below `k` counts as `k`.
        abbreviations: True reads the query also with its abbreviations written out, by the table
            that comes with the package, and keeps the better match of each target
            (`Match.read_as`); a query that is a text of the space is left alone. A table of your
            own does the same: `uwe.Abbreviations`, a mapping, or a file's path. False takes the
            query as it stands. Each reading takes as long as a query.

    Returns:
        At most `k` matches.

    Raises:
        InputError: If an argument is wrong, or the query is blank.
        CacheMismatchError: If the cache was built with another model.
        ModelError: If the cache's model can not be loaded.
        MissingExtraError: If `candidates` is given and hnswlib is not installed.
        DataError: If a file of abbreviations is wrong.

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
        abbreviations=abbreviations,
    )[0]


def rank_many(
    queries: Iterable[str],
    targets: TargetCache,
    *,
    k: int = 10,
    where: Where | None = None,
    min_score: float | None = None,
    scorer: Scorer | str | None = None,
    candidates: int | None = None,
    abbreviations: Abbreviate = True,
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
        abbreviations: As in `rank`.
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
        abbreviations=abbreviations,
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
    scorer: Scorer | str | None = None,
    candidates: int | None = None,
    abbreviations: Abbreviate = True,
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
        abbreviations: As in `rank`.
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
    settings = _Settings.checked(targets, k, where, min_score, scorer, candidates, abbreviations)
    return _ranked(source, settings, min(positive("block", block), sys.maxsize))


@dataclass(frozen=True)
class _Settings:
    """The checked arguments of a ranking."""

    targets: TargetCache
    k: int
    subset: NDArray[np.int64] | None
    min_score: np.float32
    scorer: Scorer
    candidates: int | None
    abbreviations: Abbreviations | None

    @classmethod
    def checked(
        cls,
        targets: TargetCache,
        k: int,
        where: Where | None,
        min_score: float | None,
        scorer: Scorer | str | None,
        candidates: int | None,
        abbreviations: Abbreviate,
    ) -> _Settings:
        check_targets(targets)
        return cls(
            targets=targets,
            k=min(positive("k", k), max(1, len(targets))),
            subset=None if where is None else np.flatnonzero(targets.mask(where)),
            min_score=_score_bound(min_score),
            scorer=chosen_scorer(targets, scorer),
            candidates=None if candidates is None else positive("candidates", candidates),
            abbreviations=checked_abbreviations(abbreviations),
        )


def _ranked(source: Iterator[str], settings: _Settings, block: int) -> Iterator[list[Match]]:
    done = 0
    cuts = Truncations()
    while queries := list(islice(source, block)):

        def search(texts: Sequence[str], first: int = done) -> list[Found]:
            return _found(encode_queries(texts, settings.targets, first=first), settings)

        check_queries(queries, first=done)
        with gathered(cuts):
            hits = best_of_readings(
                queries,
                search,
                k=settings.k,
                targets=settings.targets,
                table=settings.abbreviations,
            )
        cuts.warn()
        for query, of_query in zip(queries, hits, strict=True):
            yield _matches(query, of_query, settings)
        done += len(queries)


def _found(queries: TokenVectors, settings: _Settings) -> list[Found]:
    """The best targets of each query."""
    best = partial(best_targets, targets=settings.targets, scorer=settings.scorer, k=settings.k)
    if settings.subset is not None and len(settings.subset) == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return [(nothing, nothing.astype(np.float32), nothing)] * len(queries)
    if settings.candidates is not None:
        from uwe.candidates import propose

        count = max(settings.candidates, settings.k)
        proposed = propose(queries, settings.targets, count=count, subset=settings.subset)
        return [
            best(TokenVectors.from_list([queries[i]]), subset=subset)[0]
            for i, subset in enumerate(proposed)
        ]
    return best(queries, subset=settings.subset)


def _matches(query: str, hits: Hits, settings: _Settings) -> list[Match]:
    targets, core = settings.targets, settings.targets.core
    enough = hits.scores >= settings.min_score
    indices = hits.indices[enough]
    rows = zip(
        core.labels(indices),
        core.ids(indices),
        indices.tolist(),
        hits.scores[enough].tolist(),
        hits.texts[enough].tolist(),
        hits.readings[enough].tolist(),
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
            read_as=None if hits.texts_read[reading] == query else hits.texts_read[reading],
        )
        for label, id_, index, score, text, reading in rows
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
