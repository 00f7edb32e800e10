"""What no kernel can exceed: multiply-adds in registers, and bytes from memory."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from uwe import _core

__all__ = ["memory_bandwidth", "multiply_add_peak"]

# Far more than the caches of a processor hold.
_BYTES = 1 << 30
_PASSES, _ROUNDS = 5, 10_000_000


def multiply_add_peak(threads: int) -> float:
    """Floating point operations a second of so many threads: the best of some passes.

    In float32, nothing read from memory.
    """
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_PASSES):
            start = time.perf_counter()
            operations = sum(pool.map(_core.multiply_add, [_ROUNDS] * threads))
            best = max(best, operations / (time.perf_counter() - start))
    return best


def memory_bandwidth(threads: int) -> float:
    """Bytes a second that so many threads read from memory together: the best of some passes."""
    whole = np.ones(_BYTES // 4, dtype=np.float32)
    parts = np.array_split(whole, threads)
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_PASSES):
            start = time.perf_counter()
            list(pool.map(np.max, parts))
            best = max(best, whole.nbytes / (time.perf_counter() - start))
    return best
