"""The first sheet of an Excel workbook, by python-calamine, which the extra `xlsx` brings."""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from uwe.errors import DataError, extra

_MOST_CELLS = 1 << 24
"""From the first to the last row and column: calamine holds all of them, also the empty ones, and
ends the process where memory is full."""

_MOST_BYTES = 1 << 30
"""Of a workbook, unpacked."""

_HAS_ROWS = b"sheetData"
_CELL = re.compile(r"([A-Za-z]+)([0-9]+)")


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
            lzma.LZMAError,
            expat.ExpatError,
            RuntimeError,
            UnicodeDecodeError,
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
        # A workbook names its sheets, and they may lie anywhere.
        for member in archive.infolist() if size <= _MOST_BYTES else ():
            if _has_rows(archive, member):
                with archive.open(member) as sheet:
                    extent = _Extent(sheet)
                rows, columns = max(rows, extent.rows), max(columns, extent.columns)
    if size > _MOST_BYTES or rows * columns > _MOST_CELLS:
        found = (
            f"{size >> 20} MiB" if size > _MOST_BYTES else f"{rows:,} rows of {columns:,} columns"
        )
        raise DataError(
            f"expected a workbook of at most {_MOST_BYTES >> 20} MiB unpacked and "
            f"{_MOST_CELLS:,} cells, empty ones included, got {found}: save the sheet as CSV UTF-8",
            path=path,
        )


def _has_rows(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    with archive.open(member) as part:
        tail = b""
        while block := part.read(1 << 20):
            if _HAS_ROWS in tail + block:
                return True
            tail = block[-len(_HAS_ROWS) :]
    return False


class _Extent:
    """The last row and column of a sheet, counted as calamine does: cells may lack a name."""

    def __init__(self, sheet: IO[bytes]) -> None:
        self.rows = self.columns = 0
        self._row = self._column = 0
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._started
        parser.ParseFile(sheet)

    def _started(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "row":
            number = attributes.get("r", "")
            self._row = int(number[:9]) if number.isdecimal() else self._row + 1
            self._column = 0
        elif kind == "c":
            self._column += 1
            if found := _CELL.fullmatch(attributes.get("r", "").strip()):
                self._row, self._column = int(found[2][:9]), _number(found[1][:9])
            self.rows = max(self.rows, self._row)
            self.columns = max(self.columns, self._column)


def _number(column: str) -> int:
    """A column's number: A is 1, AA is 27."""
    number = 0
    for letter in column.upper():
        number = number * 26 + ord(letter) - 64
    return number


def _value(cell: Any) -> Any:
    if cell == "":
        return None
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell
