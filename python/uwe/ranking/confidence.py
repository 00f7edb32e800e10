"""What a calibration looks at: features of every match of a ranking."""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.cache.target_cache import TargetCache
from uwe.calibration import FEATURES, KINDS, Calibration
from uwe.errors import InputError, shown
from uwe.ranking.readings import BACKGROUND, Hits, plain, without
from uwe.scorer import Scorer

_NEAR = 0.05
_SENTENCE_WORDS = 6
_WORD = re.compile(r"[^\W_]+")


class Calibrations:
    """The calibration of each query: of its kind, or, if none was named, of what it looks like.

    It is one of those that `targets` has for `scorer`; `kind` is one of `KINDS`, or None.
    """

    def __init__(self, targets: TargetCache, kind: str | None, scorer: Scorer) -> None:
        if kind is not None and (not isinstance(kind, str) or kind not in KINDS):
            raise InputError(
                f"expected kind to be one of {', '.join(KINDS)}, or None, got {shown(kind)}: say "
                "what the queries are"
            )
        self._kind = kind
        # A target stands out from others: of one alone nothing can be said.
        self.single = len(targets) == 1
        self._all = {
            name: one
            for name, one in targets.calibrations.items()
            if len(targets) > 1 and one.scorer == str(scorer) and one.features == FEATURES
        }
        # ESCO's ids say what a space is of.
        first = targets.ids[0] if self._all else None
        self._short = "title" if (first or "").startswith("occupation/") else "keyword"

    def __bool__(self) -> bool:
        return bool(self._all)

    def of(self, query: str) -> Calibration | None:
        """The calibration for a query; None if there is none of its kind."""
        if "default" in self._all:
            return self._all["default"]
        kind = self._kind
        if kind is None:
            long = self._short != "title" and len(plain(query).split()) >= _SENTENCE_WORDS
            kind = "sentence" if long else self._short
        return self._all.get(kind)


def match_features(query: str, hits: Hits, texts: Sequence[str]) -> NDArray[np.float64]:
    """What a calibration looks at, of each match of one query as it came.

    `texts`, (k,), has for each of the `hits` the text of the target that scored. The result is
    (k, features), float64; its columns are `FEATURES`.
    """
    scores = hits.scores.tolist()
    if not scores:
        return np.zeros((0, len(FEATURES)))
    # Where the match stands in the whole space: a filter does not change what it stands out from.
    space = hits.space_scores.tolist()
    best, second, background = space[0], space[min(1, len(space) - 1)], space[-1]
    ascending = space[::-1]
    near = (len(space) - bisect_right(ascending, best - _NEAR)) / BACKGROUND
    own, query_words = _words(query)
    of_readings = [own if reading == query else _words(reading)[0] for reading in hits.texts_read]
    of_texts, counts = zip(*map(_words_of_target, texts), strict=True)
    matches = zip(
        scores,
        hits.label_scores.tolist(),
        hits.texts.tolist(),
        hits.readings.tolist(),
        of_texts,
        counts,
        _core.shared_trigrams(of_texts, of_readings, hits.readings),
        strict=True,
    )
    # Of ten matches, plain numbers are quicker than arrays; one list is read quicker than rows.
    values: list[float] = []
    for score, label_score, number, reading, words, text_words, trigrams in matches:
        both, either, of_text = trigrams
        above = len(space) - bisect_right(ascending, score)  # how many score more
        values += (
            score,
            score - background,
            best - background,
            score - best if above else best - second,
            near,
            above / BACKGROUND,
            label_score,
            number > 0,
            words == of_readings[reading],
            both / (either or 1),
            both / (of_text or 1),
            query_words,
            text_words,
        )
    return np.array(values, dtype=np.float64).reshape(-1, len(FEATURES))


def _words(text: str) -> tuple[str, float]:
    """Words of a text, with a space around each, and the logarithm of 1 + their number.

    As to the shipped model, accents and what nobody sees make no other word.
    """
    if not (text.isascii() and text.isprintable()):
        text = without(unicodedata.normalize("NFD", plain(text)), "Mn")
    words = _WORD.findall(text.lower())
    return f" {' '.join(words)} ", math.log1p(len(words))


# The texts of a space come again and again; queries, which may be long, do not.
_words_of_target = lru_cache(maxsize=1 << 14)(_words)
