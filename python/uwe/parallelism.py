"""How many threads one call uses, in the encoder and in the compiled core alike."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from uwe import _core
from uwe.checks import positive
from uwe.errors import InputError, shown

VARIABLE = "UWE_THREADS"
MOST = 1024  # far beyond any machine; far below what a system refuses in the midst of a call

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_chosen: int | None = None
_lock = threading.Lock()
_in_one: list[Any] = []
"""Limits of NumPy's threads, one for each call that wants one thread; the first one set it."""


def set_threads(count: int | None) -> None:
    """Set how many threads later calls use: encoding, scoring, building a cache.

    It wins over the environment variable `UWE_THREADS`, which sets the same before the process
    starts. Neither changes a model that was loaded with `threads=`. Calls that are running keep
    what they have. A process that was forked after the core had used threads scores with one; see
    "Threads, forks and servers" in docs/api.md.

    Args:
        count: Threads of one call; None takes what `UWE_THREADS` says, or all processors that this
            process may use.

    Raises:
        InputError: If `count` is neither None nor an integer from 1 to 1024.
    """
    global _chosen
    _chosen = None if count is None else checked_threads("count", count)
    available_threads.cache_clear()
    _core.set_threads(threads())


def checked_threads(name: str, count: object) -> int:
    """`count` as an int, if it is an integer from 1 to 1024; InputError otherwise."""
    chosen = positive(name, count)
    if chosen > MOST:
        raise InputError(
            f"expected {name} to be at most {MOST} threads, got {shown(chosen)}: correct it"
        )
    return chosen


def set_worker_threads() -> None:
    """Use as many threads as the engine of a cluster gives its worker, unless the user has chosen.

    Ray, Spark and Dask say it in `OMP_NUM_THREADS`: the processors of the task or the actor.
    """
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    chosen = _chosen is not None or os.environ.get(VARIABLE, "").strip()
    if not chosen and text.isascii() and text.isdigit() and len(text) < 9 and int(text) > 0:
        set_threads(min(int(text), MOST))


def threads() -> int:
    """How many threads one call uses.

    Raises:
        InputError: If the environment variable `UWE_THREADS` is no integer from 1 to 1024.
    """
    if _chosen is not None:
        return _chosen
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return available_threads()
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST):
        raise InputError(
            f"expected the environment variable {VARIABLE} to be an integer from 1 to {MOST}, got "
            f"{text[:40]!r}: correct it, or unset it to use all processors"
        )
    return int(text)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep NumPy's matrix products to one thread, in all threads of the process.

    After a product on several, those of OpenBLAS wait for the next one by spinning: of two
    processors one is lost to whoever works in between. For small products among other work.
    """
    blas = _blas()
    with _lock:
        # The first one notes what to go back to.
        _in_one.append(blas.limit(limits=1))
    try:
        yield
    finally:
        with _lock:
            if len(_in_one) == 1:
                _in_one.pop().restore_original_limits()
            del _in_one[1:2]  # the first one is kept until the last


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    while _in_one:  # whoever asked is not here
        _in_one.pop().restore_original_limits()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


@cache
def available_threads() -> int:
    """Processors that this process may use: what `taskset` or a container's quota leaves of all.

    The quota is that of cgroup v2, rounded down to whole processors, at least one. Counted once,
    since every query asks; `set_threads` has them counted again.
    """
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    try:
        # "200000 100000": microseconds of processor time in so many of the clock, or "max 100000".
        quota, period = map(int, _CPU_QUOTA.read_text(encoding="ascii").split())
        return max(1, min(processors, quota // period))
    except (OSError, ValueError, ZeroDivisionError):
        return processors
