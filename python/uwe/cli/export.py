"""`uwe export`: a model folder that ranks without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from uwe.checks import real_path
from uwe.cli import arguments, output
from uwe.encoder.config import WeightForm


def export_command(
    source: Annotated[
        str, typer.Argument(help="A folder of transformers or sentence-transformers, or a hub id.")
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", help="The folder to make; it must not exist, or be empty.")
    ],
    scorer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How its token vectors are compared; the default is the folder's own, or pooled.",
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(metavar="FORM", help="float32, float16, int8 or int8-rows.")
    ] = "int8",
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest text; the default is what the folder says.")
    ] = None,
    special_tokens: Annotated[
        str | None,
        typer.Option(metavar="KEEP|DROP", help="Vectors of special tokens: keep or drop."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The default is the folder's name.")] = None,
    language: Annotated[str | None, typer.Option(help="What it reads, such as en.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX identifier of the weights' licence.")
    ] = None,
    base_model: Annotated[
        str | None, typer.Option(help="What the weights are or started from.")
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Turn a text encoder into a folder that uwe loads without torch (extra: train).

    Of a model that uwe train made, all settings but the form of the weights are known.

    Example:
      uwe export sentence-transformers/all-MiniLM-L6-v2 -o minilm --scorer pooled
    """
    from uwe.model.export import export
    from uwe.model.folder import base_folder

    folder = base_folder(source)
    if not (folder / "uwe.json").is_file():
        scorer = scorer or "pooled"
        name = name or real_path(source).name  # a folder of the hub's cache is named by a hash
    done = export(
        folder,
        out,
        scorer=scorer,
        weights=cast("WeightForm", weights),
        max_tokens=max_tokens,
        special_tokens=cast('Literal["keep", "drop"] | None', special_tokens),
        name=name,
        language=language,
        licence=licence,
        base_model=base_model,
    )
    if as_json:
        output.print_json(
            {"folder": str(Path(out)), "onnx_bytes": done.onnx_bytes, "cosine": done.cosine},
            indent=2,
        )
        return
    output.print_line(
        f"{out}: {done.onnx_bytes / 1e6:.1f} MB, cosine to torch {done.cosine:.6f} at least"
    )
