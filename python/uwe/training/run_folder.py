"""The folder of a run: whether one may begin or go on in it.

`recipe.json` has the recipe with all its settings, `metrics.jsonl` losses and validations,
`checkpoints/step-<number>/` what to go on from, and `model/` the weights of the best step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uwe.data.layout import write_lines
from uwe.errors import InputError
from uwe.training.checkpoint import Checkpoint, last_checkpoint, load_checkpoint
from uwe.training.recipe import Recipe, read_recipe

__all__ = ["CHECKPOINTS", "MODEL", "checkpoint_of", "make_run_folder"]

CHECKPOINTS, MODEL, RECIPE = "checkpoints", "model", "recipe.json"


def checkpoint_of(recipe: Recipe, out: Path, *, resume: bool) -> tuple[Path, Checkpoint] | None:
    """The checkpoint to go on from, with its folder; None for a run that begins at its first step.

    Raises:
        InputError: If `out` holds a run and `resume` is false, or none and it is true, or one of
            another recipe.
        ModelError: If the last checkpoint is damaged, or of a newer release.
    """
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
    _check_same(recipe, checkpoint.recipe, last)
    return last, checkpoint


def _check_same(recipe: Recipe, found: Mapping[str, Any], where: Path) -> None:
    wanted = recipe.to_dict()
    for key in sorted({*wanted, *found}):
        if wanted.get(key) != found.get(key):
            raise InputError(
                f"{key} of the recipe is {wanted.get(key)!r}, that of {where} {found.get(key)!r}: "
                "resume with the recipe of the run"
            )


def make_run_folder(recipe: Recipe, out: Path) -> None:
    """Make the folder of a run, or clear it of what one that was killed left half-written.

    Raises:
        OSError: If the disk is full or refuses.
    """
    checkpoints = out / CHECKPOINTS
    checkpoints.mkdir(parents=True, exist_ok=True)
    for left in (*checkpoints.glob(".step-*"), *out.glob(f".{MODEL}-*")):
        shutil.rmtree(left, ignore_errors=True)
    if not (out / RECIPE).exists():
        write_lines(out / RECIPE, [json.dumps(recipe.to_dict(), indent=2, ensure_ascii=False)])
