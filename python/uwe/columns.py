"""Columns of Arrow, pandas and polars as Python values; pyarrow, which the extra `arrow` brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from uwe.errors import InputError, extra

_ROWS = 4096
"""Values that are held at once as Python objects."""


def arrow(needed_for: str) -> Any:
    """The module pyarrow."""
    with extra("arrow", needed_for):
        import pyarrow as pa
    return pa


def metadata_array(values: Sequence[Any]) -> Any:
    """An Arrow array of metadata; numbers that fit into no type of Arrow's together are float64."""
    pa = arrow("to_arrow")
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, OverflowError):
        return pa.array([None if value is None else float(value) for value in values])


def values_of(what: str, column: Any) -> Any:
    """An iterable of the Python values of a column; anything else as it is.

    A column is one of pandas or polars, a masked array of NumPy, or has the methods of Arrow's
    PyCapsule interface, `__arrow_c_stream__` or `__arrow_c_array__`. What is null, masked, or
    missing to pandas, is None. A table, or a value that Python has no type for, is an InputError,
    which calls the column `what`.
    """
    if isinstance(column, np.ma.MaskedArray) and column.ndim:
        return column.tolist()
    origin, streams = _origin(column), hasattr(column, "__arrow_c_stream__")
    if not (streams or hasattr(column, "__arrow_c_array__") or origin in ("pandas", "polars")):
        return column
    if hasattr(type(column), "columns") or hasattr(type(column), "levels"):  # a MultiIndex
        raise _is_table(what, type(column).__name__)
    if origin == "polars" or (origin == "pandas" and not hasattr(column, "isna")):
        return column
    if origin == "pandas":
        return [None if no else one for one, no in zip(column, column.isna(), strict=True)]
    pa = arrow("taking Arrow data")
    made = pa.chunked_array(column) if streams else pa.chunked_array([pa.array(column)])
    if pa.types.is_struct(made.type):
        raise _is_table(what, str(made.type))
    return _values(what, made)


def columns_of(what: str, table: Any) -> Any:
    """The columns of a table by their names; anything else, such as a mapping, as it is.

    A table is one of pandas or polars, or what has `__arrow_c_stream__`.
    """
    ours = _origin(table) in ("pandas", "polars") and hasattr(type(table), "columns")
    if isinstance(table, Mapping) or not (ours or hasattr(table, "__arrow_c_stream__")):
        return table
    if ours and type(table).__name__ == "LazyFrame":
        raise InputError(f"{what}: expected a table, got a LazyFrame of polars: collect() it")
    if not ours:
        pa = arrow("taking Arrow data")
        try:
            table = pa.table(table)
        except (pa.ArrowException, TypeError, ValueError):  # a column alone
            return table
    names = list(table.columns if ours else table.column_names)
    if len(set(names)) != len(names):
        raise InputError(f"{what}: expected columns of different names, got {names}: rename some")
    return {name: table[name] for name in names}


def _origin(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _is_table(what: str, kind: str) -> InputError:
    return InputError(
        f"expected {what} to be one column, got a table ({kind}): pass a column of it"
    )


def _values(what: str, column: Any) -> Iterator[Any]:
    try:
        for start in range(0, len(column), _ROWS):
            yield from column.slice(start, _ROWS).to_pylist()
    except (ValueError, OverflowError) as error:  # Arrow's own errors are the former, too
        raise InputError(
            f"expected {what} as values that Python has a type for, got {column.type} ({error}): "
            "cast the column"
        ) from None
