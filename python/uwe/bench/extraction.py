"""How well skills are found in whole adverts: precision and recall of labels and of places.

A *finding* is a label with a score and the places of the text that it was found in. What an
extractor gives of one label in one text is one finding. A finding is right if one of its places
overlaps a marked place that accepts its label; a marked place is recalled if a right finding
overlaps it so. For *places alone*, labels are left aside: a place that was found is right if it
overlaps a marked one.
"""

from __future__ import annotations

import json
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from uwe.bench.results import Interval
from uwe.bench.statistics import bootstrap_sums
from uwe.cache.target_cache import TargetCache
from uwe.data.adverts import MarkedText
from uwe.errors import InputError
from uwe.extraction.extract import extract
from uwe.extraction.segments import Segment, segments
from uwe.extraction.source import plain_text
from uwe.plotting import drawing
from uwe.ranking.rank import rank_many

Finding: TypeAlias = tuple[str, float, Sequence[tuple[int, int]]]
"""A label, its score, and the places [start, end) that it was found in, the best first."""
Extractor: TypeAlias = Callable[[str], Iterable[Finding]]
"""Takes a text. It gives what it finds below its own threshold, too: the curve needs it."""

_LEAST_CONFIDENCE = 0.05
"""Where the curve of `uwe.extract` ends: what is less likely helps no F1."""


@dataclass(frozen=True)
class Figures:
    """What was found at a threshold, summed over all texts."""

    threshold: float | None  # the least score that counts; None where all counts
    found: int  # findings, or places
    right: int  # those of them that are right
    marked: int  # marked places
    recalled: int  # those of them that a right finding, or a place, overlaps
    # Findings (places) whose best place lies in lines without any marked place: headings, benefits,
    # what the company says of itself.
    idle: int
    precision: Interval  # right / found; 0 where nothing was found
    recall: Interval  # recalled / marked
    f1: Interval  # harmonic mean of both


@dataclass(frozen=True)
class Measure:
    """Figures at two thresholds, and precision and recall at each."""

    default: Figures  # at the threshold that was asked for
    # At the one of the greatest F1, chosen on these very texts: a limit, no expectation.
    best: Figures
    thresholds: tuple[float, ...]  # scores at which a count changes, descending
    precision: tuple[float, ...]  # at each of them
    recall: tuple[float, ...]  # at each of them


@dataclass(frozen=True)
class ExtractionResult:
    """What an extractor found in a set of texts."""

    texts: int  # how many
    seconds: float  # time that the extractor took for a text, on average
    labels: Measure | None  # of findings; None where the marked places have no labels
    places: Measure  # of places alone

    def to_json(self) -> str:
        """The result as one JSON object."""
        return json.dumps(self, default=vars)


def evaluate_extraction(
    extractor: Extractor,
    texts: Sequence[MarkedText],
    *,
    threshold: float | None = None,
) -> ExtractionResult:
    """Measure an extractor on texts whose places are marked.

    Args:
        extractor: Called once for each text.
        texts: At least one marked place among them.
        threshold: The least score that counts for the figures `default`; None counts all.

    Returns:
        Micro precision, recall and F1 with 95 % intervals (10,000 bootstraps over texts).

    Raises:
        InputError: If no place is marked, or the extractor gives what is no finding: a score that
            is not finite, no place, or a place that is empty or not within the text.
    """
    if not any(text.places for text in texts):
        raise InputError("expected texts with a marked place, got none: pass others")
    with_labels = any(place.labels for text in texts for place in text.places)
    by_label, by_place = [], []
    seconds = 0.0
    for text in texts:
        started = time.perf_counter()
        found = list(extractor(text.text))
        seconds += time.perf_counter() - started
        for finding in found:
            _check(finding, text)
        by_label.append(_Counted(text, found, labels=True))
        by_place.append(_Counted(text, _each_place(found), labels=False))
    return ExtractionResult(
        texts=len(texts),
        seconds=seconds / len(texts),
        labels=_measure(by_label, threshold) if with_labels else None,
        places=_measure(by_place, threshold),
    )


def _each_place(
    found: Iterable[Finding],
) -> Iterator[tuple[Hashable, float, list[tuple[int, int]]]]:
    for _, score, places in found:
        for start, end in places:
            yield (start, end), score, [(start, end)]


def _check(finding: Finding, text: MarkedText) -> None:
    label, score, places = finding
    if not math.isfinite(score):
        raise InputError(f"{text.name}: expected a finite score of {label!r}, got {score!r}")
    if not places or not all(0 <= start < end <= len(text.text) for start, end in places):
        raise InputError(
            f"{text.name}: expected places [start, end) of {label!r} within the text of "
            f"{len(text.text):,} characters, got {list(places)}: the whole text is a place, too"
        )


class _Counted:
    """Findings of one text, by the scores from which on they count.

    Attributes:
        found: (findings,), float64: the score of each.
        right: (findings,): the greatest score at which it is right, or minus infinity.
        idle: (findings,): its score if its best place is in lines without a mark, or minus
            infinity.
        recalled: (marked places,): the greatest score of a right finding there, or minus infinity.
    """

    def __init__(
        self,
        text: MarkedText,
        rows: Iterable[tuple[Hashable, float, Sequence[tuple[int, int]]]],
        *,
        labels: bool,
    ) -> None:
        lines = _Lines(text)
        found: dict[Hashable, tuple[float, float, float]] = {}
        recalled = [-math.inf] * len(text.places)
        for key, score, places in rows:
            best, right, idle = found.get(key, (-math.inf,) * 3)
            if score > best:
                best, idle = score, score if lines.idle(*places[0]) else -math.inf
            for number, mark in enumerate(text.places):
                if (not labels or key in mark.labels) and any(
                    start < mark.end and mark.start < end for start, end in places
                ):
                    right = max(right, score)
                    recalled[number] = max(recalled[number], score)
            found[key] = best, right, idle
        columns = np.array(list(found.values()), dtype=np.float64).reshape(-1, 3).T
        self.found, self.right, self.idle = columns
        self.recalled = np.array(recalled, dtype=np.float64)

    def at(self, threshold: float) -> tuple[int, int, int, int, int]:
        """found, right, marked, recalled and idle at a threshold."""
        found, right, recalled, idle = (
            int((scores >= threshold).sum())
            for scores in (self.found, self.right, self.recalled, self.idle)
        )
        return found, right, len(self.recalled), recalled, idle


