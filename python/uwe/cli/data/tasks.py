"""What the imports of `uwe data` have in common: where they write, and what they say of tasks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import output

if TYPE_CHECKING:
    from uwe.corpus import RankingTask


Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="The data folder; the default is $UWE_DATA, or ./uwe-data without.",
    ),
]


def folder_of(out: str | None) -> Path:
    """The data folder that `--out` names, or its default."""
    return Path(out or os.environ.get("UWE_DATA") or "uwe-data")


def sizes_of(splits: Mapping[str, RankingTask]) -> dict[str, dict[str, int]]:
    """How many queries, targets and judgements each split of a task has."""
    return {
        split: {
            "queries": len(task.queries),
            "targets": len(task.targets),
            "judgements": sum(map(len, task.relevant)),
        }
        for split, task in splits.items()
    }


def print_splits(folder: Path, splits: Mapping[str, RankingTask]) -> None:
    """Print a line for each split of a task that was written."""
    for split, size in sizes_of(splits).items():
        output.print_line(
            f"{folder} {split}: {size['queries']:,} queries x {size['targets']:,} targets, "
            f"{size['judgements']:,} judgements"
        )


def print_left_out(left_out: Mapping[str, int]) -> None:
    """Print what was left out, counted."""
    for what, count in left_out.items():
        output.print_line(f"  left out: {count:,} {what}")
