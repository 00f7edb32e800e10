"""Ctrl-C in a long run, or being told to end: the first is noted, the second stops at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interruptible"]


@contextmanager
def interruptible() -> Iterator[list[bool]]:
    """A list that gets an entry at the first Ctrl-C or SIGTERM; a second one stops at once.

    SIGTERM is what schedulers of clusters and `timeout` send. Processes of torchrun die of it: it
    sends it where another process has failed, which would be waited for in vain.
    """
    found: list[bool] = []
    at: list[float] = []  # torchrun hands on the Ctrl-C that the terminal has sent already

    def noted(number: int, frame: Any) -> None:
        del number, frame
        if found and time.monotonic() - at[0] > 1.0:
            raise KeyboardInterrupt
        if not found:
            at.append(time.monotonic())
            found.append(True)

    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    try:
        before = {
            number: signal.signal(number, noted)
            for number in (signal.SIGINT, *([signal.SIGTERM] if alone else []))
        }
    except ValueError:  # not in the main thread, which signals are sent to
        yield found
        return
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
