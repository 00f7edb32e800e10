"""Many queries: a batch, metrics, texts one after the other, and Python threads on one cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.bench.speed.material import Skills
from uwe.bench.speed.one_query import K
from uwe.bench.speed.timing import equal
from uwe.metrics import score_metrics
from uwe.ranking import rank
from uwe.spaces import target_space

if TYPE_CHECKING:
    from uwe.bench.speed.torch_peer import TorchBlocks

__all__ = ["BATCH", "TEMPERATURE", "batch", "metrics", "python_threads", "texts"]

BATCH, TOKENS, TEMPERATURE = 1_000, 8, 0.5
_TORCH_QUERIES, _TORCH_BLOCK = 100, 50
_TITLES, _JUDGED, _RELEVANT = 500, 500, 42


def batch(skills: Skills, peak: float, torch_blocks: TorchBlocks | None) -> dict[str, Any]:
    """1,000 queries of 8 tokens by `soft`: all scores, as a part of the limit, and the best ten."""
    values = np.ascontiguousarray(skills.tokens.values[1000 : 1000 + BATCH * TOKENS])
    offsets = np.arange(0, len(values) + 1, TOKENS)
    given = (skills.cache.core, values, offsets)
    form: dict[str, Any] = {"scorer": "soft", "temperature": TEMPERATURE}
    scores_s, scores = _better(lambda: _core.cache_scores(*given, **form))
    ten_s, best = _better(lambda: _core.cache_rank(*given, k=K, **form))
    equal(bool(np.array_equal(best[0], _core.top_k(scores, K)[0])), "the best ten of a batch")
    torch_s = None
    if torch_blocks is not None:
        import torch

        some = torch.from_numpy(values[: _TORCH_QUERIES * TOKENS]).view(_TORCH_QUERIES, TOKENS, -1)
        parts, blocks = torch.split(some, _TORCH_BLOCK), torch_blocks
        seconds, theirs = _better(lambda: torch.cat([blocks.soft(part) for part in parts]).numpy())
        same = np.allclose(theirs, scores[:_TORCH_QUERIES], atol=2e-5)
        equal(bool(same), "torch in blocks")
        torch_s = seconds * BATCH / _TORCH_QUERIES
    operations = 2 * len(values) * skills.tokens.values.size
    return {
        "queries": BATCH,
        "tokens": TOKENS,
        "all_scores_s": scores_s,
        "flop_s": operations / scores_s,
        "part_of_peak": operations / scores_s / peak,
        "best_ten_s": ten_s,
        "best_ten_ratio": scores_s / ten_s,
        "torch_s": torch_s,
        "torch_ratio": torch_s / scores_s if torch_s else None,
    }


def metrics(skills: Skills) -> dict[str, Any]:
    """MAP and RP@10 of given scores on one thread, beside NumPy with a sort of each row.

    The scores are those of pooled vectors; 42 relevant targets a query lie at ranks that are drawn
    evenly on a scale of logarithms.
    """
    pooled = _pooled(skills.tokens.values, skills.tokens.offsets)
    titles = skills.model.encode(target_space("esco-occupations").labels[:_JUDGED])
    scores = _pooled(titles.values, titles.offsets) @ pooled.T
    # NumPy's way knows nothing of ties.
    order = np.argsort(scores, axis=1, kind="stable")
    steps = np.linspace(0, 1, scores.shape[1], dtype=np.float32)
    np.put_along_axis(scores, order, steps[None].repeat(len(scores), 0), axis=1)
    random = np.random.default_rng(0)
    width = scores.shape[1]
    places = np.exp(random.random((_JUDGED, 4 * _RELEVANT)) * np.log(width)).astype(int)
    drawn = [np.unique(row)[:: max(1, len(np.unique(row)) // _RELEVANT)] for row in places]
    relevant = [order[row, width - place].tolist() for row, place in enumerate(drawn)]

    def ours() -> list[float]:
        means = score_metrics(scores, relevant, metrics=["MAP", "RP@10"]).means()
        return [means["MAP"], means["RP@10"]]

    own, numpy = [], []
    for _ in range(3):
        seconds, found = _timed(ours)
        own.append(seconds)
        seconds, expected = _timed(lambda: _by_sorting(scores, relevant))
        numpy.append(seconds)
        equal(bool(np.allclose(found, expected, atol=1e-6)), "metrics by NumPy")
    return {
        "queries": len(scores),
        "targets": width,
        "ms": 1e3 * min(own),
        "numpy_ms": 1e3 * min(numpy),
        "numpy_ratio": min(numpy) / min(own),
    }


def _pooled(values: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
    sums = np.add.reduceat(values, offsets[:-1])
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), dtype=np.float32)


def _by_sorting(scores: NDArray[np.float32], relevant: Sequence[list[int]]) -> NDArray[np.float64]:
    values = []
    for row, own in zip(scores, relevant, strict=True):
        ranks = len(row) - np.searchsorted(np.sort(row), row[own], side="left")
        ranks.sort()
        precisions = np.arange(1, len(ranks) + 1) / ranks
        values.append((precisions.mean(), (ranks <= 10).sum() / min(10, len(ranks))))
    return np.asarray(np.mean(values, axis=0))


def texts(skills: Skills) -> dict[str, Any]:
    """`uwe.rank` of real titles, one after the other, and the part of it that is encoding."""
    titles = target_space("esco-occupations").labels[:_TITLES]
    model, cache = skills.model, skills.cache
    rank(titles[0], cache, k=K)
    whole = [_timed(lambda: rank(title, cache, k=K))[0] for title in titles]  # noqa: B023
    encoding = [_timed(lambda: model.encode([title]))[0] for title in titles]  # noqa: B023
    return {
        "titles": len(titles),
        "p50_ms": 1e3 * float(np.quantile(whole, 0.5)),
        "p99_ms": 1e3 * float(np.quantile(whole, 0.99)),
        "encoding_p50_ms": 1e3 * float(np.quantile(encoding, 0.5)),
        "encoding_p99_ms": 1e3 * float(np.quantile(encoding, 0.99)),
    }


def python_threads(skills: Skills, counts: Sequence[int] = (1, 2, 4)) -> list[dict[str, Any]]:
    """Titles a second of so many Python threads that rank on one cache."""
    titles = target_space("esco-occupations").labels[:_TITLES]
    alone = [rank(title, skills.cache, k=K) for title in titles]
    found = []
    for count in counts:
        with ThreadPoolExecutor(count) as pool:
            seconds, answers = _timed(
                lambda: list(pool.map(lambda title: rank(title, skills.cache, k=K), titles))
            )
        equal(answers == alone, f"{count} Python threads")
        found.append({"threads": count, "titles_s": len(titles) / seconds})
    return found


def _better(call: Callable[[], Any]) -> tuple[float, Any]:
    """The better of two calls: the first finds memory and threads cold."""
    return min((_timed(call) for _ in range(2)), key=lambda timed: timed[0])


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found
