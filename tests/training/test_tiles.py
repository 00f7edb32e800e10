"""Tiled scores against their readable twin: values, gradients, memory."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from uwe import Scorer, _core
from uwe.model.similarity import late_interaction_scores
from uwe.training.tiles import Ragged, tiled_scores

SCORERS = [
    "soft:0.5", "soft:0.5:0", "soft:0.5:4", "soft_query:0.5", "soft_target:0.5", "max", "pooled",
]  # fmt: skip


def ragged(
    lengths: list[int], *, dim: int = 8, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Ragged:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(sum(lengths), dim, generator=generator, dtype=torch.float64)
    return Ragged(values.to(dtype).requires_grad_(), lengths)


def padded(texts: Ragged) -> tuple[torch.Tensor, torch.Tensor]:
    """A tensor (texts, longest, dim) and its mask; padding is no zero, so that it would show."""
    parts = torch.split(texts.values, texts.lengths)
    longest = max(texts.lengths)
    full = [
        torch.cat([part, part.new_full((longest - len(part), part.shape[1]), 7.0)])
        for part in parts
    ]
    mask = torch.tensor([[i < length for i in range(longest)] for length in texts.lengths])
    return torch.stack(full), mask


def plain(queries: Ragged, targets: Ragged, scorer: Scorer) -> torch.Tensor:
    (left, left_mask), (right, right_mask) = padded(queries), padded(targets)
    return late_interaction_scores(
        left, right, scorer, queries_mask=left_mask, targets_mask=right_mask
    )


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize("tile_pairs", [1, 30, 1 << 20])
def test_values_and_gradients_are_the_twins(name: str, tile_pairs: int) -> None:
    scorer = Scorer.parse(name)
    lengths = [3, 1, 7, 2, 2, 5], [4, 1, 1, 9, 3]
    # Unequal weights of the scores, so that no gradient cancels.
    weights = torch.randn(6, 5, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    found = []
    for score in (plain, tiled_scores):
        for dtype in (torch.float64, torch.float32):
            queries, targets = (ragged(n, seed=i, dtype=dtype) for i, n in enumerate(lengths))
            more = {"tile_pairs": tile_pairs} if score is tiled_scores else {}
            scores = score(queries, targets, scorer, **more)
            torch.autograd.backward((scores * weights.to(dtype)).sum())
            found.append([scores.detach(), queries.values.grad, targets.values.grad])
    for part in zip(*found, strict=True):
        reference = part[0]
        for value, bound in zip(part[1:], (1e-5, 1e-12, 1e-5), strict=True):
            worst = (value.double() - reference).abs().max()
            assert worst <= bound * reference.abs().max().clamp(min=1.0)


@pytest.mark.parametrize("name", SCORERS)
def test_both_are_the_definition(name: str) -> None:
    scorer = Scorer.parse(name)
    queries, targets = ragged([3, 1, 7, 20]), ragged([4, 1, 9], seed=1)
    wanted = _core.twin(
        *(arrays(queries)), *(arrays(targets)), scorer=scorer.name,
        temperature=scorer.temperature or 1.0, pivot=scorer.pivot,
    )  # fmt: skip
    for score in (plain, tiled_scores):
        found = score(queries, targets, scorer).detach().numpy()
        np.testing.assert_allclose(found, wanted, atol=2e-6)


def arrays(texts: Ragged) -> tuple[np.ndarray, np.ndarray]:
    return texts.values.detach().numpy(), np.concatenate([[0], np.cumsum(texts.lengths)])


@pytest.mark.parametrize("name", SCORERS)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    scorer = Scorer.parse(name)
    queries = ragged([2, 1], dim=3, dtype=torch.float64)
    targets = ragged([1, 3], dim=3, seed=1, dtype=torch.float64)

    def scores(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return tiled_scores(Ragged(left, [2, 1]), Ragged(right, [1, 3]), scorer)

    assert torch.autograd.gradcheck(scores, (queries.values, targets.values))


def test_the_pairs_of_tokens_are_never_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from uwe.training import tiles

    sizes = []

    class Watched(tiles._Tile):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            sizes.append(self.dots.numel())

    monkeypatch.setattr(tiles, "_Tile", Watched)
    queries, targets = ragged([9, 30, 31] * 20), ragged([4, 8, 60] * 20, seed=1)
    scores = tiled_scores(queries, targets, Scorer.parse("soft:0.5"), tile_pairs=5000)
    torch.autograd.backward(scores.sum())
    assert len(sizes) > 100
    assert max(sizes) <= 5000


def test_a_selection_takes_the_texts_in_the_order_given() -> None:
    texts = ragged([2, 3, 1])
    chosen = texts.selected([2, 0])
    assert chosen.lengths == [1, 2]
    torch.testing.assert_close(chosen.values, texts.values[[5, 0, 1]])


def test_bfloat16_scores_are_near() -> None:
    scorer = Scorer.parse("soft:0.5")
    exact = tiled_scores(ragged([5, 9]), ragged([4, 3], seed=1), scorer)
    queries = ragged([5, 9], dtype=torch.bfloat16)
    near = tiled_scores(queries, ragged([4, 3], seed=1, dtype=torch.bfloat16), scorer)
    torch.autograd.backward(near.sum())
    assert queries.values.grad is not None
    assert queries.values.grad.dtype == torch.bfloat16
    torch.testing.assert_close(near.float(), exact, atol=0.03, rtol=0.0)
