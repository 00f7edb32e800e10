"""Batches of graphs: nodes drawn together, with all edges among them.

Batch n is a function of the seed and n: any number of workers gives the same batches, and a run
goes on from a number.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uwe.errors import InputError
from uwe.graphs.graph import Adjacency, Graph
from uwe.graphs.siblings import Siblings

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]
Random = np.random.Generator

_EXPONENT = 0.5
"""Between 0, where the heads come no more often than the tail, and 1, as often as their edges."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Nodes of one graph that were drawn together."""

    graph: str  # its name
    left: Indices  # (U,), int64: numbers of left nodes, ascending
    right: Indices  # (V,), int64: numbers of right nodes, ascending
    positives: Mask  # (U, V), bool: all edges among them of a weight above 0
    ignored: Mask  # (U, V), bool: all edges among them of weight 0, neither positive nor negative


class BatchSampler:
    """Draws batches of a graph, of `size` nodes a side, at least 2.

    Anchors are drawn from both sides in equal parts, none twice, in proportion to their degree (the
    sum of their edges' weights) to the power of `_EXPONENT`. Each brings a neighbour, in proportion
    to the weight of the edge times the neighbour's degree to the power of `_EXPONENT - 1`. What is
    missing to `size` a side, as neighbours coincide, is filled with nodes that have a neighbour in
    the batch.

    Every node of a batch has a positive in it; nodes without one in the graph are never drawn.

    `hard_negatives` is the share of the anchors, from 0 to 0.9, that are siblings of other anchors
    of their side, as far as there are some. `siblings` says which left nodes are siblings, and
    which right ones; None for a side without.
    """

    def __init__(
        self,
        graph: Graph,
        size: int,
        *,
        seed: int = 0,
        hard_negatives: float = 0.0,
        siblings: tuple[Siblings | None, Siblings | None] = (None, None),
    ) -> None:
        self.graph = graph
        self.size, self.seed, self.hard_negatives = size, seed, hard_negatives
        self._siblings = siblings
        degrees = []
        for side, nodes in enumerate((graph.left, graph.right)):
            degree = np.zeros(len(nodes))
            np.add.at(degree, graph.edges[:, side], graph.weights)
            if self.size > (count := int(np.count_nonzero(degree))):
                raise InputError(
                    f"graph {graph.name}: expected batches of at most {count} nodes a side, as it "
                    f"has so many of kind {nodes.kind} with an edge of positive weight, got size "
                    f"{self.size}: pass a smaller one"
                )
            degrees.append(degree)
        self._sides = tuple(
            _Side(graph.adjacency[side], degrees[side], degrees[1 - side]) for side in (0, 1)
        )
        self._name = zlib.crc32(graph.name.encode())

    def batch(self, number: int) -> Batch:
        """Batch `number`, from 0, the same whenever it is asked for."""
        # The name keeps graphs with the same seed from drawing alike.
        rng = np.random.default_rng([self.seed, self._name, number])
        chosen = (
            np.zeros(len(self.graph.left), np.bool_),
            np.zeros(len(self.graph.right), np.bool_),
        )
        # Anchors bring at most as many neighbours, so there is room for those of both sides.
        for side, count in enumerate((self.size - self.size // 2, self.size // 2)):
            self._add(rng, chosen, side, self._anchors(rng, side, chosen[side], count))
        self._fill(rng, chosen)
        return self._marked(np.flatnonzero(chosen[0]), np.flatnonzero(chosen[1]))

    def fingerprint(self) -> str:
        """sha256 of the graph and all settings: samplers that draw alike have the same."""
        digest = hashlib.sha256(self.graph.fingerprint().encode())
        settings = (self.size, _EXPONENT, self.seed, self.hard_negatives)
        digest.update(repr(settings).encode())
        for siblings in self._siblings:
            digest.update(b"-" if siblings is None else siblings.fingerprint().encode())
        return digest.hexdigest()

    def _add(self, rng: Random, chosen: tuple[Mask, Mask], side: int, nodes: Indices) -> None:
        """Choose nodes of a side, and a neighbour of each."""
        chosen[side][nodes] = True
        chosen[1 - side][self._sides[side].neighbours(rng, nodes)] = True

    def _anchors(self, rng: Random, side: int, taken: Mask, count: int) -> Indices:
        """`count` nodes of a side that are not taken, a share of them siblings of others."""
        this, siblings = self._sides[side], self._siblings[side]
        wanted = int(count * self.hard_negatives) if siblings is not None else 0
        anchors = this.draw(rng, ~taken, count - wanted)
        if siblings is None or not wanted:
            return anchors
        free = ~taken & (this.anchor_weights > 0)
        free[anchors] = False
        # More than are wanted, as some have no sibling, and others' are taken.
        found = siblings.draw(rng, rng.choice(anchors, 2 * wanted))
        found = found[found >= 0]
        found = found[free[found]]
        _, first = np.unique(found, return_index=True)
        found = found[np.sort(first)][:wanted]
        free[found] = False
        return np.concatenate([anchors, found, this.draw(rng, free, wanted - len(found))])

    def _fill(self, rng: Random, chosen: tuple[Mask, Mask]) -> None:
        """Bring both sides to `size`, each node with a neighbour among the chosen."""
        short = [self.size - int(mask.sum()) for mask in chosen]
        # Pairs first, until the side that is nearer to it is full.
        full = int(short[1] < short[0])
        lacks = 1 - full
        self._add(rng, chosen, full, self._sides[full].draw(rng, ~chosen[full], short[full]))
        missing = self.size - int(chosen[lacks].sum())
        if missing:
            near = self._sides[full].reached(chosen[full]) & ~chosen[lacks]
            found = self._sides[lacks].draw(rng, near, missing)
            chosen[lacks][found] = True
            missing -= len(found)
        if missing:
            # No neighbour of the full side is left, so pairs must come in, and as many nodes of the
            # full side go. It has `missing` nodes more than the other side, so if everyone there
            # keeps one partner, at least `missing` can go.
            spare = chosen[full] & ~self._sides[lacks].partners(chosen[lacks], chosen[full])
            self._add(rng, chosen, lacks, self._sides[lacks].draw(rng, ~chosen[lacks], missing))
            excess = int(chosen[full].sum()) - self.size
            chosen[full][rng.permutation(np.flatnonzero(spare))[:excess]] = False

    def _marked(self, left: Indices, right: Indices) -> Batch:
        """The batch of these nodes, with the edges among them."""
        drawn = (left, right)
        entries = [
            int((side.adjacency.offsets[nodes + 1] - side.adjacency.offsets[nodes]).sum())
            for side, nodes in zip(self._sides, drawn, strict=True)
        ]
        # The edges of either side hold all edges among them: those of the tail are fewer.
        via = int(entries[1] < entries[0])
        adjacency, other = self.graph.adjacency[via], drawn[1 - via]
        rows, places = adjacency.edges_of(drawn[via])
        column = np.full(len(self._sides[1 - via].anchor_weights), -1)
        column[other] = np.arange(len(other))
        columns = column[adjacency.others[places]]
        within = columns >= 0
        ends = (rows[within], columns[within])
        weights = adjacency.weights[places[within]]
        marks = []
        for chosen in (weights > 0, weights == 0):
            mask = np.zeros((len(left), len(right)), np.bool_)
            mask[tuple(end[chosen] for end in (ends if via == 0 else ends[::-1]))] = True
            marks.append(mask)
        return Batch(self.graph.name, left, right, marks[0], marks[1])


class StepSampler:
    """Draws what each step of a training trains on: a batch of one of several graphs, at random.

    The names of the samplers' graphs differ. `shares`, above 0, say in proportion how often each is
    taken; None takes all alike. `seed` chooses the graph; the samplers have their own.
    """

    def __init__(
        self,
        samplers: Sequence[BatchSampler],
        shares: Sequence[float] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.samplers = list(samplers)
        self.seed = seed
        found = np.ones(len(samplers)) if shares is None else np.asarray(shares, dtype=np.float64)
        with np.errstate(over="ignore"):
            total = found.sum()
        if not np.isfinite(total):
            raise InputError(f"expected shares of a finite sum, got {shares}: correct them")
        self._bounds = np.cumsum(found / total)

    def batch(self, number: int) -> Batch:
        """The batch of a step, the same whenever it is asked for."""
        rng = np.random.default_rng([self.seed, number])
        chosen = int(np.searchsorted(self._bounds, rng.random() * self._bounds[-1], side="right"))
        return self.samplers[chosen].batch(number)

    def fingerprint(self) -> str:
        """sha256 of all samplers and settings: what draws alike has the same."""
        digest = hashlib.sha256(repr((self.seed, self._bounds.tolist())).encode())
        for sampler in self.samplers:
            digest.update(sampler.fingerprint().encode())
        return digest.hexdigest()


class _Side:
    """What drawing needs of one side.

    `degrees`, (nodes,), are sums of the weights of its edges; `others` is the same of the other
    side.
    """

    def __init__(
        self, adjacency: Adjacency, degrees: NDArray[np.float64], others: NDArray[np.float64]
    ) -> None:
        self.adjacency = adjacency
        self.anchor_weights = np.where(degrees > 0, degrees**_EXPONENT, 0.0)
        self.others = len(others)
        with np.errstate(divide="ignore"):
            self._rarity = 1 / self.anchor_weights
            towards = np.where(others > 0, others ** (_EXPONENT - 1), 0.0)
        shares = adjacency.weights * towards[adjacency.others]
        owner = np.repeat(np.arange(len(degrees)), np.diff(adjacency.offsets))
        sums = np.bincount(owner, shares, len(degrees))
        # Shares of each node add up to 1, so that rounding is the same for all.
        shares /= np.where(sums > 0, sums, 1.0)[owner]
        self._bounds = np.concatenate([[0.0], np.cumsum(shares)])

    def draw(self, rng: Random, allowed: Mask, count: int) -> Indices:
        """`count` of the nodes that are allowed, by weight, none twice; all if they are fewer."""
        nodes = np.flatnonzero(allowed & (self.anchor_weights > 0))
        if count >= len(nodes) or not count:
            return nodes if count else nodes[:0]
        # The first of exponential clocks to ring, each as fast as its weight.
        times = rng.standard_exponential(len(nodes)) * self._rarity[nodes]
        return nodes[np.argpartition(times, count - 1)[:count]]

    def neighbours(self, rng: Random, nodes: Indices) -> Indices:
        """A neighbour of each node (n,); int64."""
        offsets, bounds = self.adjacency.offsets, self._bounds
        low, high = bounds[offsets[nodes]], bounds[offsets[nodes + 1]]
        points = np.minimum(low + rng.random(len(nodes)) * (high - low), np.nextafter(high, low))
        found: Indices = self.adjacency.others[np.searchsorted(bounds, points, side="right") - 1]
        return found

    def reached(self, chosen: Mask) -> Mask:
        """Which nodes of the other side have an edge of positive weight to one that is chosen."""
        _, places = self.adjacency.edges_of(np.flatnonzero(chosen))
        found = np.zeros(self.others, np.bool_)
        found[self.adjacency.others[places[self.adjacency.weights[places] > 0]]] = True
        return found

    def partners(self, chosen: Mask, others: Mask) -> Mask:
        """A neighbour out of `others` for each node that is chosen."""
        rows, places = self.adjacency.edges_of(np.flatnonzero(chosen))
        within = others[self.adjacency.others[places]] & (self.adjacency.weights[places] > 0)
        _, first = np.unique(rows[within], return_index=True)
        found = np.zeros(len(others), np.bool_)
        found[self.adjacency.others[places[within][first]]] = True
        return found
