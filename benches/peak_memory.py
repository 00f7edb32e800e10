"""The peak memory of this process since a moment that it chooses.

`ru_maxrss` alone will not do: on Linux a process begins with the peak of the one that started it,
which may be more than it ever needs itself.
"""

from __future__ import annotations

import contextlib
import re
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_PROCESS = Path("/proc/self")


def reset_peak() -> int:
    """Forget the peak so far; bytes that are resident now. Elsewhere than on Linux: the peak."""
    with contextlib.suppress(OSError):  # where it is not allowed, the own peak so far counts
        (_PROCESS / "clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    """Most bytes that were resident at once since `reset_peak`."""
    if (_PROCESS / "status").exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", (_PROCESS / "status").read_text())
        if found is not None:
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextlib.contextmanager
def anonymous_peak() -> Iterator[Callable[[], int]]:
    """Most bytes that the block takes beyond those before it, what it maps of files left out.

    Linux only; looks twenty times a second. Yields what gives the number.
    """
    before = _anonymous()
    most, done = before, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.05):
            most = max(most, _anonymous())

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield lambda: most - before
    finally:
        done.set()
        watching.join()
        most = max(most, _anonymous())


def _anonymous() -> int:
    found = re.search(r"RssAnon:\s+(\d+) kB", (_PROCESS / "status").read_text())
    return int(found[1]) * 1024 if found else 0
