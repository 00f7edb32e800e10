"""What a calibration looks at: features of every match of a ranking."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uwe.calibration import FEATURES, KINDS, Calibration
from uwe.errors import InputError
from uwe.ranking.readings import BACKGROUND

if TYPE_CHECKING:
    from uwe.cache.target_cache import TargetCache
    from uwe.ranking.readings import Hits

__all__ = ["Calibrations", "match_features"]

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
            # A target stands out from others: of one alone nothing can be said.
            if len(targets) > 1 and one.scorer == scorer and one.features == FEATURES
        }
        self._kind = kind
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
            long = self._short != "title" and len(_WORD.findall(query)) >= _SENTENCE_WORDS
            kind = "sentence" if long else self._short
        return self._all.get(kind)


def match_features(query: str, hits: Hits, texts: Sequence[str]) -> NDArray[np.float64]:
    """What a calibration looks at, of each match of one query.

    Args:
        query: The query as it came.
        hits: Its matches, best first.
        texts: (k,): the text of each target that scored.

    Returns:
        (k, features), float64; the columns are `FEATURES`.
    """
    scores = hits.scores.tolist()
    if not scores:
        return np.zeros((0, len(FEATURES)))
    # Where the match stands in the whole space: a filter does not change what it stands out from.
    space = hits.space_scores.tolist()
    best, second, background = space[0], space[min(1, len(space) - 1)], space[-1]
    ascending = space[::-1]
    near = (len(space) - bisect_right(ascending, best - _NEAR)) / BACKGROUND
    query_words = math.log1p(len(_WORD.findall(query)))
    readings = [_read(reading) for reading in hits.texts_read]
    rows = []
    matches = zip(
        scores,
        hits.label_scores.tolist(),
        (hits.texts > 0).tolist(),
        hits.readings.tolist(),
        texts,
        strict=True,
    )
    # Of ten matches, plain numbers are quicker than arrays.
    for score, label_score, by_alias, reading, text in matches:
        above = len(space) - bisect_right(ascending, score)  # how many score more
        words, trigrams = _read_target(text)
        of_query, own = readings[reading]
        both = len(own & trigrams)
        rows.append(
            (
                score,
                score - background,
                best - background,
                score - best if above else best - second,
                near,
                above / BACKGROUND,
                label_score,
                by_alias,
                words == of_query,
                both / max(1, len(own) + len(trigrams) - both),
                both / max(1, len(trigrams)),
                query_words,
                math.log1p(len(words)),
            )
        )
    return np.array(rows, dtype=np.float64)


def _read(text: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Words of a text, and the trigrams of their characters."""
    words = tuple(_WORD.findall(text.lower()))
    padded = f" {' '.join(words)} "
    return words, frozenset(padded[i : i + 3] for i in range(len(padded) - 2))


# The texts of a space come again and again; queries, which may be long, do not.
_read_target = lru_cache(maxsize=1 << 14)(_read)
