"""The training loop: batches, gradients, AdamW, validation, checkpoints."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch

from uwe.checks import real_path
from uwe.data.layout import data_folder
from uwe.errors import InputError, ModelError, TrainingError
from uwe.model.encoder import TorchEncoder
from uwe.model.folder import base_folder, config_of, read_source_folder, united_sources
from uwe.progress import Progress, check_progress
from uwe.scorer import Scorer
from uwe.training.batches import GraphBatch, RecipeBatches
from uwe.training.checkpoint import (
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
from uwe.training.log import METRICS_FILE, MetricsLog, Reporter, smoothed
from uwe.training.recipe import OptimizerRecipe, Recipe
from uwe.training.step import accumulate_gradients
from uwe.training.teacher import Teacher

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
    """Train a model as `uwe.train` does, which says what its arguments are and what is raised.

    `evaluate` measures the model on the recipe's validation; without it, the last step is the best.
    """
    check_progress(progress)
    out, data = Path(out), data_folder(data)
    # All that can be refused is refused before the folder is made.
    last = checkpoint_of(recipe, out, resume=resume)
    shown = Reporter(progress, recipe.optimizer.steps)
    shown.say(f"reading the weights of {recipe.model.base}")
    base = base_folder(recipe.model.base)
    device = "cuda" if torch.cuda.is_available() and not cpu else "cpu"
    # The fused attention's backward pass on a CPU takes four tenths of a step in bfloat16.
    attention = "eager" if recipe.precision == "bf16" and device == "cpu" else None
    encoder = _encoder(recipe, base, attention=attention).to(device)
    _freeze(encoder, recipe.optimizer.frozen_layers)
    teacher = None
    if recipe.teacher.models:
        shown.say(f"reading the teacher: {', '.join(recipe.teacher.models)}")
        teacher = Teacher(recipe, device, attention=attention)
    shown.say(f"reading graphs of {data / recipe.graphs}")
    batches = RecipeBatches(recipe, data, encoder.count_tokens)
    run = _Run(recipe, out, batches, encoder, teacher, base, evaluate, shown)
    if last is not None:
        run.restore(*last)
    with run_folder(recipe, out, last and last[0]), interruptible() as interrupted:
        return run.steps(interrupted)


class _Run:
    """A run as it goes on."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        batches: RecipeBatches,
        encoder: TorchEncoder,
        teacher: Teacher | None,
        base: Path,
        evaluate: Evaluate | None,
        shown: Reporter,
    ) -> None:
        self._recipe, self._out, self._batches, self._shown = recipe, out, batches, shown
        self._encoder, self._base = encoder, encoder_sha256(encoder)
        self._teacher = teacher
        self._optimizer = _adamw(encoder, recipe.optimizer)
        self._start: dict[str, torch.Tensor] = {}
        if recipe.optimizer.wise_ft_alpha < 1.0:
            self._start = {name: p.detach().clone() for name, p in encoder.named_parameters()}
        # What the base and the teacher have seen, this model has seen: its regimes hang on it.
        declared = read_source_folder(base).config
        model = recipe.model
        self._config = config_of(
            encoder,
            name=recipe.name,
            language=model.language,
            licence=model.licence,
            base_model=model.base_model or _public_name(model.base),
            trained_on=united_sources(
                batches.sources,
                declared.trained_on if declared else (),
                teacher.sources if teacher else (),
            ),
        )
        self._evaluate = evaluate if recipe.validation.tasks else None
        self._step = 0
        self._best: dict[str, Any] | None = None

    def restore(self, folder: Path, checkpoint: Checkpoint) -> None:
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
        if checkpoint.teacher != (self._teacher.sha256 if self._teacher else None):
            raise InputError(
                f"{', '.join(self._recipe.teacher.models)}: expected the teacher that the run "
                f"began with, got another: {elsewhere}"
            )
        if checkpoint.batches != self._batches.fingerprint():
            # The files of the graphs are equal, so it is what siblings come from.
            raise InputError(
                "expected the releases of ESCO and O*NET that the run began with, whose hierarchy "
                f"gives hard negatives, found others below the data folder: {elsewhere}"
            )
        self._step, self._best = checkpoint.step, checkpoint.best
        restore_state(self._optimizer, self._encoder, checkpoint.tensors)
        try:
            weights = _encoder(self._recipe, folder)
            self._encoder.load_state_dict(weights.state_dict())
        except (ModelError, RuntimeError) as error:  # the latter of weights of other shapes
            message = f"{error}; remove this checkpoint, and resume from the one before"
            raise ModelError(message) from error

    def steps(self, interrupted: list[int]) -> Trained:
        """Take the steps that are left."""
        recipe, steps = self._recipe, self._recipe.optimizer.steps
        if not (self._out / MODEL).is_dir():  # moved away: the next one is the best
            self._best = None
        log = MetricsLog(self._out / METRICS_FILE, after=self._step)
        if self._step == steps and self._best is None:
            self._validate(log)
            self._save()
        recent: dict[str, float] = {}
        started, first = time.monotonic(), self._step
        self._encoder.train()
        every = recipe.validation.every if self._evaluate else 0
        while self._step < steps:
            began = time.monotonic()
            graph, record = self._one()
            now = time.monotonic()
            recent[graph] = smoothed(recent.get(graph), record["loss"][graph])
            log.write("train", self._step, {**record, "seconds": round(now - began, 3)})
            self._shown.stepped(self._step, recent, (now - started) / (self._step - first))
            validated = self._step == steps or (every and self._step % every == 0)
            if validated:
                self._validate(log)
            stopped = bool(interrupted)
            due = recipe.checkpoint_every and self._step % recipe.checkpoint_every == 0
            # After a validation too: a run that resumes must know what lies in its model folder.
            if due or validated or stopped:
                self._save()
            if stopped and self._step < steps:
                self._shown.say(
                    f"stopped after step {self._step}: the same command with --resume goes on"
                )
                raise KeyboardInterrupt
        assert self._best is not None
        return Trained(self._out / MODEL, self._best["step"], self._step, self._best["validation"])

    def _one(self) -> tuple[str, dict[str, Any]]:
        """One step: its graph, and what the log has of it."""
        settings = self._recipe.optimizer
        rate = settings.learning_rate * learning_rate_share(self._step, settings)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        batch = self._batches.batch(self._step)
        self._optimizer.zero_grad(set_to_none=True)
        with _memory_errors(self._step + 1):
            loss = accumulate_gradients(self._encoder, batch, self._recipe, self._teacher)
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        limit = settings.max_grad_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._give_up(batch, loss, norm)
        self._optimizer.step()
        self._step += 1
        record = {"loss": {batch.graph.name: loss}, "gradient_norm": norm, "learning_rate": rate}
        return batch.graph.name, record

    def _give_up(self, batch: GraphBatch, loss: float, norm: float) -> None:
        path = save_failed_step(self._out, self._step + 1, batch, loss, norm)
        raise TrainingError(
            f"expected a finite loss at step {self._step + 1}, got {loss} of {batch.graph.name} "
            f"and a gradient of norm {norm}: its batch is in {path}; lower "
            "optimizer.learning_rate, or set optimizer.max_grad_norm, and start again in another "
            "folder"
        )

    def _validate(self, log: MetricsLog) -> None:
        """Measure the model, and keep it if it is the best so far."""
        settings = self._recipe.validation
        with interpolated(self._encoder, self._start, self._recipe.optimizer.wise_ft_alpha):
            if self._evaluate is None:
                self._keep({}, 0.0)
                return
            self._shown.say(f"step {self._step}: validating")
            found = {task: dict(values) for task, values in self._evaluate(self._encoder).items()}
            each = [found[task][metric] for task in settings.tasks for metric in settings.metrics]
            value = sum(each) / len(each)
            better = self._best is None or value > self._best["value"]
            if better:
                self._keep(found, value)
        log.write("validation", self._step, {"tasks": found, "mean": value})
        figures = ", ".join(
            f"{task} {' / '.join(f'{100 * v:.1f}' for v in values.values())}"
            for task, values in found.items()
        )
        mark = ", the best so far" if better else ""
        self._shown.say(f"step {self._step}: mean {100 * value:.2f}{mark}; {figures}")

    def _keep(self, validation: Mapping[str, Any], value: float) -> None:
        self._best = {"step": self._step, "value": value, "validation": validation}
        keep_model(self._out, self._encoder, self._config)

    def _save(self) -> None:
        state = Checkpoint(
            step=self._step,
            recipe=self._recipe.to_dict(),
            batches=self._batches.fingerprint(),
            base=self._base,
            teacher=self._teacher.sha256 if self._teacher else None,
            best=self._best,
            tensors=named_state(self._optimizer, self._encoder),
        )
        save_checkpoint(self._out, self._encoder, self._config, state)


