"""`uwe average`: one model out of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uwe.cli import arguments, output
from uwe.errors import InputError


def average_command(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL[=SHARE]...",
            help="Model folders, such as those of uwe train, and their shares, which are relative.",
        ),
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", help="The folder to make; it must not exist, or be empty.")
    ],
    name: Annotated[str | None, typer.Option(help="The default is the folder's name.")] = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Average the weights of models of one base into one model (extra: train).

    Example:
      uwe average runs/a/model=0.6 runs/b/model=0.4 -o runs/both
    """
    from uwe.model.averaging import average_models

    config = average_models([_with_share(model) for model in models], out, name=name)
    if as_json:
        output.print_json({"folder": out, "name": config.name, "models": len(models)}, indent=2)
        return
    output.print_line(f"{out}: the average of {len(models)} models; rank with it after  uwe export")


def _with_share(text: str) -> tuple[str, float]:
    model, equals, share = text.rpartition("=")
    if not equals or Path(text).is_dir():  # a name may have a = in it
        return text, 1.0
    try:
        return model, float(share)
    except ValueError:
        raise InputError(
            f"{text}: expected a folder, or one with a number behind =, got {share!r}: correct it"
        ) from None
