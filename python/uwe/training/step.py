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
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from uwe.config import Scorer
from uwe.data.graph_files import folded
from uwe.errors import InputError
from uwe.model.encoder import TorchEncoder, chunks_by_length
from uwe.training.loss import LossSettings, many_to_many
from uwe.training.tiled import Ragged, tiled_scores

__all__ = ["GraphBatch", "Objective", "StepSettings", "accumulate_gradients"]


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Nodes of one graph that were drawn together.

    Attributes:
        name: Of the graph.
        left: Texts of its left nodes.
        right: Texts of its right nodes.
        positives: (U, V), bool: the edges.
        ignored: (U, V), bool: pairs that are neither positive nor negative.
    """

    name: str
    left: Sequence[str]
    right: Sequence[str]
    positives: torch.Tensor
    ignored: torch.Tensor


@dataclass(frozen=True)
class Objective:
    """What is minimised for a graph.

    Attributes:
        alpha: Weight of its loss.
        log_loss_temperature: (), a parameter where it is learned.
        settings: Switches of the loss.
        queries: Which side is the query: `left`, `right`, or each direction's `anchor`.
    """

    alpha: float
    log_loss_temperature: torch.Tensor
    settings: LossSettings
    queries: str


@dataclass(frozen=True)
class StepSettings:
    """How a step is computed.

    Attributes:
        scorers: Through which the loss goes, with weights that add up to 1.
        gradient_cache: Whether activations are made twice in place of being kept.
        chunk_tokens: Most tokens that go through the encoder at once, padding included.
        tile_pairs: Most pairs of tokens that the scorer holds at once.
        seed: Of dropout, which must drop the same when a chunk is encoded again.
        bf16: Whether the encoder computes in bfloat16.
    """

    scorers: Sequence[tuple[Scorer, float]]
    gradient_cache: bool
    chunk_tokens: int
    tile_pairs: int
    seed: int = 0
    bf16: bool = False


def accumulate_gradients(
    encoder: TorchEncoder,
    batches: Sequence[GraphBatch],
    objectives: dict[str, Objective],
    settings: StepSettings,
    *,
    accelerator: Accelerator,
) -> dict[str, float]:
    """Add the gradients of a step to the parameters; the loss of each graph, not yet weighted.

    Args:
        encoder: The model.
        batches: What was drawn; the same on every rank.
        objectives: By name of the graph.
        settings: How the step is computed.
        accelerator: Device and ranks.

    Raises:
        InputError: If the tokenizer makes no token of a text.
    """
    spelled: dict[str, str] = {}  # each text once, as it was spelled first
    for batch in batches:
        for text in (*batch.left, *batch.right):
            spelled.setdefault(folded(text), text)
    rank, ranks = accelerator.process_index, accelerator.num_processes
    if len(spelled) < ranks:
        raise InputError(
            f"expected at least as many texts a step as processes, got {len(spelled)} for {ranks}: "
            "raise the size of the graphs, or start fewer processes"
        )
    numbers = {key: number for number, key in enumerate(spelled)}
    ids = encoder.token_ids(list(spelled.values()))
    share = _Share(encoder, ids, range(rank, len(ids), ranks), settings, accelerator)
    vectors, order = _gathered(share.vectors, share.order, accelerator)
    # A leaf of its own: whatever made the vectors, the losses' gradients for them are wanted first.
    vectors = Ragged(vectors.values.detach().requires_grad_(), vectors.lengths)
    place = {text: i for i, text in enumerate(order)}
    losses: dict[str, float] = {}
    total = vectors.values.new_zeros(())
    temperature = encoder.temperature if encoder.scorer.attends else None
    for batch in batches:
        objective = objectives[batch.name]
        left, right = (
            vectors.selected([place[numbers[folded(text)]] for text in side])
            for side in (batch.left, batch.right)
        )
        ignored = batch.ignored.to(accelerator.device)
        loss = _graph_loss(left, right, batch, ignored, objective, settings, temperature)
        losses[batch.name] = float(loss.detach())
        total = total + objective.alpha * loss
    total.backward()  # type: ignore[no-untyped-call]
    assert vectors.values.grad is not None
    own = [place[text] for text in share.order]
    share.backward(Ragged(vectors.values.grad, vectors.lengths).selected(own).values)
    _sum_over_ranks(encoder, objectives, accelerator)
    return losses


def _graph_loss(
    left: Ragged,
    right: Ragged,
    batch: GraphBatch,
    ignored: torch.Tensor,
    objective: Objective,
    settings: StepSettings,
    temperature: torch.Tensor | None,
) -> torch.Tensor:
    loss_temperature = objective.log_loss_temperature.exp()
    positives = batch.positives.to(left.values.device)
    total = left.values.new_zeros(())
    for scorer, weight in settings.scorers:
        forward, backward = _scores(left, right, scorer, objective, settings, temperature)
        loss = many_to_many(
            forward,
            positives,
            loss_temperature=loss_temperature,
            ignored=ignored,
            settings=objective.settings,
            backward_scores=backward,
        )
        total = total + weight * loss
    return total


def _scores(
    left: Ragged,
    right: Ragged,
    scorer: Scorer,
    objective: Objective,
    settings: StepSettings,
    temperature: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(U, V), of all left nodes against all right nodes, and (V, U) if that is another matrix."""
    # A temperature that is not learned is each scorer's own.
    learned = scorer.attends and temperature is not None and temperature.requires_grad
    scored = functools.partial(
        tiled_scores,
        scorer=scorer,
        temperature=temperature if learned else None,
        tile_pairs=settings.tile_pairs,
    )
    if objective.queries == "right":
        return scored(right, left).T, None
    forward = scored(left, right)
    symmetric = scorer.name == "pooled" or (scorer.name == "soft" and scorer.pivot is None)
    if objective.queries == "anchor" and not symmetric and objective.settings.backward:
        return forward, scored(right, left)
    return forward, None


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
        # Ranks drop different units of different texts.
        self._seed = settings.seed * accelerator.num_processes + accelerator.process_index
        self._device = accelerator.device.type
        lengths = [len(ids[text]) for text in mine]
        chunks = [
            [mine[i] for i in chunk] for chunk in chunks_by_length(lengths, settings.chunk_tokens)
        ]
        self._chunks = [[ids[text] for text in chunk] for chunk in chunks]
        with torch.no_grad() if settings.gradient_cache else contextlib.nullcontext():
            parts = [self._encoded(number) for number in range(len(chunks))]
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
        for number in range(len(self._chunks)):
            values, _ = self._encoded(number)
            values.backward(gradient[start : start + len(values)])  # type: ignore[no-untyped-call]
            start += len(values)

    def _encoded(self, number: int) -> tuple[torch.Tensor, list[int]]:
        # Dropout drops the same when a chunk comes again.
        torch.manual_seed((self._seed * 65_537 + number) % (1 << 63))
        with torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._settings.bf16):
            values, lengths = self._encoder(self._chunks[number])
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