class _Lines:
    """The lines of a text that hold a marked place."""

    def __init__(self, text: MarkedText) -> None:
        ends = np.cumsum([len(line) for line in text.text.splitlines(keepends=True)])
        self._starts = [0, *ends.tolist()]
        self._marked = {n for place in text.places for n in self._of(place.start, place.end)}

    def _of(self, start: int, end: int) -> range:
        return range(bisect_right(self._starts, start), bisect_right(self._starts, end - 1) + 1)

    def idle(self, start: int, end: int) -> bool:
        """Whether none of a place's lines holds a marked place."""
        return self._marked.isdisjoint(self._of(start, end))


def _measure(counted: Sequence[_Counted], threshold: float | None) -> Measure:
    found, right, recalled = (
        np.sort(np.concatenate([getattr(each, name) for each in counted]))
        for name in ("found", "right", "recalled")
    )
    changes = np.unique(np.concatenate([found, right, recalled]))[::-1]
    thresholds = changes[np.isfinite(changes)]
    sums = np.stack(
        [
            *(len(scores) - np.searchsorted(scores, thresholds) for scores in (found, right)),
            np.full(len(thresholds), len(recalled)),
            len(recalled) - np.searchsorted(recalled, thresholds),
        ],
        axis=1,
    ).astype(np.float64)
    precision, recall, f1 = _metrics(sums).T
    # The highest of equal ones. Without a finding there is no curve, and all figures are 0.
    best = float(thresholds[f1.argmax()]) if len(thresholds) else threshold
    return Measure(
        default=_figures(counted, threshold),
        best=_figures(counted, best),
        thresholds=tuple(thresholds.tolist()),
        precision=tuple(precision.tolist()),
        recall=tuple(recall.tolist()),
    )


def _figures(counted: Sequence[_Counted], threshold: float | None) -> Figures:
    # Not minus infinity, which stands for never.
    least = -np.finfo(np.float64).max if threshold is None else threshold
    counts = np.array([each.at(least) for each in counted])
    precision, recall, f1 = bootstrap_sums(counts[:, :4], _metrics, seed=0)
    found, right, marked, recalled, idle = counts.sum(axis=0).tolist()
    return Figures(
        threshold=threshold,
        found=found,
        right=right,
        marked=marked,
        recalled=recalled,
        idle=idle,
        precision=precision,
        recall=recall,
        f1=f1,
    )


def _metrics(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Precision, recall and F1 of found, right, marked and recalled, row by row; 0 for 0 / 0."""
    found, right, marked, recalled = sums.T
    precision = right / np.maximum(found, 1)
    recall = recalled / np.maximum(marked, 1)
    total = precision + recall
    f1 = 2 * precision * recall / np.where(total > 0, total, 1)
    return np.stack([precision, recall, f1], axis=1)


def uwe_extractor(cache: TargetCache) -> Extractor:
    """`uwe.extract`; a finding counts from the confidence of its best place on.

    The cache's model has to have a skill head.
    """

    def findings(text: str) -> Iterator[Finding]:
        for finding in extract(text, cache, min_confidence=_LEAST_CONFIDENCE):
            for place in finding.places:
                yield finding.label, place.confidence, [(place.start, place.end)]

    return findings


def sentence_extractor(cache: TargetCache) -> Extractor:
    """The plain way: each sentence asks for the label that ranks first, if it scores enough."""

    def extract(text: str) -> Iterator[Finding]:
        found = sentences(text)
        rankings = rank_many([sentence.text for sentence in found], cache, k=1)
        for sentence, ranking in zip(found, rankings, strict=True):
            for match in ranking:
                yield match.label, match.score, [(sentence.start, sentence.end)]

    return extract


def sentences(text: str) -> list[Segment]:
    """What `split_sentences` gives, with where each stands."""
    return [segment for segment in segments(plain_text(text)) if segment.kind != "item"]


EXTRACTORS: dict[str, Callable[[TargetCache], Extractor]] = {
    "uwe": uwe_extractor,
    "sentences": sentence_extractor,
}
"""The extractors of this package, by name."""


def draw_extraction(measures: dict[str, Measure], path: str | Path) -> None:
    """Draw precision over recall, one line a measure, a dot at the default threshold.

    `measures` are by the name that the legend has; `path` ends with .svg, .png or .pdf.
    """
    spoken = "; ".join(
        f"{name}: best F1 {measure.best.f1.mean:.3f} at {measure.best.threshold}"
        for name, measure in measures.items()
    )
    with drawing(path, (4.5, 3.5), title="Precision and recall", description=spoken) as figure:
        axes = figure.subplots()
        for name, measure in measures.items():
            (line,) = axes.plot(measure.recall, measure.precision, label=name)
            default = measure.default
            axes.plot(default.recall.mean, default.precision.mean, "o", color=line.get_color())
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision")
        axes.legend()
