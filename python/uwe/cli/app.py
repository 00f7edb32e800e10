"""The commands put together, and what they share: exit codes, errors in one line, signals.

typer reads the options from type annotations, and brings completion for shells. Its plain help is
used, without the frames that rich draws.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from uwe.cli import (
    average,
    caches,
    calibrate,
    doctor,
    enrich,
    explanation,
    export,
    extract,
    mcp,
    ranking,
    serve,
    spaces,
)
from uwe.cli.bench.app import app as bench
from uwe.cli.data.app import app as data
from uwe.cli.guard import EXIT_CODES, FAILED, Commands, ending, say
from uwe.cli.train import app as training

app = Commands(
    name="uwe",
    help="Rank skills, occupations or labels of yours for any text, and say why.",
    epilog=EXIT_CODES,
    pretty_exceptions_enable=False,
)
app.add("rank", ranking.rank_command)
app.add("extract", extract.extract_command)
app.add("explain", explanation.explain_command)
app.add_typer(caches.app, name="cache")
app.add("calibrate", calibrate.calibrate_command)
app.add("spaces", spaces.spaces_command)
app.add("serve", serve.serve_command)
app.add("mcp", mcp.mcp_command)
app.add("doctor", doctor.doctor_command)
app.add("average", average.average_command)
app.add("export", export.export_command)
app.add_typer(data, name="data")
app.add_typer(bench, name="bench")
app.add_typer(training, name="train")
app.add("enrich", enrich.enrich_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        import uwe

        typer.echo(f"uwe {uwe.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Rank skills, occupations or labels of yours for any text, and say why."""


def main() -> None:
    """Run the command that the process was started with; never returns."""
    # Python sets a stream to None that was closed before it started, as by `>&-` in a shell.
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
    if sys.stdout is None:
        say("error: standard output is closed: leave it open, or send it to /dev/null")
        sys.exit(FAILED)
    # Labels are Unicode whatever the terminal's locale says.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    with ending():  # what typer prints itself, such as help, is not guarded as commands are
        app(prog_name="uwe")
