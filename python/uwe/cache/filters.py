"""Which targets a `where=` keeps: metadata columns, boolean masks, indices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.checks import is_iterable
from uwe.columns import values_of
from uwe.errors import InputError, shown

Scalar = str | int | float | bool | None
"""A metadata value."""

Where = Mapping[str, Any] | Iterable[bool] | Iterable[int] | NDArray[Any]
"""A filter: `{column: value or list of values}`, a boolean mask, or indices."""


class Filters:
    """Filters over the `length` targets of one open cache.

    A column is read at its first use; `read` gives its values, one for each target.
    """

    def __init__(
        self, length: int, columns: Sequence[str], read: Callable[[str], list[Scalar]]
    ) -> None:
        self._length = length
        self._columns = list(columns)
        self._read = read
        self._codes: dict[str, tuple[dict[tuple[str, Scalar], int], NDArray[np.int64]]] = {}

    def mask(self, where: Where | None) -> NDArray[np.bool_]:
        """(targets,), bool: which targets `where` keeps; None keeps all."""
        if where is None:
            return np.ones(self._length, dtype=np.bool_)
        if isinstance(where, Mapping):
            kept = np.ones(self._length, dtype=np.bool_)
            for column, wanted in where.items():
                kept &= self._matches(column, wanted)
            return kept
        return self._from_array(where)

    def _from_array(
        self, where: Iterable[bool] | Iterable[int] | NDArray[Any]
    ) -> NDArray[np.bool_]:
        values = values_of("where", where)
        # What can be read once only would keep nothing the next time.
        if isinstance(where, str | bytes | Iterator) or not is_iterable(values):
            raise InputError(
                "expected where={column: value or list of values}, a boolean mask or indices, got "
                f"{type(where).__name__}"
            )
        if not isinstance(values, np.ndarray) or values.dtype == object:
            values = list(values)
        try:
            array = np.asarray(values)
        except ValueError:
            array = np.empty((0, 0))
        if array.ndim == 1 and len(array) == 0 and array.dtype != np.bool_:
            array = array.astype(np.int64)
        if array.ndim == 1 and array.dtype == np.bool_:
            if len(array) != self._length:
                raise InputError(
                    f"expected a mask of {self._length} booleans, one for each target, got "
                    f"{len(array)}"
                )
            return array.copy()
        if array.ndim != 1 or (len(array) > 0 and not np.issubdtype(array.dtype, np.integer)):
            raise InputError(
                "expected a mask of booleans or integer indices, one-dimensional, got shape "
                f"{array.shape} of {array.dtype}"
            )
        # NumPy makes numbers of the booleans among them.
        if isinstance(values, list) and any(isinstance(i, bool | np.bool_) for i in values):
            raise InputError(
                "expected a mask of booleans alone or indices alone, got both: pass one of them"
            )
        outside = (array < 0) | (array >= self._length)
        if outside.any():
            raise InputError(
                f"expected indices from 0 to below {self._length}, got {int(array[outside][0])}"
            )
        kept = np.zeros(self._length, dtype=np.bool_)
        kept[array.astype(np.int64)] = True
        return kept

    def _matches(self, column: str, wanted: Any) -> NDArray[np.bool_]:
        if column not in self._columns:
            listed = ", ".join(map(repr, self._columns)) or "none: the cache has no metadata"
            raise InputError(f"no metadata column {shown(column)}; columns are: {listed}")
        known, codes = self._encoded(column)
        kinds = {kind for kind, _ in known}
        wanted_codes = []
        what = f"column {shown(column)}"
        for value in self._listed(what, wanted):
            key = kinded(value, what)
            if key[0] not in kinds and key[0] != "None" and kinds - {"None"}:
                raise InputError(
                    f"{what} holds {' and '.join(sorted(kinds))} values, got "
                    f"{shown(value)}, which is {key[0]}; columns are: "
                    f"{', '.join(map(repr, self._columns))}"
                )
            wanted_codes.append(known.get(key, -1))
        return np.isin(codes, wanted_codes)

    @staticmethod
    def _listed(what: str, wanted: Any) -> list[Any]:
        values = values_of(what, wanted)
        if isinstance(values, np.ndarray):
            return list(np.atleast_1d(values).tolist())
        if is_iterable(values) and not isinstance(wanted, str | bytes | Mapping | Iterator):
            return list(values)
        return [wanted]

    def _encoded(self, column: str) -> tuple[dict[tuple[str, Scalar], int], NDArray[np.int64]]:
        if column not in self._codes:
            known: dict[tuple[str, Scalar], int] = {}
            codes = np.empty(self._length, dtype=np.int64)
            for i, value in enumerate(self._read(column)):
                codes[i] = known.setdefault(kinded(value, ""), len(known))
            # One assignment of a finished value: threads may do this twice, to the same effect.
            self._codes[column] = (known, codes)
        return self._codes[column]


def kinded(value: Any, what: str) -> tuple[str, Scalar]:
    """A metadata value with its kind, since `True == 1` and no filter means that.

    What is no `Scalar` is an InputError, whose message calls it `what`.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return "None", None
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int) and value.bit_length() > 1023:
        # Python writes no number of thousands of digits, not even into a message.
        raise InputError(
            f"{what}: expected a number that a float can hold, got a larger one: write it as a text"
        )
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return "number", value
    if isinstance(value, str):
        return "text", value
    raise InputError(
        f"{what}: expected a text, a finite number, a boolean or None, got {shown(value)}: correct "
        "it"
    )
