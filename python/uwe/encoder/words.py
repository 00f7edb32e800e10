"""The words of a text, and which of them each of its tokens belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.checks import listed
from uwe.errors import InputError, shown


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
                f"piece, start, end and special, got {shown(piece)}: correct it, or remove its "
                "tokenize"
            )
    if len(pieces) != tokens:
        raise InputError(
            f"expected {tokens} pieces from the model's tokenize({text!r}), one for each vector, "
            f"got {len(pieces)}: correct the model, or remove its tokenize"
        )
    words: list[_Word] = []
    groups = []
    for piece in pieces:
        start, end = piece.start, piece.end
        # Byte-level tokenizers count the blank before a word into its first piece.
        while start < min(end, len(text)) and text[start].isspace():
            start += 1
        last = words[-1] if words else None
        if piece.special:
            words.append(_Word(piece.piece, True, start, start))
        elif last and not last.special and not _blank_between(text, last.end, start, end):
            last.end, last.joined = max(last.end, end), True
        else:
            words.append(_Word(text[start:end].strip() or piece.piece, False, start, end))
        groups.append(len(words) - 1)
    texts = (text[w.start : w.end].strip() if w.joined else w.name for w in words)
    special = (w.special for w in words)
    return WordGroups(tuple(texts), tuple(special), np.array(groups, dtype=np.int64))


@dataclass
class _Word:
    name: str
    special: bool
    start: int
    end: int
    joined: bool = False  # of several pieces


def _blank_between(text: str, end: int, start: int, piece_end: int) -> bool:
    """Whether a new word begins at `start`; a piece without extent belongs to the word before."""
    if start >= piece_end:
        return False
    return start > end and any(c.isspace() for c in text[end:start])
