"""Pairs of texts from a CSV file, as a folder of graphs that a recipe can name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from uwe.checks import path_of, text_of
from uwe.errors import DataError, InputError
from uwe.files.atomic import new_folder
from uwe.files.records import checked, entries_of, lines_of
from uwe.graphs.files import graph_name, read_graphs, write_graph_files
from uwe.graphs.graph import Graph, folded, plain

__all__ = ["import_pairs"]

PAIR = "pair"
"""The relation of the texts of one row."""


def import_pairs(
    source: str | Path, left_column: str, right_column: str, folder: str | Path, *, name: str
) -> Graph:
    """Write two columns of a CSV file as a graph, each row an edge.

    Texts that are equal, case-folded and with single blanks, are one node, spelled as it was first.
    The columns name the kinds of the nodes.

    Args:
        source: With a header; packed if its name ends with .gz.
        left_column: Of the left texts.
        right_column: Of the right texts.
        folder: Where it is written; new or empty.
        name: Of the graph, as a recipe names it.

    Returns:
        The graph, as `read_graphs(folder)` reads it.

    Raises:
        InputError: If the folder has something in it, both columns are the same, or the name or a
            column cannot name a file.
        DataError: If a column is missing, a text is blank, a row is malformed, or a side has fewer
            than two nodes; with path and line.
        OSError: If a file cannot be read or written.
    """
    source = path_of("source", source)
    columns = (text_of("left_column", left_column), text_of("right_column", right_column))
    if left_column == right_column:
        raise InputError(f"expected two columns, got {left_column!r} twice: name another")
    kinds = (graph_name(left_column), graph_name(right_column))
    graph_name(name)
    spelled: tuple[dict[str, str], dict[str, str]] = ({}, {})
    edges: dict[tuple[str, str], str] = {}
    with lines_of(source) as lines:
        for line, entry in entries_of(lines, "csv", source, columns):
            texts = _texts(checked(entry, source, line), columns, source, line)
            keys = [folded(text) for text in texts]
            for known, key, text in zip(spelled, keys, texts, strict=True):
                known.setdefault(key, text)
            edges[keys[0], keys[1]] = PAIR
    for column, known in zip(columns, spelled, strict=True):
        if len(known) < 2:
            raise DataError(
                f"expected at least 2 different texts in column {column!r}, got {len(known)}: a "
                "text alone has no negatives; add rows",
                path=source,
            )
    ids = [
        {key: _id(kind, text) for key, text in known.items()}
        for kind, known in zip(kinds, spelled, strict=True)
    ]
    nodes = {
        kind: {named[key]: (text, source.name) for key, text in known.items()}
        for kind, known, named in zip(kinds, spelled, ids, strict=True)
    }
    joined = {(ids[0][left], ids[1][right]): relation for (left, right), relation in edges.items()}
    with new_folder(Path(folder)) as new:
        write_graph_files(new, nodes, {name: (kinds, joined)})
    return read_graphs(folder, [name])[0]


def _texts(
    entry: dict[str, str], columns: tuple[str, str], path: Path, line: int
) -> tuple[str, str]:
    """The two texts of a row, with single blanks."""
    for column in columns:
        if column not in entry:
            raise DataError(
                f"expected the columns {columns[0]!r} and {columns[1]!r}, got "
                f"{', '.join(map(repr, entry))}: name two of these",
                path=path,
                line=1,
            )
        if not plain(entry[column]):
            raise DataError(
                f"expected a text in column {column!r}, got {entry[column]!r}: fill it in, or "
                "remove the row",
                path=path,
                line=line,
            )
    return plain(entry[columns[0]]), plain(entry[columns[1]])


def _id(kind: str, text: str) -> str:
    """An id of a text's own: its kind, and a hash."""
    return f"{kind}/{hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]}"
