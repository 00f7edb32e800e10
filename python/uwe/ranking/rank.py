"""Queries in, the best targets out: exact over every target, or over proposed candidates."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from os import PathLike
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from uwe.cache.candidates import propose
from uwe.cache.columns import read_metadata
from uwe.cache.filters import Where
from uwe.cache.target_cache import TargetCache
from uwe.checks import iterated, positive, real_number, share, texts_of
from uwe.encoder.tokens import TokenVectors
from uwe.encoder.truncation import Truncations, gathered
from uwe.errors import InputError, shown
from uwe.lexicon import Abbreviations, checked_abbreviations
from uwe.progress import Progress, check_progress, reporting
from uwe.ranking.confidence import Calibrations, match_features
from uwe.ranking.foreign import ForeignQueries
from uwe.ranking.matches import Match, Ranking, Rankings
from uwe.ranking.nearest import nearest_texts
from uwe.ranking.queries import (
    Found,
    Targets,
    best_targets,
    chosen_scorer,
    encode_queries,
    subset_of,
    target_cache,
)
from uwe.ranking.readings import BACKGROUND, Hits, best_of_readings
from uwe.scorer import Scorer

Abbreviate = bool | str | PathLike[str] | Mapping[str, str | Sequence[str]] | Abbreviations
"""True for the table of the package, False for none, or a table of one's own."""

_Result = TypeVar("_Result")

_BLOCK = 64
"""Queries that are encoded and scored at once: enough to keep two cores busy, small in memory."""


