"""Training of the skill head on texts in which experts marked skills, over a frozen encoder.

The network is that of `uwe.extraction.skill_head`, which runs it without torch. Tokens are labelled
B, I or O for skills and for knowledge, each line by whether it has any. A step takes runs of lines
from several texts, since a line is read with those around it. What is kept is the moving average of
the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from uwe.data.marked_lines import MarkedLines
from uwe.extraction.skill_head import POOLED_LENGTH, SHAPES, VECTOR_SCALE
from uwe.files.atomic import replaced_path
from uwe.progress import Progress, reporting


@dataclass(frozen=True)
class HeadRecipe:
    """What decides a run."""

    hidden: int = 64  # channels of a token
    line: int = 48  # channels of a line
    width: int = 5  # tokens, and lines, that a convolution sees
    layers: int = 2  # convolutions over tokens, and over lines
    dropout: float = 0.3  # of channels, in training
    vector_dropout: float = 0.15  # of token vectors, in training
    epochs: int = 14  # passes over the lines
    learning_rate: float = 5e-3  # the highest; it rises for a tenth of the steps, falls as a cosine
    weight_decay: float = 0.1  # AdamW's
    token_loss: float = 3.0  # weight of the tokens' loss beside the lines'
    run: int = 32  # lines of one text in a row
    runs: int = 2  # runs in a step
    written: int = 24  # written lines of a step, one run: some that ask, some that do not, by turns
    average: float = 0.998  # decay of the moving average of the weights
    seed: int = 0  # of the weights, the order and dropout


class HeadNetwork(nn.Module):
    """`uwe.extraction.skill_head.SkillHead` in torch, for batches of padded lines."""

    def __init__(self, dim: int, recipe: HeadRecipe) -> None:
        super().__init__()
        hidden, line, width = recipe.hidden, recipe.line, recipe.width
        self.recipe = recipe

        def convolutions(channels: int) -> nn.ModuleList:
            layer = [
                nn.Conv1d(channels, channels, width, padding=width // 2)
                for _ in range(recipe.layers)
            ]
            return nn.ModuleList(layer)

        self.layers = nn.ModuleDict(
            {
                "in": nn.Linear(dim + SHAPES, hidden),
                "token": convolutions(hidden),
                "attention": nn.Linear(hidden, 1),
                "line": nn.Linear(dim + hidden, line),
                "alone": nn.Linear(line, 1),
                "context": convolutions(line),
                "in_context": nn.Linear(line, 1),
                "around": nn.Linear(line, hidden),
                "out": nn.Linear(hidden, 6),
                "out_alone": nn.Linear(hidden, 6),
            }
        )

    def forward(
        self, vectors: Tensor, shapes: Tensor, mask: Tensor, runs: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of tokens alone and in context, (lines, tokens, 2, 3), and of lines, (lines,).

        Args:
            vectors: (lines, tokens, dim).
            shapes: (lines, tokens, SHAPES).
            mask: (lines, tokens): 1 for a token, 0 for padding.
            runs: (lines,), ascending: which run each line is of.
        """
        net, recipe = self.layers, self.recipe
        drop = nn.Dropout(recipe.dropout).train(self.training)
        blur = nn.Dropout(recipe.vector_dropout).train(self.training)
        scaled = vectors / VECTOR_SCALE
        hidden = (
            functional.hardswish(net["in"](torch.cat([blur(scaled), shapes], 2))) * mask[..., None]
        )
        for layer in net["token"].children():
            seen = layer(drop(hidden).transpose(1, 2)).transpose(1, 2)
            hidden = hidden + functional.hardswish(seen) * mask[..., None]
        hidden = drop(hidden)
        attention = net["attention"](hidden)[..., 0].masked_fill(mask == 0, -1e9).softmax(1)
        attended = (attention[..., None] * hidden).sum(1)
        pooled = (scaled * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        pooled = functional.normalize(pooled, dim=1) * POOLED_LENGTH
        lines = drop(functional.hardswish(net["line"](torch.cat([blur(pooled), attended], 1))))
        alone = net["alone"](lines)[:, 0]
        # Runs lie in one row, with room between them that no convolution crosses.
        gap = recipe.width // 2 * recipe.layers + 1
        at = torch.arange(len(runs)) + gap * runs
        row = torch.zeros(int(at[-1]) + 1, lines.shape[1]).index_copy(0, at, lines)
        there = torch.zeros(len(row), 1).index_fill(0, at, 1.0)
        for layer in net["context"].children():
            row = row + functional.hardswish(layer(drop(row).T[None])[0].T) * there
        lines = drop(row[at])
        around = functional.hardswish(net["around"](lines))
        shape = (*mask.shape, 2, 3)
        out = net["out"](hidden + around[:, None, :]).view(shape)
        return net["out_alone"](hidden).view(shape), out, alone, net["in_context"](lines)[:, 0]


def train_head(
    data: MarkedLines,
    recipe: HeadRecipe,
    out: Path,
    *,
    written: MarkedLines | None = None,
    progress: Progress = False,
) -> None:
    """Train a head and write its weights, as the file that a model's folder holds.

    The file appears when it is whole; its folder is made if it is not there. Of `written` lines it
    is only known whether they ask. `progress` is True for a bar, or a callable that takes (steps
    taken, all steps).
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    network = HeadNetwork(data.vectors.dim, recipe)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = max(1, recipe.epochs * len(data.asks) // (recipe.run * recipe.runs))
    # OneCycleLR divides by zero if its rise ends at the first step, as a tenth of ten steps does.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=max(steps + 1, 11), pct_start=0.1
    )
    batches = _batches(data, recipe, random)
    with reporting(progress, steps, "Training") as report:
        for step in range(steps):
            parts = [(data, *_with_runs(data, next(batches)))]
            if written is not None:
                parts.append((written, *_written_run(written, recipe.written, random)))
            loss = _loss(network.train(), parts, recipe)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            share = 1 - min(recipe.average, (step + 1) / (step + 11))
            with torch.no_grad():
                for mean, now in zip(average.parameters(), network.parameters(), strict=True):
                    mean.lerp_(now, share)
            report(step + 1)
    weights = {
        name.removeprefix("layers."): value.numpy().astype(np.float16)
        for name, value in average.state_dict().items()
        if "out_alone" not in name  # serves training alone
    }
    with replaced_path(out) as path, path.open("wb") as file:
        np.savez(file, **weights)


def _batches(
    data: MarkedLines, recipe: HeadRecipe, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Lines of a step, for ever: runs of texts, cut at other places in every pass."""
    bounds = np.flatnonzero(np.diff(data.documents, prepend=-1, append=data.documents[-1] + 1))
    while True:
        runs: list[NDArray[np.int64]] = []
        for start, end in pairwise(bounds.tolist()):
            first = start - int(random.integers(recipe.run))
            cuts = [max(start, at) for at in range(first, end, recipe.run)] + [end]
            runs.extend(np.arange(a, b) for a, b in pairwise(cuts) if a < b)
        random.shuffle(runs)
        batch: list[NDArray[np.int64]] = []
        for run in runs:
            batch.append(run)
            if sum(map(len, batch)) >= recipe.run * recipe.runs:
                yield np.concatenate(batch)
                batch = []
        if batch:
            yield np.concatenate(batch)


def _with_runs(
    data: MarkedLines, lines: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The lines, and the run of each: a run ends where the next line is of elsewhere."""
    apart = (np.diff(lines) != 1) | (np.diff(data.documents[lines]) != 0)
    return lines, np.concatenate([[0], np.cumsum(apart)])


def _written_run(
    written: MarkedLines, count: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A run of written lines, as in an advert: some that ask in a row, then some that do not."""
    of_kind = [np.flatnonzero(written.asks == kind) for kind in (0, 1)]
    lines: list[NDArray[np.int64]] = []
    kind = int(random.integers(2))
    while sum(map(len, lines)) < count:
        lines.append(random.choice(of_kind[kind], size=int(random.integers(1, 9))))
        kind = 1 - kind
    chosen = np.concatenate(lines)[:count]
    return chosen, np.zeros(len(chosen), dtype=np.int64)


def _loss(
    network: nn.Module,
    parts: Sequence[tuple[MarkedLines, NDArray[np.int64], NDArray[np.int64]]],
    recipe: HeadRecipe,
) -> Tensor:
    """The loss of some lines of each part, given with the run of each line."""
    rows = [
        (data, slice(data.vectors.offsets[line], data.vectors.offsets[line + 1]))
        for data, lines, _ in parts
        for line in lines.tolist()
    ]
    vectors = _padded([data.vectors.values[own] for data, own in rows])
    shapes = _padded([data.shapes[own] for data, own in rows])
    tags = _padded([data.tags[own] for data, own in rows], -1)
    mask = _padded([np.ones(own.stop - own.start, dtype=np.float32) for _, own in rows])
    first = np.cumsum([0, *(int(runs[-1]) + 1 for _, _, runs in parts)])
    runs = np.concatenate([runs + at for (_, _, runs), at in zip(parts, first, strict=False)])
    asked = np.concatenate([data.asks[lines] for data, lines, _ in parts])
    alone, out, asks_alone, asks = network(vectors, shapes, mask, torch.from_numpy(runs))
    target, truth = tags.reshape(-1), torch.from_numpy(asked)
    of_tokens = [
        functional.cross_entropy(logits.reshape(-1, 3), target, ignore_index=-1)
        for logits in (alone, out)
    ]
    of_lines = [
        functional.binary_cross_entropy_with_logits(logits, truth) for logits in (asks_alone, asks)
    ]
    return recipe.token_loss * (of_tokens[0] + of_tokens[1]) / 2 + of_lines[0] + of_lines[1]


def _padded(rows: Sequence[NDArray[Any]], value: float = 0) -> Tensor:
    """Arrays of any lengths as one, (rows, longest, ...)."""
    return pad_sequence(
        [torch.from_numpy(row) for row in rows], batch_first=True, padding_value=value
    )
