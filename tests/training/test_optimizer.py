"""Which weights are kept: averaged over steps, and part of the way back to the start."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tiny_transformers import save_transformer
from uwe.model.encoder import TorchEncoder
from uwe.scorer import Scorer
from uwe.training.optimizer import KeptWeights, learning_rate_share
from uwe.training.recipe import OptimizerRecipe


@pytest.fixture
def encoder(tmp_path: Path) -> TorchEncoder:
    folder = save_transformer("bert", tmp_path / "base")
    return TorchEncoder.from_folder(folder, scorer=Scorer("soft", temperature=0.5))


def shift(encoder: TorchEncoder, by: float) -> None:
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(by)


def first(encoder: TorchEncoder) -> torch.Tensor:
    return next(encoder.parameters()).detach().clone()


@pytest.mark.parametrize(
    ("decay", "alpha", "expected"),
    [(0.0, 1.0, 3.0), (0.0, 0.25, 0.75), (0.5, 1.0, 1.75), (0.5, 0.5, 0.875)],
)
def test_kept_weights_lie_between_the_start_and_the_trained_ones(
    encoder: TorchEncoder, decay: float, alpha: float, expected: float
) -> None:
    start = first(encoder)
    kept = KeptWeights(encoder, ema_decay=decay, wise_ft_alpha=alpha)
    for by in (1.0, 2.0):  # an average of decay 0.5 is at 0.5, then at 1.75
        shift(encoder, by)
        kept.update(encoder)
    trained = first(encoder)
    with kept.applied(encoder):
        torch.testing.assert_close(first(encoder), start + expected)
    assert torch.equal(first(encoder), trained)


def test_the_weights_come_back_after_an_error(encoder: TorchEncoder) -> None:
    kept = KeptWeights(encoder, ema_decay=0.0, wise_ft_alpha=0.5)
    shift(encoder, 1.0)
    trained = first(encoder)
    with pytest.raises(RuntimeError), kept.applied(encoder):
        raise RuntimeError
    assert torch.equal(first(encoder), trained)


def test_the_rate_rises_and_falls() -> None:
    recipe = OptimizerRecipe(steps=100, warmup=0.1)
    rates = [learning_rate_share(step, recipe) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(rates) == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] == pytest.approx(0.0, abs=0.02)
