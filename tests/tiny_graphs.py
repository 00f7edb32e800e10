"""Graphs made in memory, and folders of graphs as `uwe data graphs` writes them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uwe.graphs.files import read_edges, read_nodes
from uwe.graphs.graph import Graph, Nodes


def nodes_of(count: int, kind: str) -> Nodes:
    ids = tuple((f"{kind}/{i}",) for i in range(count))
    return Nodes(kind, ids, tuple(f"{kind} {i}" for i in range(count)))


def graph_of(
    edges: Mapping[tuple[int, int], float] | Iterable[tuple[int, int]],
    left: int | None = None,
    right: int | None = None,
    *,
    name: str = "G",
    kinds: tuple[str, str] = ("job", "skill"),
) -> Graph:
    """A graph of edges, with their weights if they are given."""
    weights = dict(edges) if isinstance(edges, Mapping) else dict.fromkeys(edges, 1.0)
    ends = np.array(sorted(weights), dtype=np.int64).reshape(-1, 2)
    sizes = [
        given if given is not None else int(ends[:, side].max()) + 1
        for side, given in enumerate((left, right))
    ]
    return Graph(
        name,
        nodes_of(sizes[0], kinds[0]),
        nodes_of(sizes[1], kinds[1]),
        ends,
        np.array([weights[edge] for edge in sorted(weights)], np.float32),
    )


def write_graphs(
    folder: Path, nodes: Mapping[str, Mapping[str, str]], graphs: Mapping[str, Sequence[Any]]
) -> Path:
    """Node files of texts by id, and graphs of (left kind, right kind, rows of three)."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, texts in nodes.items():
        lines = "".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in texts.items())
        (folder / f"nodes.{kind}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    for name, (left, right, rows) in graphs.items():
        lines = "".join("\t".join(row) + "\n" for row in [(left, right, "relation"), *rows])
        (folder / f"{name}.edges.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


def edges_of(folder: Path, graph: str) -> set[tuple[str, str, str]]:
    """Edges by the texts of their ends."""
    edges = read_edges(folder / f"{graph}.edges.tsv.gz")
    left, right = (read_nodes(folder, kind) for kind in (edges.left_kind, edges.right_kind))
    return {
        (left[a], right[b], relation)
        for a, b, relation in zip(edges.left, edges.right, edges.relations, strict=True)
    }


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by their paths in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
