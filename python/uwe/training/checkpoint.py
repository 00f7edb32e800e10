"""Checkpoints: a model folder and the state of the run, written beside and renamed.

Killed at any moment, a run has its last whole checkpoint: a folder is either there with all its
files or not at all. Nothing is pickled, so opening one runs no code.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from uwe.config import ModelConfig
from uwe.errors import ModelError
from uwe.files.atomic import replaced
from uwe.model.encoder import TorchEncoder
from uwe.model.saving import disk_errors, save_encoder

__all__ = [
    "Checkpoint", "encoder_seal", "last_checkpoint", "load_checkpoint", "named_state",
    "restore_state", "save_checkpoint",
]  # fmt: skip

FORMAT = 1
_NAME = re.compile(r"step-(\d{6,})")
_STATE, _TENSORS = "trainer.json", "trainer.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stood.

    Attributes:
        step: Steps that were taken.
        recipe: The recipe, as `Recipe.to_dict` has it.
        sampler: State of the sampler: the next step's number, and what it draws from.
        base: `encoder_seal` of what the run began with.
        guide: Fingerprint of the guard's model; None without.
        best: The best validation so far: `{"step", "value", "validation"}`; None before the first.
        tensors: Of the optimizer, and parameters that are not in the model folder.
    """

    step: int
    recipe: dict[str, Any]
    sampler: dict[str, Any]
    base: str
    guide: str | None
    best: dict[str, Any] | None
    tensors: dict[str, torch.Tensor]


def save_checkpoint(
    folder: Path,
    encoder: TorchEncoder,
    config: ModelConfig,
    checkpoint: Checkpoint,
    *,
    keep: int = 2,
) -> Path:
    """Write `step-<number>/` into a folder, and remove all but the last `keep`.

    Raises:
        OSError: If the disk is full or refuses; those before it are untouched then.
    """
    path = folder / f"step-{checkpoint.step:06d}"
    with replaced(path) as new:
        save_encoder(encoder, new, config)
        tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
        with disk_errors(new / _TENSORS):
            save_file(tensors, new / _TENSORS)
        state = {
            "format": FORMAT,
            "step": checkpoint.step,
            "recipe": checkpoint.recipe,
            "sampler": checkpoint.sampler,
            "base": checkpoint.base,
            "guide": checkpoint.guide,
            "best": checkpoint.best,
        }
        (new / _STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    for old in _steps(folder)[:-keep]:
        _remove(old)
    return path


def last_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the most steps; None if there is none."""
    steps = _steps(folder)
    return steps[-1] if steps else None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read the state of a run.

    Raises:
        ModelError: If it is no checkpoint, of a newer release, or damaged.
    """
    try:
        state = json.loads((path / _STATE).read_text(encoding="utf-8"))
        found = state.get("format")
        if found != FORMAT:
            raise ModelError(
                f"{path}: this release reads checkpoints of format {FORMAT}, got {found!r}: "
                "update uwe, or start anew"
            )
        return Checkpoint(
            step=int(state["step"]),
            recipe=dict(state["recipe"]),
            sampler=dict(state["sampler"]),
            base=str(state["base"]),
            guide=state["guide"],
            best=state["best"],
            tensors=load_file(path / _TENSORS),
        )
    except (
        FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
        RecursionError, SafetensorError,
    ) as error:  # fmt: skip
        raise ModelError(
            f"{path}: expected a checkpoint of  uwe train, got {error!r}: remove it, and resume "
            "from the one before"
        ) from None


def encoder_seal(encoder: TorchEncoder) -> str:
    """sha256 of an encoder's weights and tokenizer."""
    encoder.tokenizer.no_truncation()
    digest = hashlib.sha256(encoder.tokenizer.to_str().encode())
    for name, parameter in encoder.named_parameters():
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def named_state(
    optimizer: torch.optim.Optimizer, names: Mapping[torch.Tensor, str]
) -> dict[str, torch.Tensor]:
    """The optimizer's state by the names of parameters: `optimizer.<parameter>.<what>`."""
    return {
        f"optimizer.{names[parameter]}.{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def restore_state(
    optimizer: torch.optim.Optimizer,
    names: Mapping[torch.Tensor, str],
    tensors: Mapping[str, torch.Tensor],
) -> None:
    """Put back what `named_state` gave.

    Raises:
        ModelError: If a parameter has another shape: the checkpoint is of another architecture.
    """
    known = {name: parameter for parameter, name in names.items()}
    for key, value in tensors.items():
        if not key.startswith("optimizer."):
            continue
        name, _, what = key.removeprefix("optimizer.").rpartition(".")
        parameter = known.get(name)
        if parameter is None or (what != "step" and value.shape != parameter.shape):
            shape = None if parameter is None else tuple(parameter.shape)
            raise ModelError(
                f"the checkpoint has {name} of shape {tuple(value.shape)}, the model {shape}: it "
                "is of another architecture: resume with the recipe that it was made by"
            )
        # The count of steps too: a fused optimizer has it where the parameter is.
        optimizer.state[parameter][what] = value.to(parameter.device)


def _remove(path: Path) -> None:
    """Renamed first: half a checkpoint must never bear the name of one."""
    if path.exists():
        gone = path.with_name(f".{path.name}-old")
        shutil.rmtree(gone, ignore_errors=True)
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _steps(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name[5:]))