def rank(
    query: str,
    targets: Targets,
    *,
    k: int = 10,
    where: Where | None = None,
    min_score: float | None = None,
    min_confidence: float | None = None,
    kind: str | None = None,
    scorer: Scorer | str | None = None,
    candidates: int | None = None,
    abbreviations: Abbreviate = True,
) -> Ranking:
    """The best targets for one query, best first.

    At equal score those matched by their label come first, then the order is that of the targets.

    Args:
        query: A job title, a sentence, a skill: any text that is not blank.
        targets: The target space; or labels, in any iterable or column, which the shipped model
            encodes at each call: build a `TargetCache` to rank against them more than once.
        k: How many to return at most; 10 is what RP@10 looks at. All of them if it is larger than
            the space.
        where: Restricts the targets before they are scored: `{column: value or list of values}`
            (all must hold), a boolean mask of (targets,), or target indices; a list may be a
            column of Arrow, pandas or polars. If it selects nothing, nothing is returned.
        min_score: Leaves out matches that score less.
        min_confidence: Leaves out matches of a lower `Match.confidence`; from 0 to 1. A query that
            nothing answers may so have no match.
        kind: What the query is, for its confidence: `"title"`, `"keyword"` (a skill as people type
            it), `"span"` (a phrase that an expert marks in an advert; judged strictly) or
            `"sentence"`. None takes `title` in a space of ESCO occupations, otherwise `sentence`
            from six words on and `keyword` below.
        scorer: How to compare token vectors, a `Scorer` or its text (`"soft:0.5:4"`); None takes
            the cache's own.
        candidates: None ranks exactly over every target. A number takes that many targets which
            an approximate index over pooled vectors proposes (extra `ann`), and ranks those
            exactly; one below `k`, or below the ten that confidence looks at, counts as that.
        abbreviations: True reads the query also with its abbreviations written out, by the table
            that comes with the package, and keeps the better match of each target
            (`Match.read_as`); a query that is a text of the space is left alone. A table of your
            own does the same: `uwe.Abbreviations`, a mapping, or a file's path. False takes the
            query as it stands. Each reading takes as long as a query.

    Returns:
        At most `k` matches: a list, with `to_arrow` and a table in notebooks.

    Raises:
        InputError: If an argument is wrong, or the query is blank, or `min_confidence` is asked of
            a space that has no calibration for the scorer and the kind of query.
        CacheMismatchError: If the cache was built with another model.
        ModelError: If the cache's model cannot be loaded.
        MissingExtraError: If `candidates` is given and hnswlib is not installed.
        DataError: If a file of abbreviations, or of calibrations, is wrong.

    Warns:
        TruncationWarning: If the model cut the query because it is too long for it.
        LanguageWarning: If the model says that it reads English, and the query surely is not.
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
        min_confidence=min_confidence,
        kind=kind,
        scorer=scorer,
        candidates=candidates,
        abbreviations=abbreviations,
    )[0]


def rank_many(
    queries: Iterable[str],
    targets: Targets,
    *,
    k: int = 10,
    where: Where | None = None,
    min_score: float | None = None,
    min_confidence: float | None = None,
    kind: str | None = None,
    scorer: Scorer | str | None = None,
    candidates: int | None = None,
    abbreviations: Abbreviate = True,
    progress: Progress = False,
) -> Rankings:
    """`rank` for many queries: the same matches, in less time than one call for each.

    `queries` are texts that are not blank, in any iterable, or a column of Arrow, pandas or polars;
    may be empty. `progress` is True for a bar on standard error (if that is a terminal), or a
    callable that takes the number of queries done and of all queries. All other arguments are as in
    `rank`, for all queries alike.

    Returns:
        One ranking for each query, in their order: a list, with `to_arrow` and a table in
        notebooks.

    Raises:
        InputError: As `rank`, like other errors; the message names the index of the query.
        MissingExtraError: If the queries are a column of neither pandas nor polars and pyarrow is
            not installed.

    Warns:
        TruncationWarning: Once, if the model cut queries that are too long for it.
        LanguageWarning: Once, as `rank`, if 2 % of the queries or more are such.
    """
    check_progress(progress)
    texts = list(iterated("queries", queries, "rank"))
    cache = target_cache(targets)
    cuts, foreign = Truncations("queries"), ForeignQueries(cache)
    stream = _stream(
        texts,
        cache,
        foreign.add,
        k=k,
        where=where,
        min_score=min_score,
        min_confidence=min_confidence,
        kind=kind,
        scorer=scorer,
        candidates=candidates,
        abbreviations=abbreviations,
        block=_BLOCK,
    )
    found = Rankings(columns=cache.columns)
    with reporting(progress, len(texts), "Ranking") as report, gathered(cuts):
        for matches in stream:
            found.append(matches)
            if len(found) % _BLOCK == 0 or len(found) == len(texts):
                report(len(found))
    cuts.warn()
    foreign.warn()
    return found


def rank_stream(
    queries: Iterable[str],
    targets: Targets,
    *,
    k: int = 10,
    where: Where | None = None,
    min_score: float | None = None,
    min_confidence: float | None = None,
    kind: str | None = None,
    scorer: Scorer | str | None = None,
    candidates: int | None = None,
    abbreviations: Abbreviate = True,
    block: int = _BLOCK,
) -> Iterator[Ranking]:
    """`rank_many`, one query's matches after the other, for more queries than fit into memory.

    Arguments, which are as in `rank_many`, are checked at the call; queries are taken from the
    iterable a `block` at a time, which is encoded and scored at once: 1 answers each as it comes.

    Returns:
        An iterator over one ranking for each query, in their order.

    Raises:
        InputError: As `rank_many`, like other errors; for a query, when it is reached.

    Warns:
        TruncationWarning: Once, for the first block with a query that is too long for the model.
        LanguageWarning: Once, as `rank_many`, by the queries until then.
    """
    source, cache = iterated("queries", queries, "rank"), target_cache(targets)
    foreign = ForeignQueries(cache)

    def seen(block: Sequence[str]) -> None:
        foreign.add(block)
        foreign.warn()

    return _stream(
        source,
        cache,
        seen,
        k=k,
        where=where,
        min_score=min_score,
        min_confidence=min_confidence,
        kind=kind,
        scorer=scorer,
        candidates=candidates,
        abbreviations=abbreviations,
        block=block,
    )


def _stream(
    queries: Iterable[str],
    cache: TargetCache,
    seen: Callable[[Sequence[str]], None],
    *,
    k: int,
    where: Where | None,
    min_score: float | None,
    min_confidence: float | None,
    kind: str | None,
    scorer: Scorer | str | None,
    candidates: int | None,
    abbreviations: Abbreviate,
    block: int,
) -> Iterator[Ranking]:
    """`rank_stream`, which shows each block of queries to `seen`."""
    k = min(positive("k", k), max(1, len(cache)))
    chosen = chosen_scorer(cache, scorer)
    calibrations = Calibrations(cache, kind, chosen)
    keep = _Kept(k, _score_bound(min_score), _confidence_bound(min_confidence, calibrations))
    depth = max(k, BACKGROUND) if calibrations else k
    read = _reader(
        cache, chosen, depth, where, candidates, abbreviations, calibrated=bool(calibrations)
    )
    matched = partial(_matches, targets=cache, calibrations=calibrations, keep=keep)
    block = min(positive("block", block), sys.maxsize)
    return _ranked(iter(queries), read, matched, block, seen)


class Featured(NamedTuple):
    """What a calibration has of one query: its best targets, and what it looks at."""

    hits: Hits  # the best ten
    texts: list[str]  # (k,): the text of each that scored
    features: NDArray[np.float64]  # (k, features)


def ranked_features(
    queries: Sequence[str],
    targets: TargetCache,
    *,
    where: Where | None = None,
    scorer: Scorer | str | None = None,
    abbreviations: Abbreviate = True,
    encode: Callable[[Sequence[str]], TokenVectors] | None = None,
    nearest: bool = False,
) -> Iterator[Featured]:
    """The best targets of each query and what a calibration looks at; arguments as in `rank_many`.

    `encode` encodes texts in place of the cache's model, such as one that remembers. Where the
    space is large, `nearest` ranks only by texts with near pooled vectors, exactly: that is several
    times as fast, and rarely gives another first target.
    """
    chosen = chosen_scorer(targets, scorer)
    read = _reader(targets, chosen, BACKGROUND, where, None, abbreviations, encode, nearest=nearest)

    def featured(query: str, hits: Hits) -> Featured:
        texts = _matched_texts(hits, targets)
        return Featured(hits, texts, match_features(query, hits, texts))

    return _ranked(iter(queries), read, featured, _BLOCK)


def _reader(
    cache: TargetCache,
    scorer: Scorer,
    depth: int,
    where: Where | None,
    candidates: int | None,
    abbreviations: Abbreviate,
    encode: Callable[[Sequence[str]], TokenVectors] | None = None,
    *,
    calibrated: bool = True,
    nearest: bool = False,
) -> Callable[[Sequence[str]], list[Hits]]:
    """What finds the best `depth` targets of some queries, in the best of their readings."""
    subset, table = subset_of(cache, where), checked_abbreviations(abbreviations)
    best = partial(best_targets, targets=cache, scorer=scorer, k=depth)
    count = None if candidates is None else max(positive("candidates", candidates), depth)
    encode = encode or partial(encode_queries, targets=cache)
    near = nearest_texts(cache) if nearest else None

    def search(vectors: TokenVectors) -> list[tuple[Found, Found]]:
        if subset is not None and len(subset) == 0:
            nothing, none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
            return [(Found(nothing, none, nothing, none),) * 2] * len(vectors)
        found = of_some(vectors, subset, with_labels=calibrated)
        space = of_some(vectors, None) if subset is not None and calibrated else found
        return list(zip(found, space, strict=True))

    def of_some(
        vectors: TokenVectors, subset: NDArray[np.int64] | None, *, with_labels: bool = False
    ) -> list[Found]:
        if count is not None:
            proposed = propose(vectors, cache, count=count, subset=subset)
            return [
                best(vectors.part(i, i + 1), subset=of, with_labels=with_labels)[0]
                for i, of in enumerate(proposed)
            ]
        if near is None:
            return best(vectors, subset=subset, with_labels=with_labels)
        k = min(depth, len(cache) if subset is None else len(subset))
        named = near(vectors, k=k, subset=subset)
        return best(vectors, k=k, among=named, with_labels=with_labels)

    return partial(
        best_of_readings, encode=encode, search=search, k=depth, targets=cache, table=table
    )


class _Kept(NamedTuple):
    """Which matches of a query are returned."""

    k: int
    min_score: float
    min_confidence: float


def _ranked(
    source: Iterator[str],
    read: Callable[[Sequence[str]], list[Hits]],
    matched: Callable[[str, Hits], _Result],
    block: int,
    seen: Callable[[Sequence[str]], None] = lambda _: None,
) -> Iterator[_Result]:
    done = 0
    cuts = Truncations("queries")
    while queries := list(islice(source, block)):
        texts_of("queries", queries, "query", first=done)
        with gathered(cuts):
            found = read(queries)
        cuts.warn()
        seen(queries)
        for query, hits in zip(queries, found, strict=True):
            yield matched(query, hits)
        done += len(queries)


def _matched_texts(hits: Hits, targets: TargetCache) -> list[str]:
    """The text of each target that scored: its label, or an alias."""
    return targets.core.texts_at(hits.indices, hits.texts)


def _matches(
    query: str, hits: Hits, *, targets: TargetCache, calibrations: Calibrations, keep: _Kept
) -> Ranking:
    texts, scores = _matched_texts(hits, targets), hits.scores.tolist()
    # Of a few matches, lists are quicker than arrays.
    kept = [i for i, score in enumerate(scores) if score >= keep.min_score]
    confidences: list[float | None] = [None] * len(texts)
    calibration = calibrations.of(query)
    if calibration is None and keep.min_confidence > 0:
        raise _no_calibration(calibrations)
    if calibration is not None:
        found = calibration.probabilities(match_features(query, hits, texts)).tolist()
        kept = [i for i in kept if found[i] >= keep.min_confidence]
        confidences = found
    kept = kept[: keep.k]
    # An empty list is no index.
    indices, core = hits.indices[np.array(kept, dtype=np.int64)], targets.core
    numbers, readings = hits.texts.tolist(), hits.readings.tolist()
    rows = zip(
        kept,
        core.labels(indices),
        core.ids(indices),
        indices.tolist(),
        read_metadata(core, targets.path, indices),
        strict=True,
    )
    read_as = [None if text == query else text for text in hits.texts_read]
    matches = (
        Match(
            label=label,
            score=scores[i],
            index=index,
            id=id_,
            alias=texts[i] if numbers[i] else None,
            metadata=metadata,
            read_as=read_as[readings[i]],
            confidence=confidences[i],
        )
        for i, label, id_, index, metadata in rows
    )
    return Ranking(query, matches, core.columns)


def _confidence_bound(value: float | None, calibrations: Calibrations) -> float:
    if value is None:
        return 0.0
    number = share("min_confidence", value)
    if not calibrations:
        raise _no_calibration(calibrations)
    return number


def _no_calibration(calibrations: Calibrations) -> InputError:
    if calibrations.single:
        return InputError(
            "expected two targets or more for min_confidence, got one: a target stands out from "
            "others, so add some, or pass min_score"
        )
    return InputError(
        "expected targets with a calibration for min_confidence, found none for this model, its "
        "tokens, scorer and kind of query: make one from labelled pairs with  uwe calibrate, or "
        "pass min_score"
    )


def _score_bound(value: float | None) -> float:
    """The bound in the precision of the scores, so that a score that is passed back is kept."""
    if value is None:
        return -math.inf
    number = real_number(value)
    if number is None and isinstance(value, int) and not isinstance(value, bool):
        number = math.inf if value > 0 else -math.inf  # beyond every float
    if number is None or math.isnan(number):
        raise InputError(
            f"expected min_score to be a number or None, got {shown(value)}: correct it"
        )
    with np.errstate(over="ignore"):
        return float(np.float32(number))
