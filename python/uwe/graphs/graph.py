"""Bipartite graphs of texts: what belongs together, and what must not be pushed apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uwe.errors import InputError


@dataclass(frozen=True, eq=False)
class Nodes:
    """One side of a graph: texts that differ, even case-folded and with single blanks."""

    kind: str  # such as `skill`
    ids: tuple[tuple[str, ...], ...]  # for each node all ids whose texts are equal
    texts: tuple[str, ...]  # for each node its text, as its first id spells it

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
    """The edges of each node of one side."""

    offsets: NDArray[np.int64]  # (nodes + 1,): node i has entries `offsets[i]:offsets[i + 1]`
    others: NDArray[np.int64]  # (E,): their nodes of the other side, ascending for each node
    weights: NDArray[np.float32]  # (E,)

    def edges_of(self, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All edges of nodes (n,): the place in `nodes`, (e,), int64, and that of each edge."""
        starts = self.offsets[nodes]
        counts = self.offsets[nodes + 1] - starts
        rows = np.repeat(np.arange(len(nodes)), counts)
        shifts = starts - (np.cumsum(counts) - counts)
        return rows, np.arange(len(rows)) + shifts[rows]


@dataclass(frozen=True, eq=False)
class Graph:
    """Two sides of nodes, and edges from one to the other.

    A node's edges are drawn in proportion to their weights. An edge of weight 0 is never drawn, and
    never a negative either. `relations` has how many edges each relation has; an edge of two
    relations counts for both.
    """

    name: str  # such as `J`
    left: Nodes  # the nodes that edges start from
    right: Nodes  # the nodes that they end at
    edges: NDArray[np.int64]  # (E, 2): numbers of a left and a right node; rows differ and ascend
    weights: NDArray[np.float32]  # (E,)
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
            Adjacency(offsets(edges[:, 0], len(self.left)), edges[:, 1].copy(), weights),
            Adjacency(offsets(edges[:, 1], len(self.right)), edges[order, 0], weights[order]),
        )

    def fingerprint(self) -> str:
        """sha256 of texts, edges and weights: graphs that train alike have the same."""
        digest = hashlib.sha256(self.name.encode())
        for side in (self.left, self.right):
            digest.update("\0".join(("", side.kind, *side.texts)).encode())
        digest.update(self.edges.astype("<i8").tobytes())
        digest.update(self.weights.astype("<f4").tobytes())
        return digest.hexdigest()


def offsets(nodes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Where the edges of each node start, given the node of each edge."""
    return np.concatenate([[0], np.cumsum(np.bincount(nodes, minlength=count))])


def folded(text: str) -> str:
    """A text as it is compared: with single blanks, case-folded."""
    return plain(text).casefold()


def plain(text: str) -> str:
    """A text with single blanks, and none around it."""
    return " ".join(text.split())
