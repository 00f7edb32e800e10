"""`uwe doctor`: what is installed, and whether ranking works."""

from __future__ import annotations

import typer

from uwe.cli import arguments, output
from uwe.cli.guard import FAILED
from uwe.installation import examine, report


def doctor_command(as_json: arguments.AsJson = False) -> None:
    """Print what is installed and whether ranking works; end with 1 if it does not.

    It ranks one query with the shipped model. What keeps that from working, or target caches from
    being kept, is a line that begins with `problem:` and says what to do; extras that are missing
    are none.

    Examples:
      uwe doctor
      uwe doctor --json
    """
    found = examine()
    if as_json:
        output.print_json(found, indent=2)
    else:
        for line in report(found):
            output.print_line(line)
    if found["problems"]:
        raise typer.Exit(FAILED)
