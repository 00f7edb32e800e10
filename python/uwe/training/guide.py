"""The guard against false negatives: a frozen model says which pairs are likely positives.

Source: guided in-sample selection of negatives (GISTEmbed, arXiv 2402.16829), for many positives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from uwe.data.graph_files import folded
from uwe.tokens import Encoder
from uwe.training.step import GraphBatch

__all__ = ["Guide", "likely_positives"]


class Guide:
    """Pooled vectors of a frozen model, which remembers the texts that it saw.

    Args:
        encoder: The model.
        margin: A pair is no negative if the guide scores it above the best positive of either of
            its ends less this.
    """

    def __init__(self, encoder: Encoder, *, margin: float) -> None:
        self._encoder, self._margin = encoder, margin
        # 180,000 texts of 384 dimensions take 140 MB in half precision.
        self._known: dict[str, NDArray[np.float16]] = {}

    def __call__(self, batch: GraphBatch) -> torch.Tensor:
        """(U, V), bool: pairs of a batch that are likely positives."""
        left, right = self._vectors(batch.left), self._vectors(batch.right)
        return likely_positives(left @ right.T, batch.positives, margin=self._margin)

    def _vectors(self, texts: Sequence[str]) -> torch.Tensor:
        keys = [folded(text) for text in texts]
        self._learn(dict(zip(keys, texts, strict=True)))
        return torch.from_numpy(np.stack([self._known[key] for key in keys])).float()

    def _learn(self, texts: Mapping[str, str]) -> None:
        new = [(key, text) for key, text in texts.items() if key not in self._known]
        if not new:
            return
        vectors = self._encoder.encode([text for _, text in new])
        for i, (key, _) in enumerate(new):
            rows = vectors.values[vectors.offsets[i] : vectors.offsets[i + 1]]
            mean = rows.mean(axis=0, dtype=np.float64)
            self._known[key] = (mean / (np.linalg.norm(mean) or 1.0)).astype(np.float16)


def likely_positives(
    scores: torch.Tensor, positives: torch.Tensor, *, margin: float
) -> torch.Tensor:
    """Pairs that score above the best positive of their row, or of their column, less the margin.

    Args:
        scores: (U, V), floating: of the guide.
        positives: (U, V), bool: the edges, which are never among the pairs.
        margin: A larger one takes more pairs.

    Returns:
        (U, V), bool. A row or column without a positive takes no pair.
    """
    found = torch.zeros_like(positives)
    for axis in (0, 1):
        known = scores.masked_fill(~positives, -torch.inf).amax(dim=axis, keepdim=True)
        known = known.masked_fill(known == -torch.inf, torch.inf)
        found |= scores > known - margin
    return found & ~positives
