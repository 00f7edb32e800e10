"""Token vectors of several texts as one ragged array: no padding anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe.checks import floats, natural
from uwe.errors import InputError, shown


@dataclass(frozen=True, eq=False)
class TokenVectors:
    """The token vectors of `len(self)` texts, one after the other.

    Attributes:
        values: (tokens, dim), float32, C-contiguous; raw, not normalised.
        offsets: (texts + 1,), int64; text `i` owns rows `offsets[i]:offsets[i + 1]`.

    Raises:
        InputError: If the shapes do not fit, `values` are no numbers or offsets no integers, a
            text has no token, or offsets do not tile `values`.
    """

    values: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        values = floats("token vectors", self.values)
        offsets = _integers(self.offsets)
        if values.ndim != 2 or values.shape[1] == 0:
            raise InputError(
                f"token vectors must have shape (tokens, dim >= 1), got {values.shape}"
            )
        if offsets.ndim != 1 or len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(values):
            ends = (
                f", from {offsets[0]} to {offsets[-1]}"
                if offsets.ndim == 1 and offsets.size
                else ""
            )
            raise InputError(
                "offsets must be 1-D, start at 0 and end at the number of tokens "
                f"({len(values)}), got shape {offsets.shape}{ends}"
            )
        lengths = np.diff(offsets)
        if (lengths < 1).any():
            raise InputError(
                f"every text needs at least one token vector; text {int(lengths.argmin())} has "
                f"{int(lengths.min())}"
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "offsets", offsets)

    @classmethod
    def from_list(cls, vectors: Sequence[ArrayLike]) -> TokenVectors:
        """Join one (tokens, dim) array per text.

        Raises:
            InputError: If none came, one is no 2-D array of numbers, or their widths differ.
        """
        try:
            arrays = [floats(f"token vectors of text {i}", v) for i, v in enumerate(vectors)]
        except TypeError:
            raise InputError(
                f"expected a list with the token vectors of each text, got {type(vectors).__name__}"
            ) from None
        if not arrays:
            raise InputError("expected the token vectors of at least one text, got none")
        width: int | str = arrays[0].shape[1] if arrays[0].ndim == 2 else "dim"
        for i, array in enumerate(arrays):
            if array.ndim != 2 or array.shape[1] != width:
                raise InputError(f"text {i}: expected shape (tokens, {width}), got {array.shape}")
        lengths = np.array([len(a) for a in arrays], dtype=np.int64)
        return cls(np.concatenate(arrays), np.concatenate([[0], np.cumsum(lengths)]))

    def part(self, first: int, end: int) -> TokenVectors:
        """Those of the texts from `first` to before `end`: their values are a view."""
        first, end = natural("the number of a text", first), natural("the number of a text", end)
        if not first <= end <= len(self):
            raise InputError(
                f"expected a part within 0 to {len(self)}, got {shown(first)} to {shown(end)}: "
                "correct it"
            )
        start, stop = self.offsets[first], self.offsets[end]
        return TokenVectors(self.values[start:stop], self.offsets[first : end + 1] - start)

    @property
    def dim(self) -> int:
        """Width of a token vector."""
        return int(self.values.shape[1])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Token vectors of one text: (tokens, dim), float32, a view."""
        index = natural("the number of a text", index)
        if index >= len(self):
            raise IndexError(f"text {index} of {len(self)}")
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[i] for i in range(len(self)))


class Encoder(Protocol):
    """What can be passed wherever a model is asked for: anything that encodes texts."""

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        """Token vectors of each text, raw, in the order of the texts."""
        ...


def name_of(model: object) -> str:
    """What messages call a model: its source, or its class where it has none."""
    return str(getattr(model, "source", "") or type(model).__name__)


def checked_vectors(vectors: object, texts: int) -> TokenVectors:
    """What an encoder returned, once it is sure to be the token vectors of so many texts."""
    if not isinstance(vectors, TokenVectors):
        raise InputError(
            "expected the model's encode to return uwe.TokenVectors, got "
            f"{type(vectors).__name__}: make them with uwe.TokenVectors.from_list"
        )
    if len(vectors) != texts:
        raise InputError(
            f"expected the model's encode to return token vectors of {texts} texts, got those of "
            f"{len(vectors)}: correct it"
        )
    return vectors


def _integers(offsets: ArrayLike) -> NDArray[np.int64]:
    try:
        found = np.asarray(offsets)
    except ValueError as error:
        raise InputError(f"expected offsets as an array of integers, got {error}") from None
    if found.size and found.dtype.kind not in "iu":
        raise InputError(f"expected integer offsets, got dtype {found.dtype}: convert them")
    return found.astype(np.int64)
