"""1,000 queries of 8 tokens against all 13,939 ESCO skills, beside the processor's own limit.

The bench measures that limit itself: multiply-adds in registers, on as many threads. `uwe` makes
all scores, then the best ten of each query; torch makes all scores of the same blocks of queries,
targets grouped by equal length, one product a group. Answers are asserted equal.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from limits import multiply_add_peak
from test_scoring import THREADS, Peers

import uwe
from uwe import _core
from uwe.bench.speed import TorchBlocks

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

QUERIES, TOKENS, BLOCK, ROUNDS, TEMPERATURE = 1000, 8, 50, 3, 0.5
TITLES = 500


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    return Peers(tmp_path_factory.mktemp("batches"))


def test_batch(benchmark: BenchmarkFixture, peers: Peers) -> None:
    import torch

    values = np.ascontiguousarray(peers.tokens.values[1000 : 1000 + QUERIES * TOKENS])
    offsets = np.arange(0, len(values) + 1, TOKENS)
    space = peers.tokens.values, peers.tokens.offsets
    blocks = TorchBlocks(*space, temperature=TEMPERATURE, threads=THREADS)
    queries = torch.from_numpy(values).view(QUERIES, TOKENS, -1)
    options: dict[str, Any] = {"scorer": "soft", "temperature": TEMPERATURE}

    def all_scores() -> Any:
        return _core.cache_scores(peers.core, values, offsets, **options)

    def top_ten() -> Any:
        return _core.cache_rank(peers.core, values, offsets, k=10, **options)

    def torch_scores() -> Any:
        return torch.cat([blocks.soft(part) for part in torch.split(queries, BLOCK)]).numpy()

    expected = all_scores()
    np.testing.assert_allclose(expected, torch_scores(), atol=2e-5)
    best = _core.top_k(expected, 10)
    np.testing.assert_array_equal(best[0], top_ten()[0])
    operations = 2 * len(values) * peers.tokens.values.size
    rows = []
    for _ in range(ROUNDS):
        limit = multiply_add_peak(THREADS)
        rows.append((limit, *map(_seconds, (all_scores, top_ten, torch_scores))))
    limit, scores, ten, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
    share = statistics.median(operations / row[1] / row[0] for row in rows)
    print(
        f"\nlimit {limit / 1e9:.0f} GFLOP/s; all scores {scores:.2f} s, {share:.0%} of it; best "
        f"ten {ten:.2f} s ({scores / ten:.2f} times as fast); torch {theirs:.2f} s: "
        f"{statistics.median(row[3] / row[1] for row in rows):.2f} times as fast"
    )
    benchmark.extra_info.update(share=share, level=_core.simd_level())
    benchmark.pedantic(top_ten, rounds=1)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_python_threads(benchmark: BenchmarkFixture, peers: Peers, threads: int) -> None:
    """Titles a second of so many Python threads that rank on one cache."""
    titles = uwe.target_space("esco-occupations").labels[:TITLES]

    def one(title: str) -> list[uwe.Match]:
        return uwe.rank(title, peers.cache)

    expected = [one(title) for title in titles]
    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        found = list(pool.map(one, titles))
        seconds = time.perf_counter() - start
        assert found == expected
        print(f"\n{threads} Python threads: {len(titles) / seconds:.0f} titles a second")
        benchmark.pedantic(lambda: list(pool.map(one, titles)), rounds=1)
