"""The commands of `uwe data` put together."""

from __future__ import annotations

import typer

from uwe.cli.data import esco, graphs, hub, onet, pairs
from uwe.cli.guard import guarded

app = typer.Typer(
    help="Make tasks, target spaces and training graphs from what publishers ship.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
importing = typer.Typer(
    help="Read what a publisher ships, or pairs of your own, into the data folder.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(importing, name="import")
importing.command("esco")(guarded(esco.import_esco))
importing.command("onet")(guarded(onet.import_onet))
importing.command("pairs")(guarded(pairs.import_pairs))
importing.command("workrb")(guarded(hub.import_workrb))
app.command("graphs")(guarded(graphs.graphs))
