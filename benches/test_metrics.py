"""MAP and RP@10 beside NumPy, as ratios, on one thread; and what streaming adds to scoring.

All 3,039 job titles of job2skill against its 13,939 skills, 42 relevant skills a title, in the
order that pooled vectors give them. NumPy comes as the two shapes that people write: a sort of each
row, and a count of what scores higher than each relevant target. The answers must be equal. Needs
UWE_DATA.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

import uwe
from uwe import _core
from uwe.data.layout import data_folder, read_split

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS, STREAMED = 5, 1000
NAMES = ("MAP", "RP@10")
Scores = NDArray[np.float32]
Relevant = list[list[int]]


def by_sorting(scores: Scores, relevant: Relevant) -> list[float]:
    """The mean metrics from each row's sorted scores; ties must have been broken beforehand."""
    values = []
    for row, own in zip(scores, relevant, strict=True):
        ordered = np.sort(row)
        values.append(_values(len(row) - np.searchsorted(ordered, row[own], side="left")))
    return list(np.mean(values, axis=0))


def by_counting(scores: Scores, relevant: Relevant) -> list[float]:
    """The same from a count for each relevant target."""
    values = []
    for row, own in zip(scores, relevant, strict=True):
        ranks = [np.count_nonzero(row > row[target]) + 1 for target in own]
        values.append(_values(np.array(ranks)))
    return list(np.mean(values, axis=0))


def _values(ranks: NDArray[np.int64]) -> tuple[float, float]:
    ranks = np.sort(ranks)
    found = np.arange(1, len(ranks) + 1)
    return float((found / ranks).mean()), float((ranks <= 10).sum() / min(10, len(ranks)))


def ours(scores: Scores, relevant: Relevant) -> list[float]:
    mean = uwe.score_metrics(scores, relevant, metrics=NAMES).means()
    return [mean[name] for name in NAMES]


def _pooled(texts: list[str]) -> NDArray[np.float32]:
    tokens = uwe.load().encode(texts)
    sums = np.add.reduceat(tokens.values, tokens.offsets[:-1])
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="module")
def block() -> tuple[Scores, Relevant]:
    task = read_split(data_folder() / "workbench" / "job2skill", "test").task
    queries, targets = (_pooled(texts) for texts in (task.queries, task.targets))
    scores = np.asarray(queries @ targets.T, dtype=np.float32)
    # NumPy's two shapes know nothing of ties.
    order = np.argsort(scores, axis=1, kind="stable")
    ranked = np.linspace(0, 1, scores.shape[1], dtype=np.float32)
    np.put_along_axis(scores, order, ranked[None].repeat(len(scores), 0), axis=1)
    return scores, [list(own) for own in task.relevant]


@pytest.mark.parametrize("peer", [by_sorting, by_counting])
def test_given_scores(
    benchmark: BenchmarkFixture,
    block: tuple[Scores, Relevant],
    peer: Callable[[Scores, Relevant], list[float]],
) -> None:
    np.testing.assert_allclose(ours(*block), peer(*block), atol=1e-4)
    pairs = [(_seconds(ours, block), _seconds(peer, block)) for _ in range(ROUNDS)]
    ratio = statistics.median(other / own for own, other in pairs)
    own, other = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    benchmark.extra_info.update(peer=peer.__name__, ratio=ratio)
    print(f"\nuwe {own:.0f} ms, NumPy {peer.__name__} {other:.0f} ms: {ratio:.1f} times as fast")
    benchmark.pedantic(ours, args=block, rounds=3)


@pytest.mark.parametrize("scorer", ["soft", "soft_target", "soft_query", "max"])
def test_streaming(benchmark: BenchmarkFixture, tmp_path: Path, scorer: str) -> None:
    task = read_split(data_folder() / "workbench" / "job2skill", "test").task
    model = uwe.load()
    core = uwe.TargetCache.build(model, task.targets, path=tmp_path / "skills.uwe").core
    queries = model.encode(task.queries[:STREAMED])
    own = task.relevant[:STREAMED]
    offsets = np.cumsum([0, *map(len, own)])
    flat = np.concatenate([np.array(row, dtype=np.int64) for row in own])
    form: dict[str, Any] = {"scorer": scorer, "temperature": 1.0 if scorer == "max" else 0.5}

    def scores() -> NDArray[np.float32]:
        return _core.cache_scores(core, queries.values, queries.offsets, **form)

    def ranks() -> NDArray[np.int64]:
        return _core.cache_ranks(core, queries.values, queries.offsets, flat, offsets, **form)

    np.testing.assert_array_equal(ranks(), _core.ranks(scores(), flat, offsets))
    pairs = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        scores()
        middle = time.perf_counter()
        ranks()
        pairs.append((middle - start, time.perf_counter() - middle))
    added = statistics.median(other / alone for alone, other in pairs) - 1
    benchmark.extra_info.update(scorer=scorer, added=added)
    print(f"\n{scorer}: ranks take {added:+.1%} beside scores alone")
    benchmark.pedantic(ranks, rounds=1)


def _seconds(call: Callable[[Scores, Relevant], object], block: tuple[Scores, Relevant]) -> float:
    start = time.perf_counter()
    call(*block)
    return time.perf_counter() - start
