"""`uwe bench tasks`: what there is to evaluate, and what of it the data folder has."""

from __future__ import annotations

from pathlib import Path

from uwe.cli import arguments, output
from uwe.cli.bench.options import Data

__all__ = ["tasks_command"]


def tasks_command(data: Data = None, as_json: arguments.AsJson = False) -> None:
    """List the tasks: sizes of what is in the data folder, sources, licences, deviations.

    Example:
      uwe bench tasks --data ./uwe-data
    """
    from uwe.bench.tasks import TASKS
    from uwe.data.layout import data_folder, read_split, splits_of
    from uwe.errors import InputError

    folder: Path | None
    try:
        folder = data_folder(data)
    except InputError:
        if data is not None:
            raise
        folder = None
    rows, documents = [], []
    for task in TASKS:
        path = (folder or Path()) / task.folder
        sizes = []
        for split in splits_of(path) if folder is not None else ():
            found = read_split(path, split).task
            sizes.append(
                {
                    "split": split,
                    "queries": len(found.queries),
                    "targets": len(found.targets),
                    "pairs": sum(map(len, found.relevant)),
                }
            )
        documents.append({**vars(task), "splits": sizes})
        shown = [f"{s['split']} {s['queries']:,} x {s['targets']:,}" for s in sizes]
        rows.append(
            [
                task.name,
                (task.paper or "-") + (" (substitute)" if task.substitute else ""),
                ", ".join(shown) or "not there",
                f"{task.query} -> {task.target}",
                task.source,
                task.licence,
            ]
        )
    if as_json:
        output.print_json(documents, indent=2)
        return
    output.print_table(
        ["task", "of the paper", "queries x targets", "ranks", "source", "licence"], rows
    )
    output.print_line("")
    for task in TASKS:
        output.print_line(f"{task.name}: {task.measures}. Targets: {task.space}.")
        for deviation in task.deviations:
            output.print_line(f"  - {deviation}")
    if folder is None:
        output.print_line("\nno data folder: set UWE_DATA or pass --data to see what is there")
