"""Ctrl-C before a command begins and after it has ended: the process leaves without a word.

Imports take most of the first second, and Python answers Ctrl-C with a traceback wherever it is.
This module imports nothing of weight, so that it is there first.
"""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130
"""Exit code of a process that Ctrl-C ended."""

_armed = False


def arm() -> None:
    """From now on Ctrl-C ends this process at once, except between `hear` and `leave`.

    Where it is ignored, as in the background of a shell, it stays so.
    """
    global _armed
    _armed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    leave()


def hear() -> None:
    """Ctrl-C raises KeyboardInterrupt, as Python has it."""
    if _armed:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def leave() -> None:
    """Ctrl-C ends the process: nothing has begun, or all is done."""
    if _armed:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
