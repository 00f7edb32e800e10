"""`uwe data import esco`: target spaces and ranking tasks out of ESCO's CSV downloads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import arguments, output

if TYPE_CHECKING:
    from uwe.data.esco import EscoRelease
    from uwe.data.esco_tasks import EscoTask

__all__ = ["import_esco"]

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE.zip|FOLDER...",
        help="ESCO's CSV download, as it came or unpacked; several parts make one release.",
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="The data folder; the default is $UWE_DATA, or ./uwe-data without.",
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

    folder = Path(out or os.environ.get("UWE_DATA") or "uwe-data")
    found = read_esco(sources, version=release, language=language)
    tasks, missing = esco_tasks(found)
    folders = write_tasks(tasks, folder)
    spaces = write_spaces(found, folder)
    if as_json:
        output.print_json(_document(found, spaces, tasks, folders, missing), indent=2)
        return
    output.print_line(
        f"ESCO {found.version} {found.language}: {len(found.skills):,} skills, "
        f"{len(found.occupations):,} occupations, {len(found.relations):,} relations between them"
    )
    for absent in found.absent:
        output.print_line(f"  not in these files: {absent}")
    _print_left_out(found.left_out)
    for path, count in spaces.items():
        output.print_line(f"{path}: {count:,} targets")
    for task, path in zip(tasks, folders, strict=True):
        for split, made in task.splits.items():
            pairs = sum(map(len, made.relevant))
            output.print_line(
                f"{path} {split}: {len(made.queries):,} queries x {len(made.targets):,} targets, "
                f"{pairs:,} judgements"
            )
        _print_left_out(task.left_out)
    for name, reason in missing.items():
        output.print_line(f"not made: {name} ({reason})")
    output.print_line(ATTRIBUTION)


def _print_left_out(left_out: Mapping[str, int]) -> None:
    for what, count in left_out.items():
        output.print_line(f"  left out: {count:,} {what}")


def _document(
    found: EscoRelease,
    spaces: Mapping[Path, int],
    tasks: list[EscoTask],
    folders: list[Path],
    missing: Mapping[str, str],
) -> dict[str, object]:
    return {
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
                "splits": {
                    split: {
                        "queries": len(made.queries),
                        "targets": len(made.targets),
                        "judgements": sum(map(len, made.relevant)),
                    }
                    for split, made in task.splits.items()
                },
                "left_out": task.left_out,
            }
            for task, path in zip(tasks, folders, strict=True)
        ],
        "not_made": missing,
    }
