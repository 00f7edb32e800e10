"""The commands of `uwe bench` put together."""

from __future__ import annotations

import typer

from uwe.cli.bench import audit, card, compare, extraction, report, run, speed, tasks
from uwe.cli.guard import guarded

app = typer.Typer(
    help="Evaluate models on WorkBench, and draw what came out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("tasks")(guarded(tasks.tasks_command))
app.command("run")(guarded(run.run_command))
app.command("extraction")(guarded(extraction.extraction_command))
app.command("audit")(guarded(audit.audit_command))
app.command("compare")(guarded(compare.compare_command))
app.command("report")(guarded(report.report_command))
app.command("card")(guarded(card.card_command))
app.command("speed")(guarded(speed.speed_command))
