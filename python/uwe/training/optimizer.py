"""How weights change: AdamW and its schedule; and which weights are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from uwe.model.encoder import TorchEncoder
from uwe.training.recipe import OptimizerRecipe
from uwe.training.step import Objective

__all__ = ["KeptWeights", "learning_rate_share", "named_parameters", "optimizer_of"]


class KeptWeights:
    """The weights that are validated and kept: averaged over steps, and part of the way back.

    Args:
        encoder: What is trained, as it starts.
        average: Decay of an exponential moving average over the steps; 0 for none.
        trained_share: From 0 to 1: how far the kept weights lie from the start's to the trained
            ones, on the line between them (WiSE-FT, arXiv 2109.01903, equation 1).
    """

    def __init__(self, encoder: TorchEncoder, *, average: float, trained_share: float) -> None:
        def copies() -> dict[str, torch.Tensor]:
            return {name: p.detach().clone() for name, p in encoder.named_parameters()}

        self._decay, self._share = average, trained_share
        self._start = copies() if trained_share < 1.0 else {}
        self._average = copies() if average else {}

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
                parameter.copy_(kept if start is None else start.lerp(kept, self._share))
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in encoder.named_parameters() if held else ():
                    parameter.copy_(held[name])

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a checkpoint keeps; the start is the recipe's base, and is read again."""
        return {f"average.{name}": value for name, value in self._average.items()}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Be as a checkpoint has it."""
        for name, value in self._average.items():
            value.copy_(tensors[f"average.{name}"])


def learning_rate_share(step: int, recipe: OptimizerRecipe) -> float:
    """The share of the highest rate at a step, counted from 0."""
    warmup = round(recipe.warmup * recipe.steps)
    if step < warmup:
        return (step + 1) / warmup
    if recipe.decay == "none":
        return 1.0
    left = (recipe.steps - step) / max(1, recipe.steps - warmup)
    return left if recipe.decay == "linear" else 0.5 * (1 - math.cos(math.pi * left))


def named_parameters(
    encoder: TorchEncoder, objectives: Mapping[str, Objective]
) -> dict[torch.Tensor, str]:
    """All that is trained, with a name each."""
    names: dict[torch.Tensor, str] = {
        parameter: name for name, parameter in encoder.named_parameters()
    }
    for graph, objective in objectives.items():
        if objective.log_loss_temperature.requires_grad:
            names[objective.log_loss_temperature] = f"log_loss_temperature_{graph}"
    return names


def optimizer_of(
    encoder: TorchEncoder, objectives: Mapping[str, Objective], recipe: OptimizerRecipe
) -> torch.optim.AdamW:
    """AdamW over groups that each know their highest rate: matrices, the rest, what is new."""
    matrices: list[torch.Tensor] = []
    others: list[torch.Tensor] = []
    new: list[torch.Tensor] = []
    for name, parameter in encoder.named_parameters():
        if not name.startswith("transformer."):
            new.append(parameter)
        elif parameter.ndim > 1:
            matrices.append(parameter)
        else:
            others.append(parameter)
    learned = [o.log_loss_temperature for o in objectives.values()]
    new += [parameter for parameter in learned if parameter.requires_grad]
    rate = recipe.learning_rate
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": recipe.weight_decay, "highest": rate},
        {"params": others, "weight_decay": 0.0, "highest": rate},
        {
            "params": new,
            "weight_decay": 0.0,
            "highest": recipe.projection_learning_rate or rate,
        },
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, fused=True)
