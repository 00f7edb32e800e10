"""Options that the commands of `uwe bench` share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Data", "Models", "Scorers", "Splits", "Tasks"]

Data = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="The data folder; the default is what UWE_DATA names."),
]
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
        "--task", "-t", metavar="NAME|FOLDER",
        help="A task (see: uwe bench tasks) or a task folder of yours; the default is all of "
        "WorkBench that is there. Repeat for several.",
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
