"""`uwe.extract`: the targets that a whole text asks for, where, and how sure.

A text is cut into segments. The skill head says which lines ask for something, and which words of
them name it. Each line that may ask, each item that it lists and each span that the head marks is a
*piece*, which is ranked as a query; a calibration makes of every match the probability that a coder
would accept it there. A target is found once, with all its places.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import numpy as np

from uwe.cache.filters import Where
from uwe.calibration import Calibration
from uwe.checks import iterated, share, texts_of
from uwe.encoder.tokens import name_of
from uwe.encoder.truncation import warn_caller
from uwe.errors import InputError
from uwe.extraction.findings import Extraction, Extractions, Finding, Place
from uwe.extraction.pieces import PLACE_FEATURES, Piece, PieceRanker, Pieces
from uwe.language import LANGUAGES, LanguageWarning
from uwe.progress import Progress, check_progress, reporting
from uwe.ranking.queries import Targets, target_cache
from uwe.ranking.rank import Abbreviate

MIN_CONFIDENCE = 0.5
"""What a finding has at least, unless another number is asked for."""

_MOST_CHARACTERS = 10_000_000
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
            model has no skill head, or no calibration of places for the cache's scorer and tokens.
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
    """`extract` for many texts, in any iterable, or a column of Arrow, pandas or polars.

    `progress` is True for a bar on standard error (if that is a terminal), or a callable that takes
    the number of texts done and of all texts. Other arguments are as in `extract`.

    Returns:
        One extraction for each text, in their order.

    Raises:
        InputError: As `extract`, like other errors; the message names the index of the text.
    """
    check_progress(progress)
    texts = list(iterated("texts", texts, "extract"))
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

    Arguments, which are as in `extract_many`, are checked at the call; texts are taken from the
    iterable a few at a time.

    Returns:
        An iterator over one extraction for each text, in their order.

    Raises:
        InputError: As `extract_many`, like other errors; for a text, when it is reached.
    """
    source, cache = iterated("texts", texts, "extract"), target_cache(targets)
    bound = MIN_CONFIDENCE if min_confidence is None else share("min_confidence", min_confidence)
    ranker = PieceRanker(cache, where=where, abbreviations=abbreviations)
    calibration = ranker.model.calibrations.get("place")
    scorer = str(cache.scorer)
    if (
        calibration is None
        or calibration.features != PLACE_FEATURES
        or calibration.scorer != scorer
        or cache.core.tokens != "all"
    ):
        raise InputError(
            f"expected a model with a calibration of places for the scorer {scorer} and "
            f"{cache.core.tokens} tokens, found none for {name_of(ranker.model)}: use a shipped "
            "model, and a cache of all tokens with its scorer"
        )
    return _extractions(source, ranker, calibration, bound)


def _extractions(
    source: Iterator[str], ranker: PieceRanker, calibration: Calibration, bound: float
) -> Iterator[Extraction]:
    done = 0
    warned = False
    for texts in _together(source):
        found = zip(texts, ranker.pieces(texts), strict=True)
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
            yield extraction_of(text, pieces, ranker, calibration, bound)
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


def extraction_of(
    text: str, cut: Pieces, ranker: PieceRanker, calibration: Calibration, bound: float
) -> Extraction:
    """The findings of one text, as given, that have at least the confidence `bound`.

    `ranker` ranked the pieces `cut`; the features of `calibration` are `PLACE_FEATURES`.
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
        label = ranker.targets.labels[index]
        matched = piece.found.texts[match]
        findings.append(
            Finding(
                label=label,
                id=ranker.targets.ids[index],
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
                        words=ranker.words(one, number, cut.plain),
                    )
                    for span, (of_place, one, number) in ordered
                ),
                alias=matched if hits.texts[match] else None,
                metadata=ranker.targets.metadata[index],
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
