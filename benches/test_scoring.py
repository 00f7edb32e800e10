"""Scoring one query against all 13,939 ESCO skills: `uwe` side by side with torch, as a ratio.

Both have the target space prepared: `uwe` as a memory-mapped float32 cache, torch as in
`torch_peer` (grouped by length, no padding): with public operators alone, with its
private prepacked product, and with both that and `torch.compile`. Each round times both, one after
the other, so that the ratio holds when the machine's speed drifts; the answers must be equal.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from material import Skills, units_and_norms
from numpy.typing import NDArray

import uwe
from uwe import _core
from uwe.bench.speed import contestants, in_turns, texts_of_tokens

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture
    from torch_peer import TorchPeer

THREADS = 2
ROUNDS = 21
TEMPERATURE = 0.5
# The copy of the tokens of one contestant fills the caches that the other wants.
PAUSE = 0.02
SCORERS = ("soft_target", "soft_query", "soft", "max")
Hard = tuple[str, Any, NDArray[np.float32]]


class Peers:
    """The target space, prepared for both."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("torch")
        from torch_peer import TorchPeer

        skills = Skills(uwe.load(threads=THREADS), folder)
        self.model, self.tokens, self.cache = skills.model, skills.tokens, skills.cache
        self.core = skills.cache.core
        self.space = skills.units, skills.norms, skills.tokens.offsets
        self.torch: dict[str, TorchPeer] = {
            "torch": TorchPeer(*self.space, packed=False, threads=THREADS),
            "torch prepacked": TorchPeer(*self.space, packed=True, threads=THREADS),
            "torch compiled": TorchPeer(*self.space, packed=True, compiled=True, threads=THREADS),
        }
        _core.set_threads(THREADS)


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    return Peers(tmp_path_factory.mktemp("scoring"))


@pytest.fixture(scope="module", params=["labels", "all alike", "noise"])
def hard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Hard:
    """A space of 13,939 targets, of 6 tokens where they are made up, and a query of 8."""
    folder, random = tmp_path_factory.mktemp("hard"), np.random.default_rng(0)
    space, count, dim = request.param, 13_939, 384
    if space == "labels":
        skills = Skills(uwe.load(threads=THREADS), folder)
        return space, skills.cache.core, np.ascontiguousarray(skills.tokens.values[1000:1008])
    values = random.standard_normal((count * 6, dim), dtype=np.float32)
    query = random.standard_normal((8, dim), dtype=np.float32)
    if space == "all alike":  # so near to one another that no bound tells them apart
        values = np.tile(query[:6], (count, 1)) + np.float32(1e-3) * values
    cache = uwe.TargetCache.from_vectors(
        uwe.TokenVectors(values, np.arange(0, len(values) + 1, 6)),
        [str(number) for number in range(count)],
        path=folder / "hard.uwe",
        scorer=uwe.Scorer("soft", temperature=TEMPERATURE),
    )
    return space, cache.core, query


@pytest.mark.parametrize("m", [8, 32, 64])
@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("peer", ["torch", "torch prepacked", "torch compiled"])
def test_one_query(
    benchmark: BenchmarkFixture, peers: Peers, peer: str, scorer: str, m: int
) -> None:
    if peer == "torch compiled" and scorer == "max":
        pytest.skip("the largest of a few cosines leaves nothing to fuse")
    query = np.ascontiguousarray(peers.tokens.values[1000 : 1000 + m])
    units, norms = units_and_norms(query)
    offsets = np.array([0, m])

    def ours() -> NDArray[np.float32]:
        scores: NDArray[np.float32] = _core.cache_scores(
            peers.core, query, offsets, scorer=scorer, temperature=TEMPERATURE
        )
        return scores.ravel()

    def theirs() -> NDArray[np.float32]:
        scores: NDArray[np.float32] = peers.torch[peer].scores(units, norms, scorer, TEMPERATURE)
        return scores

    # Both sum in float32; logits reach some hundred, where an ulp moves a softmax by 1e-5.
    np.testing.assert_allclose(ours(), theirs(), atol=2e-5)
    pairs = [in_turns([ours, theirs], PAUSE) for _ in range(ROUNDS)]
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
    scorer_at = uwe.Scorer(scorer, temperature=TEMPERATURE)
    times, best = [], None
    for text in texts_of_tokens(peers.model, m, ROUNDS):
        query = peers.model.encode([text])
        best, scan_of_all = contestants(peers.core, query, scorer_at)

        def theirs(query: uwe.TokenVectors = query) -> NDArray[np.float32]:
            scores: NDArray[np.float32] = peers.torch[peer].scores(
                *units_and_norms(query.values), scorer, TEMPERATURE
            )
            return np.sort(np.partition(scores, -10)[-10:])[::-1]

        np.testing.assert_allclose(best()[1].ravel(), theirs(), atol=2e-5)
        times.append(in_turns([best, scan_of_all, theirs], PAUSE))
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
    assert best is not None
    benchmark.pedantic(best, rounds=5)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 50.0])
@pytest.mark.parametrize("scorer", SCORERS)
def test_bounds_of_little_help(
    benchmark: BenchmarkFixture, hard: Hard, scorer: str, temperature: float
) -> None:
    """The best ten beside a scan of all, for spaces in which hardly any target can be left out."""
    _core.set_threads(THREADS)
    space, core, query = hard
    tokens = uwe.TokenVectors(query, np.array([0, len(query)]))
    best, scan = contestants(core, tokens, uwe.Scorer(scorer, temperature=temperature))
    pairs = [in_turns([best, scan], PAUSE) for _ in range(ROUNDS)]
    part = statistics.median(own / other for own, other in pairs)
    own, other = (statistics.median(times) * 1e3 for times in zip(*pairs, strict=True))
    benchmark.extra_info.update(part=part, level=_core.simd_level())
    print(
        f"\n{space:9} {scorer:11} t = {temperature:5}  best ten {own:6.2f} ms, "
        f"scan {other:6.2f} ms: {part:.2f} of it"
    )
    benchmark.pedantic(best, rounds=1)
