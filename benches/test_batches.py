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
from test_scoring import THREADS, Peers

from uwe import _core

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

QUERIES, TOKENS, BLOCK, ROUNDS, TEMPERATURE = 1000, 8, 50, 3, 0.5


def peak() -> float:
    """Floating point operations a second of all threads, nothing read from memory."""
    rounds = 20_000_000
    with ThreadPoolExecutor(THREADS) as pool:
        start = time.perf_counter()
        operations = sum(pool.map(_core.multiply_add, [rounds] * THREADS))
        return operations / (time.perf_counter() - start)


class TorchBlocks:
    """Many queries of one length at a time: a product a group of targets of equal length."""

    def __init__(self, units: Any, norms: Any, offsets: Any) -> None:
        import torch

        torch.set_num_threads(THREADS)
        lengths = np.diff(offsets)
        self.targets = len(lengths)
        self.groups = []
        for length in np.unique(lengths):
            targets = np.flatnonzero(lengths == length)
            rows = (offsets[targets][:, None] + np.arange(length)).ravel()
            raw = torch.from_numpy(units[rows] * norms[rows, None])
            shape = (len(targets), int(length))
            self.groups.append((targets, shape, raw, torch.from_numpy(norms[rows])))

    def soft(self, queries: Any) -> Any:
        """(B, m, d) raw query tokens to (B, targets) scores."""
        import torch

        count, m, dim = queries.shape
        scores = torch.empty(count, self.targets)
        lengths = queries.norm(dim=2)
        for targets, (n, length), raw, norms in self.groups:
            logits = (queries.reshape(-1, dim) / TEMPERATURE) @ raw.T
            logits = logits.view(count, m, n, length)
            weights = torch.softmax(logits, 3).mul_(0.5 / m)
            weights.add_(torch.softmax(logits, 1), alpha=0.5 / length)
            cells = weights.mul_(logits).mul_(TEMPERATURE / lengths[:, :, None, None])
            scores[:, targets] = (cells.sum(1) / norms.view(n, length)).sum(2)
        return scores


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    return Peers(tmp_path_factory.mktemp("batches"))


def test_batch(benchmark: BenchmarkFixture, peers: Peers) -> None:
    import torch

    values = np.ascontiguousarray(peers.tokens.values[1000 : 1000 + QUERIES * TOKENS])
    offsets = np.arange(0, len(values) + 1, TOKENS)
    norms = np.linalg.norm(peers.tokens.values.astype(np.float64), axis=1)
    units = (peers.tokens.values / norms[:, None]).astype(np.float32)
    blocks = TorchBlocks(units, norms.astype(np.float32), peers.tokens.offsets)
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
        limit = peak()
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
