"""One model out of several of one shape: the average of their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from uwe.checks import real_path, text_of
from uwe.encoder.config import ModelConfig
from uwe.errors import InputError, ModelError, shown
from uwe.files.atomic import new_folder
from uwe.model.encoder import TorchEncoder
from uwe.model.folder import base_folder, read_source_folder, save_encoder, united_sources


def average_models(
    models: Sequence[tuple[str, float]], out: str | Path, *, name: str | None = None
) -> ModelConfig:
    """Write the average of the weights of several models: a model soup (arXiv 2203.05482).

    Models that were trained from one base, on other data or with other seeds, lie in one valley of
    the loss: their average is often better than each, and costs no more to use. The base itself may
    be among them (WiSE-FT, arXiv 2109.01903).

    Each model is a folder, as `base_folder` takes it, with a share; shares are relative: 1, 1 and 2
    are a quarter, a quarter and a half. Settings are taken from the first that `uwe train` wrote.
    `out` must not exist, or be empty; it gives the model its name if `name` is None. The `uwe.json`
    in it, which is returned, says that the model was trained on all that one of them was trained
    on.
    """
    if len(models) < 2:
        raise InputError(f"expected at least two models to average, got {len(models)}: add another")
    for model, share in models:
        if not (math.isfinite(share) and share > 0):
            raise InputError(f"{model}: expected a share above 0, got {shown(share)}: correct it")
    total = sum(share for _, share in models)
    if not math.isfinite(total):
        raise InputError(f"expected shares of a finite sum, got {total}: lower them")
    folders = [base_folder(model) for model, _ in models]
    configs = [read_source_folder(folder).config for folder in folders]
    declared = [config for config in configs if config is not None]
    if not declared:
        raise InputError("expected a model of  uwe train  among them, got none: name one")
    first = declared[0]
    for (model, _), config in zip(models, configs, strict=True):
        if config is not None and _settings(config) != _settings(first):
            raise InputError(
                f"{model}: expected the scorer, special tokens, longest text and width of the "
                f"others, {_settings(first)}, got {_settings(config)}: average models of one kind"
            )
    with new_folder(Path(text_of("the folder of a model", str(out)))) as partial:
        averaged = _encoder(folders[0], first)
        sums: dict[str, torch.Tensor] = {}
        for (model, share), folder in zip(models, folders, strict=True):
            encoder = _encoder(folder, first)
            _check_same_space(model, averaged, encoder)
            for key, value in encoder.state_dict().items():
                if not value.isfinite().all():
                    raise ModelError(
                        f"{model}: expected finite weights, got others in {key}: train it again"
                    )
                part = value.double() * (share / total)
                sums[key] = sums[key] + part if key in sums else part
        averaged.load_state_dict(
            {key: sums[key].to(value.dtype) for key, value in averaged.state_dict().items()}
        )
        config = replace(
            first,
            name=real_path(out).name if name is None else text_of("the name", name),
            trained_on=united_sources(*(config.trained_on for config in declared)),
        )
        save_encoder(averaged, partial, config)
    return config


def _settings(config: ModelConfig) -> tuple[object, ...]:
    return config.scorer, config.special_tokens, config.max_tokens, config.dim


def _encoder(folder: Path, config: ModelConfig) -> TorchEncoder:
    return TorchEncoder.from_folder(
        folder,
        scorer=config.scorer,
        max_tokens=config.max_tokens,
        special_tokens=config.special_tokens,
    )


def _check_same_space(model: str, averaged: TorchEncoder, encoder: TorchEncoder) -> None:
    shapes, others = (
        {key: value.shape for key, value in e.state_dict().items()} for e in (averaged, encoder)
    )
    same_tokens = averaged.tokenizer.get_vocab() == encoder.tokenizer.get_vocab()
    if shapes != others or not same_tokens:
        raise InputError(
            f"{model}: expected weights of the shapes and the vocabulary of the others, got other "
            f"{'shapes' if shapes != others else 'tokens'}: average models of one base"
        )
