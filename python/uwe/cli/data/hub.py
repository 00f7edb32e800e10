"""`uwe data import workrb`: WorkRB's sets on the Hugging Face hub as tasks in the data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import output
from uwe.cli.guard import FAILED, say

if TYPE_CHECKING:
    from uwe.data.esco import EscoRelease

__all__ = ["workrb"]


def workrb(
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--task", metavar="NAME", help="Which; may be repeated. The default is all of them."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Data folder to write into, as workbench/<task>; the default is UWE_DATA. A task "
            "that is there is replaced.",
        ),
    ] = None,
    mirror: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FOLDER",
            help="Copies of the hub's repositories (FOLDER/TechWolf/SkillMatch-1K) in place of "
            "the hub.",
        ),
    ] = None,
    esco: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Zip or folder of the ESCO release that gives the targets; may be repeated for a "
            "release in parts. The default is esco/<version>/ in UWE_DATA, or else in --out.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Fetch WorkRB's sets from the Hugging Face hub and write them as tasks, by WorkRB's rules.

    Examples:
      uwe data import workrb --task skillsim --task MELO
      uwe data import workrb --task jobnorm --esco ESCO_dataset_v1.0.5_classification_en_csv.zip
    """
    from uwe.data.esco import read_esco
    from uwe.data.hub import HUB_TASKS, esco_of, hub_task, import_hub_task
    from uwe.data.layout import ENVIRONMENT, data_folder
    from uwe.errors import DataError

    chosen = [hub_task(name) for name in dict.fromkeys(tasks)] if tasks else list(HUB_TASKS)
    data = out if out and not os.environ.get(ENVIRONMENT) else data_folder()
    if out is None:
        out = data
    given = read_esco(esco) if esco else None
    releases: dict[str, EscoRelease | None] = {}
    failed = False
    for task in chosen:
        try:
            if task.esco not in releases:
                releases[task.esco] = given if given and task.esco else esco_of(task, data)
            release = releases[task.esco]
            done = import_hub_task(task, out / "workbench" / task.name, esco=release, mirror=mirror)
        except DataError as error:
            # The others may be there: a hub that refuses one set may have the next.
            say(f"error: {task.name}: {error}")
            failed = True
            continue
        for split, found in done.splits.items():
            pairs = sum(map(len, found.relevant))
            output.print_line(
                f"{done.folder} {split}: {len(found.queries):,} queries x "
                f"{len(found.targets):,} targets, {pairs:,} relevant pairs"
            )
        if release is not None and release.version != task.esco:
            output.print_line(f"  targets are ESCO {release.version}; WorkRB has {task.esco}")
        for what, count in done.left_out.items():
            output.print_line(f"  {count:,} {what}")
    if failed:
        raise typer.Exit(FAILED)
