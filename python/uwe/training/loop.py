"""The training loop: batches, gradients, AdamW, validation, checkpoints."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from uwe.config import ModelConfig, TrainingSource
from uwe.data.layout import data_folder
from uwe.errors import InputError, ModelError, TrainingError
from uwe.loading import load
from uwe.model.base import base_folder
from uwe.model.encoder import TorchEncoder
from uwe.model.saving import config_of
from uwe.training.checkpoint import (
    Checkpoint,
    encoder_seal,
    named_state,
    restore_state,
    save_checkpoint,
)  # fmt: skip
from uwe.training.device import accelerator_of, attention_of, memory_errors
from uwe.training.guide import Guide
from uwe.training.interrupts import interruptible
from uwe.training.log import METRICS_FILE, MetricsLog, Progress, smoothed, step_progress
from uwe.training.material import (
    Material,
    earlier_sources,
    graph_batch,
    new_encoder,
    objectives_of,
    padders_of,
    read_material,
    with_augmentation,
)  # fmt: skip
from uwe.training.optimizer import (
    KeptWeights,
    learning_rate_share,
    named_parameters,
    optimizer_of,
)  # fmt: skip
from uwe.training.recipe import Recipe
from uwe.training.run_folder import (
    CHECKPOINTS,
    MODEL,
    checkpoint_of,
    keep_model,
    run_folder,
    save_failed_step,
)  # fmt: skip
from uwe.training.step import GraphBatch, StepSettings, accumulate_gradients

__all__ = ["Evaluate", "Trained", "train"]

Evaluate = Callable[[TorchEncoder], Mapping[str, Mapping[str, float]]]
"""Gives the metrics of each task of the recipe's validation, from 0 to 1."""


@dataclass(frozen=True)
class Trained:
    """What a run left.

    Attributes:
        model: The model folder: the best step's weights by the validation, or the last one's.
        step: Which step that is.
        steps: How many were taken.
        validation: The metrics of each task then; empty without validation.
    """

    model: Path
    step: int
    steps: int
    validation: Mapping[str, Mapping[str, float]]


def train(
    recipe: Recipe,
    *,
    out: str | Path,
    data: str | Path | None = None,
    evaluate: Evaluate | None = None,
    resume: bool = False,
    progress: bool = False,
    cpu: bool = False,
) -> Trained:
    """Train a model.

    Args:
        recipe: What to do.
        out: Folder of the run: `model/`, `checkpoints/`, `metrics.jsonl`, `recipe.json`.
        data: The data folder; None takes the environment variable UWE_DATA.
        evaluate: Measures the model on the recipe's validation; None: the last step is the best.
        resume: Go on from the last checkpoint in `out`.
        progress: Show it on standard error.
        cpu: Leave a GPU alone.

    Raises:
        InputError: If `out` holds a run and `resume` is false, or none and it is true, or the
            recipe or the graphs are not those of the checkpoint.
        ModelError: If the base or a checkpoint can not be used.
        DataError: If a file of the graphs is malformed.
        TrainingError: If the loss is no finite number; what it was computed of is saved in `out`.
            If a step does not fit into memory.
        OSError: If the disk is full or refuses; the last checkpoint is whole then.
    """
    out, data = Path(out), data_folder(data)
    accelerator = accelerator_of(cpu=cpu or not torch.cuda.is_available())
    # All that can be refused is refused before the folder is made, and each process looks before
    # one of them makes it.
    last = checkpoint_of(recipe, out, resume=resume)
    main = accelerator.is_main_process
    with contextlib.ExitStack() as held:
        shown = held.enter_context(step_progress(progress and main, recipe.optimizer.steps))
        shown.say(f"reading graphs of {data / recipe.graphs}")
        material = read_material(recipe, data)
        shown.say(f"reading the weights of {recipe.model.base}")
        base = base_folder(recipe.model.base)
        torch.manual_seed(recipe.seed)  # of a projection's start
        attention = attention_of(accelerator, bf16=recipe.precision == "bf16")
        encoder = new_encoder(recipe.model, base, attention=attention).to(accelerator.device)
        run = _Run(recipe, out, material, encoder, accelerator, evaluate, earlier_sources(base))
        if last is not None:
            run.restore(last[1], last[0])
        accelerator.wait_for_everyone()
        if main:
            held.enter_context(run_folder(recipe, out))
        accelerator.wait_for_everyone()
        return run.steps(shown, held.enter_context(interruptible()))


