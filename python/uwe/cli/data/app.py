"""The commands of `uwe data` put together."""

from __future__ import annotations

from uwe.cli.data import esco, graphs, hub, onet, pairs
from uwe.cli.guard import Commands

app = Commands(help="Make tasks, target spaces and training graphs from what publishers ship.")
importing = Commands(
    help="Read what a publisher ships, or pairs of your own, into the data folder."
)
app.add_typer(importing, name="import")
importing.add("esco", esco.import_esco)
importing.add("onet", onet.import_onet)
importing.add("pairs", pairs.import_pairs)
importing.add("workrb", hub.import_workrb)
app.add("graphs", graphs.graphs)
