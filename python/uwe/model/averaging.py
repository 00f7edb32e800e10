"""One model out of several of one shape: the average of their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from uwe.encoder.config import ModelConfig
from uwe.errors import InputError
from uwe.files.atomic import new_folder
from uwe.model.base import base_folder
from uwe.model.encoder import TorchEncoder
from uwe.model.folder import read_source_folder
from uwe.model.saving import save_encoder
from uwe.scorer import Scorer

__all__ = ["average_models"]


def average_models(
    models: Sequence[tuple[str, float]], out: str | Path, *, name: str | None = None
) -> ModelConfig:
    """Write the average of the weights of several models: a model soup (arXiv 2203.05482).

    Models that were trained from one base, on other data or with other seeds, lie in one valley of
    the loss: their average is often better than each, and costs no more to use. The base itself may
    be among them (WiSE-FT, arXiv 2109.01903).

    Args:
        models: A folder each, as `uwe.training` bases are named, and its share; shares are
            relative, so `1, 1, 2` are a quarter, a quarter and a half. Settings are taken from
            the first that `uwe train` wrote.
        out: The model folder to make; it must not exist, or be empty.
        name: Of the model; None takes the name of the folder `out`.

    Returns:
        What its `uwe.json` says: it was trained on all that one of them was trained on.

    Raises:
        InputError: If there are fewer than two models, a share is no finite number above 0, or
            `out` holds something.
        ModelError: If a folder is no encoder.
        InputError: If the models differ in shape, tokens or scorer, or none is of `uwe train`.
        OSError: If the disk is full or refuses.
    """
    if len(models) < 2:
        raise InputError(f"expected at least two models to average, got {len(models)}: add another")
    for model, share in models:
        if not (math.isfinite(share) and share > 0):
            raise InputError(f"{model}: expected a share above 0, got {share!r}: correct it")
    folders = [base_folder(model) for model, _ in models]
    configs = [read_source_folder(folder).config for folder in folders]
    declared = [config for config in configs if config is not None]
    if not declared:
        raise InputError("expected a model of  uwe train  among them, got none: name one")
    first = declared[0]
    for (model, _), config in zip(models, configs, strict=True):
        _check_alike(model, first, config)
    with new_folder(Path(out)) as partial:
        averaged: TorchEncoder | None = None
        total = sum(share for _, share in models)
        sums: dict[str, torch.Tensor] = {}
        for (model, share), folder in zip(models, folders, strict=True):
            encoder = _encoder(folder, first)
            weights = encoder.state_dict()
            if averaged is None:
                averaged = encoder
                sums = {key: value.double() * (share / total) for key, value in weights.items()}
                continue
            _check_same_space(model, averaged, encoder)
            for key, value in weights.items():
                sums[key] += value.double() * (share / total)
        assert averaged is not None
        averaged.load_state_dict(
            {key: sums[key].to(value.dtype) for key, value in averaged.state_dict().items()}
        )
        sources = {source for config in declared for source in config.trained_on}
        config = replace(
            first,
            name=Path(out).resolve().name if name is None else name,
            trained_on=tuple(sorted(sources, key=lambda source: (source.name, source.sha256))),
        )
        save_encoder(averaged, partial, config)
    return config


def _encoder(folder: Path, config: ModelConfig) -> TorchEncoder:
    return TorchEncoder.from_folder(
        folder,
        scorer=config.scorer,
        max_tokens=config.max_tokens,
        special_tokens=config.special_tokens,
    )


def _check_alike(model: str, first: ModelConfig, config: ModelConfig | None) -> None:
    def settings(of: ModelConfig) -> tuple[Scorer, str, int, int]:
        return of.scorer, of.special_tokens, of.max_tokens, of.dim

    if config is not None and settings(config) != settings(first):
        raise InputError(
            f"{model}: expected the scorer, special tokens, longest text and width of the others, "
            f"{settings(first)}, got {settings(config)}: average models of one kind"
        )


def _check_same_space(model: str, averaged: TorchEncoder, encoder: TorchEncoder) -> None:
    shapes, others = (
        {key: value.shape for key, value in e.state_dict().items()} for e in (averaged, encoder)
    )
    if shapes != others:
        raise InputError(
            f"{model}: expected weights of the shapes of the others, got other ones: average "
            "models of one base"
        )
    if averaged.tokenizer.get_vocab() != encoder.tokenizer.get_vocab():
        raise InputError(
            f"{model}: expected the vocabulary of the others, got another: average models of one "
            "base"
        )
