"""Where a score comes from: cells of query word by target word that add up to it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.cache.target_cache import TargetCache
from uwe.checks import listed, natural, texts_of
from uwe.encoder.truncation import Truncations, gathered
from uwe.encoder.words import WordGroups, words_of
from uwe.errors import InputError, shown
from uwe.lexicon import checked_abbreviations
from uwe.markup import aligned, cell, escaped
from uwe.ranking.matches import Match
from uwe.ranking.queries import Targets, chosen_scorer, encode_queries, target_cache
from uwe.ranking.rank import Abbreviate
from uwe.ranking.readings import readings_of
from uwe.scorer import Scorer

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Word:
    """A word of a text and its part of the score.

    Attributes:
        text: As it stands in the text; for a special token its name, such as `[CLS]`.
        share: What it adds to the score; negative where it pulls it down.
        special: Whether it is a token that the tokenizer added.
    """

    text: str
    share: float
    special: bool


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """The score of one query and one target, word by word.

    A word is what stands between blanks, the sum of its pieces; every special token stands for
    itself.

    Attributes:
        query: The query.
        label: The target's label.
        alias: The alias that is explained because it matched better than the label, or None.
        read_as: The query as it was read, with abbreviations written out, whose words these are;
            None where it was taken as it stands.
        index: The target's place in the target space.
        score: Computed in float64 from the token vectors; equal to the ranked score within the
            kernels' tolerance.
        scorer: How the token vectors were compared.
        query_words: The words of the query; their shares add up to the score.
        target_words: The words of the label or alias; their shares add up to the score too.
        cells: (query words, target words), float64; rows add up to the query words' shares,
            columns to the target words'.
    """

    query: str
    label: str
    alias: str | None
    read_as: str | None
    index: int
    score: float
    scorer: Scorer
    query_words: tuple[Word, ...]
    target_words: tuple[Word, ...]
    cells: Floats

    def top(self, count: int = 3) -> list[Word]:
        """The query's words that earned most, special tokens aside, best first; never negative."""
        count = natural("count", count)
        words = [w for w in self.query_words if not w.special and w.share > 0]
        return sorted(words, key=lambda w: -w.share)[:count]

    def to_dict(self) -> dict[str, Any]:
        """The attributes as a dictionary that `json.dumps` takes."""
        return {
            **vars(self),
            "scorer": str(self.scorer),
            "query_words": [vars(w) for w in self.query_words],
            "target_words": [vars(w) for w in self.target_words],
            "cells": self.cells.tolist(),
        }

    def __str__(self) -> str:
        """A table: a row for each query word, a column for each target word, shares at the rim."""
        rows = [["", *(w.text for w in self.target_words), "share"]]
        for word, row in zip(self.query_words, self.cells, strict=True):
            rows.append([word.text, *(f"{c:+.3f}" for c in row), f"{word.share:+.3f}"])
        rows.append(
            ["share", *(f"{w.share:+.3f}" for w in self.target_words), f"{self.score:+.3f}"]
        )
        alias = "" if self.alias is None else f" (alias {self.alias!r})"
        read = "" if self.read_as is None else f", read as {self.read_as!r},"
        head = f"{self.query!r}{read} -> {self.label!r}{alias}: {self.score:.4f} ({self.scorer})"
        return f"{head}\n\n{aligned(rows, range(1, len(rows[0])))}"

    def _repr_html_(self) -> str:
        """The same table; the deeper a cell's blue, the more it adds, and red takes away."""
        most = max(float(np.abs(self.cells).max(initial=0.0)), 1e-9)

        def pair(value: float) -> str:
            # Never so deep that a notebook's text, black or white, cannot be read on it.
            colour = "70, 130, 220" if value >= 0 else "220, 80, 60"
            shade = f"background: rgba({colour}, {0.75 * abs(value) / most:.2f})"
            return cell(f"{value:.3f}", right=True, more=shade)

        def name(word: Word, *, right: bool = False) -> str:
            weight = "font-weight: normal; opacity: 0.7" if word.special else ""
            return cell(escaped(word.text), right=right, tag="th", more=weight)

        def share(value: float) -> str:
            return cell(f"{value:.3f}", right=True)

        label = self.label if self.alias is None else f"{self.label} ({self.alias})"
        read = "" if self.read_as is None else f", read as {self.read_as},"
        rows = [
            cell("", tag="th")
            + "".join(name(word, right=True) for word in self.target_words)
            + cell("share", right=True, tag="th"),
            *(
                f"{name(word)}{''.join(map(pair, row))}{share(word.share)}"
                for word, row in zip(self.query_words, self.cells.tolist(), strict=True)
            ),
            cell("share", tag="th")
            + "".join(share(word.share) for word in self.target_words)
            + share(self.score),
        ]
        caption = f"{escaped(self.query + read)} → {escaped(label)}: {self.score:.3f}"
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f'<table><caption style="text-align: left">{caption}</caption>{body}</table>'

    def __repr__(self) -> str:
        return f"Explanation({self.query!r}, {self.label!r}, score={self.score:.4f})"


