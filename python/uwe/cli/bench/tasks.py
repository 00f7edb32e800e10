"""`uwe bench tasks`: what there is to evaluate, and what of it the data folder has."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uwe.cli import arguments, output

if TYPE_CHECKING:
    from uwe.bench.tasks import Task


_WIDTH = 100


def tasks_command(data: arguments.Data = None, as_json: arguments.AsJson = False) -> None:
    """List the tasks: sizes of what is in the data folder, sources, licences, deviations.

    Example:
      uwe bench tasks --data ./uwe-data
    """
    from uwe.bench.tasks import TASKS
    from uwe.data.layout import ENVIRONMENT, data_folder

    named = data is not None or bool(os.environ.get(ENVIRONMENT))
    folder = data_folder(data) if named else None
    found = [(task, [] if folder is None else _sizes(task, folder / task.folder)) for task in TASKS]
    if as_json:
        output.print_json([{**vars(task), "splits": sizes} for task, sizes in found], indent=2)
        return
    rows = []
    for task, sizes in found:
        paper = (task.paper or "-") + (" (substitute)" if task.substitute else "")
        shown = [(s["split"], f"{s['queries']:,} x {s['targets']:,}") for s in sizes]
        for number, (split, size) in enumerate(shown or [("-", "not there")]):
            rows.append([*(("", "") if number else (task.name, paper)), split, size])
    output.print_table(["task", "of the paper", "split", "queries x targets"], rows, right="3")
    for task in TASKS:
        output.print_line("")
        _print_task(task)
    if folder is None:
        output.print_line("\nno data folder: set UWE_DATA or pass --data to see what is there")


def _sizes(task: Task, path: Path) -> list[dict[str, Any]]:
    """What each split of a task holds."""
    splits = [(split, task.read(path, split).task) for split in task.splits(path)]
    return [
        {
            "split": split,
            "queries": len(found.queries),
            "targets": len(found.targets),
            "pairs": sum(map(len, found.relevant)),
        }
        for split, found in splits
    ]


def _print_task(task: Task) -> None:
    output.print_line(_filled(f"{task.name}: {task.measures}", ""))
    source = f"source: {task.source}; licence: {task.licence}"
    output.print_line(_filled(f"{task.query} -> {task.target}; {task.space}; {source}", "  "))
    for deviation in task.deviations:
        output.print_line(_filled(f"- {deviation}", "  "))


def _filled(text: str, indent: str) -> str:
    rest = f"{indent}  "
    return textwrap.fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=rest, break_on_hyphens=False
    )
