"""How fast this machine ranks: the exact best ten beside all scores, and torch if installed.

The benches measure with the same functions. Contestants take turns, so that a ratio holds while
the machine's speed drifts, and their answers are compared before a time is taken.
"""

from __future__ import annotations

import importlib.util
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.bench.machine import machine, versions
from uwe.cache.target_cache import TargetCache
from uwe.encoder.loading import load
from uwe.encoder.text_encoder import TextEncoder
from uwe.encoder.tokens import TokenVectors
from uwe.errors import InputError, UweError
from uwe.parallelism import available_threads
from uwe.ranking.rank import rank
from uwe.scorer import Scorer, core_scorer
from uwe.spaces import target_space

if TYPE_CHECKING:
    from torch import Tensor


K = 10
_SCORER = Scorer("soft", temperature=0.5)
_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_TEXTS, _TOKENS = 9, 8
_TORCH_TARGETS = 100_000
"""More would take gigabytes of memory beside the cache."""
_PAUSE = 0.005


def measure_speed(
    *,
    threads: int | None = None,
    targets: int = 100_000,
    said: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Measure this machine on more and more targets, by the scorer `soft` at temperature 0.5.

    Caches of float32 lie in a temporary folder meanwhile: 1 GB for 100,000 targets.

    Args:
        threads: Of the scorer, the encoder and torch; None takes all processors that this process
            may use.
        targets: Up to how many, from 1,000 to 1,000,000; a million takes ten minutes, 9 GB of disk
            and as much memory.
        said: Called with what is measured next.

    Returns:
        `uwe`, `machine`, `versions`, `threads`, `seconds`, and `targets`: for each size a
        dictionary of `targets`, `token_vectors`, `encode_s`, `build_s`, and medians in
        milliseconds of a text of 8 tokens: `rank_ms` (text in, matches out), and from its token
        vectors `best_ten_ms`, `all_scores_ms` and `torch_ms` (all scores; None without torch, and
        beyond 100,000 targets).
    """
    if threads is not None and threads < 1:
        raise InputError(f"expected at least 1 thread, got {threads}")
    if not 1_000 <= targets <= 1_000_000:
        raise InputError(f"expected from 1,000 to 1,000,000 targets, got {targets:,}")
    threads = threads or available_threads()
    before, start = _core.threads(), time.perf_counter()
    _core.set_threads(threads)
    try:
        with tempfile.TemporaryDirectory(prefix="uwe-speed-") as folder:
            rows = list(_by_targets(load(threads=threads), Path(folder), targets, threads, said))
    finally:
        _core.set_threads(before)
    return {
        "uwe": metadata.version("uwe"),
        "machine": machine(),
        "versions": versions(),
        "threads": threads,
        "targets": rows,
        "seconds": time.perf_counter() - start,
    }


def _by_targets(
    model: TextEncoder, folder: Path, most: int, threads: int, said: Callable[[str], object]
) -> Iterator[dict[str, Any]]:
    labels = composed_labels(most)
    texts = texts_of_tokens(model, _TOKENS, _TEXTS)
    queries = [model.encode([text]) for text in texts]
    values, lengths = np.empty((0, model.config.dim), np.float32), np.empty(0, np.int64)
    with_torch = importlib.util.find_spec("torch") is not None
    for size in [*(size for size in _SIZES if size < most), most]:
        said(f"{size:,} targets: encoding {size - len(lengths):,}")
        start = time.perf_counter()
        more = model.encode(labels[len(lengths) : size])
        encoded = time.perf_counter()
        values = np.concatenate([values, more.values])
        lengths = np.concatenate([lengths, np.diff(more.offsets)])
        tokens = TokenVectors(values, np.concatenate([[0], np.cumsum(lengths)]))
        place = folder / f"{size}.uwe"
        between = time.perf_counter()
        cache = TargetCache.from_vectors(tokens, labels[:size], model=model, path=place)
        built = time.perf_counter() - between
        said(f"{size:,} targets: ranking")
        torch_blocks = None
        if with_torch and size <= _TORCH_TARGETS:
            torch_blocks = TorchBlocks(values, tokens.offsets, temperature=0.5, threads=threads)
        times = [_times(cache, query, torch_blocks) for query in queries]
        whole = [in_turns([partial(rank, text, cache, k=K)])[0] for text in texts]
        best, scan, *other = (1e3 * median(column) for column in zip(*times, strict=True))
        yield {
            "targets": size,
            "token_vectors": int(lengths.sum()),
            "encode_s": encoded - start,
            "build_s": built,
            "rank_ms": 1e3 * median(whole),
            "best_ten_ms": best,
            "all_scores_ms": scan,
            "torch_ms": other[0] if other else None,
        }


def _times(
    cache: TargetCache, query: TokenVectors, torch_blocks: TorchBlocks | None
) -> list[float]:
    best, scan = contestants(cache.core, query, _SCORER)
    calls: list[Callable[[], object]] = [best, scan]
    if torch_blocks is not None:
        import torch

        blocks, given = torch_blocks, torch.from_numpy(query.values)[None]
        # Both sum in float32; logits reach some hundred, where an ulp moves a softmax by 1e-5.
        same = np.allclose(scan(), blocks.soft(given).numpy(), atol=2e-5)
        check_equal(bool(same), f"torch on {len(cache):,} targets")
        calls.append(lambda: torch.topk(blocks.soft(given), K))
    return in_turns(calls)


def contestants(
    core: Any, query: TokenVectors, scorer: Scorer
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The best ten by bounds and all scores, once their answers are seen to be equal.

    `core` is `TargetCache.core`; `query` holds token vectors of one query or several. The first
    call gives indices, scores and more of the best ten, the second scores of (queries, targets),
    float32.
    """
    given, form = (core, query.values, query.offsets), core_scorer(scorer)

    def best() -> Any:
        return _core.cache_rank(*given, k=K, **form)

    def scan() -> Any:
        return _core.cache_scores(*given, **form)

    found, expected = best(), _core.top_k(scan(), K)
    same = all(np.array_equal(found[i], expected[i]) for i in (0, 1))
    check_equal(bool(same), f"the best ten by bounds ({scorer})")
    return best, scan


def in_turns(calls: Sequence[Callable[[], object]], pause: float = _PAUSE) -> list[float]:
    """Seconds of each call, after another of it that warms its caches.

    It waits `pause` seconds before each, as the threads of the one before may still spin.
    """
    found = []
    for call in calls:
        time.sleep(pause)
        call()
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return found


def check_equal(same: bool, what: str) -> None:
    """UweError where answers differ: their times mean nothing."""
    if not same:
        raise UweError(f"{what} gave other answers: please report it with the machine")


def composed_labels(count: int) -> list[str]:
    """`count` different labels: those of ESCO's skills and occupations, then halves of two joined.

    The first half of one label's words, then the second half of another's; always the same ones.
    """
    real = [*target_space("esco-skills").labels, *target_space("esco-occupations").labels]
    words = [label.split() for label in real]
    draw = random.Random(0)  # noqa: S311 - no secret
    found = dict.fromkeys(real)
    while len(found) < count:
        first, second = draw.choice(words), draw.choice(words)
        start, end = first[: max(1, len(first) // 2)], second[-max(1, len(second) // 2) :]
        found[" ".join(start + end)] = None
    return list(found)[:count]


def texts_of_tokens(model: TextEncoder, tokens: int, count: int) -> list[str]:
    """Titles of occupations, one or several that follow each other, of so many tokens together."""
    labels = target_space("esco-occupations").labels
    found: list[str] = []
    for first in range(0, len(labels), 7):
        text = labels[first]
        for label in labels[first + 1 : first + tokens]:
            length = len(model.encode([text]).values)
            if length == tokens:
                found.append(text)
            if length >= tokens:
                break
            text = f"{text}, {label}"
        if len(found) == count:
            return found
    got = f"{len(found)}: ask for fewer"
    raise InputError(f"expected {count} texts of {tokens} tokens, got {got}")


class TorchBlocks:
    """`soft` in torch, as a careful user writes it: no padding, a product a group of equal length.

    Target tokens are multiplied by query tokens divided by the temperature, so that the product is
    the logits, and a cosine is one of these times the temperature, less the two lengths.

    `values`, (tokens, d), float32, are token vectors of the targets; `offsets`, (targets + 1,),
    int64, say where each target's begin. `temperature` is that of the attention, `threads` the
    number that torch uses.
    """

    def __init__(
        self,
        values: NDArray[np.float32],
        offsets: NDArray[np.int64],
        *,
        temperature: float,
        threads: int,
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        self._temperature = temperature
        lengths = np.diff(offsets)
        self._targets = len(lengths)
        self._groups: list[tuple[Tensor, Tensor, Tensor]] = []
        for length in np.unique(lengths).tolist():
            targets = np.flatnonzero(lengths == length)
            raw = torch.from_numpy(values[(offsets[targets][:, None] + np.arange(length)).ravel()])
            norms = raw.norm(dim=1).view(len(targets), length)
            self._groups.append((torch.from_numpy(targets), raw, norms))

    def soft(self, queries: Tensor) -> Tensor:
        """Score query tokens of (queries, m, d), float32: (queries, targets)."""
        import torch

        count, m, dim = queries.shape
        scores = torch.empty(count, self._targets)
        lengths = queries.norm(dim=2)
        for targets, raw, norms in self._groups:
            n, length = norms.shape
            logits = (queries.reshape(-1, dim) / self._temperature) @ raw.T
            logits = logits.view(count, m, n, length)
            weights = torch.softmax(logits, 3).mul_(0.5 / m)
            weights.add_(torch.softmax(logits, 1), alpha=0.5 / length)
            cells = weights.mul_(logits).mul_(self._temperature / lengths[:, :, None, None])
            scores[:, targets] = (cells.sum(1) / norms).sum(2)
        return scores
