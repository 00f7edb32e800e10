"""What an open target cache holds, as Python values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.checks import natural, text_of
from uwe.config import Scorer
from uwe.errors import CacheCorruptError, CacheFormatError, InputError
from uwe.filters import Filters, Scalar, Where

__all__ = ["CacheView"]

T = TypeVar("T")
_CHUNK = 4096


class CacheView:
    """The reading half of `TargetCache`: one opened generation; safe to share between threads."""

    def __init__(self, core: _core.TargetCache, path: Path) -> None:
        self._core = core
        self._path = path
        self._manifest = _read_manifest(core.manifest, path)
        # Bound to the compiled cache, not to this object: a circle of the two would keep the maps
        # of files until the garbage collector comes by.
        self._column = partial(_read_column, core, path)
        self._filters = Filters(len(core), core.columns, self._column)
        self._by_label: dict[str, list[int]] | None = None

    def __len__(self) -> int:
        return len(self._core)

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._path

    @property
    def core(self) -> _core.TargetCache:
        """The compiled cache: what the scoring functions of `uwe._core` take."""
        return self._core

    @property
    def scorer(self) -> Scorer:
        """What ranks against it by default.

        Raises:
            CacheFormatError: If this release knows no such scorer.
        """
        scorer = self._manifest["scorer"]
        try:
            return Scorer(
                scorer["name"], temperature=scorer["temperature"], pivot=scorer.get("pivot")
            )
        except InputError as error:
            raise CacheFormatError(
                f"{self._path}: is ranked by a scorer that this release does not know: {error}; "
                "update uwe, or pass scorer="
            ) from None

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model that built it; empty if that has none."""
        return str(self._manifest["model"]["fingerprint"])

    @property
    def seal(self) -> str:
        """sha256 of the manifest, which names everything else by its sha256."""
        return str(self._manifest["sha256"])

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._core.dim

    @property
    def labels(self) -> Sequence[str]:
        """The label of every target, read where it is used."""
        return _Strings(self._core.labels, len(self))

    @property
    def ids(self) -> Sequence[str | None]:
        """The id of every target or None, read where it is used."""
        return _Strings(self._core.ids, len(self))

    def aliases(self, index: int) -> list[str]:
        """The aliases of one target; InputError if there is no such target."""
        return self._core.aliases(self._index(index))

    @property
    def columns(self) -> list[str]:
        """Names of the metadata columns."""
        return self._core.columns

    def metadata(self, index: int) -> dict[str, Scalar]:
        """One target's value in every column; InputError if there is no such target."""
        values = self._core.metadata_json(self._index(index))
        columns = self.columns
        scalars = _scalars(f"[{','.join(values)}]", len(columns), self._path)
        return dict(zip(columns, scalars, strict=True))

    def find(self, label: str) -> list[int]:
        """Indices of the targets with this label, ascending; empty if there is none."""
        text_of("label", label)
        if self._by_label is None:
            by_label: dict[str, list[int]] = {}
            for i, known in enumerate(self.labels):
                by_label.setdefault(known, []).append(i)
            self._by_label = by_label
        return list(self._by_label.get(label, ()))

    def mask(self, where: Where | None) -> NDArray[np.bool_]:
        """Which targets a filter keeps.

        Args:
            where: `{column: value or list of values}`, of which all columns must match (a list
                matches if one of its values does); or a boolean mask; or indices, in any order,
                a repeated one counting once; None keeps all.

        Returns:
            (len(self),), bool.

        Raises:
            InputError: If a column is unknown, a value has a kind that the column has not, a mask
                has another length, or an index is out of range.
        """
        return self._filters.mask(where)

    def info(self) -> dict[str, Any]:
        """What there is to know, ready for JSON: counts, sizes, model, scorer, format."""
        segments = self._manifest["segments"]
        return {
            "path": str(self._path),
            "targets": len(self),
            "texts": self._core.texts,
            "token_vectors": self._core.token_count,
            "dim": self.dim,
            "dtype": self._core.dtype,
            "tokens": self._core.tokens,
            "columns": self.columns,
            "scorer": str(self.scorer),
            "model": self._manifest["model"]["source"],
            "fingerprint": self.fingerprint,
            "generation": self._manifest["generation"],
            "format": ".".join(map(str, self._manifest["version"])),
            "written_by": self._manifest["written_by"],
            "data_files": len(segments),
            "removed": sum(end - start for s in segments for start, end in s["removed"]),
            "bytes": sum(segment["bytes"] for segment in segments),
        }

    def _index(self, index: int) -> int:
        number = index if isinstance(index, int) else natural("the index of a target", index)
        if not 0 <= number < len(self):
            raise InputError(
                f"expected the index of a target from 0 to below {len(self)}, got {index!r}: "
                "correct it"
            )
        return number

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({str(self._path)!r}, targets={len(self)}, dim={self.dim}, "
            f"dtype={self._core.dtype!r}, scorer={str(self.scorer)!r})"
        )


def _read_manifest(text: str, path: Path) -> dict[str, Any]:
    """The manifest, which has a right checksum: parts of another shape may have one too."""
    try:
        manifest = json.loads(text)
        parts = [manifest, manifest["model"], manifest["scorer"], *manifest["segments"]]
        sound = all(isinstance(part, dict) for part in parts)
    except (ValueError, RecursionError, TypeError, KeyError):
        sound, manifest = False, {}
    if not sound:
        raise CacheCorruptError(
            f"{path}: its manifest has another shape than any release writes: rebuild the cache"
        )
    return cast(dict[str, Any], manifest)


def _read_column(core: _core.TargetCache, path: Path, name: str) -> list[Scalar]:
    """The values of one metadata column, one for each target."""
    return _scalars(core.column_json(name), len(core), path)


def _scalars(text: str, length: int, path: Path) -> list[Scalar]:
    """Parse a JSON array of scalars, which unverified damage may have touched."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    sound = isinstance(values, list) and not any(isinstance(v, list | dict) for v in values)
    if not sound or len(values) != length:
        raise CacheCorruptError(f"{path}: its metadata is damaged: rebuild the cache")
    return cast(list[Scalar], values)


class _Strings(Sequence[T], Generic[T]):
    """Labels or ids that are read from the cache when they are asked for."""

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
        if not isinstance(other, list | _Strings):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"[{shown}{', ...' if len(self) > 3 else ''}] ({len(self)})"
