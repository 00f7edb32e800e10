"""What a run writes down and says: `metrics.jsonl`, and a line with the time left."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from uwe.checks import path_of
from uwe.errors import DataError
from uwe.files.atomic import write_lines
from uwe.progress import Progress

METRICS_FILE = "metrics.jsonl"

_NEW = 0.05
"""Weight of a new loss in what is shown: a mean over about the last 20 steps of its graph."""
_EVERY = 20.0
"""Seconds between two lines."""


class MetricsLog:
    """A JSON object a line, each with `step` and `kind`: `train` or `validation`.

    Lines of steps after `after` are dropped: a run that resumes takes those steps again.
    """

    def __init__(self, path: Path, *, after: int = 0) -> None:
        kept = [entry for entry in read_metrics(path) if entry["step"] <= after] if after else []
        self._path = path
        write_lines(path, map(_line, kept))

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Add a line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line({"kind": kind, "step": step, **values}) + "\n")


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False)


class _Entry(msgspec.Struct):
    step: int


class _Train(_Entry):
    loss: dict[str, float]
    learning_rate: float
    gradient_norm: float


class _Validation(_Entry):
    tasks: dict[str, dict[str, float]]
    mean: float


_KINDS: dict[str, type[_Entry]] = {"train": _Train, "validation": _Validation}


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a log; a last one that was cut off is left out, and no file is no lines."""
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
            msgspec.convert(entry, _KINDS.get(entry["kind"], _Entry))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if number > len(lines):
                break
            raise DataError(
                f"expected a line of  uwe train, got {error!r}: remove it", path=path, line=number
            ) from None
        entries.append(entry)
    return entries


def smoothed(before: float | None, loss: float) -> float:
    """The mean loss of late, given the one before; None at the start."""
    return loss if before is None else before + _NEW * (loss - before)


class Reporter:
    """Says how far a run is: in lines on standard error, or to a callable."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self._progress, self._steps = progress, steps
        self._said = time.monotonic()

    def stepped(self, step: int, losses: Mapping[str, float], seconds: float) -> None:
        """A step was taken: the mean loss of each graph of late, and the seconds of a step."""
        if not isinstance(self._progress, bool):
            self._progress(step, self._steps)
        elif step in (1, self._steps) or time.monotonic() - self._said >= _EVERY:
            self._said = time.monotonic()
            shown = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            minutes = (self._steps - step) * seconds / 60
            self.say(
                f"step {step:,} of {self._steps:,}: loss {shown}, {seconds:.2f} s a step, about "
                f"{minutes:.0f} min left"
            )

    def say(self, what: str) -> None:
        """Something happened that is worth a line."""
        if self._progress is True:
            sys.stderr.write(what + "\n")
            sys.stderr.flush()
