"""The first sheet of an Excel workbook, by python-calamine, which the extra `xlsx` brings."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from uwe.errors import DataError, extra

_MOST_CELLS = 1 << 24
"""From the first to the last row and column: calamine holds all of them, also the empty ones, and
ends the process where memory is full."""

_MOST_BYTES = 1 << 30
"""Of a workbook, unpacked."""

_CELL = re.compile(rb"<(?:\w+:)?c\s[^<>]{0,200}?\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_OVERLAP = 256


def xlsx_rows(path: Path) -> Iterator[list[Any]]:
    """The rows of the first sheet, all of one length; None is an empty cell.

    The first row is that of the sheet, so that they are counted as Excel counts them. Whole numbers
    are of type int.
    """
    with extra("xlsx", "reading Excel's .xlsx"):
        import python_calamine as calamine
    with path.open("rb") as file:
        try:
            _check_size(file, path)
            file.seek(0)
            # The library answers the encrypted and the damaged, each with an error of its own.
            with calamine.CalamineWorkbook.from_filelike(file) as book:
                rows = book.get_sheet_by_index(0).iter_rows()
        except (
            calamine.CalamineError,
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
        ) as error:
            raise DataError(
                f"expected an Excel workbook (.xlsx), got what cannot be read as such ({error}): "
                "save it again, without a password",
                path=path,
            ) from None
        for row in rows:
            yield [_value(cell) for cell in row]


def _check_size(file: Any, path: Path) -> None:
    """DataError if reading it would take too much memory."""
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
        rows, columns = 0, 0
        for name in archive.namelist() if size <= _MOST_BYTES else ():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with archive.open(name) as sheet:
                    tail = b""
                    while block := sheet.read(1 << 20):
                        for column, row in _CELL.findall(tail + block):
                            rows, columns = max(rows, int(row)), max(columns, _number(column))
                        tail = block[-_OVERLAP:]
    if size > _MOST_BYTES or rows * columns > _MOST_CELLS:
        found = (
            f"{size >> 20} MiB" if size > _MOST_BYTES else f"{rows:,} rows of {columns:,} columns"
        )
        raise DataError(
            f"expected a workbook of at most {_MOST_BYTES >> 20} MiB unpacked and "
            f"{_MOST_CELLS:,} cells, empty ones included, got {found}: save the sheet as CSV UTF-8",
            path=path,
        )


def _number(column: bytes) -> int:
    """A column's number: A is 1, AA is 27."""
    number = 0
    for letter in column:
        number = number * 26 + letter - 64
    return number


def _value(cell: Any) -> Any:
    if cell == "":
        return None
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell
