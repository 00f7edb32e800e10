"""The many-to-many InfoNCE of a bipartite graph, from scores of nodes that were drawn together.

Source: Unified Work Embeddings (arXiv 2511.07969), loss; the outer form of supervised contrastive
learning (arXiv 2004.11362, equation 2), where the mean over positives stands outside the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch

from uwe.errors import InputError

__all__ = ["LossSettings", "many_to_many", "one_direction"]


@dataclass(frozen=True)
class LossSettings:
    """Switches of the loss of one graph.

    Attributes:
        forward: Weight of the direction whose anchors are left nodes.
        backward: Weight of the direction whose anchors are right nodes.
        others_in_denominator: Whether an anchor's other positives stay in the denominator of each
            one's softmax.
        single_positive: Whether an anchor has one positive, its first, and its others are left
            out: plain InfoNCE, for comparison.
    """

    forward: float = 1.0
    backward: float = 1.0
    others_in_denominator: bool = True
    single_positive: bool = False

    def __post_init__(self) -> None:
        if not (
            self.forward >= 0 and self.backward >= 0 and 0 < self.forward + self.backward < inf
        ):
            raise InputError(
                "expected weights of the two directions >= 0, not both 0, got "
                f"{self.forward!r} and {self.backward!r}: correct them"
            )


def many_to_many(
    scores: torch.Tensor,
    positives: torch.Tensor,
    *,
    loss_temperature: float | torch.Tensor,
    ignored: torch.Tensor | None = None,
    settings: LossSettings | None = None,
    backward_scores: torch.Tensor | None = None,
) -> torch.Tensor:
    """Loss of one graph in both directions.

    Args:
        scores: (U, V), floating: of all left nodes against all right nodes.
        positives: (U, V), bool: the edges.
        loss_temperature: What scores are divided by; a tensor of shape () where it is learned.
        ignored: (U, V), bool: pairs that are neither positive nor negative; None: no pair.
        settings: Switches; None takes the defaults.
        backward_scores: (V, U): scores with the right nodes as queries, where the anchor is the
            query in both directions; None takes `scores`, transposed.

    Returns:
        (), the weighted sum of the two directions.

    Raises:
        InputError: If the shapes differ, or no pair is positive.
    """
    settings = settings or LossSettings()
    if positives.shape != scores.shape or (ignored is not None and ignored.shape != scores.shape):
        raise InputError(
            f"expected scores, positives and ignored of one shape, got {tuple(scores.shape)} and "
            f"{tuple(positives.shape)}"
        )
    if not bool(positives.any()):
        raise InputError("expected at least one edge among the nodes of a batch, got none")
    backward = scores.T if backward_scores is None else backward_scores
    total = scores.new_zeros(())
    for weight, logits, edges, left_out in (
        (settings.forward, scores, positives, ignored),
        (settings.backward, backward, positives.T, None if ignored is None else ignored.T),
    ):
        if weight:
            total = total + weight * one_direction(
                logits / loss_temperature,
                edges,
                ignored=left_out,
                others_in_denominator=settings.others_in_denominator,
                single_positive=settings.single_positive,
            )
    return total


def one_direction(
    logits: torch.Tensor,
    positives: torch.Tensor,
    *,
    ignored: torch.Tensor | None = None,
    others_in_denominator: bool = True,
    single_positive: bool = False,
) -> torch.Tensor:
    """Mean over the anchors with a positive of the mean over their positives of -log softmax.

    Args:
        logits: (anchors, others), floating: scores divided by the loss temperature.
        positives: (anchors, others), bool.
        ignored: (anchors, others), bool: neither positive nor negative; None: no pair.
        others_in_denominator: Whether other positives of the anchor stay in the denominator.
        single_positive: Whether only the first positive of an anchor counts.

    Returns:
        (), 0 if no anchor has a positive.
    """
    # Finite, as the gradient of a sum of nothing but minus infinities is no number.
    nothing = torch.finfo(logits.dtype).min / 2
    if ignored is not None:
        logits = logits.masked_fill(ignored & ~positives, nothing)
    if single_positive:
        first = positives & (positives.cumsum(dim=1) == 1)
        logits = logits.masked_fill(positives & ~first, nothing)
        positives = first
    if others_in_denominator:
        denominators = logits.logsumexp(dim=1, keepdim=True)
    else:
        # Each positive against itself and the negatives: log(exp(x) + sum of negatives).
        negatives = logits.masked_fill(positives, nothing).logsumexp(dim=1, keepdim=True)
        denominators = torch.logaddexp(logits, negatives)
    losses = (denominators - logits).masked_fill(~positives, 0.0)
    counts = positives.sum(dim=1)
    anchors = counts > 0
    each = losses.sum(dim=1) / counts.clamp(min=1)
    return each.sum() / anchors.sum().clamp(min=1)
