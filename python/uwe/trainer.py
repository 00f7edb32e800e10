"""`uwe.train`: a recipe, trained; the validation splits of its tasks choose the best step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from uwe.bench.evaluation import evaluate
from uwe.bench.tasks import TASKS, chosen_splits
from uwe.data.layout import data_folder
from uwe.errors import InputError, MissingExtraError, extra
from uwe.metrics import checked_metrics
from uwe.progress import Progress

if TYPE_CHECKING:
    from uwe.model.encoder import TorchEncoder
    from uwe.training.loop import Evaluate, Trained
    from uwe.training.recipe import Recipe, ValidationRecipe


VALIDATION = "val"
"""The only split that a recipe's validation reads."""


def train(
    recipe: Recipe | str | Path,
    *,
    out: str | Path | None = None,
    data: str | Path | None = None,
    changes: Sequence[str] = (),
    resume: bool = False,
    progress: Progress = False,
    cpu: bool = False,
) -> Trained:
    """Train a model by a recipe.

    Args:
        recipe: A TOML file, or what `uwe.training.recipe.read_recipe` gives.
        out: Folder of the run; None takes `runs/<name of the recipe>`. `model/` in it has the
            weights of the best step by the mean of the recipe's validation, which reads the splits
            `val` of its tasks and no other.
        data: The data folder; None takes the environment variable UWE_DATA.
        changes: `key=value` each, in place of what the file says.
        resume: Go on from the last checkpoint in `out`.
        progress: True for standard error, or a callable that takes (steps taken, all steps).
        cpu: Leave a GPU alone.

    Raises:
        MissingExtraError: If torch or transformers is not installed.
        InputError: If the recipe is wrong, or `out` has another run in it.
        ModelError: If the base or a checkpoint cannot be used.
        DataError: If a file of the graphs or the tasks is malformed.
        TrainingError: If the loss is no finite number, and what it was computed of is saved in
            `out`; or if a step does not fit into memory.
        OSError: If a file cannot be read or written; the last checkpoint is whole.
    """
    with extra("train", "uwe.train"):
        from uwe.training import loop
        from uwe.training.recipe import Recipe, read_recipe

    if find_spec("transformers") is None:  # which is imported where a model is read
        raise MissingExtraError("train", "uwe.train")
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe, changes=changes)
    elif changes:
        raise InputError("expected changes only of a recipe in a file: change the Recipe itself")
    return loop.train(
        recipe,
        out=Path("runs") / recipe.name if out is None else out,
        data=data,
        evaluate=_validation(recipe.validation, data_folder(data)),
        resume=resume,
        progress=progress,
        cpu=cpu,
    )


def _validation(settings: ValidationRecipe, data: Path) -> Evaluate:
    # By a name out of `uwe bench tasks`, or a folder below the data folder.
    known = {task.name for task in TASKS}
    places = {
        task: data / task if task not in known and (data / task).is_dir() else task
        for task in settings.tasks
    }
    if len({Path(place).name for place in places.values()}) < len(places):
        raise InputError(
            f"expected validation tasks of different names, got {', '.join(places)}: leave one out"
        )
    # A misspelt one is better found now than at the first validation.
    called: dict[str, str] = {}
    for task, place in places.items():
        (one, *_), *others = chosen_splits(place, VALIDATION, data)
        if others:
            raise InputError(
                f"expected tasks to validate on, got {task}, which stands for several: name each "
                "of them"
            )
        called[one.name] = task
    checked_metrics(settings.metrics)

    def measure(encoder: TorchEncoder) -> Mapping[str, Mapping[str, float]]:
        results = evaluate(
            encoder, tasks=list(places.values()), splits=VALIDATION, data=data,
            scorer=encoder.scorer, metrics=settings.metrics, limit=settings.limit,
        )  # fmt: skip
        return {
            called[results.tasks[entry.task].name]: {
                name: interval.mean for name, interval in entry.metrics.items()
            }
            for entry in results.entries
        }

    return measure
