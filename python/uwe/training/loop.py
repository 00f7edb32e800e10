"""The training loop: batches, gradients, AdamW, validation, checkpoints."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from uwe.data.layout import data_folder
from uwe.encoder.config import ModelConfig
from uwe.errors import InputError, ModelError, TrainingError
from uwe.model.base import base_folder
from uwe.model.encoder import TorchEncoder
from uwe.model.folder import read_source_folder
from uwe.model.saving import config_of
from uwe.progress import Progress, check_progress
from uwe.scorer import Scorer
from uwe.training.batches import GraphBatch, RecipeBatches
from uwe.training.checkpoint import (
    CHECKPOINTS,
    MODEL,
    Checkpoint,
    checkpoint_of,
    encoder_sha256,
    keep_model,
    named_state,
    restore_state,
    run_folder,
    save_checkpoint,
    save_failed_step,
)  # fmt: skip
from uwe.training.log import METRICS_FILE, MetricsLog, Reporter, smoothed, step_progress
from uwe.training.optimizer import KeptWeights, adamw, learning_rate_share
from uwe.training.process import (
    fastest_attention,
    interruptible,
    memory_errors,
    new_accelerator,
)  # fmt: skip
from uwe.training.recipe import Recipe
from uwe.training.step import StepSettings, accumulate_gradients

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
    progress: Progress = False,
    cpu: bool = False,
) -> Trained:
    """Train a model.

    Args:
        recipe: What to do.
        out: Folder of the run: `model/`, `checkpoints/`, `metrics.jsonl`, `recipe.json`.
        data: The data folder; None takes the environment variable UWE_DATA.
        evaluate: Measures the model on the recipe's validation; None: the last step is the best.
        resume: Go on from the last checkpoint in `out`.
        progress: True for standard error, or a callable that takes (steps taken, all steps).
        cpu: Leave a GPU alone.

    Raises:
        InputError: If `out` holds a run and `resume` is false, or none and it is true, or the
            recipe or the graphs are not those of the checkpoint.
        ModelError: If the base or a checkpoint cannot be used.
        DataError: If a file of the graphs is malformed.
        TrainingError: If the loss is no finite number; what it was computed of is saved in `out`.
            If a step does not fit into memory.
        OSError: If the disk is full or refuses; the last checkpoint is whole then.
    """
    check_progress(progress)
    out, data = Path(out), data_folder(data)
    accelerator = new_accelerator(cpu=cpu or not torch.cuda.is_available())
    # All that can be refused is refused before the folder is made, and each process looks before
    # one of them makes it.
    last = checkpoint_of(recipe, out, resume=resume)
    main = accelerator.is_main_process
    with contextlib.ExitStack() as held:
        shown = held.enter_context(
            step_progress(progress if main else False, recipe.optimizer.steps)
        )
        shown.say(f"reading the weights of {recipe.model.base}")
        base = base_folder(recipe.model.base)
        attention = fastest_attention(accelerator, bf16=recipe.precision == "bf16")
        encoder = _encoder(recipe, base, attention=attention).to(accelerator.device)
        shown.say(f"reading graphs of {data / recipe.graphs}")
        batches = RecipeBatches(recipe, data, encoder.count_tokens)
        run = _Run(recipe, out, batches, encoder, base, accelerator, evaluate)
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
        batches: RecipeBatches,
        encoder: TorchEncoder,
        base: Path,
        accelerator: Accelerator,
        evaluate: Evaluate | None,
    ) -> None:
        self._recipe, self._out, self._batches = recipe, out, batches
        self._accelerator = accelerator
        self._encoder, self._base = encoder, encoder_sha256(encoder)
        self._settings = {
            spec.name: StepSettings(
                scorers=recipe.model.loss_scorers,
                loss_temperature=spec.loss_temperature,
                queries=spec.queries,
                gradient_cache=recipe.batches.gradient_cache,
                chunk_tokens=recipe.batches.chunk_tokens,
                tile_pairs=recipe.batches.tile_pairs,
                bf16=recipe.precision == "bf16",
            )
            for spec in recipe.graph
        }
        self._optimizer = adamw(encoder, recipe.optimizer)
        self._names: dict[torch.Tensor, str] = {p: name for name, p in encoder.named_parameters()}
        self._kept = KeptWeights(
            encoder,
            ema_decay=recipe.optimizer.ema_decay,
            wise_ft_alpha=recipe.optimizer.wise_ft_alpha,
        )
        # What the base has seen, this model has seen: its regimes hang on it.
        declared = read_source_folder(base).config
        sources = {*batches.sources, *(declared.trained_on if declared else ())}
        model = recipe.model
        self._config: ModelConfig = config_of(
            encoder,
            name=recipe.name,
            language=model.language,
            licence=model.licence,
            base_model=model.base_model or _public_name(model.base),
            trained_on=tuple(sorted(sources, key=lambda source: (source.name, source.sha256))),
        )
        self._evaluate = evaluate if recipe.validation.tasks else None
        self._step = 0
        self._best: dict[str, Any] | None = None

    def restore(self, checkpoint: Checkpoint, folder: Path) -> None:
        """Be where the checkpoint was, with the weights that lie in its folder."""
        declared = read_source_folder(folder).config
        read = () if declared is None else declared.trained_on
        elsewhere = "put that back, or start again in another folder"
        if changed := [source.name for source in self._batches.sources if source not in read]:
            raise InputError(
                f"{', '.join(changed)}: expected what the run began with, got other content: "
                f"{elsewhere}"
            )
        if checkpoint.base != self._base:
            raise InputError(
                f"{self._recipe.model.base}: expected the model that the run began with, got "
                f"another: {elsewhere}"
            )
        if checkpoint.batches != self._batches.fingerprint():
            # The files of the graphs are equal, so it is what siblings come from.
            raise InputError(
                "expected the releases of ESCO and O*NET that the run began with, whose hierarchy "
                f"gives hard negatives, found others below the data folder: {elsewhere}"
            )
        self._step, self._best = checkpoint.step, checkpoint.best
        restore_state(self._optimizer, self._names, checkpoint.tensors)
        try:
            weights = _encoder(self._recipe, folder)
        except ModelError as error:
            message = f"{error}; remove this checkpoint, and resume from the one before"
            raise ModelError(message) from error
        self._encoder.load_state_dict(weights.state_dict())
        self._kept.restore(checkpoint.tensors)

    def steps(self, shown: Reporter, interrupted: list[bool]) -> Trained:
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
        every = recipe.validation.every if self._evaluate else 0
        while self._step < recipe.optimizer.steps:
            began = time.monotonic()
            graph, record = self._one()
            now = time.monotonic()
            recent[graph] = smoothed(recent.get(graph), record["loss"][graph])
            if log is not None:
                log.write("train", self._step, {**record, "seconds": round(now - began, 3)})
            shown.stepped(self._step, recent, (now - started) / (self._step - first))
            last = self._step == recipe.optimizer.steps
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

    def _one(self) -> tuple[str, dict[str, Any]]:
        """One step: its graph, and what the log has of it."""
        settings = self._recipe.optimizer
        rate = settings.learning_rate * learning_rate_share(self._step, settings)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        batch = self._batches.batch(self._step)
        self._optimizer.zero_grad(set_to_none=True)
        with memory_errors(self._step + 1):
            loss = accumulate_gradients(
                self._encoder, batch, self._settings[batch.name], accelerator=self._accelerator
            )
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        limit = settings.max_grad_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._give_up(batch, loss, norm)
        self._optimizer.step()
        self._kept.update(self._encoder)
        self._step += 1
        record = {"loss": {batch.name: loss}, "gradient_norm": norm, "learning_rate": rate}
        return batch.name, record

    def _give_up(self, batch: GraphBatch, loss: float, norm: float) -> None:
        path = self._out / f"failed-step-{self._step + 1:06d}.json"
        if self._accelerator.is_main_process:
            save_failed_step(path, self._step + 1, batch, loss, norm)
        raise TrainingError(
            f"expected a finite loss at step {self._step + 1}, got {loss} of {batch.name} and a "
            f"gradient of norm {norm}: its batch is in {path}; lower optimizer.learning_rate, or "
            "set optimizer.max_grad_norm, and start again in another folder"
        )

    def _validate(self, log: MetricsLog | None, shown: Reporter) -> None:
        """Measure the model, and keep it if it is the best so far."""
        if not self._accelerator.is_main_process:
            return
        with self._kept.applied(self._encoder):
            if self._evaluate is None:
                self._keep({}, 0.0)
                return
            shown.say(f"step {self._step}: validating")
            found = {task: dict(values) for task, values in self._evaluate(self._encoder).items()}
            settings = self._recipe.validation
            each = [found[task][metric] for task in settings.tasks for metric in settings.metrics]
            value = sum(each) / len(each)
            better = self._best is None or value > self._best["value"]
            if better:
                self._keep(found, value)
        if log is not None:
            log.write("validation", self._step, {"tasks": found, "mean": value})
        figures = ", ".join(
            f"{task} {' / '.join(f'{100 * v:.1f}' for v in values.values())}"
            for task, values in found.items()
        )
        mark = ", the best so far" if better else ""
        shown.say(f"step {self._step}: mean {100 * value:.2f}{mark}; {figures}")

    def _keep(self, validation: Mapping[str, Any], value: float) -> None:
        self._best = {"step": self._step, "value": value, "validation": validation}
        keep_model(self._out, self._encoder, self._config)

    def _save(self) -> None:
        if self._accelerator.is_main_process:
            state = Checkpoint(
                step=self._step,
                recipe=self._recipe.to_dict(),
                batches=self._batches.fingerprint(),
                base=self._base,
                best=self._best,
                tensors={**named_state(self._optimizer, self._names), **self._kept.tensors()},
            )
            save_checkpoint(self._out / CHECKPOINTS, self._encoder, self._config, state)
        self._accelerator.wait_for_everyone()


def _encoder(recipe: Recipe, folder: Path, *, attention: str | None = None) -> TorchEncoder:
    """The encoder of a recipe, with the weights of a folder, and nothing dropped out."""
    return TorchEncoder.from_folder(
        folder,
        scorer=Scorer.parse(recipe.model.scorer),
        max_tokens=recipe.model.max_tokens,
        dropout=0.0,
        attention=attention,
    )


def _public_name(base: str) -> str:
    """What a base is called elsewhere, without where it lies on this machine."""
    return Path(base).expanduser().resolve().name if Path(base).expanduser().is_dir() else base
