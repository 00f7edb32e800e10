"""The scorers in torch, as their definitions read: padded tensors, masks, autograd.

This is the readable twin. It holds one number for every pair of tokens, so it is for tests, for
small batches, and for models of sentence-transformers; training goes through
`uwe.training.tiles`, which gives the same values and gradients in bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from uwe.errors import InputError
from uwe.scorer import Scorer, checked_scorer


def late_interaction_scores(
    queries: torch.Tensor,
    targets: torch.Tensor,
    scorer: Scorer,
    *,
    queries_mask: torch.Tensor | None = None,
    targets_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Scores of all queries against all targets.

    Source: soft late interaction of Unified Work Embeddings (arXiv 2511.07969); MaxSim of ColBERT.

    Args:
        queries: (U, m, d), floating: raw token vectors, padded.
        targets: (V, n, d), of the same type: raw token vectors, padded.
        scorer: How they are compared.
        queries_mask: (U, m), bool: which rows of `queries` are tokens; None: all.
        targets_mask: (V, n), bool: which rows of `targets` are tokens; None: all.

    Returns:
        (U, V), of the same type.
    """
    scorer = checked_scorer(scorer)
    left = _mask(queries, queries_mask, "queries")
    right = _mask(targets, targets_mask, "targets")
    if queries.shape[-1] != targets.shape[-1]:
        raise InputError(
            f"expected queries and targets of one width, got {queries.shape[-1]} and "
            f"{targets.shape[-1]}: encode both with one model"
        )
    if scorer.name == "pooled":
        return _unit(_mean(queries, left)) @ _unit(_mean(targets, right)).T
    dots = torch.einsum("umd,vnd->uvmn", queries, targets)
    cosines = torch.einsum("umd,vnd->uvmn", _unit(queries), _unit(targets))
    rows, columns = left[:, None, :, None], right[None, :, None, :]
    if scorer.name == "max":
        best = cosines.masked_fill(~columns, -torch.inf).amax(dim=-1)
        return _mean(best[..., None], left[:, None, :])[..., 0]
    logits = dots / dots.new_tensor(scorer.temperature)
    sides = {}
    if scorer.name in ("soft_target", "soft"):
        # Padding never takes part: minus infinity before the softmax, not a zero after it.
        attention = logits.masked_fill(~columns, -torch.inf).softmax(dim=-1)
        found = (attention * cosines).sum(dim=-1)
        sides["soft_target"] = _mean(found[..., None], left[:, None, :])[..., 0]
    if scorer.name in ("soft_query", "soft"):
        attention = logits.masked_fill(~rows, -torch.inf).softmax(dim=-2)
        found = (attention * cosines).sum(dim=-2)
        sides["soft_query"] = _mean(found[..., None], right[None, :, :])[..., 0]
    if scorer.name != "soft":
        return sides[scorer.name]
    weight = scorer.query_weight(left.sum(dim=1, keepdim=True).to(dots.dtype))
    return weight * sides["soft_query"] + (1.0 - weight) * sides["soft_target"]


def similarity_function(scorer: Scorer) -> Callable[..., torch.Tensor]:
    """A scorer as the in-batch losses of sentence-transformers take one as `similarity_fct`.

    These are `MultiVectorMultipleNegativesRankingLoss` and the cached one. They call it with
    `queries_embeddings` (queries, tokens, dim), `documents_embeddings` (groups, documents of each,
    tokens, dim) or (documents, tokens, dim), and masks of the same shapes without dim; it returns
    (queries, all documents), the documents of a group side by side. Vectors must be raw: a model
    that normalises has lost the norms that attention needs.
    """
    scorer = checked_scorer(scorer)

    def similarity(
        queries_embeddings: torch.Tensor,
        documents_embeddings: torch.Tensor,
        queries_mask: torch.Tensor | None = None,
        documents_mask: torch.Tensor | None = None,
        **_: object,
    ) -> torch.Tensor:
        if documents_embeddings.ndim == 4:
            documents_embeddings = documents_embeddings.flatten(0, 1)
            documents_mask = None if documents_mask is None else documents_mask.flatten(0, 1)
        return late_interaction_scores(
            queries_embeddings,
            documents_embeddings,
            scorer,
            queries_mask=queries_mask,
            targets_mask=documents_mask,
        )

    return similarity


def _mask(vectors: torch.Tensor, mask: torch.Tensor | None, name: str) -> torch.Tensor:
    if vectors.ndim != 3:
        raise InputError(
            f"expected {name} of shape (texts, tokens, dim), got {tuple(vectors.shape)}"
        )
    if mask is None:
        mask = vectors.new_ones(vectors.shape[:2], dtype=torch.bool)
    if mask.shape != vectors.shape[:2]:
        raise InputError(
            f"expected the mask of {name} to have shape {tuple(vectors.shape[:2])}, got "
            f"{tuple(mask.shape)}"
        )
    mask = mask.bool()
    if not bool(mask.any(dim=1).all()):
        raise InputError(f"expected a token in each text of {name}, got a text of padding alone")
    return mask


def _mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens of each text: (..., tokens, k) and (..., tokens) to (..., k)."""
    kept = values.masked_fill(~mask[..., None], 0.0)
    return kept.sum(dim=-2) / mask.sum(dim=-1, keepdim=True)


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    # Padding may be zero: its cosines are masked later, but their gradients must not be NaN.
    return torch.nn.functional.normalize(vectors, dim=-1)
