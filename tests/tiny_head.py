"""Skill heads of random weights, and an encoder and marked lines to train one on."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.encoder.tokens import TokenVectors
from uwe.extraction.skill_head import SHAPES


def random_weights(
    dim: int, *, hidden: int = 6, line: int = 5, width: int = 3, layers: int = 2, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """The arrays of a head's file."""
    shapes: dict[str, tuple[int, ...]] = {
        "in": (hidden, dim + SHAPES),
        "attention": (1, hidden),
        "line": (line, dim + hidden),
        "alone": (1, line),
        "in_context": (1, line),
        "around": (hidden, line),
        "out": (6, hidden),
    }
    for layer in range(layers):
        shapes[f"token.{layer}"] = (hidden, hidden, width)
        shapes[f"context.{layer}"] = (line, line, width)
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        scale = 2 / layers if "." in name else 1  # what layers add to their input stays bounded
        weight = random.standard_normal(shape) * scale / np.sqrt(np.prod(shape[1:]))
        weights[f"{name}.weight"] = weight.astype(np.float32)
        weights[f"{name}.bias"] = (random.standard_normal(shape[0]) * scale).astype(np.float32)
    return weights


class WordEncoder:
    """A token a word between two special tokens; five numbers of its letters, without capitals."""

    dim = 5

    def encode_with_places(
        self, texts: Sequence[str], *, progress: Any = False
    ) -> tuple[TokenVectors, NDArray[np.int64]]:
        rows, places = [], []
        for text in texts:
            spans, end = [(0, 0)], 0
            for word in text.split():
                start = text.index(word, end)
                end = start + len(word)
                spans.append((start, end))
            spans.append((0, 0))
            places.extend(spans)
            rows.append(np.stack([self._vector(text[a:b].lower()) for a, b in spans]))
        return TokenVectors.from_list(rows), np.array(places, dtype=np.int64)

    def _vector(self, word: str) -> NDArray[np.float32]:
        random = np.random.default_rng(zlib.crc32(word.encode()))
        return random.standard_normal(self.dim).astype(np.float32) * 4


def marked_lines(count: int, seed: int = 0, documents: int = 3) -> list[dict[str, Any]]:
    """Lines of made-up words, of which those in capitals are skills; half of the lines have one."""
    random = np.random.default_rng(seed)
    lines = []
    for i in range(count):
        words = ["".join(random.choice(list("abdeiklmorst"), 5)) for _ in range(6)]
        if i % 2:
            at = int(random.integers(6))
            words[at] = words[at].upper()
        text = " ".join(words)
        spans = [[6 * k, 6 * k + 5] for k, word in enumerate(words) if word.isupper()]
        doc = str(i * documents // count)
        lines.append({"doc": doc, "text": text, "skills": spans, "knowledge": []})
    return lines
