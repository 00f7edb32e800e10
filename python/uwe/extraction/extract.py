"""`uwe.extract`: the targets that a whole text asks for, where, and how sure.

A text is cut into segments. The skill head says which lines ask for something, and which words of
them name it. Each line that may ask, each item that it lists and each span that the head marks is a
*piece*, which is ranked as a query; a calibration makes of every match the probability that a coder
would accept it there. A target is found once, with all its places.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uwe.calibration import FEATURES, Calibration
from uwe.checks import real_number, texts_of
from uwe.encoder.text_encoder import SKILL_HEAD_FILE, TextEncoder
from uwe.encoder.tokens import TokenVectors
from uwe.encoder.truncation import Truncations, gathered, warn_caller
from uwe.errors import InputError
from uwe.explanation import cells
from uwe.extraction.findings import Extraction, Extractions, Finding, Place, Word
from uwe.extraction.segments import Segment, segments
from uwe.extraction.skill_head import Marks, SkillHead, marked_spans, token_shapes
from uwe.extraction.source import PlainText, plain_text
from uwe.language import LANGUAGES, LanguageWarning, foreign
from uwe.progress import Progress, check_progress, reporting
from uwe.ranking.foreign import languages
from uwe.ranking.queries import target_cache
from uwe.ranking.rank import Abbreviate, Featured, ranked_features

if TYPE_CHECKING:
    from uwe.cache.filters import Where
    from uwe.cache.target_cache import TargetCache
    from uwe.ranking.queries import Targets

__all__ = [
    "MIN_CONFIDENCE",
    "PLACE_FEATURES",
    "Piece",
    "extract",
    "extract_many",
    "extract_stream",
    "found_in",
]

MIN_CONFIDENCE = 0.5
"""What a finding has at least, unless another number is asked for."""

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
_MOST_CHARACTERS = 10_000_000
_MOST_LINES, _MOST_READ = 2_000, 200_000
"""Lines of a text that are read, and characters of them: a hundred pages, and bounded in memory."""
_LONGEST_LINE = 600
"""Characters from which a line is cut in parts: some 150 tokens, of 256 that a model reads."""
_WORDS, _OF_BEST = 4, 0.3
"""Words that earned a score: so many at most, each with this share of what the best one earned."""
_TEXTS, _TOGETHER = 8, 50_000
"""Texts that are encoded together: so many, of so many characters, at most."""


def extract(
    text: str,
    targets: Targets,
    *,
    min_confidence: float | None = None,
    where: Where | None = None,
    abbreviations: Abbreviate = True,
) -> Extraction:
    """The targets that an advert or a CV asks for, with every place where it does.

    Args:
        text: The whole text: plain, Markdown or HTML.
        targets: The target space, as in `uwe.rank`; its model must have a skill head, as the
            shipped ones have.
        min_confidence: Leaves out findings that are less likely to be right, from 0 to 1; None
            takes 0.5.
        where: Restricts the targets, as in `uwe.rank`.
        abbreviations: As in `uwe.rank`.

    Returns:
        The findings, most confident first, each target once; what was left out of a very long text
        is said in `left_out`.

    Raises:
        InputError: If the text is not a str, blank, or too long; if an argument is wrong; if the
            model has no skill head, or no calibration of places for the cache's scorer.
        CacheMismatchError: If the cache was built with another model.
        ModelError: If the model cannot be loaded, or its skill head is damaged.
        DataError: If its calibrations are damaged.

    Warns:
        LanguageWarning: If the text seems to be in a language that the model does not read; its
            findings, if any, have a low confidence.
    """
    if not isinstance(text, str):
        raise InputError(
            f"expected one text, got {type(text).__name__}: pass lists to extract_many"
        )
    return next(
        extract_stream(
            [text],
            targets,
            min_confidence=min_confidence,
            where=where,
            abbreviations=abbreviations,
        )
    )


def extract_many(
    texts: Iterable[str],
    targets: Targets,
    *,
    min_confidence: float | None = None,
    where: Where | None = None,
    abbreviations: Abbreviate = True,
    progress: Progress = False,
) -> Extractions:
    """`extract` for many texts.

    Args:
        texts: In any iterable.
        targets: As in `extract`, like all that follows.
        min_confidence: As in `extract`.
        where: As in `extract`.
        abbreviations: As in `extract`.
        progress: True for a bar on standard error (if that is a terminal), or a callable that takes
            the number of texts done and of all texts.

    Returns:
        One extraction for each text, in their order.

    Raises:
        InputError: As `extract`; the message names the index of the text.
        CacheMismatchError: As `extract`.
        ModelError: As `extract`.
    """
    check_progress(progress)
    texts = list(_iterable(texts))
    stream = extract_stream(
        texts,
        targets,
        min_confidence=min_confidence,
        where=where,
        abbreviations=abbreviations,
    )
    found = Extractions()
    with reporting(progress, len(texts), "Extracting") as report:
        for extraction in stream:
            found.append(extraction)
            report(len(found))
    return found


def extract_stream(
    texts: Iterable[str],
    targets: Targets,
    *,
    min_confidence: float | None = None,
    where: Where | None = None,
    abbreviations: Abbreviate = True,
) -> Iterator[Extraction]:
    """`extract_many`, one text after the other, for more than fit into memory.

    Arguments are checked at the call; texts are taken from the iterable a few at a time.

    Args:
        texts: As in `extract_many`, like all that follows.
        targets: As in `extract`.
        min_confidence: As in `extract`.
        where: As in `extract`.
        abbreviations: As in `extract`.

    Returns:
        An iterator over one extraction for each text, in their order.

    Raises:
        InputError: As `extract_many`; for a text, when it is reached.
        CacheMismatchError: As `extract`.
        ModelError: As `extract`.
    """
    source, cache = iter(_iterable(texts)), target_cache(targets)
    bound = MIN_CONFIDENCE if min_confidence is None else real_number(min_confidence)
    if bound is None or not 0 <= bound <= 1:
        raise InputError(
            f"expected min_confidence to be from 0 to 1, got {min_confidence!r}: correct it"
        )
    finder = Finder(cache, where=where, abbreviations=abbreviations)
    calibration = finder.model.calibrations.get("place")
    scorer = str(cache.scorer)
    if (
        calibration is None
        or calibration.features != PLACE_FEATURES
        or calibration.scorer != scorer
    ):
        raise InputError(
            f"expected a model with a calibration of places for the scorer {scorer}, found none "
            f"for {finder.model!r}: use a shipped model, and a cache with its scorer"
        )
    return _extractions(source, finder, calibration, bound)


@dataclass(frozen=True)
class Piece:
    """A part of a text that was ranked as a query.

    Attributes:
        text: What was ranked.
        line: The line that it stands in.
        start: Where it begins in the text of the line.
        vectors: (tokens, dim), float32: its token vectors; None where it was only read otherwise,
            with words spelt out.
        found: Its best targets, and what a calibration of rankings looks at.
        features: (k, features), float64: the columns are `PLACE_FEATURES`.
    """

    text: str
    line: Segment
    start: int
    vectors: NDArray[np.float32] | None
    found: Featured
    features: NDArray[np.float64]

    def span(self, plain: PlainText, start: int = 0, end: int | None = None) -> tuple[int, int]:
        """Where `text[start:end]`, which is not empty, stands in the text as given."""
        end = len(self.text) if end is None else end
        characters = self.line.characters
        return plain.source_span(
            characters[self.start + start], characters[self.start + end - 1] + 1
        )


@dataclass(frozen=True)
class Pieces:
    """All pieces of one text.

    Attributes:
        plain: The plain text.
        pieces: In the order of the text.
        left_out: What was not read, and why.
        language: What it seems to be in, if the model does not read that.
    """

    plain: PlainText
    pieces: tuple[Piece, ...]
    left_out: tuple[str, ...]
    language: str | None


class Finder:
    """Cuts texts into pieces and ranks them.

    Args:
        targets: The target space.
        where: As in `extract`, like all that follows.
        abbreviations: A table.

    Raises:
        InputError: If the model has no skill head.
        ModelError: If its skill head is damaged.
    """

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
                f"expected targets whose model has a skill head, got {model!r}: use the shipped "
                "model, or train a head with  uwe train skill-head"
            )
        self.model, self.targets = model, targets
        self._head = _read_head(path, path.stat().st_mtime_ns, model.dim)
        self._where, self._abbreviations = where, abbreviations

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
        with gathered(Truncations(), apart=True):
            vectors, places = self.model.encode_with_places(written)
            offsets = vectors.offsets
            shapes = token_shapes(written, places, offsets)
            marks = self._head(vectors, shapes, documents)
            known = {text: vectors[i] for i, text in enumerate(written)}
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
        cut_off = np.bincount(
            documents[np.diff(offsets) >= self.model.config.max_tokens], minlength=len(texts)
        )
        return [
            Pieces(one, tuple(pieces), (*left_out, *_cut_off(count)), self._foreign(one))
            for one, pieces, (_, left_out), count in zip(
                plain, of_text, cut, cut_off.tolist(), strict=True
            )
        ]

    def _foreign(self, plain: PlainText) -> str | None:
        read = languages(self.model)
        tag = foreign(plain.text, self.model.has_word) if "en" in read else None
        return None if tag in read else tag

    def words(self, piece: Piece, match: int, plain: PlainText) -> tuple[Word, ...]:
        """The words of a piece that earned the score of one of its matches, best first."""
        hits = piece.found.hits
        reading = hits.texts_read[hits.readings[match]]
        if piece.vectors is None or reading != piece.text:
            return ()
        units, norms = self.targets.core.token_vectors(
            int(hits.indices[match]), int(hits.texts[match])
        )
        shares = cells(
            piece.vectors.astype(np.float64),
            units.astype(np.float64),
            norms.astype(np.float64),
            scorer=self.targets.scorer,
        ).sum(axis=1)
        words: dict[int, list[float]] = {}
        for token, share in zip(self.model.tokenize(piece.text), shares.tolist(), strict=True):
            if not token.special:
                start = max(piece.text.rfind(" ", 0, token.start + 1) + 1, 0)
                words.setdefault(start, []).append(share)
        found = []
        for start, of_word in words.items():
            end = piece.text.find(" ", start)
            end = len(piece.text) if end < 0 else end
            first, last = piece.span(plain, start, end)
            found.append(Word(piece.text[start:end], first, last, sum(of_word)))
        found.sort(key=lambda word: -word.share)
        least = found[0].share * _OF_BEST if found else 0.0
        return tuple(word for word in found[:_WORDS] if word.share >= least)


def _encoded(
    model: TextEncoder, known: dict[str, NDArray[np.float32]], texts: Sequence[str]
) -> TokenVectors:
    """Token vectors of pieces, which are kept in `known`; whole lines are there already."""
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        known.update(zip(new, model.encode(new), strict=True))
    return TokenVectors.from_list([known[text] for text in texts])


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
    for number, segment in enumerate(segments(plain)):
        if segment.parent is not None:
            if segment.parent in at:
                end = segment.offset + len(segment.text)
                found[at[segment.parent]][1].append((segment.offset, end))
        elif len(found) < _MOST_LINES and read < _MOST_READ:
            at[number] = len(found)
            found.append((segment, []))
            read += len(segment.text)
        else:
            skipped += 1
    parts = [part for line, items in found for part in _parts(line, items)]
    rest = f"{skipped:,} lines at the end: pass a long text in parts"
    return parts, (rest,) if skipped else ()


def _parts(
    line: Segment, items: list[tuple[int, int]]
) -> Iterator[tuple[Segment, list[tuple[int, int]]]]:
    """A line in parts that a model reads whole, cut before an item or else at a blank."""
    starts = sorted({start for start, _ in items})
    first, length = 0, len(line.text)
    while first < length:
        last = length
        if length - first > _LONGEST_LINE:
            limit = first + _LONGEST_LINE
            at = bisect_right(starts, limit) - 1
            blank = line.text.rfind(" ", first + 1, limit) + 1
            last = starts[at] if at >= 0 and starts[at] > first else blank or limit
        part = Segment(
            line.text[first:last],
            line.start,
            line.end,
            line.line,
            line.kind,
            characters=line.characters[first:last],
        )
        yield part, [(a - first, b - first) for a, b in items if first <= a and b <= last]
        first = last


def _extractions(
    source: Iterator[str], finder: Finder, calibration: Calibration, bound: float
) -> Iterator[Extraction]:
    done = 0
    warned = False
    for texts in _together(source):
        found = zip(texts, finder.pieces(texts), strict=True)
        for number, (text, pieces) in enumerate(found, done):
            if pieces.language is not None and not warned:
                warned = True
                name = LANGUAGES.get(pieces.language, "another language")
                warn_caller(
                    LanguageWarning(
                        f"text {number}: seems to be in {name}, which the model does not read: "
                        "translate it, or use another model"
                    )
                )
            yield found_in(text, pieces, finder, calibration, bound)
        done += len(texts)


def _together(source: Iterator[str]) -> Iterator[list[str]]:
    """Checked texts, a few at a time."""
    texts: list[str] = []
    for number, text in enumerate(source):
        texts_of("texts", [text], first=number)
        if len(text) > _MOST_CHARACTERS:
            raise InputError(
                f"text {number}: expected at most {_MOST_CHARACTERS:,} characters, got "
                f"{len(text):,}: pass it in parts"
            )
        texts.append(text)
        if len(texts) == _TEXTS or sum(map(len, texts)) > _TOGETHER:
            yield texts
            texts = []
    if texts:
        yield texts


def found_in(
    text: str, cut: Pieces, finder: Finder, calibration: Calibration, bound: float
) -> Extraction:
    """The findings of one text, with at least a confidence.

    Args:
        text: As given.
        cut: Its pieces.
        finder: What ranked them.
        calibration: Of `PLACE_FEATURES`.
        bound: The least confidence.
    """
    best: dict[int, dict[tuple[int, int], tuple[float, Piece, int]]] = {}
    for piece in cut.pieces:
        span = piece.span(cut.plain)
        confidences = calibration.probabilities(piece.features)
        for match in np.flatnonzero(confidences >= bound).tolist():
            index, confidence = int(piece.found.hits.indices[match]), float(confidences[match])
            places = best.setdefault(index, {})
            if confidence > places.get(span, (-1.0,))[0]:
                places[span] = confidence, piece, match
    findings = []
    for index, places in best.items():
        ordered = _apart(sorted(places.items(), key=lambda place: (-place[1][0], place[0])))
        confidence, piece, match = ordered[0][1]
        hits = piece.found.hits
        label = finder.targets.labels[index]
        matched = piece.found.texts[match]
        findings.append(
            Finding(
                label=label,
                id=finder.targets.ids[index],
                index=index,
                score=float(hits.scores[match]),
                confidence=confidence,
                places=tuple(
                    Place(
                        start=span[0],
                        end=span[1],
                        text=one.text,
                        line=one.line.text,
                        confidence=of_place,
                        words=finder.words(one, number, cut.plain),
                    )
                    for span, (of_place, one, number) in ordered
                ),
                alias=matched if hits.texts[match] else None,
                metadata=finder.targets.metadata[index],
            )
        )
    findings.sort(key=lambda finding: (-finding.confidence, finding.index))
    return Extraction(text, findings, left_out=cut.left_out, language=cut.language)


def _apart(
    places: list[tuple[tuple[int, int], tuple[float, Piece, int]]],
) -> list[tuple[tuple[int, int], tuple[float, Piece, int]]]:
    """Places without those that overlap a better one: a line, an item and a span are one place."""
    kept: list[tuple[tuple[int, int], tuple[float, Piece, int]]] = []
    taken: list[tuple[int, int]] = []  # ascending, and apart from each other
    for place in places:
        start, end = place[0]
        at = bisect_right(taken, (start, start))
        free = (at == 0 or taken[at - 1][1] <= start) and (at == len(taken) or end <= taken[at][0])
        if free:
            taken.insert(at, place[0])
            kept.append(place)
    return kept


def _iterable(texts: Iterable[str]) -> Iterable[str]:
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise InputError(
            f"expected several texts, got {type(texts).__name__}: call extract, or pass a list"
        )
    return texts


@lru_cache(maxsize=4)
def _read_head(path: Path, changed: int, dim: int) -> SkillHead:  # noqa: ARG001 - read anew then
    return SkillHead(path, dim=dim)
