"""What is in training graphs: sizes, degrees, the long tail, overlaps, and answers of tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uwe.data.layout import TARGETS, read_split, splits_of
from uwe.encoder.config import TrainingSource
from uwe.errors import InputError
from uwe.files.hashing import file_sha256
from uwe.graphs.audit import found_pairs, read_training
from uwe.graphs.files import graph_paths
from uwe.graphs.graph import Graph, Nodes, folded

HEAD = 0.01
"""Which share of the nodes, those with most edges, is called the head."""


@dataclass(frozen=True)
class SideFacts:
    """One side of a graph. Degrees count edges of positive weight, of the nodes that have some."""

    kind: str
    nodes: int  # how many there are
    merged: int  # how many ids were merged into nodes of another id, as their texts are equal
    undrawn: int  # how many nodes have no edge of positive weight
    mean: float  # of the degrees
    quantiles: dict[str, int]  # of the degrees: `min`, `50%`, `90%`, `99%`, `max`
    single: float  # share of nodes with one edge
    head: float  # share of the edges at the hundredth of the nodes that has most


@dataclass(frozen=True)
class GraphFacts:
    """One graph."""

    name: str
    edges: int  # how many of positive weight it has
    known: int  # how many of weight 0, which are neither drawn nor negatives
    relations: Mapping[str, int]  # how many edges each relation has
    left: SideFacts
    right: SideFacts


@dataclass(frozen=True)
class Overlap:
    """How many texts of a kind two graphs share, case-folded."""

    kind: str
    first: str
    second: str
    texts: int


@dataclass(frozen=True)
class Leak:
    """How many (query, target) pairs a split of a task has, and how many of them an edge joins."""

    task: str
    split: str
    pairs: int
    found: int


def degrees_of(graph: Graph, side: int) -> NDArray[np.int64]:
    """(nodes,), int64: how many edges of positive weight each left (0) or right (1) node has."""
    nodes = (graph.left, graph.right)[side]
    return np.bincount(graph.edges[graph.weights > 0, side], minlength=len(nodes))


def graph_facts(graph: Graph) -> GraphFacts:
    """Sizes and degrees of a graph."""
    drawn = int((graph.weights > 0).sum())
    left, right = (
        _side_facts(nodes, degrees_of(graph, side))
        for side, nodes in enumerate((graph.left, graph.right))
    )
    known = len(graph.weights) - drawn
    return GraphFacts(graph.name, drawn, known, graph.relations, left, right)


def find_overlaps(graphs: Sequence[Graph]) -> list[Overlap]:
    """The texts that any two graphs share, for each kind that both have."""
    texts = [
        (graph.name, nodes.kind, set(map(folded, nodes.texts)))
        for graph in graphs
        for nodes in (graph.left, graph.right)
    ]
    return [
        Overlap(kind, first, second, len(one & other))
        for (first, kind, one), (second, same, other) in combinations(texts, 2)
        if kind == same and first != second
    ]


def find_leaks(
    folder: str | Path, data: str | Path, names: Sequence[str] | None = None
) -> Iterator[Leak]:
    """Look for the answers of all tasks below a folder in the edges of graphs, of any weight.

    Tasks are all folders below `data` with `targets.jsonl.gz`. Where `names` is None, all graphs
    are read. Equal texts count, case-folded, in either direction. Few may be found by chance.
    """
    paths = graph_paths(folder, names).values()
    tasks = sorted(path.parent for path in Path(data).rglob(TARGETS))
    if not tasks:
        raise InputError(
            f"{data}: expected tasks, folders with {TARGETS}, found none: name another folder"
        )
    sources = [TrainingSource(path.name, file_sha256(path, unpacked=True)) for path in paths]
    edges = read_training(Path(folder), sources)
    for task in tasks:
        for split in splits_of(task):
            pairs, found = found_pairs(read_split(task, split).task, edges)
            yield Leak(task.relative_to(data).as_posix(), split, pairs, found)


def _side_facts(nodes: Nodes, degrees: NDArray[np.int64]) -> SideFacts:
    drawn = np.sort(degrees[degrees > 0])
    merged = sum(map(len, nodes.ids)) - len(nodes)
    undrawn = len(nodes) - len(drawn)
    if not len(drawn):
        return SideFacts(nodes.kind, len(nodes), merged, undrawn, 0.0, {}, 0.0, 0.0)
    ranks = {"min": 0.0, "50%": 0.5, "90%": 0.9, "99%": 0.99, "max": 1.0}
    found = np.quantile(drawn, list(ranks.values()), method="inverted_cdf")
    head = max(1, round(HEAD * len(drawn)))
    return SideFacts(
        kind=nodes.kind,
        nodes=len(nodes),
        merged=merged,
        undrawn=undrawn,
        mean=float(drawn.mean()),
        quantiles={name: int(value) for name, value in zip(ranks, found, strict=True)},
        single=float((drawn == 1).mean()),
        head=float(drawn[-head:].sum() / drawn.sum()),
    )
