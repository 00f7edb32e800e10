"""A folder of training graphs: node files, and edges that name nodes by id.

`nodes.<kind>.jsonl.gz` has `{"id", "text", "source"}`; `<graph>.edges.tsv.gz` has a header line of
the two kinds and `relation`, then two ids and the relation that each edge came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uwe.checks import file_name, listed, path_of, real_number
from uwe.corpus import identified
from uwe.data.tables import tabbed_rows
from uwe.errors import DataError, InputError
from uwe.files.atomic import check_nothing_lost
from uwe.graphs.graph import Graph, Nodes, folded, plain

WEAK = "(weak)"
"""How relations end that join what is related without meaning the same, such as is-a."""

EQUAL_TEXTS = "(equal texts)"
"""The relation of two nodes with the same text, one a side, that no edge of a file joins."""

NODES, EDGES = "nodes.{}.jsonl.gz", ".edges.tsv.gz"


@dataclass(frozen=True)
class Edges:
    """The lines of one file of edges, ids as they stand there; `read_graphs` makes graphs of them.

    Entry i of each list belongs to edge i.
    """

    name: str  # of the graph, as its file has it: `J`
    left_kind: str  # kind of the left ends, which names their node file: `job`
    right_kind: str
    left: list[str]  # ids of the left ends
    right: list[str]  # ids of the right ends
    relations: list[str]  # where each edge comes from: `onet-tool`
    path: Path


def graph_paths(folder: str | Path, names: Sequence[str] | None = None) -> dict[str, Path]:
    """The files of edges in a folder, by the names of their graphs.

    `names` says which graphs, in which order; None takes all, by name.
    """
    paths = sorted(path_of("folder", folder).glob(f"*{EDGES}"))
    if not paths:
        raise DataError(
            f"expected a folder of graphs with <name>{EDGES}, found none: name one, such as "
            "train/ of the data folder, or make one with  uwe data graphs --out FOLDER",
            path=folder,
        )
    found = {path.name.removesuffix(EDGES): path for path in paths}
    if names is None:
        return found
    chosen = listed("names", names)
    for name in chosen:
        if not isinstance(name, str) or name not in found:
            raise InputError(
                f"expected one of the graphs {', '.join(found)}, which {folder} has, got {name!r}: "
                "correct it"
            )
    if len(set(chosen)) != len(chosen) or not chosen:
        raise InputError(f"expected names of graphs, each once, got {chosen}: correct them")
    return {name: found[name] for name in chosen}


def read_edges(path: str | Path, *, nodes: dict[str, dict[str, str]] | None = None) -> Edges:
    """Read one `<graph>.edges.tsv.gz`, and see that the node files beside it have all its ends.

    `nodes` is what `read_nodes` gave for kinds of the same folder; a kind that is missing is read
    and added, so that several graphs read it once.
    """
    path = path_of("path", path)
    held = {} if nodes is None else nodes
    rows = tabbed_rows(path, ("a left id", "a right id", "a relation"), header=False)
    first = next(rows, None)
    if first is None:
        raise DataError("expected a header and edges, got an empty file", path=path)
    kinds = _kinds(first[1], path)
    for kind in kinds:
        if kind not in held:
            held[kind] = read_nodes(path.parent, kind)
    ends: tuple[list[str], list[str]] = ([], [])
    relations: list[str] = []
    for line, (*ids, relation) in rows:
        for id_, kind, into in zip(ids, kinds, ends, strict=True):
            if id_ not in held[kind]:
                raise DataError(
                    f"no entry of {NODES.format(kind)} has the id {id_!r}: add it, or remove the "
                    "edge",
                    path=path,
                    line=line,
                )
            into.append(id_)
        relations.append(relation)
    return Edges(path.name.removesuffix(EDGES), *kinds, *ends, relations, path)


def read_nodes(folder: str | Path, kind: str) -> dict[str, str]:
    """Read `nodes.<kind>.jsonl.gz`: the text of each id, in the order of the file."""
    name = NODES.format(file_name("a kind of nodes", kind))
    return identified(path_of("folder", folder) / name)


def _kinds(columns: list[str], path: Path) -> tuple[str, str]:
    """The two kinds of nodes that a header names."""
    if columns[2] != "relation" or not all(map(_names_nodes, columns)):
        raise DataError(
            "expected a header of two kinds of nodes and 'relation', got "
            f"{' '.join(columns)!r}: put it first",
            path=path,
            line=1,
        )
    return columns[0], columns[1]


def _names_nodes(kind: str) -> bool:
    try:
        return not file_name("a kind of nodes", kind).startswith(".")
    except InputError:
        return False


def read_graphs(
    folder: str | Path,
    names: Sequence[str] | None = None,
    *,
    weights: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Graph]:
    """Read graphs of a folder such as `uwe data graphs` writes.

    `names` says which graphs, in which order; None takes all, by name. `weights` are by graph and
    relation. A relation that is not named has weight 0 if its name ends with "(weak)", and 1
    otherwise. An edge of several relations has the greatest of their weights.

    Nodes with equal texts, case-folded and with single blanks, are one, which has the edges of all;
    so no text is a negative of itself. A left and a right node with equal texts that no edge joins
    get one of weight 0, for the same reason. Nodes without an edge are left out.
    """
    paths = graph_paths(folder, names)
    given = weights or {}
    # Weights of a graph that is not read would silently do nothing.
    if unread := [str(name) for name in given if name not in paths]:
        raise InputError(
            f"expected weights for relations of {', '.join(paths)}, the graphs that are read, got "
            f"some for {', '.join(unread)}: leave them out, or read those graphs too"
        )
    nodes: dict[str, dict[str, str]] = {}
    graphs = []
    for name, path in paths.items():
        edges = read_edges(path, nodes=nodes)
        weights_of = _weights(name, edges.relations, given.get(name, {}))
        left, lefts = _side(edges.left_kind, nodes[edges.left_kind], edges.left, edges.path)
        right, rights = _side(edges.right_kind, nodes[edges.right_kind], edges.right, edges.path)
        ends = np.array(
            [[lefts[a], rights[b]] for a, b in zip(edges.left, edges.right, strict=True)]
        )
        graphs.append(_joined(name, left, right, ends, edges.relations, weights_of))
    return graphs


def graph_files(graph: Graph) -> tuple[str, ...]:
    """Names of the three files that a graph was read from."""
    nodes = (NODES.format(side.kind) for side in (graph.left, graph.right))
    return (f"{graph.name}{EDGES}", *nodes)


def _weights(name: str, relations: Iterable[str], given: Mapping[str, float]) -> dict[str, float]:
    """The weight of each relation of a graph."""
    found = {
        relation: 0.0 if relation.endswith(WEAK) else 1.0 for relation in dict.fromkeys(relations)
    }
    for relation, weight in given.items():
        if relation not in found:
            raise InputError(
                f"graph {name}: expected weights for the relations {', '.join(found)}, got one "
                f"for {relation!r}: correct it"
            )
        number = real_number(weight)
        if number is None or not 0 <= number < math.inf:
            raise InputError(
                f"graph {name}: expected a finite weight >= 0 for {relation!r}, got {weight!r}: "
                "correct it"
            )
        found[relation] = number
    return found


def _side(
    kind: str, texts: Mapping[str, str], ids: Iterable[str], path: Path
) -> tuple[Nodes, dict[str, int]]:
    """The nodes of a side, in the order of `texts`, and the number of each id that is used."""
    used = set(ids)
    merged: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    places: dict[str, int] = {}
    for id_, text in texts.items():
        if id_ in used:
            key = folded(text)
            merged.setdefault(key, []).append(id_)
            numbers[id_] = places.setdefault(key, len(places))
    if len(merged) < 2:
        raise DataError(
            f"expected edges of at least 2 nodes of kind {kind} with different texts, got "
            f"{len(merged)}: a node alone has no negatives; add edges",
            path=path,
        )
    nodes = Nodes(
        kind,
        tuple(map(tuple, merged.values())),
        tuple(plain(texts[a]) for a, *_ in merged.values()),
    )
    return nodes, numbers


def _joined(
    name: str,
    left: Nodes,
    right: Nodes,
    ends: NDArray[np.int64],
    relations: Sequence[str],
    weights_of: Mapping[str, float],
) -> Graph:
    """The graph of edges (E, 2) with a relation each; what occurs twice becomes one."""
    order = [*weights_of, EQUAL_TEXTS]
    numbers = {relation: number for number, relation in enumerate(order)}
    kind = np.array([numbers[relation] for relation in relations], dtype=np.int64)
    keys = ends[:, 0] * len(right) + ends[:, 1]
    lefts, rights = (
        {folded(text): number for number, text in enumerate(side.texts)} for side in (left, right)
    )
    twins = np.array(
        [lefts[text] * len(right) + rights[text] for text in sorted(lefts.keys() & rights.keys())],
        dtype=np.int64,
    )
    twins = np.setdiff1d(twins, keys)
    keys = np.concatenate([keys, twins])
    kind = np.concatenate([kind, np.full(len(twins), len(order) - 1)])
    unique, of_edge = np.unique(keys, return_inverse=True)
    weights = np.zeros(len(unique), np.float32)
    np.maximum.at(weights, of_edge, np.array([*weights_of.values(), 0.0], np.float32)[kind])
    counts = np.bincount(np.unique(of_edge * len(order) + kind) % len(order), minlength=len(order))
    return Graph(
        name,
        left,
        right,
        np.stack(np.divmod(unique, len(right)), axis=1),
        weights,
        {relation: int(count) for relation, count in zip(order, counts, strict=True) if count},
    )


def check_replaceable(out: Path) -> None:
    """InputError if something else than graphs would be lost."""
    made = (f"*{EDGES}", NODES.format("*"), "heldout", "heldout_ids.tsv.gz")
    check_nothing_lost(out, made, "graphs")


def graph_name(name: str) -> str:
    """Check the name of a graph or of a kind of nodes, which is part of a file's name."""
    if "." in file_name("the name of a graph, or of a kind of nodes,", name):
        raise InputError(
            f"expected the name of a graph, or of a kind of nodes, without '.', got {name!r}: name "
            "another"
        )
    return name
