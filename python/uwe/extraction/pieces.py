"""The pieces of a text: lines, listed items and marked spans, each ranked as a query.

The skill head says which lines may ask for something, and which of their words name it. A piece has
what a calibration looks at; what is made of it stands in `uwe.extraction.extract`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from uwe.cache.filters import Where
from uwe.cache.target_cache import TargetCache
from uwe.calibration import FEATURES
from uwe.checks import is_blank
from uwe.encoder.text_encoder import SKILL_HEAD_FILE, TextEncoder
from uwe.encoder.tokens import TokenVectors, name_of
from uwe.encoder.truncation import Truncations, gathered
from uwe.errors import InputError
from uwe.explanation import cells
from uwe.extraction.findings import Word
from uwe.extraction.segments import Segment, segments
from uwe.extraction.skill_head import Marks, SkillHead, marked_spans, token_shapes
from uwe.extraction.source import PlainText, plain_text
from uwe.lexicon import checked_abbreviations
from uwe.parallelism import one_blas_thread
from uwe.ranking.foreign import unread_language
from uwe.ranking.queries import subset_of
from uwe.ranking.rank import Abbreviate, Featured, ranked_features

PLACE_FEATURES = (
    *FEATURES,
    "asks",  # log-odds that the line asks for something, given the lines around it
    "inside",  # mean probability that a token of the piece belongs to a skill or to knowledge
    "outside",  # the same of the line's other tokens; 0 where there are none
    "whole",  # whether the piece is a whole line
    "span",  # whether the head marked it
    "heading",  # whether the line is a heading
)
"""What the calibration of places looks at, in this order."""

_ASKS, _INSIDE = -6.0, 0.02
"""What a line asks with, and a part of it is inside with, at least: fewer are worth no ranking."""
_MARKED = 0.35
"""Probability from which a token belongs to a span."""
_MOST_LINES, _MOST_READ = 2_000, 200_000
"""Lines of a text that are read, and characters of them: a hundred pages, and bounded in memory."""
_LONGEST_LINE = 600
"""Characters from which a line is cut in parts: some 150 tokens, of 256 that a model reads."""
_WORD = re.compile(r"\S+")
_WORDS, _OF_BEST = 4, 0.3
"""Words that earned a score: so many at most, each with this share of what the best one earned."""


class Encoded(NamedTuple):
    """The tokens of a text."""

    vectors: NDArray[np.float32]  # (tokens, dim)
    places: NDArray[np.int64]  # (tokens, 2): where each begins and ends; the same for a special one


@dataclass(frozen=True)
class Piece:
    """A part of a text that was ranked as a query."""

    text: str  # what was ranked
    line: Segment
    start: int  # where it begins in the text of the line
    encoded: Encoded | None  # None where it was only read otherwise, with words spelt out
    found: Featured
    features: NDArray[np.float64]  # (k, features): the columns are `PLACE_FEATURES`

    def span(self, plain: PlainText, start: int = 0, end: int | None = None) -> tuple[int, int]:
        """Where `text[start:end]`, which is not empty, stands in the text as given."""
        end = len(self.text) if end is None else end
        characters = self.line.characters
        return plain.source_span(
            characters[self.start + start], characters[self.start + end - 1] + 1
        )


@dataclass(frozen=True)
class Pieces:
    """All pieces of one text."""

    plain: PlainText
    pieces: tuple[Piece, ...]  # in the order of the text
    left_out: tuple[str, ...]  # what was not read, and why
    language: str | None  # what it seems to be in, if the model does not read that


class PieceRanker:
    """Cuts texts into pieces and ranks them; `where` and `abbreviations` are those of `extract`."""

    def __init__(
        self,
        targets: TargetCache,
        *,
        where: Where | None = None,
        abbreviations: Abbreviate = True,
    ) -> None:
        model = targets.model
        path = model.folder / SKILL_HEAD_FILE if isinstance(model, TextEncoder) else Path()
        if not isinstance(model, TextEncoder) or not path.is_file():
            raise InputError(
                f"expected targets whose model has a skill head, got {name_of(model)}: use the "
                "shipped model, or train a head with  uwe train skill-head"
            )
        self.model, self.targets = model, targets
        self._head = _read_head(path, path.stat().st_mtime_ns, model.dim)
        # Checked here: a text without lines is never ranked, and an error then is one of the call.
        self._where = subset_of(targets, where)
        table = checked_abbreviations(abbreviations)
        self._abbreviations = False if table is None else table

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """The ranked pieces of each of some texts."""
        plain = [plain_text(text) for text in texts]
        cut = [_lines(one) for one in plain]
        lines = [line for some, _ in cut for line in some]
        documents = np.repeat(np.arange(len(cut)), [len(some) for some, _ in cut])
        if not lines:
            return [
                Pieces(one, (), left_out, None)
                for one, (_, left_out) in zip(plain, cut, strict=True)
            ]
        written = [line.text for line, _ in lines]
        with gathered(Truncations(), apart=True) as truncations, one_blas_thread():
            vectors, places = self.model.encode_with_places(written)
            # Before pieces are encoded, whose cuts count for nothing.
            cut_off = np.bincount(documents[truncations.cut], minlength=len(texts))
            offsets = vectors.offsets
            shapes = token_shapes(written, places, offsets)
            marks = self._head(vectors, shapes, documents)
            known = _by_text(written, vectors, places)
            drafts = [
                draft
                for i, (line, items) in enumerate(lines)
                for draft in _drafts(
                    i, line, items, places, shapes, marks, slice(offsets[i], offsets[i + 1])
                )
            ]
            queries = list(dict.fromkeys(draft.text for draft in drafts))
            ranked = ranked_features(
                queries,
                self.targets,
                where=self._where,
                abbreviations=self._abbreviations,
                encode=partial(_encoded, self.model, known),
                nearest=True,
            )
            found = dict(zip(queries, ranked, strict=True))
        of_text: list[list[Piece]] = [[] for _ in texts]
        for draft in drafts:
            own = found[draft.text]
            beside = np.repeat(draft.features[None], len(own.features), axis=0)
            features = np.hstack([own.features, beside])
            line, _ = lines[draft.line]
            piece = Piece(draft.text, line, draft.start, known.get(draft.text), own, features)
            of_text[documents[draft.line]].append(piece)
        return [
            Pieces(
                one,
                tuple(pieces),
                (*left_out, *_cut_off(count)),
                unread_language(one.text, self.model),
            )
            for one, pieces, (_, left_out), count in zip(
                plain, of_text, cut, cut_off.tolist(), strict=True
            )
        ]

    def words(self, piece: Piece, match: int, plain: PlainText) -> tuple[Word, ...]:
        """The words of a piece that earned the score of one of its matches, best first."""
        hits = piece.found.hits
        reading = hits.texts_read[hits.readings[match]]
        if piece.encoded is None or reading != piece.text:
            return ()
        vectors, places = piece.encoded
        units, norms = self.targets.core.token_vectors(
            int(hits.indices[match]), int(hits.texts[match])
        )
        shares = cells(
            vectors.astype(np.float64),
            units.astype(np.float64),
            norms.astype(np.float64),
            scorer=self.targets.scorer,
        ).sum(axis=1)
        edges = [word.span() for word in _WORD.finditer(piece.text)]
        words: dict[tuple[int, int], list[float]] = {}
        for (start, end), share in zip(places.tolist(), shares.tolist(), strict=True):
            # The blank before a word may be part of its first token.
            at = bisect_right(edges, start, key=lambda edge: edge[1])
            if start < end and at < len(edges):
                words.setdefault(edges[at], []).append(share)
        found = []
        for (start, end), of_word in words.items():
            first, last = piece.span(plain, start, end)
            found.append(Word(piece.text[start:end], first, last, sum(of_word)))
        found.sort(key=lambda word: -word.share)
        least = found[0].share * _OF_BEST if found else 0.0
        return tuple(word for word in found[:_WORDS] if word.share >= least)


def _encoded(model: TextEncoder, known: dict[str, Encoded], texts: Sequence[str]) -> TokenVectors:
    """Token vectors of pieces, which are kept in `known`; whole lines are there already."""
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        known.update(_by_text(new, *model.encode_with_places(new)))
    return TokenVectors.from_list([known[text].vectors for text in texts])


def _by_text(
    texts: Sequence[str], vectors: TokenVectors, places: NDArray[np.int64]
) -> dict[str, Encoded]:
    of_texts = np.split(places, vectors.offsets[1:-1])
    return dict(zip(texts, map(Encoded, vectors, of_texts), strict=True))


def _cut_off(lines: int) -> list[str]:
    return [f"the end of {lines:,} lines of more tokens than the model reads"] if lines else []


@dataclass(frozen=True)
class _Draft:
    """A piece before it is ranked: its text, its line, and what the head says of it."""

    text: str
    line: int
    start: int
    features: NDArray[np.float64]


def _drafts(
    number: int,
    line: Segment,
    items: Sequence[tuple[int, int]],
    places: NDArray[np.int64],
    shapes: NDArray[np.float32],
    marks: Marks,
    own: slice,
) -> Iterator[_Draft]:
    """The pieces of a line that may ask for something: the whole, its items, its marked spans."""
    asks = float(marks.asks[number])
    if asks < _ASKS:
        return
    places, of_kinds, begins = places[own], marks.tokens[own], marks.begins[own]
    either = 1 - (1 - of_kinds).prod(axis=1)
    real = places[:, 1] > places[:, 0]
    spans = {
        (int(places[a, 0]), int(places[b - 1, 1]))
        for kind in range(of_kinds.shape[1])
        for a, b in marked_spans(of_kinds[:, kind], begins[:, kind], shapes[own], _MARKED)
    }
    whole = (0, len(line.text))
    for start, end in dict.fromkeys([whole, *items, *sorted(spans)]):
        inside = real & (places[:, 0] >= start) & (places[:, 1] <= end)
        others = real & ~inside
        text = line.text[start:end]
        if not inside.any() or not any(c.isalnum() for c in text):
            continue
        within = either[inside].mean()
        if (start, end) == whole or within >= _INSIDE:
            yield _Draft(
                text,
                number,
                start,
                np.array(
                    [
                        asks,
                        within,
                        either[others].mean() if others.any() else 0.0,
                        (start, end) == whole,
                        (start, end) in spans,
                        line.kind == "heading",
                    ],
                    dtype=np.float64,
                ),
            )


def _lines(
    plain: PlainText,
) -> tuple[list[tuple[Segment, list[tuple[int, int]]]], tuple[str, ...]]:
    """Lines of a text, each with the spans of its items; and what is left out."""
    found: list[tuple[Segment, list[tuple[int, int]]]] = []
    at: dict[int, int] = {}
    read = skipped = 0
    left_out = []
    for number, segment in enumerate(segments(plain)):
        if segment.parent is not None:
            if segment.parent in at:
                line, items = found[at[segment.parent]]
                end = segment.offset + len(segment.text)
                if end <= len(line.text):
                    items.append((segment.offset, end))
        elif len(found) < _MOST_LINES and read < _MOST_READ:
            at[number] = len(found)
            room = _MOST_READ - read
            if len(segment.text) > room:
                rest = len(segment.text) - room
                left_out.append(f"{rest:,} characters of a line: pass a long text in parts")
                segment = _part(segment, 0, room)
            found.append((segment, []))
            read += len(segment.text)
        else:
            skipped += 1
    parts = [part for line, items in found for part in _parts(line, items)]
    if skipped:
        left_out.append(f"{skipped:,} lines at the end: pass a long text in parts")
    return parts, tuple(left_out)


def _parts(
    line: Segment, items: list[tuple[int, int]]
) -> Iterator[tuple[Segment, list[tuple[int, int]]]]:
    """A line in parts that a model reads whole, cut before an item or else at a blank."""
    items = sorted(items)
    starts = [start for start, _ in items]
    first, length = 0, len(line.text)
    while first < length:
        last = length
        if length - first > _LONGEST_LINE:
            limit = first + _LONGEST_LINE
            at = bisect_right(starts, limit) - 1
            blank = line.text.rfind(" ", first + 1, limit) + 1
            last = starts[at] if at >= 0 and starts[at] > first else blank or limit
        text = line.text[first:last]
        if not is_blank(text):
            begin = first + len(text) - len(text.lstrip())
            end = first + len(text.rstrip())
            own = items[bisect_left(starts, begin) : bisect_left(starts, end)]
            yield _part(line, begin, end), [(a - begin, b - begin) for a, b in own if b <= end]
        first = last


def _part(line: Segment, first: int, last: int) -> Segment:
    return replace(line, text=line.text[first:last], characters=line.characters[first:last])


@lru_cache(maxsize=4)
def _read_head(path: Path, changed: int, dim: int) -> SkillHead:  # noqa: ARG001
    # A file that changed since is read again.
    return SkillHead(path, dim=dim)
