"""Sentences made longer by one that does not match, so that a match is found within more text."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from uwe.graphs.graph import Graph
from uwe.graphs.sampler import Batch, Indices

_PADDING = 1
"""Sets these draws apart from those of a batch with the same seed and number."""


class SentencePadder:
    """Joins sentences of a batch with a random other one of the graph.

    The sentences are the right nodes. The other has no edge, of any weight, to a left node of the
    batch, so no negative becomes a positive. It stands before or after with equal chance. Where
    both together exceed `max_tokens`, the other is cut on its far end, by words, until they do not;
    where there is no room for a word of it, the sentence stays alone.

    `count_tokens` says how many tokens the model makes of each text, with its special ones;
    `probability` is that of a sentence to be joined with another.
    """

    def __init__(
        self,
        graph: Graph,
        count_tokens: Callable[[Sequence[str]], Sequence[int]],
        max_tokens: int,
        *,
        probability: float = 0.8,
        seed: int = 0,
    ) -> None:
        self.graph = graph
        self.count_tokens = count_tokens
        self.max_tokens, self.probability, self.seed = max_tokens, probability, seed
        self._name = zlib.crc32(graph.name.encode())

    def texts(self, batch: Batch, number: int) -> list[str]:
        """The texts of the batch's sentences, some of them joined; the same for the same number."""
        rng = np.random.default_rng([self.seed, self._name, number, _PADDING])
        known = self.graph.right.texts
        own = [known[node] for node in batch.right]
        # All that is random is drawn first, so that it does not depend on how texts are counted.
        chosen = np.flatnonzero(rng.random(len(own)) < self.probability)
        before = rng.random(len(chosen)) < 0.5
        free = self._unrelated(batch)
        if not len(free) or not len(chosen):
            return own
        others = [known[node].split() for node in rng.choice(free, len(chosen))]
        alone = self.count_tokens([own[place] for place in chosen])
        pending = [
            (place, words, first, tokens)
            for place, words, first, tokens in zip(
                chosen.tolist(), others, before.tolist(), alone, strict=True
            )
            if tokens < self.max_tokens
        ]
        texts = list(own)
        while pending:
            joined = [
                " ".join((*words, own[place]) if first else (own[place], *words))
                for place, words, first, _ in pending
            ]
            counts = self.count_tokens(joined)
            shorter = []
            for (place, words, first, tokens), text, count in zip(
                pending, joined, counts, strict=True
            ):
                if count <= self.max_tokens:
                    texts[place] = text
                    continue
                # As many words as have room if all are alike; at least one goes.
                room = (self.max_tokens - tokens) / (count - tokens)
                kept = min(int(len(words) * room), len(words) - 1)
                if kept > 0:
                    cut = words[-kept:] if first else words[:kept]
                    shorter.append((place, cut, first, tokens))
            pending = shorter
        return texts

    def _unrelated(self, batch: Batch) -> Indices:
        """Sentences of the graph without an edge to a left node of the batch."""
        adjacency = self.graph.adjacency[0]
        _, places = adjacency.edges_of(batch.left)
        free = np.ones(len(self.graph.right), np.bool_)
        free[adjacency.others[places]] = False
        return np.flatnonzero(free)
