"""Bipartite graphs of texts: what belongs together, and what must not be pushed apart."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uwe.checks import listed, path_of, text_of
from uwe.data.graph_files import folded, graph_paths, plain, read_edges
from uwe.errors import DataError, InputError
from uwe.records import checked, entries_of, lines_of

__all__ = [
    "PAIR", "WEAK", "Adjacency", "BipartiteGraph", "Nodes", "read_csv_graph", "read_graphs",
]  # fmt: skip

WEAK = "(weak)"
"""How relations end that join what is related without meaning the same, such as is-a."""

PAIR = "pair"
"""The relation of the texts of one row of a CSV file."""

EQUAL_TEXTS = "(equal texts)"
"""The relation of two nodes with the same text, one a side, that no edge of a file joins."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """One side of a graph: texts that differ, even case-folded and with single blanks.

    Attributes:
        kind: What they are, such as `skill`.
        ids: For each node all ids whose texts are equal.
        texts: For each node its text, as its first id spells it.
    """

    kind: str
    ids: tuple[tuple[str, ...], ...]
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.texts):
            raise InputError(
                f"expected as many ids as texts of {self.kind}, got {len(self.ids)} and "
                f"{len(self.texts)}: correct them"
            )

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, eq=False)
class Adjacency:
    """The edges of each node of one side.

    Attributes:
        offsets: (nodes + 1,), int64: those of node i are at `offsets[i]` up to `offsets[i + 1]`.
        others: (E,), int64: their nodes of the other side, ascending for each node.
        weights: (E,), float32: their weights.
    """

    offsets: NDArray[np.int64]
    others: NDArray[np.int64]
    weights: NDArray[np.float32]

    def edges_of(self, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All edges of nodes (n,): the place in `nodes`, (e,), int64, and that of each edge."""
        starts = self.offsets[nodes]
        counts = self.offsets[nodes + 1] - starts
        rows = np.repeat(np.arange(len(nodes)), counts)
        shifts = starts - (np.cumsum(counts) - counts)
        return rows, np.arange(len(rows)) + shifts[rows]


@dataclass(frozen=True, eq=False)
class BipartiteGraph:
    """Two sides of nodes, and edges from one to the other.

    Attributes:
        name: Such as `J`.
        left: The nodes that edges start from.
        right: The nodes that they end at.
        edges: (E, 2), int64: numbers of a left and a right node; rows differ and ascend.
        weights: (E,), float32: how often an edge is drawn in proportion to the other edges of its
            node. An edge of weight 0 is never drawn, and never a negative either.
        relations: How many edges each relation has; an edge of two relations counts for both.
    """

    name: str
    left: Nodes
    right: Nodes
    edges: NDArray[np.int64]
    weights: NDArray[np.float32]
    relations: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for side in (self.left, self.right):
            if len(side) < 2:
                raise InputError(
                    f"graph {self.name}: expected at least 2 nodes of kind {side.kind} with "
                    f"different texts, got {len(side)}: a node alone has no negatives"
                )
        if self.edges.dtype != np.int64 or self.edges.shape != (len(self.weights), 2):
            raise InputError(
                f"graph {self.name}: expected edges of int64 and shape ({len(self.weights)}, 2), "
                f"as there are weights, got {self.edges.dtype} of {self.edges.shape}"
            )
        sizes = (len(self.left), len(self.right))
        wrong = (self.edges < 0) | (self.edges >= sizes)
        if wrong.any():
            row = int(np.flatnonzero(wrong.any(axis=1))[0])
            raise InputError(
                f"graph {self.name}: expected edges between {sizes[0]} left and {sizes[1]} right "
                f"nodes, got {tuple(self.edges[row].tolist())} at edge {row}: there is no such node"
            )
        if (np.diff(self.edges @ (sizes[1], 1)) <= 0).any():
            raise InputError(
                f"graph {self.name}: expected edges that differ and ascend, got others: sort them"
            )
        if self.weights.dtype != np.float32 or not (
            np.isfinite(self.weights).all() and (self.weights >= 0).all()
        ):
            raise InputError(
                f"graph {self.name}: expected finite float32 weights >= 0, got others: correct them"
            )

    @cached_property
    def adjacency(self) -> tuple[Adjacency, Adjacency]:
        """The edges of each left node, and of each right node."""
        edges, weights = self.edges, self.weights
        order = np.argsort(edges[:, 1], kind="stable")
        return (
            Adjacency(_offsets(edges[:, 0], len(self.left)), edges[:, 1].copy(), weights),
            Adjacency(_offsets(edges[:, 1], len(self.right)), edges[order, 0], weights[order]),
        )

    def fingerprint(self) -> str:
        """sha256 of texts, edges and weights: graphs that train alike have the same."""
        digest = hashlib.sha256(self.name.encode())
        for side in (self.left, self.right):
            digest.update("\0".join(("", side.kind, *side.texts)).encode())
        digest.update(self.edges.astype("<i8").tobytes())
        digest.update(self.weights.astype("<f4").tobytes())
        return digest.hexdigest()


