"""One step of training: nodes to token vectors, their scores, the losses, gradients back.

Each text of a step is encoded once, however many graphs it is in. Two ways give equal gradients:

- direct: the encoder keeps its activations until the backward pass;
- gradient cache (arXiv 2101.06983): token vectors are made without activations, the losses'
  gradients are taken for these vectors, and each chunk of texts is encoded again to carry them on.

With several ranks each encodes its share of the texts and gathers the vectors of the others; every
rank has the losses of the whole batch then, and the sum of the ranks' gradients is that of one.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from uwe.errors import InputError
from uwe.graphs.graph import folded
from uwe.model.encoder import TorchEncoder, chunks_by_length
from uwe.scorer import Scorer
from uwe.training.batches import GraphBatch
from uwe.training.loss import many_to_many
from uwe.training.tiled import Ragged, tiled_scores

__all__ = ["StepSettings", "accumulate_gradients"]


@dataclass(frozen=True)
class StepSettings:
    """How a step is computed.

    Attributes:
        scorers: Through which the loss goes, with weights that add up to 1.
        loss_temperature: What scores are divided by.
        queries: Which side is the query: `left` or `right`.
        gradient_cache: Whether activations are made twice in place of being kept.
        chunk_tokens: Most tokens that go through the encoder at once, padding included.
        tile_pairs: Most pairs of tokens that the scorer holds at once.
        bf16: Whether the encoder computes in bfloat16.
    """

    scorers: Sequence[tuple[Scorer, float]]
    loss_temperature: float
    queries: str
    gradient_cache: bool
    chunk_tokens: int
    tile_pairs: int
    bf16: bool = False


def accumulate_gradients(
    encoder: TorchEncoder, batch: GraphBatch, settings: StepSettings, *, accelerator: Accelerator
) -> float:
    """Add the gradients of a step to the parameters; its loss.

    Args:
        encoder: The model.
        batch: What was drawn; the same on every rank.
        settings: How the step is computed.
        accelerator: Device and ranks.

    Raises:
        InputError: If the tokenizer makes no token of a text.
    """
    spelled: dict[str, str] = {}  # each text once, as it was spelled first
    for text in (*batch.left, *batch.right):
        spelled.setdefault(folded(text), text)
    rank, ranks = accelerator.process_index, accelerator.num_processes
    if len(spelled) < ranks:
        raise InputError(
            f"expected at least as many texts a step as processes, got {len(spelled)} for {ranks}: "
            "raise the batch_size of the graphs, or start fewer processes"
        )
    numbers = {key: number for number, key in enumerate(spelled)}
    ids = encoder.token_ids(list(spelled.values()))
    share = _Share(encoder, ids, range(rank, len(ids), ranks), settings, accelerator)
    vectors, order = _gathered(share.vectors, share.order, accelerator)
    # A leaf of its own: whatever made the vectors, the loss's gradients for them are wanted first.
    vectors = Ragged(vectors.values.detach().requires_grad_(), vectors.lengths)
    place = {text: i for i, text in enumerate(order)}
    left, right = (
        vectors.selected([place[numbers[folded(text)]] for text in side])
        for side in (batch.left, batch.right)
    )
    loss = _loss(left, right, batch, settings)
    loss.backward()  # type: ignore[no-untyped-call]
    assert vectors.values.grad is not None
    own = [place[text] for text in share.order]
    share.backward(Ragged(vectors.values.grad, vectors.lengths).selected(own).values)
    if ranks > 1:
        _sum_over_ranks(list(encoder.parameters()), accelerator)
    return float(loss.detach())


def _loss(left: Ragged, right: Ragged, batch: GraphBatch, settings: StepSettings) -> torch.Tensor:
    device = left.values.device
    positives = torch.from_numpy(batch.positives).to(device)
    ignored = torch.from_numpy(batch.ignored).to(device)
    # Through the logarithm, as runs of earlier releases had it: they repeat to the bit.
    temperature = torch.tensor(math.log(settings.loss_temperature), device=device).exp()
    total = left.values.new_zeros(())
    for scorer, weight in settings.scorers:
        queries, targets = (left, right) if settings.queries == "left" else (right, left)
        scores = tiled_scores(queries, targets, scorer, tile_pairs=settings.tile_pairs)
        total = total + weight * many_to_many(
            scores if settings.queries == "left" else scores.T,
            positives,
            loss_temperature=temperature,
            ignored=ignored,
        )
    return total


class _Share:
    """The texts that this rank encodes: their vectors, and the way back through the encoder.

    Args:
        encoder: The model.
        ids: Tokens of all texts.
        mine: Which of them this rank encodes.
        settings: How the step is computed.
        accelerator: Device and ranks.

    Attributes:
        order: Which text each of the vectors is of.
        vectors: Theirs; without activations if gradients are cached.
    """

    def __init__(
        self,
        encoder: TorchEncoder,
        ids: list[list[int]],
        mine: Sequence[int],
        settings: StepSettings,
        accelerator: Accelerator,
    ) -> None:
        self._encoder, self._settings = encoder, settings
        self._device = accelerator.device.type
        lengths = [len(ids[text]) for text in mine]
        chunks = [
            [mine[i] for i in chunk] for chunk in chunks_by_length(lengths, settings.chunk_tokens)
        ]
        self._chunks = [[ids[text] for text in chunk] for chunk in chunks]
        with torch.no_grad() if settings.gradient_cache else contextlib.nullcontext():
            parts = [self._encoded(chunk) for chunk in self._chunks]
        self.order = [text for chunk in chunks for text in chunk]
        self.vectors = Ragged(
            torch.cat([values for values, _ in parts]),
            [length for _, part in parts for length in part],
        )

    def backward(self, gradient: torch.Tensor) -> None:
        """Carry the gradient for `vectors` on to the encoder's parameters."""
        if not self._settings.gradient_cache:
            self.vectors.values.backward(gradient)  # type: ignore[no-untyped-call]
            return
        start = 0
        for chunk in self._chunks:
            values, _ = self._encoded(chunk)
            values.backward(gradient[start : start + len(values)])  # type: ignore[no-untyped-call]
            start += len(values)

    def _encoded(self, chunk: list[list[int]]) -> tuple[torch.Tensor, list[int]]:
        with torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._settings.bf16):
            values, lengths = self._encoder(chunk)
        return values.to(_wide(values)), lengths


