"""Parquet, by pyarrow, which the extra `arrow` brings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uwe.columns import arrow
from uwe.errors import DataError

_ROWS = 64
"""Rows that are held at once: texts may be long."""

_BUFFER = 1 << 20
"""Bytes of a column that are read at once: a row group may be larger than the memory."""


def parquet_rows(
    path: Path, known: Collection[str], columns: Collection[str] | None = None
) -> Iterator[dict[str, Any] | DataError]:
    """The rows of a Parquet file, a block at a time; what is wrong with one that is no UTF-8.

    The file must have one of the columns `known`. `columns` are those that are read, if they are
    there; None reads all.
    """
    with _opened(path) as file:
        names = file.schema_arrow.names
        if not set(names) & set(known):
            raise DataError(
                f"expected a column such as {', '.join(map(repr, sorted(known)))}, got "
                f"{', '.join(map(repr, names))}: name another field",
                path=path,
            )
        wanted = None if columns is None else [name for name in names if name in columns]
        row = 0
        for batch in file.iter_batches(_ROWS, columns=wanted):
            try:
                rows = batch.to_pylist()
            except ValueError:
                rows = (_row(batch, i, path, row + i + 1) for i in range(len(batch)))
            yield from rows
            row += len(batch)


def _row(batch: Any, i: int, path: Path, number: int) -> dict[str, Any] | DataError:
    """One row of a batch that cannot be read as a whole."""
    fields = {}
    for name in batch.schema.names:
        try:
            fields[name] = batch[name][i].as_py()
        except UnicodeDecodeError:  # noqa: PERF203
            wrong = f"expected UTF-8 in {name!r}, got other bytes: convert them"
            return DataError(wrong, path=path, line=number)
        except ValueError as error:
            raise DataError(
                f"expected values of {name!r} that Python can hold, got another ({error}): write "
                "it as another type, such as a timestamp in microseconds",
                path=path,
                line=number,
            ) from None
    return fields


def parquet_types(path: Path) -> dict[str, Any]:
    """The Arrow type of each column of a Parquet file."""
    with _opened(path) as file:
        return {field.name: field.type for field in file.schema_arrow}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    pa = arrow("reading Parquet")
    from pyarrow import parquet

    with path.open("rb") as raw:
        try:
            with parquet.ParquetFile(raw, buffer_size=_BUFFER, pre_buffer=False) as file:
                yield file
        except DataError:
            raise
        except (pa.ArrowException, ValueError, OverflowError, OSError) as error:
            # An error of the system has a number, one of Arrow's none.
            if isinstance(error, OSError) and error.errno:
                raise
            reason = str(error).rstrip(".")
            raise DataError(
                f"expected Parquet, got what cannot be read as such ({reason}): write it again",
                path=path,
            ) from None
