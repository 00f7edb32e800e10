"""The skill head: which tokens of a text name a skill, and which of its lines ask for one.

A small convolutional network in NumPy over the token vectors that the encoder makes anyway. It
changes nothing of a ranking. `uwe.training.skill_head` has the same network in torch and trains it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uwe.encoder.tokens import TokenVectors
from uwe.errors import ModelError

__all__ = ["SHAPES", "SKILL_HEAD_FILE", "Marks", "SkillHead", "marked_spans", "token_shapes"]

SKILL_HEAD_FILE = "skill_head.npz"
"""Its name in a model's folder."""

SHAPES = 7
"""Features of a token beside its vector, which knows no capitals: see `token_shapes`."""

VECTOR_SCALE = 10.0
"""What token vectors are divided by: about their length."""
POOLED_LENGTH = 5.0
"""Length of a line's mean vector."""

_WORD = re.compile(r"\S+")
_OUTSIDE = re.compile(r"^\W+|\W+$")

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Marks:
    """What the head says of some lines.

    Attributes:
        tokens: (tokens, 2), float32: probability that a token belongs to a skill, and to knowledge.
        begins: (tokens, 2), float32: probability that one begins at it.
        asks: (lines,), float32: log-odds that a line asks for a skill or knowledge, given the lines
            around it.
        asks_alone: (lines,), float32: the same of the line alone.
    """

    tokens: _Floats
    begins: _Floats
    asks: _Floats
    asks_alone: _Floats


class SkillHead:
    """The network, as `uwe train skill-head` writes it.

    Args:
        path: The file of its weights.

    Raises:
        ModelError: If it is none, or for vectors of another width.
    """

    def __init__(self, path: Path, *, dim: int) -> None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                self._arrays = {
                    name: np.ascontiguousarray(arrays[name], dtype=np.float32)
                    for name in arrays.files
                }
            hidden = len(self._arrays["in.bias"])
            expected = (hidden, dim + SHAPES)
            if self._arrays["in.weight"].shape != expected:
                raise ValueError(
                    f"expected in.weight of shape {expected}, got {self._arrays['in.weight'].shape}"
                )
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ModelError(
                f"{path}: expected the weights of a skill head, found something else ({error}): "
                "train it again with  uwe train skill-head"
            ) from None

    def __call__(
        self, vectors: TokenVectors, shapes: _Floats, documents: NDArray[np.int64]
    ) -> Marks:
        """Mark the tokens and lines of whole texts.

        Args:
            vectors: Token vectors of the lines, in the order of the texts.
            shapes: (tokens, SHAPES), float32, from `token_shapes`.
            documents: (lines,), ascending: the text that each line is of.
        """
        counts = np.diff(vectors.offsets)
        starts = vectors.offsets[:-1]
        scaled = vectors.values / np.float32(VECTOR_SCALE)
        hidden = _active(self._linear("in", np.hstack([scaled, shapes])))
        hidden = self._convolved("token", hidden, np.repeat(np.arange(len(counts)), counts))
        attention = self._linear("attention", hidden)[:, 0]
        attention = np.exp(attention - np.repeat(np.maximum.reduceat(attention, starts), counts))
        attention /= np.repeat(np.add.reduceat(attention, starts), counts)
        attended = np.add.reduceat(attention[:, None] * hidden, starts)
        pooled = np.add.reduceat(scaled, starts) / counts[:, None].astype(np.float32)
        pooled *= np.float32(POOLED_LENGTH) / np.linalg.norm(pooled, axis=1, keepdims=True)
        lines = _active(self._linear("line", np.hstack([pooled, attended])))
        alone = self._linear("alone", lines)[:, 0]
        lines = self._convolved("context", lines, documents)
        around = _active(self._linear("around", lines))
        logits = self._linear("out", hidden + np.repeat(around, counts, axis=0)).reshape(-1, 2, 3)
        logits -= logits.max(axis=2, keepdims=True)
        odds = np.exp(logits)
        probabilities = odds / odds.sum(axis=2, keepdims=True)
        return Marks(
            1 - probabilities[:, :, 0],
            probabilities[:, :, 1],
            self._linear("in_context", lines)[:, 0],
            alone,
        )

    def _linear(self, name: str, rows: _Floats) -> _Floats:
        product: _Floats = rows @ self._arrays[f"{name}.weight"].T
        product += self._arrays[f"{name}.bias"]
        return product

    def _convolved(self, name: str, rows: _Floats, groups: NDArray[np.int64]) -> _Floats:
        """The convolutions along rows, each added to what it saw; groups of rows do not meet.

        Args:
            name: Of the convolutions.
            rows: (rows, channels).
            groups: (rows,), ascending.
        """
        layers = sorted(
            key for key in self._arrays if key.startswith(f"{name}.") and key.endswith("weight")
        )
        width = self._arrays[layers[0]].shape[2]  # (out, in, width)
        reach = width // 2
        # Groups lie in one array, between them as many rows of zeros as a convolution reaches.
        gaps = np.concatenate([[0], np.cumsum(np.diff(groups) != 0)])
        at = np.arange(len(rows)) + reach * (1 + gaps)
        total = int(at[-1]) + 1 + reach
        spread = np.zeros((total, rows.shape[1]), dtype=np.float32)
        spread[at] = rows
        inside = np.zeros((total, 1), dtype=np.float32)
        inside[at] = 1
        for layer in layers:
            weight = self._arrays[layer]
            seen = np.zeros_like(spread)
            middle = seen[reach : total - reach]
            for step in range(width):
                middle += spread[step : step + len(middle)] @ weight[:, :, step].T
            seen += self._arrays[layer.replace("weight", "bias")]
            spread += _active(seen) * inside
        convolved: _Floats = spread[at]
        return convolved


