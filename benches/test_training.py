"""The loss of a batch through late interaction: tiles against the plain einsum, time and memory.

Both give the same loss and gradients, which is asserted; memory is the peak that a process of its
own reaches above its start.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from peak_memory import peak_bytes, reset_peak
from pytest_benchmark.fixture import BenchmarkFixture

from uwe import Scorer
from uwe.model.similarity import late_interaction_scores
from uwe.training.loss import many_to_many
from uwe.training.tiles import Ragged, tiled_scores

# Nodes a side, tokens of the longest text, dimensions.
SIZES = [(64, 16, 384), (128, 32, 384), (512, 64, 768)]


def batch(nodes: int, longest: int, dim: int) -> tuple[Ragged, Ragged]:
    generator = torch.Generator().manual_seed(0)
    sides = []
    for _ in range(2):
        lengths = torch.randint(longest // 4, longest + 1, (nodes,), generator=generator).tolist()
        values = torch.randn(sum(lengths), dim, generator=generator) * 0.3
        sides.append(Ragged(values.requires_grad_(), lengths))
    return sides[0], sides[1]


def padded(texts: Ragged) -> tuple[torch.Tensor, torch.Tensor]:
    parts = list(torch.split(texts.values, texts.lengths))
    full = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    mask = torch.arange(max(texts.lengths))[None] < torch.tensor(texts.lengths)[:, None]
    return full, mask


def loss_of(how: str, left: Ragged, right: Ragged, scorer: Scorer) -> torch.Tensor:
    if how == "tiled":
        scores = tiled_scores(left, right, scorer)
    else:
        (queries, queries_mask), (targets, targets_mask) = padded(left), padded(right)
        scores = late_interaction_scores(
            queries, targets, scorer, queries_mask=queries_mask, targets_mask=targets_mask
        )
    positives = torch.eye(len(left.lengths), dtype=torch.bool)
    return many_to_many(scores, positives, loss_temperature=0.05)


def measure(how: str, nodes: int, longest: int, dim: int, name: str) -> dict[str, float]:
    """In this process: seconds of a step, and how far its peak memory rises above the start."""
    left, right = batch(nodes, longest, dim)
    scorer = Scorer.parse(name)
    small = batch(2, 4, dim)
    # What a first call loads is no part of the step.
    torch.autograd.backward(loss_of(how, *small, scorer))
    before = reset_peak()
    started = time.perf_counter()
    loss = loss_of(how, left, right, scorer)
    torch.autograd.backward(loss)
    seconds, rise = time.perf_counter() - started, peak_bytes() - before
    gradient = left.values.grad
    assert gradient is not None
    return {
        "seconds": seconds,
        "bytes": rise,
        "loss": float(loss.detach()),
        "gradient": float(gradient.double().norm()),
    }


def apart(how: str, size: tuple[int, int, int], name: str) -> dict[str, float]:
    """`measure` in a process of its own, whose peak is its own."""
    code = (
        f"import json, test_training as t; print(json.dumps(t.measure({how!r}, *{size}, {name!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parent,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", ["soft:0.5", "soft_query:0.5", "max"])
@pytest.mark.parametrize("size", SIZES, ids=lambda s: "x".join(map(str, s)))
def test_tiles_against_the_plain_einsum(
    benchmark: BenchmarkFixture, size: tuple[int, int, int], name: str
) -> None:
    nodes, longest, dim = size
    tiled = benchmark.pedantic(apart, args=("tiled", size, name), rounds=1)
    line = f"{nodes} x {nodes} nodes, up to {longest} tokens, d {dim}, {name}: tiled "
    line += f"{tiled['seconds']:.2f} s, {tiled['bytes'] / 1e9:.2f} GB"
    if nodes * nodes * longest * longest > 1 << 28:
        assert tiled["bytes"] < 4e9
        needed = 4 * nodes**2 * longest**2 / 1e9
        print(f"\n{line}; the plain einsum would need {needed:.0f} GB for each tensor of pairs")
        return
    plain = apart("plain", size, name)
    assert tiled["loss"] == pytest.approx(plain["loss"], rel=1e-4)
    assert tiled["gradient"] == pytest.approx(plain["gradient"], rel=1e-4)
    ratio, memory = plain["seconds"] / tiled["seconds"], plain["bytes"] / max(tiled["bytes"], 1)
    print(
        f"\n{line}; plain {plain['seconds']:.2f} s, {plain['bytes'] / 1e9:.2f} GB: "
        f"{ratio:.1f} times the time, {memory:.1f} times the memory"
    )