def _encoder(recipe: Recipe, folder: Path, *, attention: str | None = None) -> TorchEncoder:
    """The encoder of a recipe, with the weights of a folder, and nothing dropped out."""
    return TorchEncoder.from_folder(
        folder,
        scorer=Scorer.parse(recipe.model.scorer),
        max_tokens=recipe.model.max_tokens,
        dropout=0.0,
        attention=attention,
    )


def _freeze(encoder: TorchEncoder, layers: int) -> None:
    """Leave the embeddings and this many of the lowest layers as they are; 0 trains all weights."""
    if not layers:
        return
    count = getattr(encoder.transformer.config, "num_hidden_layers", None)
    lists = (m for m in encoder.modules() if isinstance(m, torch.nn.ModuleList))
    found = next((m for m in lists if len(m) == count), None)
    if found is None:
        raise InputError("optimizer.frozen_layers: expected a base whose layers are known: set 0")
    if layers >= len(found):
        raise InputError(
            f"optimizer.frozen_layers: expected fewer than the {len(found)} layers of the base, "
            f"got {layers}: lower it"
        )
    # In the order of the architecture: embeddings and their norm, then layer by layer.
    first = next(found[layers].parameters())
    for parameter in takewhile(lambda p: p is not first, encoder.parameters()):
        parameter.requires_grad_(False)
    # Those of positions too that all layers of MPNet share, which come after them.
    for module in encoder.modules():
        if isinstance(module, torch.nn.Embedding):
            module.requires_grad_(False)


