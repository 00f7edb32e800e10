"""What benches rank: ESCO's skills, their token vectors in memory and in a cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import uwe

__all__ = ["Skills", "units_and_norms"]


class Skills:
    """ESCO's skills: token vectors in memory, and a float32 cache of them in a folder.

    Attributes:
        model: The shipped model.
        tokens: Token vectors of the labels.
        cache: Ranks by the model's own scorer.
        units: (E, d), float32: the tokens at length 1.
        norms: (E,), float32: their lengths.
    """

    def __init__(self, model: uwe.TextEncoder, folder: Path) -> None:
        labels = uwe.target_space("esco-skills").labels
        self.model, self.tokens = model, model.encode(labels)
        path = folder / "skills.uwe"
        self.cache = uwe.TargetCache.from_vectors(self.tokens, labels, model=model, path=path)
        self.units, self.norms = units_and_norms(self.tokens.values)


def units_and_norms(
    values: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors at length 1, and their lengths, taken in float64."""
    norms = np.linalg.norm(values.astype(np.float64), axis=1)
    return (values / norms[:, None]).astype(np.float32), norms.astype(np.float32)
