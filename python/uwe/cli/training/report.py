"""`uwe train report`: the curves of runs."""

from __future__ import annotations

from typing import Annotated

import typer

from uwe.cli import arguments, output

__all__ = ["report_command"]


def report_command(
    run: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="FILE", help="A file of type .svg, .png or .pdf."),
    ] = "curves.svg",
    as_json: arguments.AsJson = False,
) -> None:
    """Draw losses, validation, learning rate and gradient of one run, or of several together.

    Example:
      uwe train report runs/uwe-mini-clean -o curves.png
    """
    from uwe.training.curves import draw_curves, read_run

    logs = [read_run(folder) for folder in run]
    draw_curves(logs, out)
    if as_json:
        found = [
            {"run": log.name, "steps": len(log.steps), "validations": log.validations}
            for log in logs
        ]
        output.print_json(found, indent=2)
        return
    for log in logs:
        for entry in log.validations:
            output.print_line(f"{log.name} step {entry['step']}: mean {100 * entry['mean']:.2f}")
    output.print_line(f"{out}: drawn")
