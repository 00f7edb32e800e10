"""`uwe bench audit`: what a model had seen of each task, counted in its training files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from uwe.cli import arguments, output
from uwe.cli.bench.options import Splits, Tasks


def audit_command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model folder or hub id, or another name as of  uwe bench run."
        ),
    ],
    task: Tasks = None,
    split: Splits = None,
    data: arguments.Data = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Count a task's (query, target) pairs in the training edges of a model: its regimes.

    The model says in uwe.json what it was trained on; those files are looked up in the data folder
    by name and sha256. Without --task, those of train_full/heldout are
    counted too.

    Example:
      uwe bench audit ./my-model --data ./uwe-data --task job2skill
    """
    from uwe.bench.adapters.resolve import bench_model
    from uwe.bench.contamination import Auditor
    from uwe.bench.tasks import TASKS, chosen_splits
    from uwe.data.layout import data_folder

    chosen, folder = bench_model(model), data_folder(data)
    there = [
        known.name
        for known in TASKS
        if not (known.typed or known.probes) and known.splits(folder / known.folder)
    ]
    auditor = Auditor(folder)
    found: list[dict[str, Any]] = []
    for each, place, part in chosen_splits(
        task or there or "all", split or "all", folder, named=bool(task)
    ):
        counted = dict(vars(auditor.regime(chosen, each, each.read(place, part))))
        found.append({"task": each.name, "split": part, "regime": counted.pop("name"), **counted})
    if as_json:
        trained_on = [vars(source) for source in chosen.trained_on]
        output.print_json(
            {"model": chosen.name, "trained_on": trained_on, "tasks": found}, indent=2
        )
        return
    same = len({row["reason"] for row in found}) == 1
    rows = [
        [
            f"{row['task']}/{row['split']}",
            f"{row['pairs']:,}",
            "-" if row["found"] is None else f"{row['found']:,}",
            "-" if row["found"] is None else f"{row['found'] / row['pairs']:.3%}",
            row["regime"],
            *([] if same else [row["reason"]]),
        ]
        for row in found
    ]
    header = ["task/split", "pairs", "found", "share", "regime", *([] if same else ["because"])]
    output.print_table(header, rows, right="123")
    if same:
        output.print_line(f"\nbecause: {found[0]['reason']}")
