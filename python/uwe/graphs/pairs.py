"""Pairs of texts from a CSV file, as a folder of graphs that a recipe can name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from uwe.checks import path_of
from uwe.data.tables import TableFile
from uwe.errors import DataError, InputError
from uwe.files.atomic import new_folder
from uwe.files.records import format_of
from uwe.graphs.builder import GraphBuilder
from uwe.graphs.files import graph_name, read_graphs
from uwe.graphs.graph import Graph, folded, plain

PAIR = "pair"
"""The relation of the texts of one row."""


def import_pairs(
    source: str | Path,
    left_column: str,
    right_column: str,
    folder: str | Path,
    *,
    name: str,
    delimiter: str | None = None,
) -> Graph:
    """Write two columns of a CSV file as a graph, each row an edge.

    Texts that are equal, case-folded and with single blanks, are one node, spelled as it was first.
    The columns name the kinds of the nodes.

    The file has a header, and is packed if its name ends with .gz. `folder` is new or empty. `name`
    is what a recipe calls the graph. `delimiter` separates the columns, as in
    `uwe.corpus.read_queries`. The graph is returned as `read_graphs` reads it.
    """
    source = path_of("source", source)
    format_of(source, "csv", delimiter)
    kinds = (left_column, right_column)
    if left_column == right_column:
        raise InputError(f"expected two columns, got {left_column!r} twice: name another")
    graphs = GraphBuilder({graph_name(name): kinds})
    spelled: dict[str, dict[str, str]] = {kind: {} for kind in kinds}
    for line, row in TableFile(source).rows("commas", kinds, delimiter):
        ends = []
        for kind in kinds:
            text = plain(row[kind])
            if not text:
                raise DataError(
                    f"expected a text in column {kind!r}, got {row[kind]!r}: fill it in, or remove "
                    "the row",
                    path=source,
                    line=line,
                )
            text = spelled[kind].setdefault(folded(text), text)
            ends.append(graphs.node(kind, _id(kind, text), text, source.name))
        graphs.edge(name, ends[0], ends[1], PAIR)
    for kind, known in spelled.items():
        if len(known) < 2:
            raise DataError(
                f"expected at least 2 different texts in column {kind!r}, got {len(known)}: a "
                "text alone has no negatives; add rows",
                path=source,
            )
    with new_folder(Path(folder)) as new:
        graphs.write(new)
    return read_graphs(folder, [name])[0]


def _id(kind: str, text: str) -> str:
    """An id of a text's own: its kind, and a hash."""
    return f"{kind}/{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]}"
