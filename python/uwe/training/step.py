"""One step of training: nodes to token vectors, their scores, the losses, gradients back.

Each text of a step is encoded once, however many nodes it is. Two ways give equal gradients:

- direct: the encoder keeps its activations until the backward pass;
- gradient cache (arXiv 2101.06983): token vectors are made without activations, the losses'
  gradients are taken for these vectors, and each chunk of texts is encoded again to carry them on.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

import torch

from uwe.graphs.graph import folded
from uwe.model.encoder import TorchEncoder, chunks_by_length
from uwe.training.batches import GraphBatch
from uwe.training.loss import distillation, many_to_many
from uwe.training.recipe import Recipe
from uwe.training.teacher import Teacher
from uwe.training.tiles import Ragged, graph_scores


def accumulate_gradients(
    encoder: TorchEncoder, batch: GraphBatch, recipe: Recipe, teacher: Teacher | None = None
) -> float:
    """Add the gradients of a step to the parameters; return its loss."""
    taught = teacher.scores(batch) if teacher and teacher.teaches(batch) else None
    spelled: dict[str, str] = {}  # each text once, as it was spelled first
    for text in (*batch.left, *batch.right):
        spelled.setdefault(folded(text), text)
    ids = encoder.token_ids(list(spelled.values()))
    chunks = list(chunks_by_length([len(row) for row in ids], recipe.batches.chunk_tokens))

    def encoded(chunk: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
        with torch.autocast(
            encoder.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"
        ):
            values, lengths = encoder([ids[text] for text in chunk])
        # Scores and losses are not for half precision; float64 stays what it is.
        return values.to(torch.promote_types(values.dtype, torch.float32)), lengths

    with torch.no_grad() if recipe.batches.gradient_cache else contextlib.nullcontext():
        parts = [encoded(chunk) for chunk in chunks]
    made = torch.cat([values for values, _ in parts])
    # A leaf of its own: whatever made the vectors, the loss's gradients for them are wanted first.
    leaf = made.detach().requires_grad_()
    vectors = Ragged(leaf, [length for _, lengths in parts for length in lengths])
    keys = list(spelled)
    place = {keys[text]: i for i, text in enumerate(text for chunk in chunks for text in chunk)}
    left, right = (
        vectors.selected([place[folded(text)] for text in side])
        for side in (batch.left, batch.right)
    )
    loss = _loss(left, right, batch, recipe, taught)
    torch.autograd.backward(loss)
    assert leaf.grad is not None
    if not recipe.batches.gradient_cache:
        torch.autograd.backward(made, leaf.grad)
        return float(loss.detach())
    start = 0
    for chunk in chunks:
        values, _ = encoded(chunk)
        torch.autograd.backward(values, leaf.grad[start : start + len(values)])
        start += len(values)
    return float(loss.detach())


def _loss(
    left: Ragged, right: Ragged, batch: GraphBatch, recipe: Recipe, taught: torch.Tensor | None
) -> torch.Tensor:
    device = left.values.device
    positives = torch.from_numpy(batch.positives).to(device)
    ignored = torch.from_numpy(batch.ignored).to(device)
    # Through the logarithm, as runs of earlier releases had it: they repeat to the bit.
    temperature = torch.tensor(math.log(batch.graph.loss_temperature), device=device).exp()
    total = left.values.new_zeros(())
    tile_pairs = recipe.batches.tile_pairs
    for scorer, weight in recipe.model.loss_scorers:
        scores = graph_scores(
            left, right, scorer, queries=batch.graph.queries, tile_pairs=tile_pairs
        )
        loss = many_to_many(scores, positives, loss_temperature=temperature, ignored=ignored)
        if taught is not None:
            divergence = distillation(
                scores, taught, loss_temperature=temperature,
                teacher_temperature=recipe.teacher.temperature,
            )  # fmt: skip
            loss = loss.lerp(divergence, recipe.teacher.weight)
        total = total + weight * loss
    return total
