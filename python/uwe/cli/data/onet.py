"""`uwe data import onet`: O*NET's tables and three ranking tasks out of its text database."""

from __future__ import annotations

from typing import Annotated

import typer

from uwe.cli import arguments, output
from uwe.cli.data.tasks import Out, folder_of, print_splits, sizes_of

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE.zip|FOLDER", help="O*NET's text database, as it came or unpacked."
    ),
]


def import_onet(source: Source, out: Out = None, as_json: arguments.AsJson = False) -> None:
    """Make the tables that uwe data graphs reads, and ranking tasks of held-out occupations.

    Download the database as text at https://www.onetcenter.org/database.html.

    Example:
      uwe data import onet db_29_2_text.zip --out data
    """
    from uwe.data.layout import write_task
    from uwe.data.onet import ATTRIBUTION, read_onet, write_onet
    from uwe.data.onet_tasks import onet_tasks

    folder = folder_of(out)
    database = read_onet(source)
    tasks = {name: splits for name, splits in onet_tasks(database).items() if splits}
    write_onet(database, folder / "onet")
    for name, splits in tasks.items():
        write_task(folder / "workbench" / name, splits)
    rows = {name: len(table) for name, table in database.tables.items()}
    if as_json:
        sizes = {name: sizes_of(splits) for name, splits in tasks.items()}
        output.print_json({"path": str(folder), "tables": rows, "tasks": sizes}, indent=2)
        return
    for name, count in rows.items():
        output.print_line(f"{folder / 'onet' / name}.csv.gz: {count:,} rows")
    for name, splits in tasks.items():
        print_splits(folder / "workbench" / name, splits)
    output.print_line(ATTRIBUTION)
