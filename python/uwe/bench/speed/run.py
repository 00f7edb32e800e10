"""All figures of `uwe bench speed`, as one dictionary."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from uwe import _core
from uwe.bench.machine import machine, versions
from uwe.bench.speed import many
from uwe.bench.speed.limits import memory_bandwidth, multiply_add_peak
from uwe.bench.speed.material import Skills
from uwe.bench.speed.one_query import by_scorer, by_targets
from uwe.errors import InputError
from uwe.loading import load
from uwe.parallelism import available_threads

__all__ = ["measure_speed"]


def measure_speed(
    *,
    threads: int | None = None,
    targets: int = 100_000,
    said: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Measure this machine: one to three minutes on two cores.

    Caches lie in a temporary folder meanwhile: 0.9 GB.

    Args:
        threads: Of the scorer, the encoder and torch; None takes all processors that this process
            may use.
        targets: Where the curve over the number of targets ends; a million takes some five minutes
            and 8 GB of disk.
        said: Called with what is measured next.

    Returns:
        The figures: `machine`, `limits`, `one_query`, `batch`, `metrics`, `texts`,
        `python_threads`, `targets`; times and names say their units. None where torch is missing.

    Raises:
        InputError: If `threads` or `targets` is out of range.
        UweError: If two ways to an answer disagree.
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
            figures = _measured(threads, targets, Path(folder), said)
    finally:
        _core.set_threads(before)
    return {**figures, "seconds": time.perf_counter() - start}


def _measured(
    threads: int, targets: int, folder: Path, said: Callable[[str], object]
) -> dict[str, Any]:
    said("the limits of the processor and its memory")
    peak = multiply_add_peak(threads)
    limits = {
        "threads": threads,
        "flop_s_one": multiply_add_peak(1),
        "flop_s": peak,
        "bytes_s_one": memory_bandwidth(1),
        "bytes_s": memory_bandwidth(threads),
    }
    said("ESCO's skills: encoding")
    skills = Skills(load(threads=threads), folder)
    peer = blocks = None
    if importlib.util.find_spec("torch"):
        from uwe.bench.speed.torch_peer import TorchBlocks, TorchPeer

        space = skills.units, skills.norms, skills.tokens.offsets
        peer = TorchPeer(*space, packed=False, threads=threads)
        blocks = TorchBlocks(*space, temperature=many.TEMPERATURE, threads=threads)
    one_query = list(by_scorer(skills, peer, said))
    said(f"a batch of {many.BATCH:,} queries")
    of_batch = many.batch(skills, peak, blocks)
    del peer, blocks
    said("metrics of given scores")
    of_metrics = many.metrics(skills)
    said("titles, one after the other and on several threads")
    of_texts, of_threads = many.texts(skills), many.python_threads(skills)
    tokens, dim = skills.tokens.values.shape
    return {
        "uwe": metadata.version("uwe"),
        "machine": machine(),
        "versions": versions(),
        "limits": limits,
        "skills": {"targets": len(skills.cache), "token_vectors": tokens, "dim": dim},
        "one_query": one_query,
        "batch": of_batch,
        "metrics": of_metrics,
        "texts": of_texts,
        "python_threads": of_threads,
        "targets": list(by_targets(skills.model, folder, targets, said)),
    }
