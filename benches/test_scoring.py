"""Scoring one query against all 13,939 ESCO skills: `uwe` side by side with torch, as a ratio.

Both have the target space prepared: `uwe` as a memory-mapped float32 cache, torch as in
`peer_torch.py` (grouped by length, no padding): with public operators alone, with its private
prepacked product, and with both that and `torch.compile`. Each round times both, one after the
other, so that the ratio holds when the machine's speed drifts; the answers must be equal.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

import uwe
from uwe import _core

if TYPE_CHECKING:
    from peer_torch import TorchPeer
    from pytest_benchmark.fixture import BenchmarkFixture

THREADS = 2
ROUNDS = 21
TEMPERATURE = 0.5
SCORERS = ("soft_target", "soft_query", "soft", "max")


class Peers:
    """The target space, prepared for both."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("torch")
        from peer_torch import TorchPeer

        self.model = model = uwe.load(threads=THREADS)
        labels = uwe.target_space("esco-skills").labels
        self.tokens = model.encode(labels)
        cache = uwe.TargetCache.build(
            _Replay(self.tokens),
            labels,
            path=folder / "esco.uwe",
            scorer=uwe.Scorer("soft", temperature=TEMPERATURE),
        )
        self.core = cache.core
        norms = np.linalg.norm(self.tokens.values.astype(np.float64), axis=1)
        units = (self.tokens.values / norms[:, None]).astype(np.float32)
        space = units, norms.astype(np.float32), self.tokens.offsets
        self.torch: dict[str, TorchPeer] = {
            "torch": TorchPeer(*space, packed=False, threads=THREADS),
            "torch prepacked": TorchPeer(*space, packed=True, threads=THREADS),
            "torch compiled": TorchPeer(*space, packed=True, compiled=True, threads=THREADS),
        }
        _core.set_threads(THREADS)

    def texts(self, m: int, count: int) -> list[str]:
        """Occupations, one or several that follow each other, of `m` tokens together."""
        labels = uwe.target_space("esco-occupations").labels
        found: list[str] = []
        for first in range(0, len(labels), 7):
            text = labels[first]
            for label in labels[first + 1 : first + m]:
                tokens = len(self.model.encode([text]).values)
                if tokens == m:
                    found.append(text)
                if tokens >= m:
                    break
                text = f"{text}, {label}"
            if len(found) == count:
                return found
        raise ValueError(f"expected {count} texts of {m} tokens, found {len(found)}")


class _Replay:
    """Hands out vectors that were encoded before, in order."""

    def __init__(self, tokens: uwe.TokenVectors) -> None:
        self._tokens, self._next = tokens, 0

    def encode(self, texts: Sequence[str], /) -> uwe.TokenVectors:
        first, self._next = self._next, self._next + len(texts)
        return uwe.TokenVectors.from_list([self._tokens[i] for i in range(first, self._next)])


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    return Peers(tmp_path_factory.mktemp("scoring"))


@pytest.mark.parametrize("m", [8, 32, 64])
@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("peer", ["torch", "torch prepacked", "torch compiled"])
def test_one_query(
    benchmark: BenchmarkFixture, peers: Peers, peer: str, scorer: str, m: int
) -> None:
    if peer == "torch compiled" and scorer == "max":
        pytest.skip("the largest of a few cosines leaves nothing to fuse")
    query = np.ascontiguousarray(peers.tokens.values[1000 : 1000 + m])
    norms = np.linalg.norm(query.astype(np.float64), axis=1)
    units = (query / norms[:, None]).astype(np.float32)
    offsets = np.array([0, m])

    def ours() -> NDArray[np.float32]:
        scores: NDArray[np.float32] = _core.cache_scores(
            peers.core, query, offsets, scorer=scorer, temperature=TEMPERATURE
        )
        return scores.ravel()

    def theirs() -> NDArray[np.float32]:
        scores: NDArray[np.float32] = peers.torch[peer].scores(
            units, norms.astype(np.float32), scorer, TEMPERATURE
        )
        return scores

    # Both sum in float32; logits reach some hundred, where an ulp moves a softmax by 1e-5.
    np.testing.assert_allclose(ours(), theirs(), atol=2e-5)
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(ROUNDS)]
    ratios = [other / own for own, other in pairs]
    own, other = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    best = min(time for _, time in pairs) / min(time for time, _ in pairs)
    benchmark.group = f"{scorer}, {m} query tokens"
    benchmark.extra_info.update(
        peer=peer, ratio=statistics.median(ratios), level=_core.simd_level()
    )
    level = _core.simd_level()
    print(
        f"\n{scorer:11} m = {m:2}  uwe ({level}) {own:6.2f} ms, {peer} {other:6.2f} ms: "
        f"{statistics.median(ratios):.2f} times as fast (minima {best:.2f})"
    )
    benchmark.pedantic(ours, rounds=5)


@pytest.mark.parametrize("m", [8, 32, 64])
@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("peer", ["torch", "torch prepacked"])
def test_best_ten(
    benchmark: BenchmarkFixture, peers: Peers, peer: str, scorer: str, m: int
) -> None:
    """The exact best ten, for texts of the length; torch makes all scores and takes the largest."""
    queries = [
        np.ascontiguousarray(peers.model.encode([text]).values) for text in peers.texts(m, ROUNDS)
    ]
    offsets = np.array([0, m])

    def ours(query: NDArray[np.float32]) -> NDArray[np.int64]:
        indices, *_ = _core.cache_rank(
            peers.core, query, offsets, scorer=scorer, temperature=TEMPERATURE, k=10
        )
        return np.asarray(indices).ravel()

    def scores(query: NDArray[np.float32]) -> NDArray[np.float32]:
        return _core.cache_scores(
            peers.core, query, offsets, scorer=scorer, temperature=TEMPERATURE
        ).ravel()

    def theirs(query: NDArray[np.float32]) -> NDArray[np.float32]:
        norms = np.linalg.norm(query.astype(np.float64), axis=1)
        units = (query / norms[:, None]).astype(np.float32)
        all_scores: NDArray[np.float32] = peers.torch[peer].scores(
            units, norms.astype(np.float32), scorer, TEMPERATURE
        )
        return np.sort(np.partition(all_scores, -10)[-10:])[::-1]

    times = []
    for query in queries:
        exact = scores(query)
        np.testing.assert_array_equal(ours(query), np.argsort(-exact, kind="stable")[:10])
        np.testing.assert_allclose(exact[ours(query)], theirs(query), atol=2e-5)
        calls: list[Callable[[], object]] = [
            lambda query=query: ours(query),  # type: ignore[misc]
            lambda query=query: scores(query),  # type: ignore[misc]
            lambda query=query: theirs(query),  # type: ignore[misc]
        ]
        times.append([_seconds(call) for call in calls])
    own, scan, other = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    by_scan = statistics.median(row[1] / row[0] for row in times)
    by_peer = statistics.median(row[2] / row[0] for row in times)
    benchmark.group = f"best ten, {scorer}, {m} query tokens"
    benchmark.extra_info.update(peer=peer, ratio=by_peer, level=_core.simd_level())
    print(
        f"\n{scorer:11} m = {m:2}  best ten ({_core.simd_level()}) {own:6.2f} ms, "
        f"all scores {scan:6.2f} ms: {by_scan:.1f} times, "
        f"{peer} {other:6.2f} ms: {by_peer:.1f} times as fast"
    )
    benchmark.pedantic(ours, args=(queries[0],), rounds=5)


def _seconds(call: Callable[[], object]) -> float:
    # Threads of the other one may still spin, and its copy of the tokens fills the caches.
    time.sleep(0.02)
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