def _sum_over_ranks(
    encoder: TorchEncoder, objectives: dict[str, Objective], accelerator: Accelerator
) -> None:
    if accelerator.num_processes == 1:
        return
    # Every rank has the whole gradient of what stands behind the encoder, and of the encoder the
    # part that went through its own texts. Of the former, a mean keeps ranks from drifting apart.
    behind = [encoder.log_temperature, *(o.log_loss_temperature for o in objectives.values())]
    behind = [parameter for parameter in behind if parameter.requires_grad]
    whole = {id(parameter) for parameter in behind}
    own = [parameter for parameter in encoder.parameters() if id(parameter) not in whole]
    for parameters, reduction in ((own, "sum"), (behind, "mean")):
        if parameters:
            _reduce(parameters, reduction, accelerator)


def _reduce(parameters: Sequence[torch.Tensor], reduction: str, accelerator: Accelerator) -> None:
    """Sum or mean of the ranks' gradients, all in one message.

    All ranks must send the same: a parameter that some rank's texts have reached has gradient 0
    where they have not. One that no text reaches has none, and is left alone by the optimizer.
    """
    reached = torch.tensor([p.grad is not None for p in parameters], device=accelerator.device)
    reached = accelerator.reduce(reached.long(), reduction="sum")
    parameters = [p for p, ranks in zip(parameters, reached.tolist(), strict=True) if ranks]
    if not parameters:
        return
    given = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = accelerator.reduce(torch.cat([g.reshape(-1) for g in given]), reduction=reduction)
    for parameter, part in zip(
        parameters, flat.split([p.numel() for p in parameters]), strict=True
    ):
        parameter.grad = part.view_as(parameter).to(parameter.dtype)  # cat takes the widest


def _wide(values: torch.Tensor) -> torch.dtype:
    """float32, or float64 where the model is: scores and losses are not for half precision."""
    return torch.promote_types(values.dtype, torch.float32)
