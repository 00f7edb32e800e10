"""How weights change: AdamW and its schedule; and which weights are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from uwe.model.encoder import TorchEncoder
from uwe.training.recipe import OptimizerRecipe

__all__ = ["KeptWeights", "adamw", "learning_rate_share"]


class KeptWeights:
    """The weights that are validated and kept: averaged over steps, and part of the way back.

    Args:
        encoder: What is trained, as it starts.
        ema_decay: Decay of an exponential moving average over the steps; 0 for none.
        wise_ft_alpha: From 0 to 1: how far the kept weights lie from the start's to the trained
            ones, on the line between them (WiSE-FT, arXiv 2109.01903, equation 1).
    """

    def __init__(self, encoder: TorchEncoder, *, ema_decay: float, wise_ft_alpha: float) -> None:
        def copies() -> dict[str, torch.Tensor]:
            return {name: p.detach().clone() for name, p in encoder.named_parameters()}

        self._decay, self._alpha = ema_decay, wise_ft_alpha
        self._start = copies() if wise_ft_alpha < 1.0 else {}
        self._average = copies() if ema_decay else {}

    @torch.no_grad()
    def update(self, encoder: TorchEncoder) -> None:
        """Take the weights as they are into the average."""
        for name, parameter in encoder.named_parameters() if self._average else ():
            self._average[name].lerp_(parameter, 1.0 - self._decay)

    @contextmanager
    def applied(self, encoder: TorchEncoder) -> Iterator[None]:
        """The encoder has the kept weights within the block."""
        held = {}
        with torch.no_grad():
            if self._average or self._start:
                held = {name: p.clone() for name, p in encoder.named_parameters()}
            for name, parameter in encoder.named_parameters() if held else ():
                kept = self._average.get(name, parameter)
                start = self._start.get(name)
                parameter.copy_(kept if start is None else start.lerp(kept, self._alpha))
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in encoder.named_parameters() if held else ():
                    parameter.copy_(held[name])

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a checkpoint keeps; the start is the recipe's base, and is read again."""
        return {f"ema.{name}": value for name, value in self._average.items()}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Be as a checkpoint has it."""
        for name, value in self._average.items():
            value.copy_(tensors[f"ema.{name}"])


def learning_rate_share(step: int, recipe: OptimizerRecipe) -> float:
    """The share of the highest rate at a step, counted from 0."""
    warmup = round(recipe.warmup * recipe.steps)
    if step < warmup:
        return (step + 1) / warmup
    return (recipe.steps - step) / max(1, recipe.steps - warmup)


def adamw(encoder: TorchEncoder, recipe: OptimizerRecipe) -> torch.optim.AdamW:
    """AdamW over two groups: matrices of the transformer, and the rest without weight decay."""
    matrices: list[torch.Tensor] = []
    others: list[torch.Tensor] = []
    for name, parameter in encoder.named_parameters():
        decays = parameter.ndim > 1 and name.startswith("transformer.")
        (matrices if decays else others).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=recipe.learning_rate, fused=True
    )
