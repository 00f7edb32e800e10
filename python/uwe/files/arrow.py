"""pyarrow, which the extra `arrow` brings, and what it reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from uwe.errors import DataError, MissingExtraError

__all__ = ["arrow", "parquet_rows"]

_ROWS = 64
"""Rows that are held at once: texts may be long."""


def arrow(needed_for: str) -> Any:
    """The module pyarrow.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise MissingExtraError("arrow", needed_for) from None
    return pa


def parquet_rows(path: Path, known: Collection[str]) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, a block at a time.

    Raises:
        DataError: If it is none, is damaged, or has none of the `known` columns.
        MissingExtraError: If pyarrow is not installed.
        OSError: If the file cannot be read.
    """
    pa = arrow("reading Parquet")
    from pyarrow import parquet

    with path.open("rb") as raw:
        try:
            with parquet.ParquetFile(raw) as file:
                names = file.schema_arrow.names
                if not set(names) & set(known):
                    raise DataError(
                        f"expected a column such as {', '.join(map(repr, sorted(known)))}, got "
                        f"{', '.join(map(repr, names))}: name another field",
                        path=path,
                    )
                for batch in file.iter_batches(_ROWS):
                    yield from batch.to_pylist()
        except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
            # An error of the system has a number, one of Arrow's none.
            if isinstance(error, OSError) and error.errno:
                raise
            reason = str(error).rstrip(".")
            raise DataError(
                f"expected Parquet, got what cannot be read as such ({reason}): write it again",
                path=path,
            ) from None
