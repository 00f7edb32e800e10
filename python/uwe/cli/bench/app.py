"""The commands of `uwe bench` put together."""

from __future__ import annotations

from uwe.cli.bench import audit, card, compare, extraction, report, run, speed, tasks
from uwe.cli.guard import Commands

app = Commands(help="Evaluate models on WorkBench, and draw what came out.")
app.add("tasks", tasks.tasks_command)
app.add("run", run.run_command)
app.add("extraction", extraction.extraction_command)
app.add("audit", audit.audit_command)
app.add("compare", compare.compare_command)
app.add("report", report.report_command)
app.add("card", card.card_command)
app.add("speed", speed.speed_command)
