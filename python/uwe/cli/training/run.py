"""`uwe train run`: a recipe, trained."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from uwe.cli import arguments, output

__all__ = ["run_command"]


def run_command(
    recipe: Annotated[str, typer.Argument(help="A TOML file, as in recipes/.")],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Of the run; the default is runs/NAME."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="The data folder; the default is $UWE_DATA."),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="In place of what the recipe says, such as optimizer.steps=100 or "
            "graph.J.batch_size=64. Repeatable.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")
    ] = False,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave a GPU alone.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Train a model by a recipe; Ctrl-C stops after the step, and --resume goes on.

    Examples:
      uwe train recipes/uwe-mini-clean-texts.toml --data uwe-data
      uwe train recipes/uwe-mini-clean-texts.toml --set optimizer.steps=100 -o runs/short
      uwe train recipes/uwe-mini-clean-texts.toml --resume
    """
    from uwe.trainer import train

    done = train(
        recipe,
        out=out,
        data=data,
        changes=change or (),
        resume=resume,
        progress=not quiet,
        cpu=cpu,
    )
    if os.environ.get("RANK", "0") != "0":  # of torchrun's processes, one speaks
        return
    if as_json:
        output.print_json(
            {
                "model": str(done.model),
                "step": done.step,
                "steps": done.steps,
                "validation": done.validation,
            },
            indent=2,
        )
        return
    for task, values in done.validation.items():
        figures = "  ".join(f"{name} {100 * value:.1f}" for name, value in values.items())
        output.print_line(f"{task}: {figures}")
    output.print_line(
        f"{done.model}: step {done.step} of {done.steps}; rank with it after  uwe export "
        f"{done.model} -o FOLDER"
    )