def _public_name(base: str) -> str:
    """What a base is called elsewhere, without where it lies on this machine."""
    return real_path(Path(base).expanduser()).name if Path(base).expanduser().is_dir() else base


def learning_rate_share(step: int, recipe: OptimizerRecipe) -> float:
    """The share of the highest rate at a step, counted from 0."""
    warmup = round(recipe.warmup * recipe.steps)
    if step < warmup:
        return (step + 1) / warmup
    return (recipe.steps - step) / max(1, recipe.steps - warmup)


def _adamw(encoder: TorchEncoder, recipe: OptimizerRecipe) -> torch.optim.AdamW:
    """AdamW over two groups: matrices of the transformer, and the rest without weight decay."""
    trained = [p for p in encoder.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=recipe.learning_rate, fused=True
    )


@contextmanager
def interpolated(
    encoder: torch.nn.Module, start: Mapping[str, torch.Tensor], alpha: float
) -> Iterator[None]:
    """Within the block the weights lie on the line from the start's to the trained ones.

    `start` has the encoder's parameters by name, as training began; those that it lacks stay as
    they are. `alpha` is how far along the line, from 0 to 1.

    Source: WiSE-FT, arXiv 2109.01903, equation 1.
    """
    parameters = {name: p for name, p in encoder.named_parameters() if name in start}
    trained = {name: p.detach().clone() for name, p in parameters.items()}
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(start[name].lerp(parameter, alpha))
    try:
        yield
    finally:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(trained[name])


@contextmanager
def _memory_errors(step: int) -> Iterator[None]:
    """Say of a step that does not fit into memory how to go on."""
    try:
        yield
    except RuntimeError as error:  # a GPU's has a class of its own, a CPU's has not
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise TrainingError(
            f"step {step} does not fit into memory: {error}: go on from the last checkpoint with  "
            "--resume --set batches.gradient_cache=true  (or smaller batches.chunk_tokens and "
            "batches.tile_pairs), which give equal gradients"
        ) from error


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """A list that gets an entry at the first Ctrl-C or SIGTERM; a second one stops at once.

    SIGTERM is what schedulers of clusters and `timeout` send.
    """
    found: list[int] = []

    def noted(number: int, frame: Any) -> None:
        del frame
        if found:
            raise KeyboardInterrupt
        found.append(number)

    try:
        before = {
            number: signal.signal(number, noted) for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:  # not in the main thread, which signals are sent to
        yield found
        return
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