def _gathered(
    vectors: Ragged, mine: list[int], accelerator: Accelerator
) -> tuple[Ragged, list[int]]:
    """The vectors of all ranks without gradients, and which text each is."""
    if accelerator.num_processes == 1:
        return vectors, mine
    found = gather_object([(mine, vectors.lengths)])
    most = max(sum(lengths) for _, lengths in found)
    width = vectors.values.shape[1]
    padded = vectors.values.new_zeros((most, width))
    padded[: len(vectors.values)] = vectors.values.detach()
    everything = accelerator.gather(padded).view(len(found), most, width)
    values = torch.cat(
        [rows[: sum(lengths)] for rows, (_, lengths) in zip(everything, found, strict=True)]
    )
    return (
        Ragged(values, [length for _, lengths in found for length in lengths]),
        [text for texts, _ in found for text in texts],
    )


def _sum_over_ranks(parameters: Sequence[torch.Tensor], accelerator: Accelerator) -> None:
    """The sum of the ranks' gradients, all in one message.

    All ranks must send the same: a parameter that some rank's texts have reached has gradient 0
    where they have not. One that no text reaches has none, and is left alone by the optimizer.
    """
    reached = torch.tensor([p.grad is not None for p in parameters], device=accelerator.device)
    reached = accelerator.reduce(reached.long(), reduction="sum")
    parameters = [p for p, ranks in zip(parameters, reached.tolist(), strict=True) if ranks]
    if not parameters:
        return
    given = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = accelerator.reduce(torch.cat([g.reshape(-1) for g in given]), reduction="sum")
    for parameter, part in zip(
        parameters, flat.split([p.numel() for p in parameters]), strict=True
    ):
        parameter.grad = part.view_as(parameter).to(parameter.dtype)  # cat takes the widest


def _wide(values: torch.Tensor) -> torch.dtype:
    """float32, or float64 where the model is: scores and losses are not for half precision."""
    return torch.promote_types(values.dtype, torch.float32)
