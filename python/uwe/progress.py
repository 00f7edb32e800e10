"""How far a call has come: a bar on a terminal, or a callable of the caller's own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from uwe.errors import InputError, shown

Progress = bool | Callable[[int, int], object]
"""False for none, True for a bar on standard error if that is a terminal, or a callable that takes
the number of items that are done and of all items."""


def check_progress(progress: object) -> None:
    """InputError unless it is a `Progress`."""
    if not isinstance(progress, bool) and not callable(progress):
        raise InputError(
            "expected progress to be True, False or a callable that takes the number of items "
            f"done and of all items, got {shown(progress)}: pass progress=True, say"
        )


@contextmanager
def reporting(
    progress: Progress, total: int | None, what: str
) -> Iterator[Callable[[int], object]]:
    """What to call with the number of items that are done.

    `progress` is checked already; `total` is the number of all items, or None if nobody knows it,
    so that a bar counts; `what` is what the bar says, such as "Encoding".
    """
    if not isinstance(progress, bool):
        report = progress
        yield lambda done: report(done, done if total is None else total)
    elif progress and sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        console = Console(stderr=True)
        with Bar(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        yield lambda _: None
