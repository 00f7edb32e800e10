"""The commands of `uwe bench` put together."""

from __future__ import annotations

import typer

__all__ = ["app"]

app = typer.Typer(
    help="Evaluate models on WorkBench, and draw what came out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
