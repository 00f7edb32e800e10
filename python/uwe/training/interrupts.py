"""Ctrl-C in a long run: the first one is noted, the second one stops at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interruptible"]


@contextmanager
def interruptible() -> Iterator[list[bool]]:
    """A list that gets an entry at the first Ctrl-C; a second one stops at once."""
    found: list[bool] = []
    at: list[float] = []  # torchrun hands on the Ctrl-C that the terminal has sent already

    def noted(number: int, frame: Any) -> None:
        del number, frame
        if found and time.monotonic() - at[0] > 1.0:
            raise KeyboardInterrupt
        if not found:
            at.append(time.monotonic())
            found.append(True)

    try:
        before = signal.signal(signal.SIGINT, noted)
    except ValueError:  # not in the main thread, which Ctrl-C is sent to
        yield found
        return
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)
