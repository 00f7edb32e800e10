"""Queries that can be read in several ways: as they stand, and with abbreviations written out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uwe.cache.target_cache import TargetCache
from uwe.encoder.tokens import TokenVectors
from uwe.encoder.truncation import Truncations, gathered
from uwe.lexicon import Abbreviations, with_unknown_words
from uwe.ranking.queries import Found

BACKGROUND = 10
"""Best scores of a space that say how far a match stands out."""
_BLOCK = 64
"""Readings that are encoded and scored at once."""


@dataclass(frozen=True)
class Hits:
    """The best targets of one query, best first."""

    indices: NDArray[np.int64]  # (k,)
    scores: NDArray[np.float32]  # (k,)
    texts: NDArray[np.int64]  # (k,): which text scored; 0 is the label, then the aliases
    label_scores: NDArray[np.float32]  # (k,): what the label alone scores
    space_scores: NDArray[np.float32]  # (at most 10,): the best of the space, whatever the filter
    readings: NDArray[np.int64]  # (k,): which reading scored, by its place in `texts_read`
    texts_read: tuple[str, ...]  # the readings of the query, the first one first


def readings_of(query: str, targets: TargetCache, table: Abbreviations | None) -> tuple[str, ...]:
    """The ways to read a query against a target space; the first is nearest to what stands there.

    That is the query but for short words in capitals that nobody knows: neither the table nor a
    text of the space has them, and the model's tokenizer cuts them to pieces. The others have
    abbreviations written out. A query that is, in whatever case, with whatever blanks and however
    its accents are encoded, a text of the space has no other; without a table there is the query
    alone.
    """
    if table is None:
        return (query,)

    def known(word: str) -> bool:
        return table.knows(word) or _is_whole(word, targets) or targets.core.has_word(word)

    seen = plain(query)
    first = with_unknown_words(seen, known)
    others = table.readings(first)
    # Of most queries nothing is changed, and no text has to be looked for.
    if (others or first != seen) and _is_text(query, targets):
        return (query,)
    return (query if first == seen else first, *others)


def plain(text: str) -> str:
    """A text without what nobody sees, such as soft hyphens, and with accents in one encoding."""
    if not text.isprintable():
        text = without(text, "Cc", "Cf")
    return unicodedata.normalize("NFC", text)


def without(text: str, *kinds: str) -> str:
    """A text without characters of some of Unicode's categories, but for blanks."""
    gone = [c for c in set(text) if unicodedata.category(c) in kinds and not c.isspace()]
    return text.translate(dict.fromkeys(map(ord, gone)))


def _is_text(query: str, targets: TargetCache) -> bool:
    """Whether a target has this text; lines of files end in a blank, and macOS splits accents."""
    if targets.core.has_text(query):
        return True
    seen = " ".join(plain(query).split())
    return seen != query and targets.core.has_text(seen)


def _is_whole(word: str, targets: TargetCache) -> bool:
    tokenize = getattr(targets.model, "tokenize", None)
    # Of a model that shows no pieces, nothing is known to be cut.
    return tokenize is None or sum(not piece.special for piece in tokenize(word)) == 1


def best_of_readings(
    queries: Sequence[str],
    encode: Callable[[Sequence[str]], TokenVectors],
    search: Callable[[TokenVectors], list[tuple[Found, Found]]],
    *,
    k: int,
    targets: TargetCache,
    table: Abbreviations | None,
) -> list[Hits]:
    """The best `k` targets of each checked query in any of its readings.

    `search` finds the best targets of each text by its token vectors: those that a filter leaves,
    and those of the whole space. A target counts with its best reading; of equal ones, the first.
    """
    read = [readings_of(query, targets, table) for query in queries]
    others = [(i, text) for i, texts in enumerate(read) for text in texts[1:]]
    vectors = encode([texts[0] for texts in read])
    found: list[tuple[Found, Found]] = []
    # One search for the queries and their first readings: it goes over the space once.
    for start in range(0, max(1, len(others)), _BLOCK):
        if some := [text for _, text in others[start : start + _BLOCK]]:
            # What is cut of a reading is none of the user's text.
            with gathered(Truncations(), apart=True):
                more = encode(some)
            vectors = more if start else TokenVectors.from_list([*vectors, *more])
        found += search(vectors)
    each = [[one] for one in found[: len(read)]]
    for (i, _), one in zip(others, found[len(read) :], strict=True):
        each[i].append(one)
    return [_merged(of_query, texts, k) for of_query, texts in zip(each, read, strict=True)]


def _merged(found: Sequence[tuple[Found, Found]], texts_read: tuple[str, ...], k: int) -> Hits:
    if len(found) == 1:
        ((one, space),) = found
        alone = np.zeros(len(one.indices), dtype=np.int64)
        return Hits(*one, space.scores[:BACKGROUND], alone, texts_read)
    kept, spaces = zip(*found, strict=True)
    indices, scores, texts, labels = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    readings = np.repeat(np.arange(len(kept)), [len(part.indices) for part in kept])
    # The order of a ranking; what one target has more than once stands behind its best.
    best = _firsts(indices, np.lexsort((readings, indices, texts > 0, -scores)))[:k]
    of_space = np.concatenate([part.scores for part in spaces])
    apart = _firsts(
        np.concatenate([part.indices for part in spaces]), np.argsort(-of_space, kind="stable")
    )
    return Hits(
        indices[best],
        scores[best],
        texts[best],
        labels[best],
        of_space[apart][:BACKGROUND],
        readings[best],
        texts_read,
    )


def _firsts(indices: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of an order at which a target comes for the first time."""
    _, first = np.unique(indices[order], return_index=True)
    found: NDArray[np.int64] = order[np.sort(first)]
    return found
