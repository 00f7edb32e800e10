"""`uwe data import pairs`: two columns of a CSV file as a training graph."""

from __future__ import annotations

from typing import Annotated

import typer

from uwe.cli import arguments, output

Source = Annotated[
    str, typer.Argument(metavar="FILE.csv", help="With a header; may be packed, .gz.")
]
Left = Annotated[str, typer.Option(metavar="COLUMN", help="Texts of one side, such as titles.")]
Right = Annotated[str, typer.Option(metavar="COLUMN", help="Texts of the other side.")]
Out = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="A new folder, below the data folder, where recipes look for graphs.",
    ),
]
Name = Annotated[str, typer.Option(metavar="NAME", help="Of the graph, as a recipe names it.")]


def import_pairs(
    source: Source,
    left: Left,
    right: Right,
    out: Out,
    name: Name,
    delimiter: arguments.Delimiter = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Make a training graph from pairs of texts that belong together, one a row.

    Equal texts are one node, whatever their case, so a text may be in many rows.

    Example:
      uwe data import pairs pairs.csv --left title --right skill --out data/own --name P
    """
    from uwe.graphs import pairs

    graph = pairs.import_pairs(
        source, left, right, out, name=name, delimiter=arguments.file_delimiter(delimiter)
    )
    counts = {graph.left.kind: len(graph.left), graph.right.kind: len(graph.right)}
    edges = int((graph.weights > 0).sum())
    if as_json:
        output.print_json({"path": out, "name": name, "edges": edges, "nodes": counts}, indent=2)
        return
    of = " and ".join(f"{count:,} of {kind!r}" for kind, count in counts.items())
    output.print_line(f"{out}: graph {name} of {edges:,} edges between {of}")
    output.print_line(f"see what is in it: uwe train inspect {out}")
