"""The commands of `uwe train` put together."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from uwe.cli.guard import guarded
from uwe.cli.training import inspect, report, run

__all__ = ["app"]


class _RecipeFirst(TyperGroup):
    """`uwe train RECIPE` is `uwe train run RECIPE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RecipeFirst,
    help="Train a model on bipartite graphs (extra: train).  uwe train RECIPE  is  uwe train run "
    "RECIPE.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("run")(guarded(run.run_command))
app.command("report")(guarded(report.report_command))
app.command("inspect")(guarded(inspect.inspect_command))
