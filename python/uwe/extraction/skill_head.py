"""The skill head: which tokens of a text name a skill, and which of its lines ask for one.

A small convolutional network in NumPy over the token vectors that the encoder makes anyway. It
changes nothing of a ranking. `uwe.training.skill_head` has the same network in torch and trains it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uwe.checks import floats
from uwe.encoder.tokens import TokenVectors
from uwe.errors import ModelError

SHAPES = 7
"""Features of a token beside its vector, which knows no capitals: see `token_shapes`."""
_CONTINUES, _PUNCTUATION, _SPECIAL = 4, 5, 6
_CHUNK = 64  # tokens: a product of matrices so small costs no meeting of threads
_LARGEST = 60.0  # a logit whose exponential is still a float32
_TINY = 1e-24  # least squared length that a mean vector is divided by

VECTOR_SCALE = 10.0
"""What token vectors are divided by: about their length."""
POOLED_LENGTH = 5.0
"""Length of a line's mean vector."""

_WORD = re.compile(r"\S+")
_CORE = re.compile(r"\w(?:.*\w)?")  # of a word, without the marks around it

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Marks:
    """What the head says of some lines; all arrays are float32."""

    tokens: _Floats  # (tokens, 2): probability that it belongs to a skill, and to knowledge
    begins: _Floats  # (tokens, 2): probability that one begins at it
    asks: _Floats  # (lines,): log-odds that it asks for either, given the lines around it
    asks_alone: _Floats  # (lines,): the same of the line alone


class SkillHead:
    """The network, as `uwe train skill-head` writes it; `dim` is the width of the token vectors."""

    def __init__(self, path: Path, *, dim: int) -> None:
        try:
            # Of a damaged file that NumPy opens itself, it leaves the handle open.
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                self._arrays = {name: floats(name, file[name]) for name in file.files}
            self._layers = _checked_layers(self._arrays, dim)
        except Exception as error:  # whatever a broken file makes NumPy and zipfile raise
            raise ModelError(
                f"{path}: expected the weights of a skill head, found something else "
                f"({type(error).__name__}: {error}): train it again with  uwe train skill-head"
            ) from error
        # Vectors are scaled by their weights, not one by one.
        vectors, self._of_shapes = np.split(self._arrays["in.weight"].T, [dim])
        self._of_vectors = vectors / np.float32(VECTOR_SCALE)

    def __call__(
        self, vectors: TokenVectors, shapes: _Floats, documents: NDArray[np.int64]
    ) -> Marks:
        """Mark the tokens and lines of whole texts.

        `vectors` has the lines in the order of the texts, at least one; `shapes` is
        (tokens, SHAPES), float32, from `token_shapes`; `documents`, (lines,), ascending, has the
        number of the text that each line is of.
        """
        counts, offsets = np.diff(vectors.offsets), vectors.offsets
        hidden = vectors.values @ self._of_vectors
        hidden += shapes @ self._of_shapes
        hidden += self._arrays["in.bias"]
        hidden = _active(hidden)
        for first, last in _chunks(offsets):
            own = slice(offsets[first], offsets[last])
            groups = np.repeat(np.arange(first, last), counts[first:last])
            hidden[own] = self._convolved("token", hidden[own], groups)
        means = np.add.reduceat(vectors.values, offsets[:-1], axis=0)
        lengths = np.sqrt(np.maximum(np.einsum("ij,ij->i", means, means), _TINY))
        means *= (POOLED_LENGTH / lengths)[:, None]
        attention = self._linear("attention", hidden)[:, 0]
        weights = np.exp(
            attention - np.repeat(np.maximum.reduceat(attention, offsets[:-1]), counts)
        )
        attended = np.add.reduceat(weights[:, None] * hidden, offsets[:-1], axis=0)
        attended /= np.add.reduceat(weights, offsets[:-1])[:, None]
        pooled = np.hstack([means, attended])
        lines = _active(self._linear("line", pooled))
        alone = self._linear("alone", lines)[:, 0]
        lines = self._convolved("context", lines, documents)
        hidden += np.repeat(_active(self._linear("around", lines)), counts, axis=0)
        odds = np.exp(np.minimum(self._linear("out", hidden), _LARGEST)).reshape(-1, 2, 3)
        odds /= odds.sum(axis=2, keepdims=True)
        in_context = self._linear("in_context", lines)[:, 0]
        return Marks(1 - odds[:, :, 0], odds[:, :, 1], in_context, alone)

    def _linear(self, name: str, rows: _Floats) -> _Floats:
        product: _Floats = rows @ self._arrays[f"{name}.weight"].T
        product += self._arrays[f"{name}.bias"]
        return product

    def _convolved(self, name: str, rows: _Floats, groups: NDArray[np.int64]) -> _Floats:
        """The convolutions along rows, each added to what it saw; groups of rows do not meet.

        `rows` is (rows, channels); `groups` is (rows,), ascending.
        """
        layers = [f"{name}.{layer}" for layer in range(self._layers)]
        width = self._arrays[f"{name}.0.weight"].shape[2]  # (out, in, width)
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
            weight = self._arrays[f"{layer}.weight"]
            middle = spread[: total - 2 * reach] @ weight[:, :, 0].T
            for step in range(1, width):
                middle += spread[step : step + len(middle)] @ weight[:, :, step].T
            middle += self._arrays[f"{layer}.bias"]
            seen = _active(middle)
            seen *= inside[reach : total - reach]
            spread[reach : total - reach] += seen
        convolved: _Floats = spread[at]
        return convolved


