"""The figures of a skill head, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uwe.bench.skill_head import HeadFigures, evaluate_head
from uwe.data.marked_lines import MarkedLines
from uwe.encoder.tokens import TokenVectors
from uwe.extraction.skill_head import SHAPES, Marks

# Of each token of four lines, the first of which is special: what is marked as a skill and as
# knowledge (1 begins, 2 goes on), and the head's probabilities of both.
SPECIAL = (-1, -1, 0.99, 0.99)
LINES = [
    [SPECIAL, (1, 0, 0.9, 0), (2, 0, 0.8, 0), (0, 0, 0.7, 0)],
    [SPECIAL, (1, 0, 0.61, 0), (0, 0, 0.1, 0), (0, 1, 0.3, 0.9)],
    [SPECIAL, (0, 0, 0.1, 0), (0, 0, 0.66, 0)],
    [SPECIAL, (0, 0, 0.1, 0.1)],
]
TABLE = np.array([token for line in LINES for token in line], dtype=np.float32)
OFFSETS = np.cumsum([0, *map(len, LINES)])


def marked() -> MarkedLines:
    shapes = np.zeros((len(TABLE), SHAPES), dtype=np.float32)
    shapes[OFFSETS[:-1], 6] = 1
    return MarkedLines(
        TokenVectors(np.zeros((len(TABLE), 2), dtype=np.float32), OFFSETS),
        shapes,
        TABLE[:, :2].astype(np.int64),
        np.array([0, 0, 1, 2]),
        np.array([1, 1, 0, 0], dtype=np.float32),
        (frozenset({(0, 1, 3), (1, 1, 2)}), frozenset({(1, 3, 4)})),
    )


def head(vectors: TokenVectors, shapes: object, documents: object) -> Marks:
    return Marks(
        TABLE[:, 2:],
        np.zeros_like(TABLE[:, 2:]),
        asks=np.array([3, 2, 1, 0], dtype=np.float32),
        asks_alone=np.array([2, -1, 0, -3], dtype=np.float32),
    )


def test_figures() -> None:
    found = evaluate_head(head, marked())  # type: ignore[arg-type]
    assert found == HeadFigures(
        lines=4,
        asking=2,
        alone=3 / 4,
        in_context=1.0,
        # Up to 0.61, six tokens are found, four of four right ones among them.
        threshold=pytest.approx(0.6),
        token_f1=pytest.approx(2 * 4 / (6 + 4)),
        # Four spans are found; two are right, one has another end, one is where nothing is.
        strict_f1=pytest.approx(2 * 2 / (4 + 3)),
        loose_f1=pytest.approx(2 * (3 / 4) * 1 / (3 / 4 + 1)),
    )


def test_a_span_of_the_other_class_is_wrong() -> None:
    data = marked()
    found = evaluate_head(head, replace(data, spans=data.spans[::-1]))  # type: ignore[arg-type]
    assert found.token_f1 == pytest.approx(0.8)
    assert (found.strict_f1, found.loose_f1) == (0, 0)


def test_lines_without_any_mark() -> None:
    data = marked()
    nothing = replace(
        data,
        tags=np.minimum(data.tags, 0),
        asks=np.zeros_like(data.asks),
        spans=(frozenset(), frozenset()),
    )
    found = evaluate_head(head, nothing)  # type: ignore[arg-type]
    assert (found.asking, found.alone, found.in_context) == (0, None, None)
    assert (found.token_f1, found.strict_f1, found.loose_f1) == (0, 0, 0)
