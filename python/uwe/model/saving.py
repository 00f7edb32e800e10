"""The model folder: what transformers and sentence-transformers open, and `uwe.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from uwe.encoder.config import ModelConfig, TrainingSource
from uwe.encoder.text_encoder import CONFIG_FILE
from uwe.model.encoder import TorchEncoder
from uwe.model.loading import quiet

__all__ = ["PROJECTION", "config_of", "disk_errors", "save_encoder"]

PROJECTION = "1_Dense"
"""Folder of the projection, where there is one."""

_TYPES = {
    "transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "projection": "sentence_transformers.base.modules.dense.Dense",
    "mask": (
        "sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"
    ),
}


def config_of(
    encoder: TorchEncoder,
    *,
    name: str,
    language: str = "",
    licence: str = "",
    base_model: str = "",
    trained_on: tuple[TrainingSource, ...] = (),
) -> ModelConfig:
    """What `uwe.json` says of an encoder."""
    return ModelConfig(
        name=name,
        scorer=encoder.scorer,
        special_tokens=encoder.special_tokens,
        max_tokens=encoder.max_tokens,
        dim=encoder.dim,
        weights="float32",
        language=language,
        licence=licence,
        base_model=base_model,
        trained_on=trained_on,
    )


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Make of the error that safetensors has for a full disk an OSError, as it is elsewhere."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(f"{path}: cannot be written: {error}") from error


def save_encoder(encoder: TorchEncoder, folder: Path, config: ModelConfig) -> None:
    """Write a model folder into a folder that is there.

    transformers opens it by `AutoModel` and `AutoTokenizer`, sentence-transformers 6 by
    `MultiVectorEncoder`, whose token vectors are equal: raw, of the same tokens.

    Raises:
        OSError: If the disk is full or refuses.
    """
    with quiet(), disk_errors(folder):
        encoder.transformer.save_pretrained(folder)
        tokenizer = encoder.source_tokenizer
        tokenizer.model_max_length = encoder.max_tokens
        tokenizer.save_pretrained(folder)
    # As it is used: with the lower-casing that the base declares elsewhere, and no padding.
    encoder.tokenizer.no_truncation()
    (folder / "tokenizer.json").write_text(encoder.tokenizer.to_str(), encoding="utf-8")
    modules = [("transformer", "")]
    if encoder.projection is not None:
        modules.append(("projection", PROJECTION))
        _save_projection(encoder.projection, folder / PROJECTION)
    modules.append(("mask", f"{len(modules)}_MultiVectorMask"))
    skipped = encoder.special_texts() if encoder.special_tokens == "drop" else []
    mask = {
        "skiplist_words": skipped,
        "skiplist_tasks": ["query", "document"],
        "keep_only_token_ids": None,
    }
    _write(folder / modules[-1][1] / "config.json", mask)
    _write(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": _TYPES[kind]}
            for i, (kind, path) in enumerate(modules)
        ],
    )
    _write(
        folder / "sentence_bert_config.json",
        {
            "transformer_task": "feature-extraction",
            "modality_config": {
                "text": {"method": "forward", "method_output_name": "last_hidden_state"}
            },
            "module_output_name": "token_embeddings",
            "max_seq_length": encoder.max_tokens,
        },
    )
    _write(
        folder / "config_sentence_transformers.json",
        {
            "model_type": "MultiVectorEncoder",
            "prompts": {"query": "", "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": None,
        },
    )
    (folder / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")


def _save_projection(projection: Any, folder: Path) -> None:
    settings = {
        "in_features": projection.in_features,
        "out_features": projection.out_features,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
        "module_input_name": "token_embeddings",
        "module_output_name": "token_embeddings",
    }
    _write(folder / "config.json", settings)
    weight = projection.weight.detach().cpu().contiguous()
    with disk_errors(folder):
        save_file({"linear.weight": weight}, folder / "model.safetensors")


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
