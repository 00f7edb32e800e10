"""What a run writes down and shows: `metrics.jsonl`, and a line or a bar with the time left."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uwe.checks import path_of
from uwe.errors import DataError
from uwe.files.atomic import write_lines
from uwe.progress import Progress

__all__ = ["MetricsLog", "Reporter", "read_metrics", "smoothed", "step_progress"]

METRICS_FILE = "metrics.jsonl"

_NEW = 0.05
"""Weight of a new loss in what is shown: a mean over about the last 20 steps of its graph."""


class MetricsLog:
    """A JSON object a line, each with `step` and `kind`: `train` or `validation`.

    Args:
        path: The file.
        after: Lines of later steps are dropped: a run that resumes takes those steps again.
    """

    def __init__(self, path: Path, *, after: int = 0) -> None:
        kept = [entry for entry in read_metrics(path) if entry["step"] <= after] if after else []
        self._path = path
        write_lines(path, map(_line, kept))

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Add a line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line({"kind": kind, "step": step, **values}) + "\n")


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a log; a last one that was cut off is left out, and no file is no lines.

    Raises:
        DataError: If another line is no JSON object with a step; with path and line.
        OSError: If it cannot be read.
    """
    path = path_of("path", path)
    if not path.exists():
        return []
    # Not splitlines, which splits at line ends that JSON has in its texts. What is no UTF-8 is no
    # JSON afterwards either, or stands in a text.
    *lines, cut = path.read_text(encoding="utf-8", errors="replace").split("\n")
    entries = []
    for number, line in enumerate([*lines, cut] if cut else lines, start=1):
        try:
            entry = json.loads(line)
            if type(entry["step"]) is not int:
                raise TypeError("step is no integer")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if number > len(lines):
                break
            raise DataError(
                f"expected a line of  uwe train, got {error!r}: remove it", path=path, line=number
            ) from None
        entries.append(entry)
    return entries


class Reporter:
    """Shows nothing: what is used when nobody wants to know."""

    def stepped(self, step: int, losses: Mapping[str, float], seconds: float) -> None:
        """A step was taken: the mean loss of each graph of late, and the seconds of a step."""

    def say(self, what: str) -> None:
        """Something happened that is worth a line."""


class _Told(Reporter):
    """Tells a callable which step was taken, of how many."""

    def __init__(self, report: Callable[[int, int], object], steps: int) -> None:
        self._report, self._steps = report, steps

    def stepped(self, step: int, losses: Mapping[str, float], seconds: float) -> None:
        del losses, seconds
        self._report(step, self._steps)


class _Lines(Reporter):
    """A line now and then, as a log wants it."""

    def __init__(self, steps: int) -> None:
        self._steps, self._said = steps, time.monotonic()

    def stepped(self, step: int, losses: Mapping[str, float], seconds: float) -> None:
        if step not in (1, self._steps) and time.monotonic() - self._said < 20:
            return
        self._said = time.monotonic()
        self.say(
            f"step {step:,} of {self._steps:,}: {_losses(losses)}, {self._left(step, seconds)}"
        )

    def say(self, what: str) -> None:
        sys.stderr.write(what + "\n")
        sys.stderr.flush()

    def _left(self, step: int, seconds: float) -> str:
        minutes = (self._steps - step) * seconds / 60
        return f"{seconds:.2f} s a step, about {minutes:.0f} min left"


class _Bar(_Lines):
    def __init__(self, steps: int, bar: Any) -> None:
        super().__init__(steps)
        self._bar = bar
        self._task = bar.add_task("", total=steps)

    def stepped(self, step: int, losses: Mapping[str, float], seconds: float) -> None:
        words = f"{_losses(losses)}, {self._left(step, seconds)}"
        self._bar.update(self._task, completed=step, description=words)

    def say(self, what: str) -> None:
        self._bar.console.print(what, highlight=False, markup=False)


@contextmanager
def step_progress(wanted: Progress, steps: int) -> Iterator[Reporter]:
    """Show progress on standard error, a bar if that is a terminal, or tell a callable."""
    if not isinstance(wanted, bool):
        yield _Told(wanted, steps)
        return
    if not wanted:
        yield Reporter()
        return
    if not sys.stderr.isatty():
        yield _Lines(steps)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(steps, bar)


def smoothed(before: float | None, loss: float) -> float:
    """The mean loss of late, given the one before; None at the start."""
    return loss if before is None else before + _NEW * (loss - before)


def _losses(losses: Mapping[str, float]) -> str:
    return "loss " + " ".join(f"{name} {value:.3f}" for name, value in losses.items())


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False)