def explain(
    query: str,
    targets: Targets,
    target: str | int | Match,
    *,
    scorer: Scorer | str | None = None,
    abbreviations: Abbreviate = True,
) -> Explanation:
    """Explain the score of one target.

    Args:
        query: The text that was ranked.
        targets: A target space, or labels, as in `rank`.
        target: The target's label, its id, its index, or a match of `rank`.
        scorer: None takes the cache's own.
        abbreviations: As in `rank`.

    Returns:
        The explanation of the target's best text for this query: its label, or an alias; and of
        the reading of the query that scores best, or that of the match.

    Raises:
        InputError: If there is no such target, several have that label, the match is of another
            state of the cache, or the query is blank.
        CacheMismatchError: If the cache was built with another model.
        ModelError: If the cache's model cannot be loaded.

    Warns:
        TruncationWarning: If the model cut the query because it is too long for it.
    """
    found = explain_many(query, targets, [target], scorer=scorer, abbreviations=abbreviations)
    return found[0]


def explain_many(
    query: str,
    targets: Targets,
    wanted: Iterable[str | int | Match],
    *,
    scorer: Scorer | str | None = None,
    abbreviations: Abbreviate = True,
) -> list[Explanation]:
    """`explain` for several targets, such as all matches of a query, which is encoded once.

    `wanted` are labels, ids, indices or matches; other arguments, errors and warnings are as in
    `explain`.

    Returns:
        One explanation for each target, in their order.
    """
    cache = target_cache(targets)
    if not isinstance(query, str):
        raise InputError(f"expected one query as text, got {type(query).__name__}")
    wanted = listed("wanted, labels, ids, indices or matches,", wanted)
    indices = [_index(cache, target) for target in wanted]
    if not indices:
        return []
    chosen = chosen_scorer(cache, scorer)
    texts_of("queries", [query], "query")
    readings = readings_of(query, cache, checked_abbreviations(abbreviations))
    cuts = Truncations("queries")
    with gathered(cuts):
        vectors = [encode_queries([readings[0]], cache)[0]]
        # What is cut of a reading is none of the user's text.
        with gathered(Truncations(), apart=True):
            vectors += [encode_queries([text], cache)[0] for text in readings[1:]]
    cuts.warn()
    encoded = {
        text: of_text.astype(np.float64) for text, of_text in zip(readings, vectors, strict=True)
    }
    rows = {text: words_of(cache.model, text, len(encoded[text])) for text in readings}

    def explained(target: str | int | Match, index: int) -> Explanation:
        asked = _asked(query, target, readings)
        found = [
            _explained(query, text, encoded[text], rows[text], cache, index, chosen)
            for text in asked
        ]
        # Of equal ones the first, as in the ranking.
        return max(found, key=lambda explanation: explanation.score)

    return [explained(target, index) for target, index in zip(wanted, indices, strict=True)]


def _asked(query: str, target: str | int | Match, readings: tuple[str, ...]) -> tuple[str, ...]:
    """The readings that may have scored: that of a match, or all."""
    if not isinstance(target, Match):
        return readings
    read = query if target.read_as is None else target.read_as
    if read not in readings:
        raise InputError(
            f"the match {target.label!r} is of a query that was read as {read!r}, not of "
            f"{query!r}: pass the query and the abbreviations= that were ranked"
        )
    return (read,)


def cells(query_vectors: Floats, units: Floats, norms: Floats, *, scorer: Scorer) -> Floats:
    """What each pair of tokens adds to the score; the formulas of the scorers, term by term.

    The query has raw token vectors, (m, dim); the target's tokens have unit vectors, (n, dim), and
    their lengths `norms`, (n,). The result is (m, n), float64; its sum is the score.
    """
    m, n = len(query_vectors), len(units)
    if scorer.name == "pooled":
        target_vectors = units * norms[:, None]
        lengths = np.linalg.norm(query_vectors.mean(axis=0)) * np.linalg.norm(
            target_vectors.mean(axis=0)
        )
        # A mean of zero has no direction: it scores 0, so no pair earned anything.
        if lengths == 0.0:
            return np.zeros((m, n))
        return query_vectors @ target_vectors.T / (m * n * lengths)
    query_units, query_norms = _split(query_vectors)
    cosines = query_units @ units.T
    if scorer.name == "max":
        chosen = np.zeros((m, n))
        best = cosines.argmax(axis=1)
        chosen[np.arange(m), best] = cosines[np.arange(m), best] / m
        return chosen
    assert scorer.temperature is not None  # a scorer that attends has one
    logits = query_norms[:, None] * cosines * norms / scorer.temperature
    of_query = {"soft_target": 0.0, "soft_query": 1.0}.get(scorer.name, scorer.query_weight(m))
    by_target: Floats = _softmax(logits, axis=1) * cosines / m
    by_query: Floats = _softmax(logits, axis=0) * cosines / n
    return (1.0 - of_query) * by_target + of_query * by_query


