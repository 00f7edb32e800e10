"""Steps of a training on several graphs: one graph a step, or all with the nodes they share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.checks import natural
from uwe.data.graph_files import folded
from uwe.errors import InputError
from uwe.training.sampler import Batch, BatchSampler, Indices

__all__ = ["StepSampler"]


class StepSampler:
    """Draws what each step of a training trains on, out of several graphs.

    Mode `one` takes one graph a step, at random. Mode `all` takes a batch of each graph, in which
    the nodes of a kind that several graphs have are the same ones as far as may be: a graph takes
    of those that graphs before it have drawn as many as it has of such nodes in proportion, by how
    often it draws them, so that what only it has is not starved.

    Args:
        samplers: One a graph, with names that differ.
        mode: `one` or `all`.
        probabilities: How often mode `one` takes each, in proportion; None: all alike.
        seed: At least 0; mode `one` chooses by it. The samplers have their own.

    Attributes:
        position: The number of the step that iterating gives next.

    Raises:
        InputError: If an argument is otherwise.
    """

    def __init__(
        self,
        samplers: Sequence[BatchSampler],
        *,
        mode: str = "one",
        probabilities: Sequence[float] | None = None,
        seed: int = 0,
    ) -> None:
        self.samplers = list(samplers)
        names = [sampler.graph.name for sampler in self.samplers]
        if not names or len(set(names)) != len(names):
            raise InputError(f"expected graphs of different names, got {names}: rename them")
        if mode not in ("one", "all"):
            raise InputError(f"expected mode 'one' or 'all', got {mode!r}: correct it")
        self.mode = mode
        self.seed = natural("seed", seed)
        self._bounds = np.cumsum(_probabilities(probabilities, len(names), mode))
        self.position = 0
        self._shared = _shared_nodes(self.samplers) if mode == "all" else []

    def step(self, number: int) -> list[Batch]:
        """The batches of a step, the same whenever they are asked for."""
        if self.mode == "all":
            return self._all(natural("number", number))
        rng = np.random.default_rng([self.seed, natural("number", number)])
        chosen = int(np.searchsorted(self._bounds, rng.random() * self._bounds[-1], side="right"))
        return [self.samplers[chosen].batch(number)]

    def __iter__(self) -> Iterator[list[Batch]]:
        return self

    def __next__(self) -> list[Batch]:
        batches = self.step(self.position)
        self.position += 1
        return batches

    def state_dict(self) -> dict[str, Any]:
        """Where iterating is, and what it draws from; as JSON holds it."""
        return {"seed": self.seed, "step": self.position, "fingerprint": self.fingerprint()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            InputError: If that was of other graphs or settings.
        """
        ours = self.state_dict()
        for key in ("seed", "fingerprint"):
            if state.get(key) != ours[key]:
                raise InputError(
                    f"expected the state of a sampler with the {key} {ours[key]}, got that of one "
                    f"with {state.get(key)}: go on with the graphs and settings it began with"
                )
        self.position = natural("step", state.get("step"))

    def fingerprint(self) -> str:
        """sha256 of all samplers and settings."""
        digest = hashlib.sha256(repr((self.mode, self.seed, self._bounds.tolist())).encode())
        for sampler in self.samplers:
            digest.update(sampler.fingerprint().encode())
        return digest.hexdigest()

    def _all(self, number: int) -> list[Batch]:
        batches: list[Batch] = []
        drawn: dict[str, list[Indices]] = {}  # by kind, numbers of texts
        rng = np.random.default_rng([self.seed, number])
        for sampler, shared in zip(self.samplers, self._shared, strict=True):
            sides: list[Indices | None] = [None, None]
            if shared.quota:
                taken = np.unique(np.concatenate(drawn[shared.kind]))
                own = shared.own[taken]
                # Shuffled, so that a quota that cuts them is fair.
                sides[shared.side] = rng.permutation(own[own >= 0])[: shared.quota]
            batch = sampler.batch(number, left=sides[0], right=sides[1])
            batches.append(batch)
            for texts, nodes, kind in zip(
                shared.texts,
                (batch.left, batch.right),
                (sampler.graph.left.kind, sampler.graph.right.kind),
                strict=True,
            ):
                drawn.setdefault(kind, []).append(texts[nodes])
        return batches


@dataclass(frozen=True, eq=False)
class _Shared:
    """Which nodes of a graph those before it have too.

    Attributes:
        side: The side that takes what they drew.
        kind: Its kind.
        quota: How many of these it takes at most.
        own: (texts of the kind,), int64: its node with each text, or -1 where it draws none.
        texts: For each side, (nodes,), int64: the number of each node's text among its kind.
    """

    side: int
    kind: str
    quota: int
    own: Indices
    texts: tuple[Indices, Indices]


def _shared_nodes(samplers: Sequence[BatchSampler]) -> list[_Shared]:
    """What each graph shares with those before it."""
    numbers: dict[str, dict[str, int]] = {}
    texts = []
    for sampler in samplers:
        sides = (sampler.graph.left, sampler.graph.right)
        of_kind = [numbers.setdefault(nodes.kind, {}) for nodes in sides]
        texts.append(
            tuple(
                np.array([known.setdefault(folded(t), len(known)) for t in nodes.texts], np.int64)
                for known, nodes in zip(of_kind, sides, strict=True)
            )
        )
    before = {kind: np.zeros(len(known), np.bool_) for kind, known in numbers.items()}
    found = []
    for sampler, (left, right) in zip(samplers, texts, strict=True):
        kinds = (sampler.graph.left.kind, sampler.graph.right.kind)
        shares = []
        for side, of_side in enumerate((left, right)):
            weights = sampler.anchor_weights(side)
            shares.append(weights[before[kinds[side]][of_side]].sum() / weights.sum())
        side = int(shares[1] > shares[0])
        drawable = np.flatnonzero(sampler.anchor_weights(side))
        own = np.full(len(numbers[kinds[side]]), -1)
        own[(left, right)[side][drawable]] = drawable
        quota = int(sampler.size * shares[side])
        found.append(_Shared(side, kinds[side], quota, own, (left, right)))
        for side, of_side in enumerate((left, right)):
            before[kinds[side]][of_side[sampler.anchor_weights(side) > 0]] = True
    return found


def _probabilities(given: Sequence[float] | None, count: int, mode: str) -> NDArray[np.float64]:
    """How often each graph is taken; they add up to 1."""
    if given is None:
        return np.full(count, 1 / count)
    if mode == "all":
        raise InputError(
            "expected no probabilities, as mode 'all' takes every graph: leave them out"
        )
    try:
        found = np.asarray(list(given), dtype=np.float64)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.shape != (count,) or not (np.isfinite(found).all() and (found > 0).all()):
        raise InputError(
            f"expected {count} probabilities above 0, one a graph, got {given}: correct them"
        )
    share: NDArray[np.float64] = found / found.sum()
    return share
