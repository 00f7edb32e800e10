"""Texts that are nearly equal, found among many: by the runs of three words that they share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_RUN = 3


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: case-folded, without punctuation."""
    return _WORD.findall(text.casefold())


class NearTexts:
    """Texts by their runs of three words (shingles); an inverted index from run to texts."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._sizes: list[int] = []
        self._texts: dict[int, list[int]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Add a text."""
        runs = runs_of(text, _RUN)
        for run in runs:
            self._texts.setdefault(run, []).append(len(self._sizes))
        self._sizes.append(len(runs))

    def has_like(self, text: str, *, jaccard: float, contained: float | None = None) -> bool:
        """Whether a text is near one that was added.

        It is near if the runs in both are at least `jaccard` of the runs in either, or `contained`
        of the runs of the added text, nearly all of which is then inside `text`. None does not ask
        for the second.
        """
        runs = runs_of(text, _RUN)
        shared: Counter[int] = Counter()
        for run in runs:
            shared.update(self._texts.get(run, ()))
        for other, both in shared.items():
            size = self._sizes[other]
            if both >= jaccard * (len(runs) + size - both):
                return True
            if contained is not None and both >= contained * size:
                return True
        return False


def runs_of(text: str, length: int) -> set[int]:
    """Hashes of the runs of so many words of a text; a shorter text is one run."""
    words = words_of(text)
    # Hashes of this process in place of texts take a fifth of the memory; that two of some
    # millions agree by chance is out of the question.
    last = max(len(words) - length, 0)
    return {hash(tuple(words[i : i + length])) for i in range(last + 1)}
