"""Options that the commands of `uwe bench` share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from uwe.checks import real_path
from uwe.errors import InputError

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", metavar="SOURCE",
        help="uwe-mini (the default), a model folder or hub id; with the extra bench also bm25, "
        "tfidf or sentence-transformers:FOLDER. Repeat for several.",
    ),
]  # fmt: skip
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="NAME|FOLDER",
        help="A task (see: uwe bench tasks) or a task folder of yours; the default is all of "
        "WorkBench that is there, `typed` all of what people type, `probes` small cases by "
        "category. A file of cases of yours is a task too. Repeat for several.",
    ),
]  # fmt: skip
Splits = Annotated[
    list[str] | None,
    typer.Option("--split", metavar="NAME", help="val or test; the default is all. Repeatable."),
]
Scorers = Annotated[
    list[str] | None,
    typer.Option(
        "--scorer", "-s", metavar="NAME",
        help="pooled, max, or soft, soft_query, soft_target with a temperature as in soft:0.5; "
        "with /pooled against pooled targets; all compares all. The default is the model's own. "
        "Repeat for several: texts are encoded once.",
    ),
]  # fmt: skip
Result = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FILE", help="Where the result goes (JSON).")
]


def check_out(out: str | None, *sources: str | Path | None) -> None:
    """InputError if a result cannot be written there: better before hours of work than after.

    `sources` are what is read meanwhile, and other results; `-` is standard input.
    """
    if out is None:
        return
    path = Path(out).absolute()
    if path.is_dir() or not path.name:
        raise InputError(f"{out}: expected a file for the result, got a folder: name a file in it")
    if path.exists() and not path.is_file():  # a device or a pipe would be replaced by a file
        raise InputError(f"{out}: expected a file for the result, got no regular one: name another")
    if real_path(path) in [real_path(s) for s in sources if s is not None and s != "-"]:
        raise InputError(f"{out}: expected another file than those read and written here: name one")
    if not path.parent.is_dir():
        raise InputError(f"{out}: expected a folder to write into, found none: make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{out}: expected a folder that can be written into: name another")