def _split(vectors: Floats) -> tuple[Floats, Floats]:
    """Units and norms in the precision in which they are ranked, widened again."""
    exact = np.linalg.norm(vectors, axis=1)
    units = (vectors / exact[:, None]).astype(np.float32)
    return units.astype(np.float64), exact.astype(np.float32).astype(np.float64)


def _softmax(logits: Floats, axis: int) -> Floats:
    exponents = np.exp(logits - logits.max(axis=axis, keepdims=True))
    shares: Floats = exponents / exponents.sum(axis=axis, keepdims=True)
    return shares


def _explained(
    query: str,
    read: str,
    vectors: Floats,
    rows: WordGroups,
    targets: TargetCache,
    index: int,
    scorer: Scorer,
) -> Explanation:
    aliases = targets.aliases[index]
    label = targets.labels[index]
    every = []
    for number in range(1 + len(aliases)):
        units, norms = targets.core.token_vectors(index, number)
        pairs = cells(vectors, units.astype(np.float64), norms.astype(np.float64), scorer=scorer)
        if scorer.name == "pooled":
            pairs = _of_stored_mean(pairs, vectors, targets.core.pooled_vector(index, number))
        every.append(pairs)
    # The first of equals: the label wins a tie, as it does in the ranking.
    best_text = max(range(len(every)), key=lambda number: float(every[number].sum()))
    best = every[best_text]
    text = aliases[best_text - 1] if best_text else label
    if targets.core.tokens == "pooled":
        columns = WordGroups((text,), (False,), np.zeros(1, dtype=np.int64))
    else:
        columns = words_of(targets.model, text, best.shape[1])
    by_row = np.zeros((len(rows.names), best.shape[1]))
    np.add.at(by_row, rows.groups, best)
    table = np.zeros((len(rows.names), len(columns.names)))
    np.add.at(table.T, columns.groups, by_row.T)
    return Explanation(
        query=query,
        label=label,
        alias=text if best_text else None,
        read_as=None if read == query else read,
        index=index,
        score=float(best.sum()),
        scorer=scorer,
        query_words=_shared(rows, table.sum(axis=1)),
        target_words=_shared(columns, table.sum(axis=0)),
        cells=table,
    )


def _shared(words: WordGroups, shares: Floats) -> tuple[Word, ...]:
    rows = zip(words.names, shares.tolist(), words.special, strict=True)
    return tuple(Word(name, share, special) for name, share, special in rows)


def _of_stored_mean(pairs: Floats, vectors: Floats, mean: NDArray[np.float32]) -> Floats:
    """Cells that add up to what is ranked: the stored mean, which narrower types round by itself.

    What that rounding did to a query token's row is spread over the row alike.
    """
    length = np.linalg.norm(vectors.mean(axis=0))
    if length == 0.0:
        return pairs
    rows = vectors @ mean.astype(np.float64) / (len(vectors) * length)
    corrected: Floats = pairs + ((rows - pairs.sum(axis=1)) / pairs.shape[1])[:, None]
    return corrected


def _index(targets: TargetCache, target: str | int | Match) -> int:
    if isinstance(target, Match):
        index = natural("the index of a match", target.index)
        # A cache that changed since numbers its targets again: the index may mean another one.
        known = index < len(targets) and (targets.labels[index], targets.ids[index])
        if known != (target.label, target.id):
            raise InputError(
                f"the match {target.label!r}, index {index}, is of another state of the cache: "
                "rank again"
            )
        return index
    if isinstance(target, str):
        found = targets.find(target)
        if not found:
            found = [i for i, known in enumerate(targets.ids) if known == target]
        if len(found) > 1:
            raise InputError(
                f"{len(found)} targets have the label {shown(target)}: pass one of their indices, "
                f"{', '.join(map(str, found[:5]))}"
            )
        if not found:
            raise InputError(
                f"no target has the label or id {shown(target)}{_near(targets, target)}: pass the "
                "exact label, its id, or an index"
            )
        return found[0]
    try:
        index = operator.index(target)
    except TypeError:
        index = -1
    if isinstance(target, bool) or not 0 <= index < len(targets):
        raise InputError(
            f"expected a label, a match, or an index from 0 to below {len(targets)}, got "
            f"{shown(target)}"
        )
    return index


def _near(targets: TargetCache, label: str) -> str:
    import difflib

    label = label.casefold()
    # Of a large space, to compare all would take longer than to rank.
    folded = {text.casefold(): text for text in targets.labels}
    some = [text for text in folded if text[:1] == label[:1]]
    near = difflib.get_close_matches(label, some, n=3, cutoff=0.6)
    return f"; near are {', '.join(repr(folded[n]) for n in near)}" if near else ""
