"""Pairs of texts from a CSV file, as a folder of graphs that a recipe can name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from uwe.data.graph_files import graph_name, write_graph_files
from uwe.files.atomic import new_folder
from uwe.training.graph import PAIR, BipartiteGraph, Nodes, read_csv_graph

__all__ = ["import_pairs"]


def import_pairs(
    source: str | Path, left_column: str, right_column: str, folder: str | Path, *, name: str
) -> BipartiteGraph:
    """Write two columns of a CSV file as a graph, each row an edge.

    Texts are nodes as in `read_csv_graph`; the columns name their kinds. What is read again by
    `read_graphs(folder)` trains alike.

    Args:
        source: With a header; packed if its name ends with .gz.
        left_column: Of the left texts.
        right_column: Of the right texts.
        folder: Where it is written; new or empty.
        name: Of the graph, as a recipe names it.

    Returns:
        The graph.

    Raises:
        InputError: If the folder has something in it, both columns are the same, or the name or a
            column can not name a file.
        DataError: If a column is missing, a text is blank, a row is malformed, or a side has fewer
            than two nodes; with path and line.
        OSError: If a file can not be read or written.
    """
    graph = read_csv_graph(source, left_column, right_column, name=graph_name(name))
    kinds = (graph_name(left_column), graph_name(right_column))
    sides, file = (graph.left, graph.right), Path(source).name
    ids = [_ids(side) for side in sides]
    nodes = {
        side.kind: {id_: (text, file) for id_, text in zip(named, side.texts, strict=True)}
        for side, named in zip(sides, ids, strict=True)
    }
    # Texts that are equal on both sides joined themselves; whoever reads the graph does so again.
    rows = graph.edges[np.flatnonzero(graph.weights > 0)].tolist()
    edges = {(ids[0][left], ids[1][right]): PAIR for left, right in rows}
    with new_folder(Path(folder)) as new:
        write_graph_files(new, nodes, {name: (kinds, edges)})
    return graph


def _ids(nodes: Nodes) -> list[str]:
    """An id for each node: its kind, and a hash of its text."""
    return [
        f"{nodes.kind}/{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]}"
        for text in nodes.texts
    ]
