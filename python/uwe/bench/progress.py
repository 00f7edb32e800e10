"""How far an evaluation is: a bar with the time left on terminals, a line a figure elsewhere.

Or what the caller makes of it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from uwe.progress import Progress

if TYPE_CHECKING:
    from uwe.bench.results import Entry

__all__ = ["Reporter", "progress_of"]


class Reporter:
    """Does nothing: what is used when nobody wants to know."""

    def say(self, what: str) -> None:
        """What goes on now."""

    def encoded(self, texts: int) -> None:
        """So many texts of the target space are encoded."""

    def done(self, part: str, queries: int) -> None:
        """So many more queries of a split are scored, in one of the ways to score."""

    def finished(self, entry: Entry) -> None:
        """One figure is there."""


class _Told(Reporter):
    """Tells a callable, of queries times ways to score."""

    def __init__(self, report: Callable[[int, int], object], work: int) -> None:
        self._report, self._work, self._done = report, work, 0

    def done(self, part: str, queries: int) -> None:
        del part
        self._done += queries
        self._report(self._done, self._work)


class _Lines(Reporter):
    """A line for each figure, with the time left, as a log wants it."""

    def __init__(self, model: str, work: int) -> None:
        self._model, self._work, self._done = model, work, 0
        self._started = time.monotonic()

    def done(self, part: str, queries: int) -> None:
        del part
        self._done += queries

    def finished(self, entry: Entry) -> None:
        spent = time.monotonic() - self._started
        left = spent / max(self._done, 1) * (self._work - self._done)
        figures = ", ".join(f"{n} {100 * i.mean:.1f}" for n, i in list(entry.metrics.items())[:2])
        self._write(
            f"{self._model} {entry.scorer} {entry.task}: {figures} after {_clock(spent)}, about "
            f"{_clock(left)} left"
        )

    def _write(self, line: str) -> None:
        sys.stderr.write(" ".join(line.split()) + "\n")
        sys.stderr.flush()


class _Bar(_Lines):
    def __init__(self, model: str, work: int, bar: Any) -> None:
        super().__init__(model, work)
        self._bar = bar
        self._task = bar.add_task(model, total=work)

    def say(self, what: str) -> None:
        self._bar.update(self._task, description=f"{self._model}: {what}")

    def encoded(self, texts: int) -> None:
        self._bar.update(self._task, description=f"{self._model}: {texts:,} texts encoded")

    def done(self, part: str, queries: int) -> None:
        super().done(part, queries)
        self._bar.update(self._task, advance=queries, description=f"{self._model}: {part}")

    def _write(self, line: str) -> None:
        self._bar.console.print(" ".join(line.split()), highlight=False, markup=False)


@contextmanager
def progress_of(wanted: Progress, model: str, work: int) -> Iterator[Reporter]:
    """Show progress on standard error, or tell a callable, if it is wanted.

    Args:
        wanted: False for nothing, True for standard error, or what is told.
        model: Name of the model.
        work: Queries times ways to score.
    """
    if not isinstance(wanted, bool):
        yield _Told(wanted, work)
        return
    if not wanted:
        yield Reporter()
        return
    if not sys.stderr.isatty():
        yield _Lines(model, work)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(model, work, bar)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
