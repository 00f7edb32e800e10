"""What confidence adds to a ranking, and the skill head to encoding, as shares of either.

    pytest benches/test_confidence.py --benchmark-only -s

With and without a calibration take turns in one process, some queries at a time; matches are
asserted equal but for their confidence. The head is asserted to say of a line alone what it says of
it among others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import pytest

import uwe
from uwe.encoder.text_encoder import SKILL_HEAD_FILE
from uwe.extraction.skill_head import SkillHead, token_shapes

ROUNDS = 16
QUERIES = uwe.target_space("esco-occupations").labels[::20]


def seconds(call: Callable[[], object]) -> float:
    """Time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


@pytest.mark.parametrize("many", [True, False], ids=["in bulk", "one by one"])
def test_confidence_beside_ranking(benchmark: Any, many: bool) -> None:
    calibrated, plain = uwe.space_cache("esco-skills"), uwe.space_cache("esco-skills")
    plain._calibrations = {}

    def rank(targets: uwe.TargetCache, queries: Sequence[str]) -> list[uwe.Ranking]:
        if many:
            return list(uwe.rank_many(queries, targets))
        return [uwe.rank(query, targets) for query in queries]

    for with_it, without in zip(rank(calibrated, QUERIES), rank(plain, QUERIES), strict=True):
        assert [(m.index, m.score) for m in with_it] == [(m.index, m.score) for m in without]
        assert None not in {match.confidence for match in with_it}
    size = 64 if many else 1
    ratios: list[float] = []
    for turn in range(ROUNDS):
        # What comes second finds the targets of its query in the processor's caches.
        order = (calibrated, plain) if turn % 2 else (plain, calibrated)
        for start in range(0, len(QUERIES), size):
            queries = QUERIES[start : start + size]
            first, second = (seconds(partial(rank, one, queries)) for one in order)
            ratios.append(second / first if order[0] is plain else first / second)
    benchmark.pedantic(rank, (calibrated, QUERIES), rounds=1)
    print(f"\nwith confidence: {median(ratios):.3f} of the time without")


def test_skill_head_beside_encoding(benchmark: Any) -> None:
    model = uwe.load()
    head = SkillHead(model.folder / SKILL_HEAD_FILE, dim=model.dim)
    lines = [f"You will {label} every day, and more." for label in QUERIES]
    documents = np.zeros(len(lines), dtype=np.int64)
    vectors, places = model.encode_with_places(lines)

    def mark() -> Any:
        return head(vectors, token_shapes(lines, places, vectors.offsets), documents)

    first = slice(0, vectors.offsets[1])
    alone = head(
        vectors.part(0, 1),
        token_shapes(lines[:1], places[first], vectors.offsets[:2]),
        documents[:1],
    )
    assert np.allclose(mark().asks_alone[0], alone.asks_alone[0], atol=1e-4)
    ratios = [
        seconds(mark) / seconds(lambda: model.encode_with_places(lines)) for _ in range(ROUNDS)
    ]
    benchmark.pedantic(mark, rounds=1)
    print(f"\nhead: {median(ratios):.3f} of the time that encoding its lines takes")
