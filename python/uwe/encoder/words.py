"""The words of a text, and which of them each of its tokens belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.checks import listed
from uwe.errors import InputError

__all__ = ["WordGroups", "words_of"]


@dataclass(frozen=True)
class WordGroups:
    """Which word each token belongs to."""

    names: tuple[str, ...]
    special: tuple[bool, ...]
    groups: NDArray[np.int64]


def words_of(model: Any, text: str, tokens: int) -> WordGroups:
    """The words of a text that has `tokens` vectors; numbered tokens if the model names none."""
    tokenize = getattr(model, "tokenize", None)
    if tokenize is None:
        names = tuple(f"token {i}" for i in range(tokens))
        return WordGroups(names, (False,) * tokens, np.arange(tokens))
    pieces: Sequence[Any] = listed("what the model's tokenize gives", tokenize(text))
    for piece in pieces:
        fields = (getattr(piece, name, None) for name in ("piece", "start", "end"))
        if not all(map(isinstance, fields, (str, int, int))) or not hasattr(piece, "special"):
            raise InputError(
                "expected the model's tokenize to give pieces as uwe.TextEncoder's does, with "
                f"piece, start, end and special, got {piece!r}: correct it, or remove its tokenize"
            )
    if len(pieces) != tokens:
        raise InputError(
            f"expected {tokens} pieces from the model's tokenize({text!r}), one for each vector, "
            f"got {len(pieces)}: correct the model, or remove its tokenize"
        )
    spans: list[tuple[int, int]] = []
    names_: list[str] = []
    special: list[bool] = []
    joined: list[bool] = []  # of several pieces
    groups = []
    for piece in pieces:
        start, end = piece.start, piece.end
        # Byte-level tokenizers count the blank before a word into its first piece.
        while start < min(end, len(text)) and text[start].isspace():
            start += 1
        if piece.special:
            spans.append((start, start))
            names_.append(piece.piece)
            special.append(True)
            joined.append(False)
        elif special and not special[-1] and not _blank_between(text, spans[-1][1], start, end):
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            joined[-1] = True
        else:
            spans.append((start, end))
            names_.append(text[start:end].strip() or piece.piece)
            special.append(False)
            joined.append(False)
        groups.append(len(names_) - 1)
    words = (
        text[slice(*span)].strip() if several else name
        for name, span, several in zip(names_, spans, joined, strict=True)
    )
    return WordGroups(tuple(words), tuple(special), np.array(groups, dtype=np.int64))


def _blank_between(text: str, end: int, start: int, piece_end: int) -> bool:
    """Whether a new word begins at `start`; a piece without extent belongs to the word before."""
    if start >= piece_end:
        return False
    return start > end and any(c.isspace() for c in text[end:start])
