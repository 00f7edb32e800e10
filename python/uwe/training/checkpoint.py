"""The folder of a run: its recipe, the best model, and checkpoints to go on from.

`recipe.json` has the recipe with all its settings, `metrics.jsonl` losses and validations,
`checkpoints/step-<number>/` a model folder with the state of the run, and `model/` the weights of
the best step. Killed at any moment, a run has its last whole checkpoint: a folder is either there
with all its files or not at all. Nothing is pickled, so opening one runs no code.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import lock_descriptor
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from uwe.checks import text_of
from uwe.encoder.config import ModelConfig
from uwe.errors import InputError, ModelError
from uwe.files.atomic import replaced, settled, write_lines
from uwe.model.encoder import TorchEncoder
from uwe.model.folder import disk_errors, save_encoder
from uwe.training.batches import GraphBatch
from uwe.training.recipe import Recipe, read_recipe, settings_of

FORMAT = 2
CHECKPOINTS, MODEL, RECIPE = "checkpoints", "model", "recipe.json"
_NAME = re.compile(r"step-(\d{6,})")
_STATE, _TENSORS = "trainer.json", "trainer.safetensors"
_KEPT = 2
"""How many checkpoints a run keeps."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stood."""

    step: int  # steps that were taken
    recipe: dict[str, Any]  # as `Recipe.to_dict` has it
    batches: str  # fingerprint of what is drawn
    base: str  # `encoder_sha256` of what the run began with
    teacher: str | None  # `Teacher.sha256` of its teacher; None if it has none
    best: dict[str, Any] | None  # "step", "value", "validation" of the best; None before the first
    tensors: dict[str, torch.Tensor]  # the optimizer's, as `named_state` gives them


