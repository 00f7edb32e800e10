"""What a calibration looks at: features of every match of a ranking."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uwe.calibration import FEATURES, KINDS, Calibration
from uwe.errors import InputError

if TYPE_CHECKING:
    from uwe.cache.target_cache import TargetCache
    from uwe.ranking.readings import Hits

__all__ = ["DEPTH", "Calibrations", "match_features"]

DEPTH = 10
"""Matches that features look at: fewer are never searched for, where confidence is asked."""

_NEAR = 0.05
_SENTENCE_WORDS = 6
_WORD = re.compile(r"[^\W_]+")


class Calibrations:
    """The calibration of each query: of its kind, or, if none was named, of what it looks like.

    Args:
        targets: The space, whose calibrations are taken.
        kind: One of `KINDS`, or None.
        scorer: Text of the scorer that ranks.

    Raises:
        InputError: If `kind` is neither.
    """

    def __init__(self, targets: TargetCache, kind: str | None, scorer: str) -> None:
        if kind is not None and (not isinstance(kind, str) or kind not in KINDS):
            raise InputError(
                f"expected kind to be one of {', '.join(KINDS)}, or None, got {kind!r}: say what "
                "the queries are"
            )
        self._all = {
            name: one
            for name, one in targets.calibrations.items()
            if one.scorer == scorer and one.features == FEATURES
        }
        self._kind = kind
        # ESCO's ids say what a space is of.
        first = targets.ids[0] if self._all and len(targets) else None
        self._short = "title" if (first or "").startswith("occupation/") else "keyword"

    def __bool__(self) -> bool:
        return bool(self._all)

    def of(self, query: str) -> Calibration | None:
        """The calibration for a query; None if there is none of its kind."""
        if "default" in self._all:
            return self._all["default"]
        kind = self._kind
        if kind is None:
            long = self._short != "title" and len(_WORD.findall(query)) >= _SENTENCE_WORDS
            kind = "sentence" if long else self._short
        return self._all.get(kind)


def match_features(query: str, hits: Hits, texts: Sequence[str]) -> NDArray[np.float64]:
    """What a calibration looks at, of each match of one query.

    Args:
        query: The query as it came.
        hits: Its matches, best first; at least the best ten, or all of a smaller space.
        texts: (k,): the text of each target that scored.

    Returns:
        (k, features), float64; the columns are `FEATURES`.
    """
    scores = hits.scores.astype(np.float64)
    k = len(scores)
    features = np.zeros((k, len(FEATURES)))
    if not k:
        return features
    column = dict(zip(FEATURES, features.T, strict=True))
    best, background = scores[0], scores[min(k, DEPTH) - 1]
    column["score"][:] = scores
    column["above_background"][:] = scores - background
    column["best_above_background"][:] = best - background
    column["above_others"][:] = scores - best
    column["above_others"][0] = best - scores[min(1, k - 1)]
    column["near"][:] = np.count_nonzero(scores[:DEPTH] > best - _NEAR) / DEPTH
    column["rank"][:] = np.minimum(np.arange(k), DEPTH) / DEPTH
    column["label_score"][:] = hits.label_scores
    column["by_alias"][:] = hits.texts > 0
    column["query_words"][:] = math.log1p(len(_WORD.findall(query)))
    read = [_WORD.findall(reading.lower()) for reading in hits.texts_read]
    trigrams = [_trigrams(words) for words in read]
    of_text = [_WORD.findall(text.lower()) for text in texts]
    readings = hits.readings.tolist()
    column["text_words"][:] = np.log1p([len(words) for words in of_text])
    column["exact"][:] = [words == read[i] for words, i in zip(of_text, readings, strict=True)]
    for row, (words, i) in enumerate(zip(of_text, readings, strict=True)):
        own, other = trigrams[i], _trigrams(words)
        both = len(own & other)
        column["overlap"][row] = both / max(1, len(own) + len(other) - both)
        column["covered"][row] = both / max(1, len(other))
    return features


def _trigrams(words: list[str]) -> set[str]:
    text = f" {' '.join(words)} "
    return {text[i : i + 3] for i in range(len(text) - 2)}
