"""The guard: a frozen model's likely positives are no negatives."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from uwe.tokens import Encoder, TokenVectors
from uwe.training.guide import Guide, likely_positives
from uwe.training.step import GraphBatch


@given(seed=st.integers(0, 1000), margin=st.sampled_from([0.0, 0.1, -0.1]))
@settings(max_examples=60, deadline=None)
def test_likely_positives_are_the_definitions(seed: int, margin: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(5, 6, generator=generator)
    positives = torch.rand(5, 6, generator=generator) < 0.3
    found = likely_positives(scores, positives, margin=margin)
    for u in range(5):
        for v in range(6):
            row = [float(scores[u, p]) for p in range(6) if positives[u, p]]
            column = [float(scores[p, v]) for p in range(5) if positives[p, v]]
            likely = any(
                known and float(scores[u, v]) - (max(known) - margin) > 1e-6
                for known in (row, column)
            )
            assert bool(found[u, v]) == (likely and not bool(positives[u, v]))


def test_the_guide_knows_words_alike(encoder: Encoder) -> None:
    positives = torch.tensor([[True, False, False]])
    batch = GraphBatch(
        "V", ["data engineer"], ["engineer", "Data Engineer", "pastry chef"], positives,
        torch.zeros_like(positives),
    )  # fmt: skip

    seen: list[str] = []

    class Lowering:
        def encode(self, texts: Sequence[str], /) -> TokenVectors:
            seen.extend(texts)
            return encoder.encode([text.lower() for text in texts])

    guide = Guide(Lowering(), margin=0.0)
    assert guide(batch).tolist() == [[False, True, False]]
    guide(batch)
    # Each text once, whatever its case; the second batch needs none.
    assert seen == ["data engineer", "engineer", "pastry chef"]
