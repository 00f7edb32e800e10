"""`uwe bench card`: the card of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uwe.cli import output
from uwe.cli.bench.options import check_out


def card_command(
    model: Annotated[str, typer.Argument(help="A folder that  uwe export  made.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="RESULT.json...",
            help="What  uwe bench run -o  wrote of it, and of other seeds of its recipe.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The default is README.md in the model's folder."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="The default is MAP and RP@10.")
    ] = None,
) -> None:
    """Write a model's card: figures with regimes and seeds, training data with hashes, licences.

    Example:
      uwe bench run --model ./mine --split val -o mine.json
      uwe bench card ./mine mine.json
    """
    from uwe.bench.card import model_card
    from uwe.bench.results import read_results
    from uwe.encoder.loading import load
    from uwe.files.atomic import write_text

    folder = Path(model)
    target = folder / "README.md" if out is None else Path(out)
    loaded = load(folder)
    check_out(str(target), *files, *(file for file in folder.iterdir() if file.suffix != ".md"))
    results = [read_results(path) for path in files]
    text = model_card(loaded.config, loaded.fingerprint, results, shown=metric or ["MAP", "RP@10"])
    write_text(target, text)
    output.print_line(str(target))
