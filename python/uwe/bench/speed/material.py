"""What is ranked while time is taken: real labels, more composed of them, and texts of a length."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uwe.cache import TargetCache
from uwe.errors import InputError
from uwe.spaces import target_space
from uwe.text import TextEncoder
from uwe.tokens import TokenVectors

__all__ = ["Replay", "Skills", "composed_labels", "texts_of_tokens", "units_and_norms"]


def composed_labels(count: int) -> list[str]:
    """`count` different labels: those of ESCO's skills and occupations, then halves of two joined.

    The first half of one label's words, then the second half of another's; always the same ones.
    """
    real = [*target_space("esco-skills").labels, *target_space("esco-occupations").labels]
    words = [label.split() for label in real]
    draw = random.Random(0)  # noqa: S311 - no secret
    found = dict.fromkeys(real)
    while len(found) < count:
        first, second = draw.choice(words), draw.choice(words)
        start, end = first[: max(1, len(first) // 2)], second[-max(1, len(second) // 2) :]
        found[" ".join(start + end)] = None
    return list(found)[:count]


def texts_of_tokens(model: TextEncoder, tokens: int, count: int) -> list[str]:
    """Titles of occupations, one or several that follow each other, of so many tokens together.

    Raises:
        InputError: If there are not as many.
    """
    labels = target_space("esco-occupations").labels
    found: list[str] = []
    for first in range(0, len(labels), 7):
        text = labels[first]
        for label in labels[first + 1 : first + tokens]:
            length = len(model.encode([text]).values)
            if length == tokens:
                found.append(text)
            if length >= tokens:
                break
            text = f"{text}, {label}"
        if len(found) == count:
            return found
    got = f"{len(found)}: ask for fewer"
    raise InputError(f"expected {count} texts of {tokens} tokens, got {got}")


class Skills:
    """ESCO's skills: token vectors in memory, and a float32 cache of them in a folder.

    Attributes:
        model: The shipped model.
        tokens: Token vectors of the labels.
        cache: Ranks by the model's own scorer.
        units: (E, d), float32: the tokens at length 1.
        norms: (E,), float32: their lengths.
    """

    def __init__(self, model: TextEncoder, folder: Path) -> None:
        labels = target_space("esco-skills").labels
        self.model, self.tokens = model, model.encode(labels)
        TargetCache.build(Replay(self.tokens, model), labels, path=folder / "skills.uwe")
        self.cache = TargetCache.open(folder / "skills.uwe", model=model)
        self.units, self.norms = units_and_norms(self.tokens.values)


def units_and_norms(
    values: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors at length 1, and their lengths, taken in float64."""
    norms = np.linalg.norm(values.astype(np.float64), axis=1)
    return (values / norms[:, None]).astype(np.float32), norms.astype(np.float32)


class Replay:
    """Hands out token vectors that are there already, in order; those of a model, if named."""

    def __init__(self, tokens: TokenVectors, model: TextEncoder | None = None) -> None:
        if model is not None:
            self.source, self.fingerprint = model.source, model.fingerprint
            self.config = model.config
        self._tokens, self._next = tokens, 0

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        """Those of the next `len(texts)` texts."""
        offsets = self._tokens.offsets[self._next : self._next + len(texts) + 1]
        self._next += len(texts)
        return TokenVectors(self._tokens.values[offsets[0] : offsets[-1]], offsets - offsets[0])
