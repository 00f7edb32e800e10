"""A task: what it measures, where it lies, and how its splits are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from uwe.bench.probes import case_splits, read_cases
from uwe.data.layout import TARGETS, TaskSplit, read_split, splits_of
from uwe.data.typed import SPLIT, read_typed

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """What a task measures, and what one has to know to read its figures.

    Attributes:
        name: Also the name of its folder.
        folder: Where it lies below the data folder; for a user's own task its absolute path. A set
            of what people type may be a file, and probe cases are one.
        paper: Which of `PAPER_TASKS` it belongs to; empty for extras and users' own.
        query: What a query is.
        target: What a target is.
        measures: What a high figure means, in a sentence.
        space: The target space and its version.
        source: Where the data come from.
        licence: Under which terms.
        origins: Relations, as the third column of training edges names them, that come from the
            relation, data set or generator that made this task.
        deviations: Each difference from WorkRB's task of that name.
        made_by: The command that makes its folder; empty for a user's own.
        substitute: Whether it only stands in for the paper's task.
        probes: Whether it is a file of probe cases.
        typed: Which of `uwe.data.typed.TYPED_SETS` it is; empty for a task folder.
        names: Whether its target space has all its names, in place of labels alone.
        shown: Metrics by which it is read, where these are others than the first two measured.
    """

    name: str
    folder: str
    paper: str
    query: str
    target: str
    measures: str
    space: str
    source: str
    licence: str
    made_by: str = ""
    origins: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    substitute: bool = False
    probes: bool = False
    typed: str = ""
    names: bool = False
    shown: tuple[str, ...] = ()

    def is_in(self, path: Path) -> bool:
        """Whether the task lies there."""
        return path.exists() if self.typed or self.probes else (path / TARGETS).is_file()

    def splits(self, path: Path) -> list[str]:
        """Names of the splits that lie there; empty if there is none.

        Raises:
            DataError: As `uwe.data.layout.splits_of` and `uwe.bench.probes.case_splits`.
        """
        if self.probes:
            return case_splits(path)
        if self.typed:
            return [SPLIT] if path.exists() else []
        return splits_of(path)

    def read(self, path: Path, split: str) -> TaskSplit:
        """One of these splits.

        Raises:
            DataError: If it is malformed; with its path and line.
            OSError: If a file cannot be read.
        """
        if self.probes:
            return read_cases(path, split)
        return read_typed(path, self.typed) if self.typed else read_split(path, split)