class _Run:
    """A run as it goes on."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        material: Material,
        encoder: TorchEncoder,
        accelerator: Accelerator,
        evaluate: Evaluate | None,
        earlier: tuple[TrainingSource, ...],
    ) -> None:
        self._recipe, self._out, self._material = recipe, out, material
        self._accelerator, self._evaluate = accelerator, evaluate
        self._encoder, self._base = encoder, encoder_seal(encoder)
        if recipe.compile:
            self._encoder.transformer.compile(dynamic=True)
        self._objectives = objectives_of(recipe, accelerator.device)
        self._optimizer = optimizer_of(self._encoder, self._objectives, recipe.optimizer)
        self._names = named_parameters(self._encoder, self._objectives)
        self._padders = padders_of(recipe, material.graphs, self._encoder)
        self._guide: Guide | None = None
        self._guided_by: str | None = None
        # What the base and the guide have seen, this model has seen: its regimes hang on it.
        sources = {*earlier, *material.sources}
        if recipe.guard.model:
            guide = load(recipe.guard.model)
            sources.update(guide.config.trained_on)
            self._guided_by = guide.fingerprint
            self._guide = Guide(guide, margin=recipe.guard.margin)
        self._kept = KeptWeights(
            encoder,
            average=recipe.optimizer.average,
            trained_share=recipe.optimizer.trained_share,
        )
        self._trained_on = tuple(sorted(sources, key=lambda source: (source.name, source.sha256)))
        validates = evaluate is not None and recipe.validation.tasks
        self._validates_every = recipe.validation.every if validates else 0
        self._step = 0
        self._best: dict[str, Any] | None = None

    def restore(self, checkpoint: Checkpoint, folder: Path) -> None:
        """Be where the checkpoint was, with the weights that lie in its folder."""
        read = earlier_sources(folder)
        if changed := [source.name for source in self._material.sources if source not in read]:
            raise InputError(
                f"{', '.join(changed)}: expected what the run began with, got other content: put "
                "that back, or start anew in another folder"
            )
        for model, had, now in (
            (self._recipe.model.base, checkpoint.base, self._base),
            (self._recipe.guard.model, checkpoint.guide, self._guided_by),
        ):
            if had != now:
                raise InputError(
                    f"{model}: not the model that the run began with: put that one back, or start "
                    "anew in another folder"
                )
        try:
            self._material.sampler.load_state_dict(checkpoint.sampler)
        except InputError:  # the files of the graphs are equal, so it is what siblings come from
            raise InputError(
                "expected the releases of ESCO and O*NET that the run began with, whose hierarchy "
                "gives hard negatives, found others below the data folder: put those back, or "
                "start anew in another folder"
            ) from None
        self._step, self._best = checkpoint.step, checkpoint.best
        restore_state(self._optimizer, self._names, checkpoint.tensors)
        try:
            weights = new_encoder(self._recipe.model, folder)
        except ModelError as error:
            message = f"{error}; remove this checkpoint, and resume from the one before"
            raise ModelError(message) from error
        self._encoder.load_state_dict(weights.state_dict())
        with torch.no_grad():
            for parameter, name in self._names.items():
                if f"parameter.{name}" in checkpoint.tensors:
                    parameter.copy_(checkpoint.tensors[f"parameter.{name}"])
        self._kept.restore(checkpoint.tensors)

    def steps(self, shown: Progress, interrupted: list[bool]) -> Trained:
        """Take the steps that are left."""
        recipe, log = self._recipe, None
        if not (self._out / MODEL).is_dir():  # moved away: the next one is the best
            self._best = None
        if self._accelerator.is_main_process:
            log = MetricsLog(self._out / METRICS_FILE, after=self._step)
        recent: dict[str, float] = {}
        started, first = time.monotonic(), self._step
        # Agreed on, as the first process makes the folder that the others look for.
        if self._step == recipe.optimizer.steps and self._any(self._best is None):
            self._validate(log, shown)
            self._save()
        self._encoder.train()
        while self._step < recipe.optimizer.steps:
            began = time.monotonic()
            losses, norm = self._one()
            self._step += 1
            for name, loss in losses.items():
                recent[name] = smoothed(recent.get(name), loss)
            now = time.monotonic()
            if log is not None:
                log.write("train", self._step, self._record(losses, norm, now - began))
            shown.stepped(self._step, recent, (now - started) / (self._step - first))
            every, last = self._validates_every, self._step == recipe.optimizer.steps
            validated = last or (every and self._step % every == 0)
            if validated:
                self._validate(log, shown)
            stopped = self._any(bool(interrupted))
            due = recipe.checkpoint_every and self._step % recipe.checkpoint_every == 0
            # After a validation too: a run that resumes must know what lies in its model folder.
            if due or validated or stopped:
                self._save()
            if stopped and not last:
                shown.say(
                    f"stopped after step {self._step}: the same command with --resume goes on"
                )
                raise KeyboardInterrupt
        # Only the first process has validated.
        (best,) = broadcast_object_list([self._best])
        return Trained(self._out / MODEL, best["step"], self._step, best["validation"])

    def _any(self, wanted: bool) -> bool:
        """Whether a process wants it: Ctrl-C reaches all of them, but not at the same step."""
        if self._accelerator.num_processes == 1:
            return wanted
        device = self._accelerator.device
        found = self._accelerator.gather(torch.tensor([wanted], device=device))
        return bool(found.any())

    def _one(self) -> tuple[dict[str, float], float]:
        """One step: the loss of each graph, and the norm of the gradient."""
        recipe, step = self._recipe, self._step
        rate = learning_rate_share(step, recipe.optimizer)
        for group in self._optimizer.param_groups:
            group["lr"] = group["highest"] * rate
        batches = [self._batch(batch) for batch in next(self._material.sampler)]
        settings = StepSettings(
            scorers=recipe.model.loss_scorers,
            gradient_cache=recipe.batches.gradient_cache,
            chunk_tokens=recipe.batches.chunk_tokens,
            tile_pairs=recipe.batches.tile_pairs,
            bf16=recipe.precision == "bf16",
            seed=(recipe.seed * 1_000_003 + step) % (1 << 40),
        )
        self._optimizer.zero_grad(set_to_none=True)
        with memory_errors(step + 1):
            losses = accumulate_gradients(
                self._encoder, batches, self._objectives, settings, accelerator=self._accelerator
            )
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        clip = recipe.optimizer.clip or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, clip))
        if not all(map(math.isfinite, (*losses.values(), norm))):
            self._give_up(batches, losses, norm)
        self._optimizer.step()
        self._kept.update(self._encoder)
        return losses, norm

    def _batch(self, drawn: Any) -> GraphBatch:
        batch = graph_batch(drawn, self._material.graphs[drawn.graph])
        if self._guide is not None:
            batch = replace(batch, ignored=batch.ignored | self._guide(batch))
        if drawn.graph in self._padders:  # after the guide, which remembers texts as they are
            batch = replace(batch, right=self._padders[drawn.graph].texts(drawn, self._step))
        return with_augmentation(batch, self._recipe, self._step)

    def _give_up(self, batches: list[GraphBatch], losses: dict[str, float], norm: float) -> None:
        path = self._out / f"failed-step-{self._step + 1:06d}.json"
        if self._accelerator.is_main_process:
            save_failed_step(path, self._step + 1, batches, losses, norm)
        raise TrainingError(
            f"expected a finite loss at step {self._step + 1}, got {losses} and a gradient of norm "
            f"{norm}: its batch is in {path}; lower optimizer.learning_rate, or set "
            "optimizer.clip, and start anew in another folder"
        )

    def _record(self, losses: dict[str, float], norm: float, seconds: float) -> dict[str, Any]:
        record: dict[str, Any] = {
            "loss": losses,
            "gradient_norm": norm,
            "learning_rate": self._optimizer.param_groups[0]["lr"],
            "seconds": round(seconds, 3),
        }
        if self._recipe.model.learned_temperature:
            record["temperature"] = float(self._encoder.temperature.detach())
        learned = {
            name: float(objective.log_loss_temperature.detach().exp())
            for name, objective in self._objectives.items()
            if objective.log_loss_temperature.requires_grad
        }
        return {**record, "loss_temperature": learned} if learned else record

    def _validate(self, log: MetricsLog | None, shown: Progress) -> None:
        """Measure the model, and keep it if it is the best so far."""
        if not self._accelerator.is_main_process:
            return
        with self._kept.applied(self._encoder):
            if self._evaluate is None or not self._recipe.validation.tasks:
                self._keep(self._step, {}, 0.0)
                return
            shown.say(f"step {self._step}: validating")
            found = {task: dict(values) for task, values in self._evaluate(self._encoder).items()}
            value = self._mean(found)
            better = self._best is None or value > self._best["value"]
            if better:
                self._keep(self._step, found, value)
        if log is not None:
            log.write("validation", self._step, {"tasks": found, "mean": value})
        figures = ", ".join(
            f"{task} {' / '.join(f'{100 * v:.1f}' for v in values.values())}"
            for task, values in found.items()
        )
        mark = ", the best so far" if better else ""
        shown.say(f"step {self._step}: mean {100 * value:.2f}{mark}; {figures}")

    def _mean(self, found: Mapping[str, Mapping[str, float]]) -> float:
        settings = self._recipe.validation
        tasks = settings.mean or settings.tasks
        values = [found[task][metric] for task in tasks for metric in settings.metrics]
        return sum(values) / len(values)

    def _keep(self, step: int, validation: Mapping[str, Any], value: float) -> None:
        self._best = {"step": step, "value": value, "validation": validation}
        keep_model(self._out, self._encoder, self._config())

    def _save(self) -> None:
        if self._accelerator.is_main_process:
            tensors = named_state(self._optimizer, self._names)
            tensors.update(self._kept.tensors())
            behind = [name for name in self._names.values() if name.startswith("log_")]
            by_name = {name: parameter for parameter, name in self._names.items()}
            tensors.update({f"parameter.{name}": by_name[name] for name in behind})
            state = Checkpoint(
                step=self._step,
                recipe=self._recipe.to_dict(),
                sampler=self._material.sampler.state_dict(),
                base=self._base,
                guide=self._guided_by,
                best=self._best,
                tensors=tensors,
            )
            save_checkpoint(self._out / CHECKPOINTS, self._encoder, self._config(), state)
        self._accelerator.wait_for_everyone()

    def _config(self) -> ModelConfig:
        model = self._recipe.model
        return config_of(
            self._encoder,
            name=self._recipe.name,
            language=model.language,
            licence=model.licence,
            base_model=model.base_model or _public_name(model.base),
            trained_on=self._trained_on,
        )


def _public_name(base: str) -> str:
    """What a base is called elsewhere: where it lies on this machine is nobody's business."""
    return Path(base).expanduser().resolve().name if Path(base).expanduser().is_dir() else base