def _checked_layers(arrays: Mapping[str, _Floats], dim: int) -> int:
    """Number of convolutions over tokens, and over lines; ValueError if an array is wrong."""
    hidden, line = len(arrays["in.bias"]), len(arrays["line.bias"])
    width = arrays["token.0.weight"].shape[2]
    if width % 2 == 0:
        raise ValueError(f"expected convolutions of an odd width, got {width}")
    layers = sum(name.startswith("token.") for name in arrays) // 2
    weights: dict[str, tuple[int, ...]] = {
        "in": (hidden, dim + SHAPES),
        "attention": (1, hidden),
        "line": (line, dim + hidden),
        "alone": (1, line),
        "in_context": (1, line),
        "around": (hidden, line),
        "out": (6, hidden),
    }
    for layer in range(layers):
        weights[f"token.{layer}"] = (hidden, hidden, width)
        weights[f"context.{layer}"] = (line, line, width)
    expected = {f"{name}.weight": shape for name, shape in weights.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in weights.items()}
    for name in sorted(expected.keys() | arrays.keys()):
        found = arrays[name].shape if name in arrays else None
        if found != expected.get(name):
            raise ValueError(f"{name}: expected the shape {expected.get(name)}, got {found}")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name}: expected finite numbers")
    return layers


def _chunks(offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Lines [first, last) of few tokens, so that what is made of them stays in a cache."""
    first = 0
    while first < len(offsets) - 1:
        end = offsets[first] + _CHUNK
        last = max(first + 1, int(np.searchsorted(offsets, end, side="right")) - 1)
        yield first, last
        first = last


def marked_spans(
    tokens: _Floats, begins: _Floats, shapes: _Floats, threshold: float
) -> list[tuple[int, int]]:
    """Spans [first, last + 1) of tokens of one line that belong to something with `threshold`.

    A word is inside or outside as a whole, as its first piece is. `tokens`, (tokens,), has the
    probability that a token belongs to something, `begins`, (tokens,), that something begins at it;
    `shapes` is (tokens, SHAPES), from `token_shapes`; `threshold` is above 0.
    """
    first = np.flatnonzero((shapes[:, _CONTINUES] == 0) & (shapes[:, _SPECIAL] == 0))
    if not len(first):
        return []
    specials = np.flatnonzero(shapes[:, _SPECIAL])
    after = specials[specials > first[-1]]
    last = np.append(first[1:], after[0] if len(after) else len(shapes))
    inside = tokens[first] >= threshold
    fresh = begins[first] > tokens[first] / 2
    spans: list[tuple[int, int]] = []
    for i in np.flatnonzero(inside).tolist():
        if spans and i and inside[i - 1] and not fresh[i]:
            spans[-1] = spans[-1][0], int(last[i])
        else:
            spans.append((int(first[i]), int(last[i])))
    return spans


def token_shapes(
    texts: Sequence[str], places: NDArray[np.int64], offsets: NDArray[np.int64]
) -> _Floats:
    """What the writing of each token's word shows that its vector does not.

    Args:
        texts: The lines; none is blank.
        places: (tokens, 2): where each token begins and ends in its line, in characters.
        offsets: (lines + 1,): the tokens of each line.

    Returns:
        (tokens, SHAPES): begins with a capital; all capitals; has a digit; has a capital inside; is
        no first piece of its word; is punctuation; is a special token.
    """
    # All lines as one text, so that NumPy is asked once.
    joined = "\n".join(texts)
    lengths = np.array([len(text) + 1 for text in texts], dtype=np.int64)
    lines, counts = np.cumsum(lengths) - lengths, np.diff(offsets)
    starts = places[:, 0] + np.repeat(lines, counts)
    words = [(match.start(), *_word_shape(match.group())) for match in _WORD.finditer(joined)]
    table = np.array(words, dtype=np.float64)
    first = np.searchsorted(table[:, 0], lines)  # word of each line
    number = np.searchsorted(table[:, 0], starts, side="right") - 1
    number = np.maximum(number, np.repeat(first, counts))
    shapes = np.zeros((len(starts), SHAPES), dtype=np.float32)
    shapes[:, :4] = table[number, 1:5]
    shapes[:, _CONTINUES] = starts > table[number, 0] + table[number, 5]
    width = places[:, 1] - places[:, 0]
    short = np.flatnonzero(width == 1)
    shapes[short, _PUNCTUATION] = [not joined[at].isalnum() for at in starts[short].tolist()]
    shapes[width <= 0] = 0
    shapes[width <= 0, _SPECIAL] = 1
    return shapes


@lru_cache(maxsize=1 << 14)
def _word_shape(word: str) -> tuple[float, ...]:
    found = _CORE.search(word)
    core, before = (found.group(), found.start()) if found else ("", 0)
    return (
        core[:1].isupper(),
        len(core) > 1 and core.isupper(),
        any(c.isdigit() for c in core),
        not core.isupper() and any(c.isupper() for c in core[1:]),
        before,  # marks before the core, such as a bracket
    )


def _active(rows: _Floats) -> _Floats:
    """Hard swish (Howard et al., 2019): nearly as good as GELU here, and without exponentials."""
    gate: _Floats = np.clip(rows + np.float32(3), 0, 6)
    gate *= np.float32(1 / 6)
    gate *= rows
    return gate
