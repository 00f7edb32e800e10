"""The loss against a twin of plain loops, sentence-transformers, and finite differences."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from uwe import InputError
from uwe.training.loss import distillation, many_to_many, one_direction


def random_batch(seed: int, u: int, v: int, share: float) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(u, v, generator=generator, dtype=torch.float64) * 2 - 1
    positives = torch.rand(u, v, generator=generator) < share
    positives[0, 0] = True
    ignored = (torch.rand(u, v, generator=generator) < 0.2) & ~positives
    return scores, positives, ignored


def twin(
    scores: list[list[float]],
    positives: list[list[bool]],
    ignored: list[list[bool]],
    *,
    tau: float,
) -> float:
    """One direction, as the definition reads."""
    anchors = []
    for u in range(len(scores)):
        found = [v for v in range(len(scores[u])) if positives[u][v]]
        if not found:
            continue
        losses = []
        for v in found:
            total = 0.0
            for other in range(len(scores[u])):
                if ignored[u][other] and not positives[u][other]:
                    continue
                total += math.exp(scores[u][other] / tau)
            losses.append(-(scores[u][v] / tau - math.log(total)))
        anchors.append(sum(losses) / len(losses))
    return sum(anchors) / len(anchors) if anchors else 0.0


@given(
    seed=st.integers(0, 10_000),
    u=st.integers(1, 7),
    v=st.integers(1, 7),
    share=st.sampled_from([0.0, 0.2, 0.9, 1.0]),
)
@settings(max_examples=100, deadline=None)
def test_the_loss_is_the_twins(seed: int, u: int, v: int, share: float) -> None:
    scores, positives, ignored = random_batch(seed, u, v, share)
    found = many_to_many(scores, positives, loss_temperature=0.3, ignored=ignored)
    tables = [scores.tolist(), positives.tolist(), ignored.tolist()]
    turned = [scores.T.tolist(), positives.T.tolist(), ignored.T.tolist()]
    wanted = twin(*tables, tau=0.3) + twin(*turned, tau=0.3)
    assert float(found) == pytest.approx(wanted, abs=1e-10)


def test_one_to_one_it_is_the_ranking_loss_of_sentence_transformers() -> None:
    losses = pytest.importorskip("sentence_transformers.losses")

    left = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
    right = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    unit = torch.nn.functional.normalize
    scores = unit(left, dim=1) @ unit(right, dim=1).T
    # It takes a model only to ask for embeddings, which are given here.
    theirs = losses.MultipleNegativesRankingLoss(torch.nn.Identity(), scale=20.0)
    wanted = theirs.compute_loss_from_embeddings([left, right], None)
    found = one_direction(scores * 20, torch.eye(9, dtype=torch.bool))
    torch.testing.assert_close(found, wanted)


def test_the_gradient_is_that_of_finite_differences() -> None:
    scores, positives, ignored = random_batch(3, 4, 5, 0.4)
    ignored[1] = True  # a row of which nothing is left but its positives

    def loss(scores: torch.Tensor) -> torch.Tensor:
        return many_to_many(scores, positives, loss_temperature=0.4, ignored=ignored)

    assert torch.autograd.gradcheck(loss, (scores.requires_grad_(),))


def test_an_anchor_without_a_positive_has_no_part_in_the_mean() -> None:
    logits = torch.tensor([[1.0, 0.0], [5.0, 5.0]])
    both = one_direction(logits, torch.tensor([[True, False], [False, False]]))
    alone = one_direction(logits[:1], torch.tensor([[True, False]]))
    assert float(both) == pytest.approx(float(alone))


def test_large_logits_stay_finite() -> None:
    scores = torch.tensor([[1e4, -1e4], [0.0, 1e4]], requires_grad=True)
    loss = many_to_many(scores, torch.tensor([[False, True], [True, False]]), loss_temperature=0.01)
    torch.autograd.backward(loss)
    assert math.isfinite(float(loss.detach()))
    assert scores.grad is not None
    assert bool(scores.grad.isfinite().all())


@pytest.mark.parametrize(
    ("positives", "words"),
    [(torch.zeros(2, 3, dtype=torch.bool), "edge"), (torch.ones(3, 2, dtype=torch.bool), "shape")],
)
def test_what_can_not_be_a_batch_is_refused(positives: torch.Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        many_to_many(torch.zeros(2, 3), positives, loss_temperature=1.0)


def test_the_divergence_is_that_of_the_definition() -> None:
    scores, taught = torch.rand(2, 4, 6, dtype=torch.float64).unbind()
    wanted = 0.0
    for ours, theirs in [(scores, taught), (scores.T, taught.T)]:
        q, p = (ours / 0.3).softmax(dim=1), (theirs / 0.2).softmax(dim=1)
        wanted += float((p * (p / q).log()).sum(dim=1).mean())
    found = distillation(scores, taught, loss_temperature=0.3, teacher_temperature=0.2)
    assert float(found) == pytest.approx(wanted, abs=1e-10)
    same = distillation(scores * 1.5, scores, loss_temperature=0.3, teacher_temperature=0.2)
    assert float(same) == pytest.approx(0.0, abs=1e-10)
    with pytest.raises(InputError, match="one shape"):
        distillation(scores, taught.T, loss_temperature=1.0, teacher_temperature=1.0)
