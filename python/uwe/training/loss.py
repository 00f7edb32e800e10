"""The many-to-many InfoNCE of a bipartite graph, from scores of nodes that were drawn together.

Source: Unified Work Embeddings (arXiv 2511.07969), loss; the outer form of supervised contrastive
learning (arXiv 2004.11362, equation 2), where the mean over positives stands outside the log.
"""

from __future__ import annotations

import torch

from uwe.errors import InputError


def many_to_many(
    scores: torch.Tensor,
    positives: torch.Tensor,
    *,
    loss_temperature: float | torch.Tensor,
    ignored: torch.Tensor | None = None,
) -> torch.Tensor:
    """Loss of one graph in both directions.

    Args:
        scores: (U, V), floating: of all left nodes against all right nodes.
        positives: (U, V), bool: the edges.
        loss_temperature: What scores are divided by.
        ignored: (U, V), bool: pairs that are neither positive nor negative; None: no pair.

    Returns:
        (), the sum of the two directions.
    """
    if positives.shape != scores.shape or (ignored is not None and ignored.shape != scores.shape):
        raise InputError(
            f"expected scores, positives and ignored of one shape, got {tuple(scores.shape)} and "
            f"{tuple(positives.shape)}"
        )
    if not bool(positives.any()):
        raise InputError("expected at least one edge among the nodes of a batch, got none")
    forward = one_direction(scores / loss_temperature, positives, ignored=ignored)
    turned = None if ignored is None else ignored.T
    return forward + one_direction(scores.T / loss_temperature, positives.T, ignored=turned)


def one_direction(
    logits: torch.Tensor, positives: torch.Tensor, *, ignored: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean over the anchors with a positive of the mean over their positives of -log softmax.

    An anchor's other positives stay in the denominator of each one's softmax.

    Args:
        logits: (anchors, others), floating: scores divided by the loss temperature.
        positives: (anchors, others), bool.
        ignored: (anchors, others), bool: neither positive nor negative; None: no pair.

    Returns:
        (), 0 if no anchor has a positive.
    """
    if ignored is not None:
        # Finite, as the gradient of a sum of nothing but minus infinities is no number.
        nothing = torch.finfo(logits.dtype).min / 2
        logits = logits.masked_fill(ignored & ~positives, nothing)
    losses = (logits.logsumexp(dim=1, keepdim=True) - logits).masked_fill(~positives, 0.0)
    counts = positives.sum(dim=1)
    each = losses.sum(dim=1) / counts.clamp(min=1)
    return each.sum() / (counts > 0).sum().clamp(min=1)


def distillation(
    scores: torch.Tensor,
    taught: torch.Tensor,
    *,
    loss_temperature: float | torch.Tensor,
    teacher_temperature: float,
) -> torch.Tensor:
    """How far a model's softmax over a batch is from its teacher's: Kullback-Leibler divergence.

    Source: list-wise distillation, arXiv 1503.02531, over the nodes of a batch.

    Args:
        scores: (U, V), floating: of all left nodes against all right nodes.
        taught: (U, V), floating: the teacher's; no gradient flows into it.
        loss_temperature: What scores are divided by.
        teacher_temperature: What the teacher's are divided by.

    Returns:
        (), >= 0: the mean over left nodes plus the mean over right nodes.
    """
    if scores.shape != taught.shape:
        raise InputError(
            f"expected scores and taught of one shape, got {tuple(scores.shape)} and "
            f"{tuple(taught.shape)}"
        )
    logits, wanted = scores / loss_temperature, taught.detach() / teacher_temperature
    total = scores.new_zeros(())
    for axis in (1, 0):
        divergence = torch.nn.functional.kl_div(
            logits.log_softmax(axis), wanted.log_softmax(axis), log_target=True, reduction="sum"
        )
        total = total + divergence / scores.shape[1 - axis]
    return total
