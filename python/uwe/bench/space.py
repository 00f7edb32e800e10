"""A target space prepared for one model: queries in, ranks of their relevant targets out."""

from __future__ import annotations

import tempfile
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.bench.model import (
    BenchModel,
    EncoderModel,
    ScoreBlock,
    Scoring,
    ScoringModel,
    TaskModel,
)
from uwe.cache.target_cache import TargetCache
from uwe.checks import floats
from uwe.encoder.tokens import Encoder, TokenVectors
from uwe.errors import InputError
from uwe.explanation import explain
from uwe.lexicon import checked_abbreviations
from uwe.ranking.queries import Found, best_targets, encode_queries
from uwe.ranking.readings import best_of_readings
from uwe.scorer import CoreScorer, Scorer, core_scorer

Count = Callable[[int], object]
Indices = NDArray[np.int64]
Ranks = Iterator[tuple[str, Indices]]
"""For each scoring its name and the rank of each relevant target: (pairs,), from 1."""
Top = tuple[Indices, NDArray[np.float32]]
"""Indices and scores of the best `k` targets: (queries, min(k, targets)), best first."""
_Given = tuple[_core.TargetCache, NDArray[np.float32], Indices]


class Relevant:
    """The relevant targets of some queries, one query after the other.

    `indices`, (pairs,), int64, ascend within a query; `offsets` are (queries + 1,), int64.
    """

    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self.offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=self.offsets[1:])
        self.indices = np.fromiter(
            (target for row in rows for target in row), dtype=np.int64, count=self.offsets[-1]
        )

    def block(self, start: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Indices and offsets of the queries from `start` to below `end`."""
        first, last = self.offsets[start], self.offsets[end]
        return self.indices[first:last], self.offsets[start : end + 1] - first


class PreparedSpace(ABC):
    """What evaluation asks of a target space.

    Attributes:
        scorings: Names of the ways to score; one empty name for models that score by themselves.
        seconds: Time spent so far, by part: `encode targets`, `encode queries`.
        score_seconds: Time spent on scores and ranks so far, by scoring.
        block: Queries to pass at once.
        tied: Queries so far for which all targets scored the same, so that their order ranked
            them; None where that is not counted, as with token vectors.
    """

    block: int
    tied: int | None = None

    def __init__(self, scorings: Sequence[str]) -> None:
        self.scorings = tuple(scorings)
        self.seconds: dict[str, float] = defaultdict(float)
        self.score_seconds: dict[str, float] = defaultdict(float)

    @abstractmethod
    def ranks(self, queries: Sequence[str], relevant: Indices, offsets: Indices) -> Ranks:
        """Of some queries, with their relevant targets as `Relevant.block` gives them."""

    @abstractmethod
    def top(self, queries: Sequence[str], scoring: str, k: int) -> Top:
        """The best of some queries."""

    @abstractmethod
    def scores(self, queries: Sequence[str], scoring: str) -> NDArray[np.float32]:
        """All scores: (queries, targets)."""

    def words(self, query: str, target: int, scoring: str) -> list[tuple[str, float]] | None:
        """What each word of the query adds to the score; None where that cannot be told."""
        del query, target, scoring
        return None


@contextmanager
def prepared(
    model: BenchModel,
    labels: Sequence[str],
    aliases: Sequence[Sequence[str]] | None,
    scorings: Sequence[Scoring],
    progress: Count,
    texts: tuple[str, str] = ("query", "target"),
    *,
    names: bool = False,
) -> Iterator[PreparedSpace]:
    """Prepare a target space; what it takes on disk is gone after the block.

    `aliases` are other texts of each target, which score too; None for labels alone. An
    `EncoderModel` compares by `scorings`, and with `names` ranks by `ranked_by_names`. `progress`
    is called with the number of texts encoded so far. `texts` says what a query and what a target
    is, in a task's words.
    """
    if isinstance(model, TaskModel):
        model = model.on(*texts)
    if isinstance(model, ScoringModel):
        yield _ScoredSpace(model, labels, aliases)
        return
    if not isinstance(model, EncoderModel):
        raise InputError(f"expected a model to evaluate, got {type(model).__name__}")
    with tempfile.TemporaryDirectory(prefix="uwe-bench-") as folder:
        kind = _NamedSpace if names else _EncodedSpace
        yield kind(model, labels, aliases, scorings, Path(folder), progress)


class _EncodedSpace(PreparedSpace):
    """Token vectors in temporary caches: every target is encoded once, whatever the scorings."""

    _abbreviations = False  # queries as they stand
    block = 1024  # equally long texts share a batch: more of them give fuller batches

    def __init__(
        self,
        model: EncoderModel,
        labels: Sequence[str],
        aliases: Sequence[Sequence[str]] | None,
        scorings: Sequence[Scoring],
        folder: Path,
        progress: Count,
    ) -> None:
        super().__init__(list(map(str, scorings)))
        self._by_name = dict(zip(self.scorings, scorings, strict=True))
        self._last: tuple[list[str], TokenVectors] | None = None
        self._explains = hasattr(model.encoder, "tokenize")
        started = time.perf_counter()
        recorder = _Recorder(model.encoder)
        plain = all(scoring.scorer.name == "pooled" for scoring in scorings)
        TargetCache.build(
            recorder,
            labels,
            path=folder / "all.uwe",
            aliases=aliases,
            scorer=model.scorer,
            tokens="pooled" if plain else "all",
            progress=lambda done, _: progress(done),
        )
        self._caches = {"all": TargetCache.open(folder / "all.uwe", model=model.encoder)}
        if any(scoring.tokens == "pooled" for scoring in scorings):
            self._caches["pooled"] = TargetCache.from_vectors(
                recorder.means(), labels, model=model.encoder, path=folder / "pooled.uwe",
                aliases=aliases, scorer=model.scorer, tokens="pooled",
            )  # fmt: skip
        self.seconds["encode targets"] += time.perf_counter() - started

    def ranks(self, queries: Sequence[str], relevant: Indices, offsets: Indices) -> Ranks:
        started = time.perf_counter()
        # Kept, as `top` may be asked for the same block next.
        self._last = list(queries), encode_queries(queries, self._caches["all"])
        self.seconds["encode queries"] += time.perf_counter() - started
        for name in self.scorings:
            started = time.perf_counter()
            given, form = self._given(queries, name)
            found = _core.cache_ranks(*given, relevant, offsets, **form)
            self.score_seconds[name] += time.perf_counter() - started
            yield name, found

    def top(self, queries: Sequence[str], scoring: str, k: int) -> Top:
        given, form = self._given(queries, scoring)
        indices, scores, *_ = _core.cache_rank(*given, **form, k=k)
        return indices, scores

    def scores(self, queries: Sequence[str], scoring: str) -> NDArray[np.float32]:
        given, form = self._given(queries, scoring)
        return _core.cache_scores(*given, **form)

    def _given(self, queries: Sequence[str], scoring: str) -> tuple[_Given, CoreScorer]:
        """Cache, token vectors and scorer, as the core takes them."""
        if self._last is None or self._last[0] != list(queries):
            self._last = list(queries), encode_queries(queries, self._caches["all"])
        chosen, vectors = self._by_name[scoring], self._last[1]
        core = self._caches[chosen.tokens].core
        return (core, vectors.values, vectors.offsets), core_scorer(chosen.scorer)

    def words(self, query: str, target: int, scoring: str) -> list[tuple[str, float]] | None:
        if not self._explains:
            return None
        chosen = self._by_name[scoring]
        cache = self._caches[chosen.tokens]
        found = explain(
            query, cache, target, scorer=chosen.scorer, abbreviations=self._abbreviations
        )
        return [(word.text, word.share) for word in found.query_words]


class _NamedSpace(_EncodedSpace):
    """As users rank a space with names: whole rankings, as there is no score of a target alone."""

    _abbreviations = True

    def ranks(self, queries: Sequence[str], relevant: Indices, offsets: Indices) -> Ranks:
        of_pair = np.repeat(np.arange(len(queries)), np.diff(offsets))
        for name, scoring in self._by_name.items():
            started = time.perf_counter()
            cache = self._caches[scoring.tokens]
            indices, _ = ranked_by_names(queries, cache, scoring.scorer, len(cache))
            places = np.empty_like(indices)
            np.put_along_axis(places, indices, np.arange(1, len(cache) + 1)[None], axis=1)
            # Queries are encoded within: their time is not told apart.
            self.score_seconds[name] += time.perf_counter() - started
            yield name, places[of_pair, relevant]

    def top(self, queries: Sequence[str], scoring: str, k: int) -> Top:
        chosen = self._by_name[scoring]
        return ranked_by_names(queries, self._caches[chosen.tokens], chosen.scorer, k)


def ranked_by_names(queries: Sequence[str], cache: TargetCache, scorer: Scorer, k: int) -> Top:
    """The best targets as `uwe.rank` gives them: by all names, with abbreviations written out.

    The cache has the names as aliases. Indices and scores are (queries, min(k, targets)), int64 and
    float32, best first, scores not ascending.
    """

    def search(vectors: TokenVectors) -> list[tuple[Found, Found]]:
        found = best_targets(vectors, cache, scorer=scorer, k=k)
        return list(zip(found, found, strict=True))

    table, encode = checked_abbreviations(True), partial(encode_queries, targets=cache)
    hits = best_of_readings(queries, encode, search, k=k, targets=cache, table=table)
    return np.stack([hit.indices for hit in hits]), np.stack([hit.scores for hit in hits])


class _Recorder:
    """Encodes, and keeps the mean of each text's token vectors for a cache of pooled targets."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._means: list[NDArray[np.float32]] = []
        self.fingerprint = getattr(encoder, "fingerprint", "")

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        vectors = self._encoder.encode(texts)
        sums = np.add.reduceat(vectors.values, vectors.offsets[:-1], axis=0, dtype=np.float64)
        self._means.append((sums / np.diff(vectors.offsets)[:, None]).astype(np.float32))
        return vectors

    def means(self) -> TokenVectors:
        """One token a text, in the order of the texts."""
        found = np.concatenate(self._means)
        return TokenVectors(found, np.arange(len(found) + 1, dtype=np.int64))


class _ScoredSpace(PreparedSpace):
    """A model that scores by itself: its scores of a block of queries are ranked by the core."""

    def __init__(
        self, model: ScoringModel, labels: Sequence[str], aliases: Sequence[Sequence[str]] | None
    ) -> None:
        super().__init__([""])
        self.block, self.tied = model.block, 0
        # A target's label before its aliases, and where each target's texts begin.
        others: Sequence[Sequence[str]] = [()] * len(labels) if aliases is None else aliases
        groups = [[label, *more] for label, more in zip(labels, others, strict=True)]
        self._starts = np.cumsum([0, *map(len, groups[:-1])])
        texts = [text for group in groups for text in group]
        self._name, self._texts, self._targets = model.name, len(texts), len(labels)
        started = time.perf_counter()
        self._score: ScoreBlock = model.prepare(texts)
        self.seconds["encode targets"] += time.perf_counter() - started

    def ranks(self, queries: Sequence[str], relevant: Indices, offsets: Indices) -> Ranks:
        started = time.perf_counter()
        scores = self.scores(queries, "")
        found = _core.ranks(scores, relevant, offsets)
        if self._targets > 1:
            same = scores.min(axis=1) == scores.max(axis=1)
            self.tied = (self.tied or 0) + int(same.sum())
        self.score_seconds[""] += time.perf_counter() - started
        yield "", found

    def top(self, queries: Sequence[str], scoring: str, k: int) -> Top:
        return _core.top_k(self.scores(queries, scoring), min(k, self._targets))

    def scores(self, queries: Sequence[str], scoring: str) -> NDArray[np.float32]:
        del scoring
        scores = floats(f"scores of {self._name}", self._score(queries))
        if scores.shape != (len(queries), self._texts):
            raise InputError(
                f"expected {self._name} to give scores of ({len(queries)}, {self._texts}), got "
                f"{scores.shape}: correct it"
            )
        if not np.isfinite(scores).all():
            query, target = np.argwhere(~np.isfinite(scores))[0].tolist()
            raise InputError(
                f"expected finite scores, got {scores[query, target]} from {self._name} for "
                f"{queries[query]!r} and text {target}: correct it"
            )
        if self._texts > self._targets:
            scores = np.maximum.reduceat(scores, self._starts, axis=1)
        return np.ascontiguousarray(scores)