def marked_spans(tokens: _Floats, begins: _Floats, threshold: float) -> list[tuple[int, int]]:
    """Spans [first, last + 1) of tokens of one line that belong to something with `threshold`.

    Args:
        tokens: (tokens,): probability that it belongs to something.
        begins: (tokens,): probability that something begins at it.
        threshold: Above 0.
    """
    inside = tokens >= threshold
    before = np.concatenate([[False], inside[:-1]])
    starts = np.flatnonzero(inside & (~before | (begins > tokens / 2)))
    ends = np.flatnonzero(~inside)
    spans = []
    for i, start in enumerate(starts.tolist()):
        stop = ends[np.searchsorted(ends, start)] if len(ends) and ends[-1] > start else len(tokens)
        following = starts[i + 1] if i + 1 < len(starts) else len(tokens)
        spans.append((start, int(min(stop, following))))
    return spans


def token_shapes(text: str, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> _Floats:
    """What the writing of each token's word shows that its vector does not.

    Args:
        text: The text.
        starts: (tokens,): where each begins, in characters.
        ends: (tokens,): where each ends; equal to its start for a special token.

    Returns:
        (tokens, SHAPES): begins with a capital; all capitals; has a digit; has a capital inside; is
        no first piece of its word; is punctuation; is a special token.
    """
    words = [match.span() for match in _WORD.finditer(text)]
    first = np.array([start for start, _ in words], dtype=np.int64)
    number = np.maximum(np.searchsorted(first, starts, side="right") - 1, 0)
    of_word = np.array([_word_shape(text[start:end]) for start, end in words], dtype=np.float32)
    shapes = np.zeros((len(starts), SHAPES), dtype=np.float32)
    shapes[:, :4] = of_word[number, :4]
    shapes[:, 4] = starts > first[number] + of_word[number, 4].astype(np.int64)
    shapes[:, 5] = [
        _is_punctuation(text[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    special = ends <= starts
    shapes[special] = 0
    shapes[special, 6] = 1
    return shapes


@lru_cache(maxsize=1 << 14)
def _word_shape(word: str) -> tuple[float, ...]:
    core = _OUTSIDE.sub("", word)
    return (
        core[:1].isupper(),
        len(core) > 1 and core.isupper(),
        any(c.isdigit() for c in core),
        not core.isupper() and any(c.isupper() for c in core[1:]),
        word.find(core),  # marks before it, such as a bracket
    )


def _active(rows: _Floats) -> _Floats:
    """Hard swish (Howard et al., 2019): nearly as good as GELU here, and without exponentials."""
    gate = np.clip(rows + np.float32(3), 0, 6)
    gate *= np.float32(1 / 6)
    gate *= rows
    return gate


@lru_cache(maxsize=1 << 14)
def _is_punctuation(piece: str) -> bool:
    return not any(c.isalnum() for c in piece)
