"""Labels, ids, aliases and metadata of an open cache, read from it where they are used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.cache.filters import Scalar
from uwe.errors import CacheCorruptError

T = TypeVar("T")
_CHUNK = 4096
_NESTED = (list, dict)


def read_column(core: _core.TargetCache, path: Path, name: str) -> list[Scalar]:
    """The values of one metadata column, one for each target."""
    return _scalars(core.column_json(name), 1, len(core), path)[0]


def _scalars(text: str, rows: int, length: int, path: Path) -> list[list[Scalar]]:
    """Parse rows of JSON scalars, `length` in each, which unverified damage may have touched."""
    try:
        values = json.loads(f"[{text}]")
    except (ValueError, RecursionError):
        values = []
    sound = len(values) == rows and all(
        isinstance(row, list) and len(row) == length for row in values
    )
    # For every match of a ranking: a tuple is looked through quicker than a union.
    sound = sound and not any(isinstance(value, _NESTED) for row in values for value in row)
    if not sound:
        raise CacheCorruptError(f"{path}: its metadata is damaged: rebuild the cache")
    return cast(list[list[Scalar]], values)


def read_aliases(core: _core.TargetCache, indices: NDArray[np.int64]) -> list[list[str]]:
    """The aliases of some targets."""
    return [core.aliases(index) for index in indices.tolist()]


def read_metadata(
    core: _core.TargetCache, path: Path, indices: NDArray[np.int64]
) -> list[dict[str, Scalar]]:
    """The values of some targets in every column; CacheCorruptError if they are damaged."""
    columns = core.columns
    if not columns:
        return [{} for _ in indices]
    # Parsed at once: every match of a ranking has metadata.
    scalars = _scalars(core.metadata_json(indices), len(indices), len(columns), path)
    return [dict(zip(columns, of_target, strict=True)) for of_target in scalars]


class Lazy(Sequence[T], Generic[T]):
    """What every target has, read from the cache when it is asked for."""

    def __init__(self, read: Callable[[NDArray[np.int64]], list[T]], length: int) -> None:
        self._read = read
        self._range = range(length)

    def __len__(self) -> int:
        return len(self._range)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return self._read(np.array(self._range[index], dtype=np.int64))
        return self._read(np.array([self._range[index]], dtype=np.int64))[0]

    def __iter__(self) -> Iterator[T]:
        for start in range(0, len(self), _CHUNK):
            yield from self[start : start + _CHUNK]

    def __eq__(self, other: object) -> bool:
        """Whether it is a list, or another one of these, with the same items."""
        if not isinstance(other, list | Lazy):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __reduce__(self) -> tuple[type[list[T]], tuple[list[T]]]:
        return list, (list(self),)  # a pickle, and a deep copy, have no cache

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"[{shown}{', ...' if len(self) > 3 else ''}] ({len(self)})"
