"""Queries that can be read in several ways: as they stand, and with abbreviations written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uwe.lexicon import Abbreviations, with_unknown_words

if TYPE_CHECKING:
    from uwe.cache import TargetCache

__all__ = ["SURE", "Hits", "best_of_readings", "first_reading"]

SURE = 0.9
"""A score from which on a query as it stands is not read in another way: what scores so is, nearly
to the letter, a text of the target."""


@dataclass(frozen=True)
class Hits:
    """The best targets of one query, best first.

    Attributes:
        indices: (k,), int64.
        scores: (k,), float32.
        texts: (k,), int64: which text scored; 0 is the label, then the aliases.
        readings: (k,), int64: which reading of the query scored, by its place in `texts_read`.
        texts_read: The readings, the first one first.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float32]
    texts: NDArray[np.int64]
    readings: NDArray[np.int64]
    texts_read: tuple[str, ...]


Found = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]


def first_reading(query: str, targets: TargetCache, table: Abbreviations | None) -> str:
    """The query as it stands, but for words in capitals that nobody knows.

    A word is known if the table or a text of the space has it, or the model's tokenizer has it as
    a whole.
    """
    if table is None or query.islower():
        return query

    def known(word: str) -> bool:
        return word in table or word.casefold() in targets.words or _is_whole(word, targets)

    return with_unknown_words(query, known)


def _is_whole(word: str, targets: TargetCache) -> bool:
    tokenize = getattr(targets.model, "tokenize", None)
    # Of a model that shows no pieces, nothing is known to be cut.
    return tokenize is None or sum(not piece.special for piece in tokenize(word)) == 1


def best_of_readings(
    queries: Sequence[str],
    search: Callable[[Sequence[str]], list[Found]],
    *,
    k: int,
    targets: TargetCache,
    table: Abbreviations | None,
) -> list[Hits]:
    """The best targets of each query in any of its readings.

    A target counts with its best reading; of equal ones, the first. A query whose first reading
    scores `SURE` or more is not read in another way.

    Args:
        queries: Texts.
        search: Gives indices, scores and texts of the best `k` of each text, best first.
        k: How many targets.
        targets: The target space.
        table: Abbreviations; None for no other reading.
    """
    firsts = [
        first_reading(query, targets, table) if isinstance(query, str) else query
        for query in queries
    ]
    found = search(firsts)
    hits = [
        Hits(*arrays, readings=np.zeros(len(arrays[0]), dtype=np.int64), texts_read=(text,))
        for text, arrays in zip(firsts, found, strict=True)
    ]
    if table is None:
        return hits
    others = [
        () if not len(hit.scores) or hit.scores[0] >= SURE else table.readings(text)
        for text, hit in zip(firsts, hits, strict=True)
    ]
    if any(others):
        read = iter(search([text for texts in others for text in texts]))
        for i, texts in enumerate(others):
            if texts:
                hits[i] = _merged([found[i], *(next(read) for _ in texts)], (firsts[i], *texts), k)
    return hits


def _merged(found: Sequence[Found], texts_read: tuple[str, ...], k: int) -> Hits:
    indices, scores, texts = (np.concatenate(parts) for parts in zip(*found, strict=True))
    readings = np.repeat(np.arange(len(found)), [len(part[0]) for part in found])
    # The order of a ranking; what one target has more than once stands behind its best.
    order = np.lexsort((readings, indices, texts > 0, -scores))
    _, first = np.unique(indices[order], return_index=True)
    best = order[np.sort(first)[:k]]
    return Hits(indices[best], scores[best], texts[best], readings[best], texts_read)
