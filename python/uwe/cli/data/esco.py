"""`uwe data import esco`: target spaces and ranking tasks out of ESCO's CSV downloads."""

from __future__ import annotations

from typing import Annotated

import typer

from uwe.cli import arguments, output
from uwe.cli.data.tasks import Out, folder_of, print_left_out, print_splits, sizes_of

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE.zip|FOLDER...",
        help="ESCO's CSV download, as it came or unpacked; several parts make one release.",
    ),
]
Language = Annotated[
    str | None,
    typer.Option(metavar="CODE", help="Such as en; the default is that of the files' names."),
]
Release = Annotated[
    str | None,
    typer.Option(metavar="VERSION", help="Such as 1.2.0; the default is that of the zips' names."),
]


def import_esco(
    sources: Sources,
    out: Out = None,
    language: Language = None,
    release: Release = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Make target spaces, ready for  uwe cache build --input , and ranking tasks of a release.

    Download "ESCO dataset, classification, csv" at https://esco.ec.europa.eu/en/use-esco/download.

    Examples:
      uwe data import esco "ESCO dataset - v1.2.0 - classification - en - csv.zip"
      uwe data import esco skills.zip relations.zip --release 1.1.0 --language de --out data
      uwe cache build skills.uwe --input data/spaces/esco-1.1.0-de-skills.jsonl.gz
      uwe bench run --task data/esco-1.1.0-de/job2skill
    """
    from uwe.data.esco import ATTRIBUTION, read_esco
    from uwe.data.esco_spaces import write_spaces
    from uwe.data.esco_tasks import esco_tasks, write_tasks

    folder = folder_of(out)
    found = read_esco(sources, version=release, language=language)
    tasks, missing = esco_tasks(found)
    folders = write_tasks(tasks, folder)
    spaces = write_spaces(found, folder)
    if as_json:
        document = {
            "version": found.version,
            "language": found.language,
            "skills": len(found.skills),
            "occupations": len(found.occupations),
            "relations": len(found.relations),
            "absent": found.absent,
            "left_out": found.left_out,
            "spaces": [{"path": str(path), "targets": count} for path, count in spaces.items()],
            "tasks": [
                {
                    "name": task.name,
                    "path": str(path),
                    "splits": sizes_of(task.splits),
                    "left_out": task.left_out,
                }
                for task, path in zip(tasks, folders, strict=True)
            ],
            "not_made": missing,
        }
        output.print_json(document, indent=2)
        return
    output.print_line(
        f"ESCO {found.version} {found.language}: {len(found.skills):,} skills, "
        f"{len(found.occupations):,} occupations, {len(found.relations):,} relations between them"
    )
    for absent in found.absent:
        output.print_line(f"  not in these files: {absent}")
    print_left_out(found.left_out)
    for path, count in spaces.items():
        output.print_line(f"{path}: {count:,} targets")
    for task, path in zip(tasks, folders, strict=True):
        print_splits(path, task.splits)
        print_left_out(task.left_out)
    for name, reason in missing.items():
        output.print_line(f"not made: {name} ({reason})")
    output.print_line(ATTRIBUTION)
