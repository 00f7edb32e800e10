"""`uwe train inspect`: what is in training graphs, before a day is spent on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import arguments, output

if TYPE_CHECKING:
    from uwe.graphs.inspect import GraphFacts, Leak, Overlap

__all__ = ["inspect_command"]

Folder = Annotated[
    str, typer.Argument(metavar="FOLDER", help="Of graphs, as  uwe data graphs  makes them.")
]
Graphs = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Which graphs, such as J,V; the default is all."),
]
Plot = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Draw the degrees into a file of type .svg, .png or .pdf."),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="The data folder, whose tasks' answers are looked for in the graphs; the default is "
        "$UWE_DATA, if it has tasks. Without either none are.",
    ),
]


def inspect_command(
    folder: Folder,
    graphs: Graphs = None,
    plot: Plot = None,
    data: Data = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Print sizes, degrees, the long tail, overlaps, and answers of tasks that the graphs hold.

    Degrees count the edges that are drawn. "Known" edges, the weak relations and nodes with equal
    texts, are neither drawn nor negatives.

    Examples:
      uwe train inspect uwe-data/train --plot degrees.svg
      uwe train inspect uwe-data/train --graphs J,V --data uwe-data --json
    """
    from uwe.data.layout import ENVIRONMENT, TARGETS, data_folder
    from uwe.errors import InputError
    from uwe.graphs.degree_plot import draw_degrees
    from uwe.graphs.files import read_graphs
    from uwe.graphs.inspect import find_leaks, find_overlaps, graph_facts

    if Path(folder).suffix == ".toml":
        raise InputError(
            f"{folder}: expected a folder of graphs, got a recipe: name the folder below the "
            "data folder that its graphs entry names, as in  uwe train inspect uwe-data/train"
        )
    names = None if graphs is None else [name.strip() for name in graphs.split(",")]
    tasks = data_folder(data) if data is not None or os.environ.get(ENVIRONMENT) else None
    if data is None and tasks is not None and not any(tasks.rglob(TARGETS)):
        tasks = None  # who has graphs of their own alone asked for no task
    read = read_graphs(folder, names)
    if plot is not None:
        draw_degrees(read, plot)
    facts, overlaps = [graph_facts(graph) for graph in read], find_overlaps(read)
    leaks = None if tasks is None else list(find_leaks(folder, tasks, names))
    if as_json:
        document = {
            "path": folder,
            "graphs": [asdict(each) for each in facts],
            "overlaps": [asdict(each) for each in overlaps],
            "leaks": None if leaks is None else [asdict(each) for each in leaks],
            "plot": plot,
        }
        output.print_json(document, indent=2)
        return
    _print_graphs(facts)
    _print_overlaps(overlaps)
    _print_leaks(leaks)
    if plot is not None:
        output.print_line(f"\n{plot}")


def _print_graphs(facts: Sequence[GraphFacts]) -> None:
    output.print_table(
        ["graph", "relation", "edges"],
        [
            [each.name, relation, f"{count:,}"]
            for each in facts
            for relation, count in (
                ("drawn", each.edges),
                ("known", each.known),
                *each.relations.items(),
            )
        ],
        right="2",
    )
    sides = [(each.name, side) for each in facts for side in (each.left, each.right)]
    output.print_line("")
    output.print_table(
        ["graph", "kind", "nodes", "merged", "undrawn"],
        [
            [name, side.kind, f"{side.nodes:,}", f"{side.merged:,}", f"{side.undrawn:,}"]
            for name, side in sides
        ],
        right="234",
    )
    quantiles = ("min", "50%", "90%", "99%", "max")
    output.print_line("")
    output.print_table(
        ["graph", "kind", "mean degree", *quantiles, "with one edge", "edges at top 1%"],
        [
            [
                name,
                side.kind,
                f"{side.mean:.1f}",
                *(f"{side.quantiles.get(each, 0):,}" for each in quantiles),
                f"{side.single:.1%}",
                f"{side.head:.1%}",
            ]
            for name, side in sides
        ],
        right="23456789",
    )


def _print_overlaps(overlaps: Sequence[Overlap]) -> None:
    if overlaps:
        output.print_line("")
        rows = [[each.kind, each.first, each.second, f"{each.texts:,}"] for each in overlaps]
        output.print_table(["kind", "graph", "and graph", "shared texts"], rows, right="3")


def _print_leaks(leaks: Sequence[Leak] | None) -> None:
    output.print_line("")
    if leaks is None:
        output.print_line(
            "not looked for answers of tasks: pass a folder that has some as --data, or as UWE_DATA"
        )
        return
    output.print_table(
        ["task/split", "pairs", "found", "share"],
        [
            [
                f"{each.task}/{each.split}",
                f"{each.pairs:,}",
                f"{each.found:,}",
                f"{each.found / each.pairs:.3%}",
            ]
            for each in leaks
        ],
        right="123",
    )
