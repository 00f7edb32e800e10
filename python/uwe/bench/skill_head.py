"""How well a skill head marks tokens, spans and lines of texts that experts marked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uwe.bench.statistics import roc_auc
from uwe.data.marked_lines import CLASSES, MarkedLines
from uwe.extraction.skill_head import Marks, SkillHead, marked_spans

_THRESHOLDS = np.arange(0.15, 0.7, 0.025)


@dataclass(frozen=True)
class HeadFigures:
    """Figures of a head on marked lines."""

    lines: int
    asking: int  # how many of the lines have a mark
    alone: float | None  # area under the ROC curve of lines that ask against others, each alone
    in_context: float | None  # the same, given the lines around it
    threshold: float  # least probability of a marked token: best by `token_f1`, highest of equals
    token_f1: float  # of tokens that belong to a skill or to knowledge
    strict_f1: float  # of spans with both bounds and the class right, at that threshold
    loose_f1: float  # of spans that overlap one of their class


def evaluate_head(head: SkillHead, data: MarkedLines) -> HeadFigures:
    """Run a head over marked lines, and hold it against the marks."""
    marks = head(data.vectors, data.shapes, data.documents)
    real = data.tags[:, 0] >= 0
    truth = data.tags[real].max(axis=1) > 0
    tokens = 1 - (1 - marks.tokens[real]).prod(axis=1)
    token_f1, threshold = max((_f1(tokens >= at, truth), float(at)) for at in _THRESHOLDS)
    strict, loose = _span_f1(marks, data, threshold)
    asks = data.asks > 0
    return HeadFigures(
        len(asks),
        int(asks.sum()),
        roc_auc(marks.asks_alone, asks),
        roc_auc(marks.asks, asks),
        threshold,
        token_f1,
        strict,
        loose,
    )


def _f1(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * (found & truth).sum() / max(1, found.sum() + truth.sum()))


def _span_f1(marks: Marks, data: MarkedLines, threshold: float) -> tuple[float, float]:
    offsets = data.vectors.offsets
    exact = overlapping = recalled = found_count = 0
    for kind in range(len(CLASSES)):
        truth: dict[int, set[tuple[int, int]]] = {}
        for line, start, end in data.spans[kind]:
            truth.setdefault(line, set()).add((start, end))
        for line in range(len(data.asks)):
            own = slice(offsets[line], offsets[line + 1])
            tokens, begins = marks.tokens[own, kind], marks.begins[own, kind]
            found = set(marked_spans(tokens, begins, data.shapes[own], threshold))
            marked = truth.get(line, set())
            found_count += len(found)
            exact += len(found & marked)
            overlapping += sum(_meets(span, marked) for span in found)
            recalled += sum(_meets(span, found) for span in marked)
    marked_count = sum(map(len, data.spans))
    precision, recall = overlapping / max(1, found_count), recalled / max(1, marked_count)
    loose = 2 * precision * recall / max(1e-9, precision + recall)
    return 2 * exact / max(1, found_count + marked_count), loose


def _meets(span: tuple[int, int], others: Collection[tuple[int, int]]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)
