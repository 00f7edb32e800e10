"""One query at a time: the best ten and all scores, by scorer, length and number of targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.bench.speed.material import Skills, composed_labels, texts_of_tokens, units_and_norms
from uwe.bench.speed.timing import equal, seconds
from uwe.cache import TargetCache
from uwe.config import Scorer
from uwe.queries import core_scorer
from uwe.text import TextEncoder
from uwe.tokens import TokenVectors

if TYPE_CHECKING:
    from uwe.bench.speed.torch_peer import TorchPeer

__all__ = ["LENGTHS", "SCORERS", "K", "by_scorer", "by_targets"]

K, LENGTHS = 10, (8, 32, 64)
SCORERS = ("soft", "soft_target", "soft_query", "max")
_TEXTS, _TEMPERATURE = 9, 0.5
_SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def by_scorer(
    skills: Skills, torch_peer: TorchPeer | None, said: Callable[[str], object]
) -> Iterator[dict[str, Any]]:
    """The best ten of ESCO's skills beside all their scores, and torch: medians in milliseconds."""
    for tokens in LENGTHS:
        said(f"the best ten of {len(skills.cache):,} skills, texts of {tokens} tokens")
        texts = texts_of_tokens(skills.model, tokens, _TEXTS)
        queries = [skills.model.encode([text]) for text in texts]
        for scorer in SCORERS:
            rows = [_in_turns(skills, query, scorer, torch_peer) for query in queries]
            best, scan, *other = (1e3 * median(column) for column in zip(*rows, strict=True))
            yield {
                "scorer": scorer,
                "tokens": tokens,
                "best_ten_ms": best,
                "all_scores_ms": scan,
                "all_scores_ratio": median(row[1] / row[0] for row in rows),
                "torch_ms": other[0] if other else None,
                "torch_ratio": median(row[2] / row[0] for row in rows) if other else None,
            }


def _in_turns(
    skills: Skills, query: TokenVectors, scorer: str, torch_peer: TorchPeer | None
) -> list[float]:
    best, scan = _calls(skills.cache, query, Scorer(scorer, temperature=_TEMPERATURE))
    _check(best(), scan(), f"{scorer}, {len(query.values)} tokens")
    calls: list[Callable[[], object]] = [best, scan]
    if torch_peer is not None:
        peer, (units, norms) = torch_peer, units_and_norms(query.values)

        def largest() -> NDArray[np.float32]:
            scores = peer.scores(units, norms, scorer, _TEMPERATURE)
            return np.sort(np.partition(scores, -K)[-K:])[::-1]

        # Both sum in float32; logits reach some hundred, where an ulp moves a softmax by 1e-5.
        ours = best()[1].ravel()
        equal(bool(np.allclose(ours, largest(), atol=2e-5)), f"torch by {scorer}")
        calls.append(largest)
    return [seconds(call) for call in calls]


def by_targets(
    model: TextEncoder, folder: Path, most: int, said: Callable[[str], object]
) -> Iterator[dict[str, Any]]:
    """The best ten of more and more targets, float16, by the model's scorer, texts of 8 tokens."""
    labels = composed_labels(most)
    queries = [model.encode([text]) for text in texts_of_tokens(model, LENGTHS[0], _TEXTS)]
    scorer, cache, done = model.config.scorer, None, 0
    for size in [*(size for size in _SIZES if size < most), most]:
        said(f"the best ten of {size:,} labels, composed of real ones")
        if cache is None:
            path = folder / "composed.uwe"
            cache = TargetCache.build(model, labels[:size], path=path, dtype="float16")
        else:
            cache = cache.append(labels[done:size])
        done, rows = size, []
        for query in queries:
            best, scan = _calls(cache, query, scorer)
            _check(best(), scan(), f"{size} targets")
            rows.append((seconds(best), seconds(scan)))
        yield {
            "targets": size,
            "token_vectors": cache.core.token_count,
            "best_ten_ms": 1e3 * median(row[0] for row in rows),
            "all_scores_ms": 1e3 * median(row[1] for row in rows),
        }


def _calls(
    cache: TargetCache, query: TokenVectors, scorer: Scorer
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The best ten by bounds, and all scores."""
    given = (cache.core, query.values, query.offsets)
    form = core_scorer(scorer)
    return lambda: _core.cache_rank(*given, k=K, **form), lambda: _core.cache_scores(*given, **form)


def _check(best: Any, scores: NDArray[np.float32], what: str) -> None:
    indices, values = _core.top_k(scores, K)
    same = np.array_equal(best[0], indices) and np.array_equal(best[1], values)
    equal(bool(same), f"the best ten and a scan of all ({what})")