def save_checkpoint(
    out: Path, encoder: TorchEncoder, config: ModelConfig, checkpoint: Checkpoint
) -> None:
    """Write `checkpoints/step-<number>/`, and remove all but the last ones.

    If it cannot be written, those before it are untouched.
    """
    folder = out / CHECKPOINTS
    with replaced(folder / f"step-{checkpoint.step:06d}") as new:
        save_encoder(encoder, new, config)
        state = {"format": FORMAT, **vars(checkpoint)}
        tensors = {k: v.detach().cpu().contiguous() for k, v in state.pop("tensors").items()}
        with disk_errors(new / _TENSORS):
            save_file(tensors, new / _TENSORS)
        state["tensors"] = len(tensors)
        (new / _STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    for old in _steps(folder)[:-_KEPT]:
        # Renamed first: half a checkpoint must never bear the name of one.
        gone = old.with_name(f".{old.name}-old")
        shutil.rmtree(gone, ignore_errors=True)
        old.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def keep_model(out: Path, encoder: TorchEncoder, config: ModelConfig) -> None:
    """Put an encoder in the place of the best one so far.

    If it cannot be written, the one before it stays.
    """
    with replaced(out / MODEL) as new:
        save_encoder(encoder, new, config)


def _load(path: Path) -> Checkpoint:
    try:
        state = json.loads((path / _STATE).read_text(encoding="utf-8"))
        found = state.get("format")
        if found != FORMAT:
            raise ModelError(
                f"{path}: this release reads checkpoints of format {FORMAT}, got {found!r}: "
                "go on with the release that wrote it, or start again in another folder"
            )
        tensors = load_file(path / _TENSORS)
        if (step := state["step"]) != int(path.name[5:]) or type(step) is not int:
            raise ValueError(f"step {step!r}")
        if state.get("tensors", len(tensors)) != len(tensors):
            raise ValueError(f"{len(tensors)} tensors")
        return Checkpoint(
            step=step,
            recipe=dict(state["recipe"]),
            batches=str(state["batches"]),
            base=str(state["base"]),
            teacher=state["teacher"],
            best=state["best"],
            tensors=tensors,
        )
    except (
        FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
        RecursionError, SafetensorError,
    ) as error:  # fmt: skip
        raise ModelError(
            f"{path}: expected a checkpoint of  uwe train, got {error!r}: remove it, and resume "
            "from the one before"
        ) from None


def encoder_sha256(encoder: TorchEncoder) -> str:
    """sha256 of all that decides what an encoder computes: settings, tokenizer, weights."""
    encoder.tokenizer.no_truncation()
    settings = encoder.transformer.config.to_dict()
    for key in ("_name_or_path", "transformers_version"):
        settings.pop(key, None)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    digest.update(encoder.tokenizer.to_str().encode())
    for name, parameter in encoder.named_parameters():
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def named_state(optimizer: torch.optim.Optimizer, encoder: TorchEncoder) -> dict[str, torch.Tensor]:
    """The optimizer's state by the names of parameters: `optimizer.<parameter>.<what>`."""
    return {
        f"optimizer.{name}.{key}": value
        for name, parameter in encoder.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_state(
    optimizer: torch.optim.Optimizer, encoder: TorchEncoder, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Put back what `named_state` gave."""
    known = dict(encoder.named_parameters())
    for key, value in tensors.items():
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


def _steps(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name[5:]))


def checkpoint_of(recipe: Recipe, out: Path, *, resume: bool) -> tuple[Path, Checkpoint] | None:
    """The checkpoint to go on from, with its folder; None for a run that begins at its first step.

    To resume, `out` must hold a run of this recipe; otherwise it must be new or empty.
    """
    out = settled(text_of("the folder of the run", str(out)))  # what writes models takes no other
    if not resume:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(
                f"{out}: expected a new folder, found something there: go on with  --resume, name "
                "another, or remove it"
            )
        return None
    if steps := _steps(out / CHECKPOINTS):
        last, checkpoint = steps[-1], _load(steps[-1])
        # Read as a recipe, so that settings which are newer than the run have their defaults.
        _check_same(recipe, Recipe.from_dict(checkpoint.recipe, path=last), last)
        return last, checkpoint
    if not (out / RECIPE).is_file():
        raise InputError(f"{out}: expected a run to resume, found none: leave --resume out")
    # It ended before the first checkpoint.
    _check_same(recipe, read_recipe(out / RECIPE), out / RECIPE)
    return None


# How a step is computed, and how often it is saved: what comes out is the same but for rounding.
_MAY_DIFFER = {
    "batches.gradient_cache", "batches.chunk_tokens", "batches.tile_pairs", "checkpoint_every",
}  # fmt: skip


def _check_same(recipe: Recipe, found: Recipe, where: Path) -> None:
    wanted, had = (dict(settings_of(each.to_dict())) for each in (recipe, found))
    for key in sorted({*wanted, *had} - _MAY_DIFFER):
        if wanted.get(key) != had.get(key):
            raise InputError(
                f"{key} of the recipe is {wanted.get(key, 'not there')!r}, that of {where} "
                f"{had.get(key, 'not there')!r}: resume with the recipe of the run"
            )


@contextmanager
def run_folder(recipe: Recipe, out: Path, last: Path | None) -> Iterator[None]:
    """Hold the folder of a run for this process alone; make it, or clear it of half-written files.

    `last` is the checkpoint that was read before, None if there was none. A folder in which another
    process trains, or did since then, is refused.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not (out / RECIPE).exists():
        write_lines(out / RECIPE, [json.dumps(recipe.to_dict(), indent=2, ensure_ascii=False)])
    with (out / RECIPE).open() as held:
        if not lock_descriptor(held.fileno(), blocking=False):
            raise InputError(
                f"{out}: expected a run that no process goes on with, found one at it: wait for "
                "it, or end it"
            )
        checkpoints, model = out / CHECKPOINTS, out / MODEL
        if [path.name for path in _steps(checkpoints)[-1:]] != ([last.name] if last else []):
            raise InputError(
                f"{out}: expected a run that no process goes on with, found other checkpoints than "
                "a moment ago: run the same command again, with  --resume"
            )
        checkpoints.mkdir(exist_ok=True)
        for old in out.glob(f".{MODEL}-*-old"):
            if not model.exists():  # killed between two renames
                old.rename(model)
        for left in (*checkpoints.glob(".step-*"), *out.glob(f".{MODEL}-*")):
            shutil.rmtree(left, ignore_errors=True)
        yield


def save_failed_step(out: Path, step: int, batch: GraphBatch, loss: float, norm: float) -> Path:
    """Write down what a loss that is no finite number was computed of; return the path."""
    found = {
        "step": step,
        "loss": repr(loss),
        "gradient_norm": repr(norm),
        "graph": batch.graph.name,
        "left": list(batch.left),
        "right": list(batch.right),
        "positives": np.argwhere(batch.positives).tolist(),
    }
    path = out / f"failed-step-{step:06d}.json"
    write_lines(path, [json.dumps(found, ensure_ascii=False, indent=1)])
    return path
