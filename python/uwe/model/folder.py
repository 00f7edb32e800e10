"""Folders of transformers and sentence-transformers, read: what they say beside their weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uwe.encoder.config import ModelConfig
from uwe.errors import ModelError

__all__ = ["SourceFolder", "read_source_folder"]


@dataclass(frozen=True)
class SourceFolder:
    """What a model folder says beside its weights.

    Attributes:
        transformer: Where `config.json`, weights and tokenizer are.
        max_tokens: The longest text that it was meant for; None if it does not say.
        lower_case: Whether texts are lower-cased before the tokenizer sees them.
        mean_pooled: Whether its own sentence vectors are means of token vectors; None if it has
            none of its own.
        projection: Folder of the module that projects token vectors; None if there is none.
        config: What its `uwe.json` says; None if `uwe` did not write the folder.
    """

    transformer: Path
    max_tokens: int | None = None
    lower_case: bool = False
    mean_pooled: bool | None = None
    projection: Path | None = None
    config: ModelConfig | None = None


def read_source_folder(folder: Path) -> SourceFolder:
    """Read a folder as transformers or sentence-transformers writes it.

    Raises:
        ModelError: If it is no such folder, names code of its own, which nobody here runs, or has
            a module after the transformer that changes token vectors or their meaning, which an
            export would lose.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: expected a model folder, found none: correct the path")
    config = _config(folder)
    if not (folder / "modules.json").is_file():
        return SourceFolder(_transformer(folder), config=config)
    modules = _json(folder / "modules.json")
    try:
        steps = [(str(m["type"]).rsplit(".", 1)[-1], _inside(folder, m["path"])) for m in modules]
    except (TypeError, KeyError, ValueError):
        raise ModelError(
            f"{folder / 'modules.json'}: expected a list of modules with 'type' and 'path', a "
            "folder in this one: save the model anew with sentence-transformers"
        ) from None
    kinds = [kind for kind, _ in steps]
    if kinds[:1] != ["Transformer"]:
        raise ModelError(
            f"{folder}: expected a Transformer as the first module, got "
            f"{kinds[0] if kinds else 'none'}: export takes text encoders of transformers only"
        )
    mean_pooled = projection = None
    for kind, path in steps[1:]:
        if kind == "Pooling":
            mean_pooled = _pools_means(_json_object(path / "config.json"))
        elif kind == "MultiVectorMask":
            _check_mask(path, config)
        elif kind == "Dense" and mean_pooled is None and _projects_tokens(path):
            projection = path
        elif kind != "Normalize" or mean_pooled is None:
            raise ModelError(
                f"{folder}: its module {kind} changes the vectors after the transformer, which an "
                "export would lose: remove it from modules.json if the transformer's own token "
                "vectors are what you want"
            )
    transformer = _transformer(steps[0][1])
    settings_path = transformer / "sentence_bert_config.json"
    settings = _json_object(settings_path) if settings_path.is_file() else {}
    max_tokens = settings.get("max_seq_length")
    return SourceFolder(
        transformer,
        max_tokens=max_tokens if type(max_tokens) is int else None,
        lower_case=settings.get("do_lower_case") is True,
        mean_pooled=mean_pooled,
        projection=projection,
        config=config,
    )


def _inside(folder: Path, path: str) -> Path:
    """The folder of a module; ValueError if it lies outside of the model's."""
    inside = Path(path)
    if inside.is_absolute() or ".." in inside.parts or not path.isprintable():
        raise ValueError(path)
    return folder / inside


_SETTINGS = (
    "config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json",
)  # fmt: skip
"""Files in which transformers looks for the name of code to run."""


def _refuse_code(folder: Path) -> None:
    """ModelError if the settings of a folder name code that is not transformers' own."""
    for path in (folder / name for name in _SETTINGS if (folder / name).is_file()):
        open_values = [_json(path)]
        while open_values:
            value = open_values.pop()
            if isinstance(value, list):
                open_values += value
            if not isinstance(value, dict):
                continue
            open_values += value.values()
            kernels = (value.get("attn_implementation"), value.get("_attn_implementation"))
            named = "auto_map" if value.get("auto_map") else "attn_implementation"
            if value.get("auto_map") or any("/" in str(kernel) for kernel in kernels):
                raise ModelError(
                    f"{path}: names code of its own ({named}), which uwe never runs: pass another "
                    f"model, or take {named} out if transformers has the architecture itself"
                )


def _transformer(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        inside = folder / "model"  # of a run
        raise ModelError(
            f"{folder}: has no config.json, so it is no model of transformers: pass "
            + (f"{inside}" if inside.is_dir() else "the folder that save_pretrained wrote")
        )
    _refuse_code(folder)
    return folder


def _pools_means(pooling: dict[str, Any]) -> bool:
    """Whether a Pooling module takes plain means; both spellings of its settings are in use."""
    if "pooling_mode" in pooling:
        return bool(pooling["pooling_mode"] in ("mean", ["mean"]))
    modes = [key for key, on in pooling.items() if key.startswith("pooling_mode_") and on is True]
    return modes == ["pooling_mode_mean_tokens"]


def _config(folder: Path) -> ModelConfig | None:
    path = folder / "uwe.json"
    if not path.is_file():
        return None
    try:
        return ModelConfig.from_json(path.read_text(encoding="utf-8"), path=path)
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: expected UTF-8, got {error}: save the model anew") from None


def _projects_tokens(path: Path) -> bool:
    """Whether a Dense module is one matrix that each token vector is multiplied by."""
    dense = _json_object(path / "config.json")
    return (
        dense.get("module_input_name") == "token_embeddings"
        and dense.get("module_output_name") in (None, "token_embeddings")
        and dense.get("bias") is False
        and not dense.get("use_residual")
        and str(dense.get("activation_function")).endswith(".Identity")
    )


def _check_mask(path: Path, config: ModelConfig | None) -> None:
    mask = _json_object(path / "config.json") if (path / "config.json").is_file() else {}
    if config is not None and config.special_tokens == "drop":
        mask.pop("skiplist_words", None)  # the special tokens, which the export drops as well
    for key in ("skiplist_words", "keep_only_token_ids"):
        if mask.get(key):
            raise ModelError(
                f"{path / 'config.json'}: leaves token vectors out ({key}), which an export can "
                "not do: empty that list if all token vectors are what you want"
            )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: expected this file, found none: save the model anew") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: expected JSON, got {error}: save the model anew") from None


def _json_object(path: Path) -> dict[str, Any]:
    found = _json(path)
    if not isinstance(found, dict):
        raise ModelError(
            f"{path}: expected a JSON object, got {type(found).__name__}: save the model anew"
        )
    return found