def _offsets(nodes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Where the edges of each node start, given the node of each edge."""
    return np.concatenate([[0], np.cumsum(np.bincount(nodes, minlength=count))])


def read_graphs(
    folder: str | Path,
    names: Sequence[str] | None = None,
    *,
    weights: Mapping[str, Mapping[str, float]] | None = None,
) -> list[BipartiteGraph]:
    """Read graphs of a folder such as `uwe data graphs` writes.

    Nodes with equal texts, case-folded and with single blanks, are one, which has the edges of
    all; so no text is a negative of itself. A left and a right node with equal texts that no edge
    joins get one of weight 0, for the same reason. Nodes without an edge are left out.

    Args:
        folder: With `nodes.<kind>.jsonl.gz` and `<name>.edges.tsv.gz`.
        names: Which graphs, in which order; None takes all, by name.
        weights: By graph and relation. A relation that is not named has weight 0 if its name ends
            with "(weak)", and 1 otherwise. An edge of several relations has their greatest.

    Raises:
        InputError: If a graph or relation that is named is not there, or a weight is no finite
            number >= 0.
        DataError: If a file is malformed, an edge names a missing node, a text is blank, or a side
            has fewer than two nodes; with path and line.
        OSError: If a file can not be read.
    """
    paths = graph_paths(folder)
    chosen = list(paths) if names is None else listed("names", names)
    given = weights or {}
    for name in (*chosen, *given):
        if not isinstance(name, str) or name not in paths:
            raise InputError(
                f"expected graphs out of {', '.join(paths)}, which {folder} has, got {name!r}: "
                "correct it"
            )
    if len(set(chosen)) != len(chosen) or not chosen:
        raise InputError(f"expected names of graphs, each once, got {chosen}: correct them")
    # Weights of a graph that is not read would silently do nothing.
    if unread := sorted(given.keys() - set(chosen)):
        raise InputError(
            f"expected weights for relations of {', '.join(chosen)}, the graphs that are read, got "
            f"some for {', '.join(unread)}: leave them out, or read those graphs too"
        )
    nodes: dict[str, dict[str, str]] = {}
    graphs = []
    for name in chosen:
        edges = read_edges(paths[name], nodes=nodes)
        kinds = (edges.left_kind, edges.right_kind)
        weight_of = _weights(name, edges.relations, given.get(name, {}))
        sides = [
            _side(kind, nodes[kind], set(ends))
            for kind, ends in zip(kinds, (edges.left, edges.right), strict=True)
        ]
        ends = np.array(
            [
                [number[id_] for id_ in ids]
                for (_, number), ids in zip(sides, (edges.left, edges.right), strict=True)
            ],
            dtype=np.int64,
        )
        graphs.append(
            _joined(name, sides[0][0], sides[1][0], ends.T, edges.relations, weight_of, edges.path)
        )
    return graphs


def read_csv_graph(
    path: str | Path, left_column: str, right_column: str, *, name: str = "csv"
) -> BipartiteGraph:
    """Read a graph from two columns of a CSV file: each row joins two texts.

    Texts that are equal, case-folded and with single blanks, are one node, as in `read_graphs`;
    it is its own id. The columns name the kinds of the nodes.

    Args:
        path: With a header; packed if its name ends with .gz.
        left_column: Of the left texts.
        right_column: Of the right texts.
        name: Of the graph.

    Raises:
        InputError: If both columns are the same.
        DataError: If a column is missing, a text is blank, a row is malformed, or a side has fewer
            than two nodes; with path and line.
        OSError: If the file can not be read.
    """
    path = path_of("path", path)
    columns = (text_of("left_column", left_column), text_of("right_column", right_column))
    if left_column == right_column:
        raise InputError(f"expected two columns, got {left_column!r} twice: name another")
    texts: tuple[dict[str, str], dict[str, str]] = ({}, {})
    ends: list[tuple[str, str]] = []
    with lines_of(path) as lines:
        for line, raw in entries_of(lines, "csv", path, columns):
            entry = checked(raw, path, line)
            for column, known in zip(columns, texts, strict=True):
                if column not in entry:
                    raise DataError(
                        f"expected the columns {left_column!r} and {right_column!r}, got "
                        f"{', '.join(map(repr, entry))}: name two of these",
                        path=path,
                        line=1,
                    )
                text = plain(entry[column])
                if not text:
                    raise DataError(
                        f"expected a text in column {column!r}, got {entry[column]!r}: fill it in, "
                        "or remove the row",
                        path=path,
                        line=line,
                    )
                known.setdefault(text, text)
            ends.append((plain(entry[left_column]), plain(entry[right_column])))
    if not ends:
        raise DataError("expected a header and rows, got no row: add some", path=path)
    sides = [_side(kind, known, known) for kind, known in zip(columns, texts, strict=True)]
    numbers = np.array([(sides[0][1][a], sides[1][1][b]) for a, b in ends], dtype=np.int64)
    relations = [PAIR] * len(ends)
    return _joined(name, sides[0][0], sides[1][0], numbers, relations, {PAIR: 1.0}, path)


def _weights(name: str, relations: Iterable[str], given: Mapping[str, float]) -> dict[str, float]:
    """The weight of each relation of a graph."""
    found = {
        relation: 0.0 if relation.endswith(WEAK) else 1.0 for relation in dict.fromkeys(relations)
    }
    for relation, weight in given.items():
        if relation not in found:
            raise InputError(
                f"graph {name}: expected weights for relations out of {', '.join(found)}, got one "
                f"for {relation!r}: correct it"
            )
        if (
            isinstance(weight, bool)
            or not isinstance(weight, int | float)
            or not (0 <= weight < math.inf)
        ):
            raise InputError(
                f"graph {name}: expected a finite weight >= 0 for {relation!r}, got {weight!r}: "
                "correct it"
            )
        found[relation] = float(weight)
    return found


def _side(kind: str, texts: Mapping[str, str], used: Iterable[str]) -> tuple[Nodes, dict[str, int]]:
    """The nodes of a side, in the order of `texts`, and the number of each id that is used."""
    used = set(used)
    merged: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    places: dict[str, int] = {}
    for id_, text in texts.items():
        if id_ in used:
            key = folded(text)
            merged.setdefault(key, []).append(id_)
            numbers[id_] = places.setdefault(key, len(places))
    ids = tuple(map(tuple, merged.values()))
    return Nodes(kind, ids, tuple(plain(texts[same[0]]) for same in ids)), numbers


def _joined(
    name: str,
    left: Nodes,
    right: Nodes,
    ends: NDArray[np.int64],
    relations: Sequence[str],
    weight_of: Mapping[str, float],
    path: Path,
) -> BipartiteGraph:
    """The graph of edges (E, 2) with a relation each; what occurs twice becomes one."""
    for side in (left, right):
        if len(side) < 2:
            raise DataError(
                f"expected edges of at least 2 nodes of kind {side.kind} with different texts, got "
                f"{len(side)}: a node alone has no negatives; add edges",
                path=path,
            )
    order = [*weight_of, EQUAL_TEXTS]
    of_relation = {relation: number for number, relation in enumerate(order)}
    kind = np.array([of_relation[relation] for relation in relations], dtype=np.int64)
    keys = ends[:, 0] * len(right) + ends[:, 1]
    lefts = {folded(text): number for number, text in enumerate(left.texts)}
    rights = {folded(text): number for number, text in enumerate(right.texts)}
    twins = np.array(
        [lefts[text] * len(right) + rights[text] for text in sorted(lefts.keys() & rights.keys())],
        dtype=np.int64,
    )
    twins = np.setdiff1d(twins, keys)
    keys = np.concatenate([keys, twins])
    kind = np.concatenate([kind, np.full(len(twins), len(order) - 1)])
    unique, of_edge = np.unique(keys, return_inverse=True)
    weights = np.zeros(len(unique), np.float32)
    np.maximum.at(weights, of_edge, np.array([*weight_of.values(), 0.0], np.float32)[kind])
    counts = np.bincount(np.unique(of_edge * len(order) + kind) % len(order), minlength=len(order))
    return BipartiteGraph(
        name,
        left,
        right,
        np.stack(np.divmod(unique, len(right)), axis=1),
        weights,
        {relation: int(count) for relation, count in zip(order, counts, strict=True) if count},
    )
