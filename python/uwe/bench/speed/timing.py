"""Times of calls, and answers that have to be equal before there is a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from uwe.errors import UweError

__all__ = ["equal", "seconds"]

_PAUSE = 0.005


def seconds(call: Callable[[], object]) -> float:
    """Seconds of a call after another that warms its caches.

    The threads of the contestant before may still spin, so there is a pause first.
    """
    time.sleep(_PAUSE)
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def equal(same: bool, what: str) -> None:
    """Stop where answers differ: their times mean nothing.

    Raises:
        UweError: If they do.
    """
    if not same:
        raise UweError(f"{what} gave other answers: please report it with the machine")
