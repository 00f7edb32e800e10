"""The folder of a run: whether one may begin or go on in it.

`recipe.json` has the recipe with all its settings, `metrics.jsonl` losses and validations,
`checkpoints/step-<number>/` what to go on from, and `model/` the weights of the best step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from uwe.config import ModelConfig
from uwe.errors import InputError
from uwe.files.atomic import replaced, settled, write_lines
from uwe.model.encoder import TorchEncoder
from uwe.model.saving import save_encoder
from uwe.training.checkpoint import Checkpoint, last_checkpoint, load_checkpoint
from uwe.training.recipe import Recipe, read_recipe
from uwe.training.step import GraphBatch

__all__ = [
    "CHECKPOINTS", "MODEL", "checkpoint_of", "keep_model", "run_folder", "save_failed_step",
]  # fmt: skip

CHECKPOINTS, MODEL, RECIPE = "checkpoints", "model", "recipe.json"


def checkpoint_of(recipe: Recipe, out: Path, *, resume: bool) -> tuple[Path, Checkpoint] | None:
    """The checkpoint to go on from, with its folder; None for a run that begins at its first step.

    Raises:
        InputError: If `out` holds a run and `resume` is false, or none and it is true, or one of
            another recipe.
        ModelError: If the last checkpoint is damaged, or of a newer release.
    """
    out = settled(out)
    if not resume:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(
                f"{out}: expected a new folder, found something there: go on with  --resume, name "
                "another, or remove it"
            )
        return None
    last = last_checkpoint(out / CHECKPOINTS)
    if last is None:
        if not (out / RECIPE).is_file():
            raise InputError(f"{out}: expected a run to resume, found none: leave --resume out")
        # It ended before the first checkpoint.
        _check_same(recipe, read_recipe(out / RECIPE).to_dict(), out / RECIPE)
        return None
    checkpoint = load_checkpoint(last)
    # Read as a recipe, so that settings which are newer than the run have their defaults.
    _check_same(recipe, Recipe.from_dict(checkpoint.recipe, path=last).to_dict(), last)
    return last, checkpoint


# How a step is computed, and how often it is saved: what comes out is the same but for rounding.
_MAY_DIFFER = {
    "batches.gradient_cache", "batches.chunk_tokens", "batches.tile_pairs", "checkpoint_every",
}  # fmt: skip


def _check_same(recipe: Recipe, found: Mapping[str, Any], where: Path) -> None:
    wanted, had = dict(_settings(recipe.to_dict())), dict(_settings(found))
    for key in sorted({*wanted, *had} - _MAY_DIFFER):
        if wanted.get(key) != had.get(key):
            raise InputError(
                f"{key} of the recipe is {wanted.get(key, 'not there')!r}, that of {where} "
                f"{had.get(key, 'not there')!r}: resume with the recipe of the run"
            )


def _settings(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting with its full name, as `--set` has it: `graph.J.size`."""
    for key, value in table.items():
        if key == "graph":
            value = {graph["name"]: graph for graph in value}
        if isinstance(value, Mapping):
            yield from _settings(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


@contextmanager
def run_folder(recipe: Recipe, out: Path) -> Iterator[None]:
    """Hold the folder of a run for this process alone; make it, or clear it of half-written files.

    Raises:
        InputError: If another process trains in it.
        OSError: If the disk is full or refuses.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not (out / RECIPE).exists():
        write_lines(out / RECIPE, [json.dumps(recipe.to_dict(), indent=2, ensure_ascii=False)])
    with (out / RECIPE).open() as held:
        if not lock_descriptor(held.fileno(), blocking=False):
            raise InputError(
                f"{out}: expected a run that nobody goes on with, found another process at it: "
                "wait for it, or end it"
            )
        checkpoints, model = out / CHECKPOINTS, out / MODEL
        checkpoints.mkdir(exist_ok=True)
        for old in out.glob(f".{MODEL}-*-old"):
            if not model.exists():  # killed between two renames
                old.rename(model)
        for left in (*checkpoints.glob(".step-*"), *out.glob(f".{MODEL}-*")):
            shutil.rmtree(left, ignore_errors=True)
        yield


def keep_model(out: Path, encoder: TorchEncoder, config: ModelConfig) -> None:
    """Put an encoder in the place of the best one so far.

    Raises:
        OSError: If the disk is full or refuses; the one before it is there then.
    """
    with replaced(out / MODEL) as new:
        save_encoder(encoder, new, config)


def save_failed_step(
    path: Path,
    step: int,
    batches: Sequence[GraphBatch],
    losses: Mapping[str, float],
    norm: float,
) -> None:
    """Write down what a loss that is no finite number was computed of.

    Raises:
        OSError: If the disk is full or refuses.
    """
    found = {
        "step": step,
        "losses": {name: repr(loss) for name, loss in losses.items()},
        "gradient_norm": repr(norm),
        "batches": [
            {
                "graph": batch.name,
                "left": list(batch.left),
                "right": list(batch.right),
                "positives": batch.positives.nonzero().tolist(),
            }
            for batch in batches
        ],
    }
    write_lines(path, [json.dumps(found, ensure_ascii=False, indent=1)])
