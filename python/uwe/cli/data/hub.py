"""`uwe data import workrb`: WorkRB's sets on the Hugging Face hub as tasks in the data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uwe.cli import arguments, output
from uwe.cli.data.tasks import Out, folder_of, print_left_out, print_splits, sizes_of
from uwe.cli.guard import FAILED, say

if TYPE_CHECKING:
    from uwe.data.esco import EscoRelease
    from uwe.data.hub import HubTask, Imported


Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="NAME", help="Which; may be repeated. The default is all of them."
    ),
]
Mirror = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="FOLDER",
        help="Copies of the hub's repositories (FOLDER/TechWolf/SkillMatch-1K) in place of the "
        "hub.",
    ),
]  # fmt: skip
Esco = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE.zip|FOLDER",
        help="The ESCO release that gives the targets; repeat it for one in parts. The default is "
        "esco/<version>/ in $UWE_DATA, or in --out without.",
    ),
]


def import_workrb(
    tasks: Tasks = None,
    out: Out = None,
    mirror: Mirror = None,
    esco: Esco = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Fetch WorkRB's sets from the Hugging Face hub and write them as tasks, by WorkRB's rules.

    They are jobnorm, skillextract_house, _tech, _techwolf and _skillskape, skillsim and MELO. A
    set that cannot be had is told at the end of standard error, and the others are written.

    Examples:
      uwe data import workrb --task skillsim --task MELO
      uwe data import workrb --task jobnorm --esco ESCO_dataset_v1.0.5_classification_en_csv.zip
    """
    from uwe.data.esco import ATTRIBUTION, read_esco
    from uwe.data.hub import HUB_TASKS, esco_of, hub_task, import_hub_task
    from uwe.errors import DataError, InputError

    chosen = [hub_task(name) for name in dict.fromkeys(tasks)] if tasks else list(HUB_TASKS)
    folder = folder_of(out)
    data = Path(os.environ.get("UWE_DATA") or folder)
    given = read_esco(esco) if esco else None
    releases: dict[str, EscoRelease | None] = {}
    done: list[tuple[HubTask, EscoRelease | None, Imported]] = []
    problems = []
    for task in chosen:
        try:
            if task.esco not in releases:
                releases[task.esco] = given if given and task.esco else esco_of(task, data)
            release = releases[task.esco]
            made = import_hub_task(
                task, folder / "workbench" / task.name, esco=release, mirror=mirror
            )
        except (DataError, InputError) as error:
            # The hub that refuses one set may have the next.
            problems.append(f"error: {task.name}: {error}")
            continue
        done.append((task, release, made))
        if not as_json:
            _print(task, release, made)
    if as_json:
        output.print_json([_document(*entry) for entry in done], indent=2)
    elif any(release for _, release, _ in done):
        output.print_line(ATTRIBUTION)
    for problem in problems:
        say(problem)
    if problems:
        raise typer.Exit(FAILED)


def _print(task: HubTask, release: EscoRelease | None, made: Imported) -> None:
    print_splits(made.folder, made.splits)
    if release is not None and release.version != task.esco:
        output.print_line(f"  targets are ESCO {release.version}; WorkRB has {task.esco}")
    print_left_out(made.left_out)


def _document(task: HubTask, release: EscoRelease | None, made: Imported) -> dict[str, Any]:
    return {
        "name": task.name,
        "path": str(made.folder),
        "repository": task.repository,
        "esco": None if release is None else release.version,
        "splits": sizes_of(made.splits),
        "left_out": made.left_out,
    }
