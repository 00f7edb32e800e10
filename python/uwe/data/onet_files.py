"""Rows of O*NET's tables, out of the zip as downloaded, a folder of it, or tables of ours."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from uwe.errors import DataError
from uwe.files.records import checked, decoded, entries_of, lines_of

__all__ = ["Row", "Source", "Table", "open_source"]

Row = dict[str, str]
"""A row by column."""


@dataclass(frozen=True)
class Table:
    """What is kept of one or two files of the database.

    Attributes:
        name: Of the table that is kept.
        files: Of the text database, one after the other.
        columns: That are kept.
        key: Column in which no two rows are equal.
        blank: Columns that may be blank, and that early releases lack.
        refers: Columns that name a row of another table, by its key.
        joins: Columns that the text database has in another file: file and column they share.
        domain: Column that gets the name of the file: `Skills`.
        number: Column of numbers.
        only: A column of the text database, and the value of rows that are kept.
    """

    name: str
    files: tuple[str, ...]
    columns: tuple[str, ...]
    key: str = ""
    blank: tuple[str, ...] = ()
    refers: tuple[tuple[str, str], ...] = ()
    joins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    domain: str = ""
    number: str = ""
    only: tuple[str, str] = ("", "")


class Source:
    """Tables as `write_onet` leaves them: `<name>.csv.gz` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, table: Table) -> Path:
        """The file of a table, for people."""
        return self.folder / f"{table.name}.csv.gz"

    def rows(self, table: Table) -> Iterator[tuple[Path, int, Row]]:
        """File, line, from 1, and row; columns that may lack are filled with blank texts.

        Raises:
            DataError: If the file is missing or damaged, lacks a column, or a row is malformed;
                with its path and line.
        """
        path = self.place(table)
        if not path.is_file():
            raise DataError(f"expected the table {path.name}, found none", path=self.folder)
        with lines_of(path) as lines:
            for line, entry in entries_of(lines, "csv", path, table.columns):
                yield path, line, _row(checked(entry, path, line), table, path, line)


class TextSource(Source):
    """The text database: tab-separated files with a header, in a zip or a folder."""

    def __init__(self, path: Path, members: Mapping[str, str]) -> None:
        super().__init__(path)
        self.members = members

    def place(self, table: Table) -> Path:
        return self._place(table.files[0])

    def rows(self, table: Table) -> Iterator[tuple[Path, int, Row]]:
        for name in table.files:
            place = self._place(name)
            found = self._entries(name)
            _, header = next(found, (1, {}))
            joined = {
                column: (shared, self._column(file, shared, column))
                for column, (file, shared) in table.joins.items()
                if column not in header
            }
            only, wanted = table.only
            for line, row in found:
                if only and _present(row, only, place) != wanted:
                    continue
                for column, (shared, values) in joined.items():
                    key = _present(row, shared, place)
                    if key not in values:
                        file = table.joins[column][0]
                        raise DataError(
                            f"no row of {file} has the {shared} {key!r}: use tables of one release",
                            path=place,
                            line=line,
                        )
                    row[column] = values[key]
                if table.domain:
                    row[table.domain] = name.removesuffix(".txt")
                yield place, line, _row(row, table, place, line)

    def _column(self, name: str, key: str, value: str) -> dict[str, str]:
        """One column of a file by another."""
        place, found = self._place(name), self._entries(name)
        next(found, None)
        return {_present(row, key, place): _present(row, value, place) for _, row in found}

    def _place(self, name: str) -> Path:
        if name not in self.members:
            raise DataError(
                f"expected the table {name!r}, found none: pass the text database as downloaded",
                path=self.folder,
            )
        member = self.members[name]
        return self.folder / member if self.folder.is_dir() else Path(f"{self.folder}!{member}")

    def _entries(self, name: str) -> Iterator[tuple[int, Row]]:
        """Lines and rows; first the header's, each column with its own name."""
        place = self._place(name)
        header: list[str] = []
        with self._lines(name, place) as lines:
            for line, raw in decoded(lines):
                values = raw.rstrip("\r\n").split("\t")
                header = header or values
                if len(values) != len(header):
                    raise DataError(
                        f"expected {len(header)} values as in the header, separated by tabs, got "
                        f"{len(values)}",
                        path=place,
                        line=line,
                    )
                yield line, checked(dict(zip(header, values, strict=True)), place, line)

    @contextmanager
    def _lines(self, name: str, place: Path) -> Iterator[Iterable[bytes]]:
        if self.folder.is_dir():
            with place.open("rb") as file:
                yield file
            return
        try:
            with zipfile.ZipFile(self.folder) as archive, archive.open(self.members[name]) as file:
                yield file
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as bad:
            raise DataError(f"damaged archive ({bad}): fetch it anew", path=place) from None


def open_source(path: Path) -> Source:
    """What kind of O*NET lies at a path.

    Raises:
        DataError: If it is no zip, and no folder with tables.
        OSError: If it cannot be read.
    """
    if not path.is_dir():
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except zipfile.BadZipFile as error:
            raise DataError(
                f"expected a zip of O*NET's text database, got something else ({error}): fetch it "
                "anew, or name a folder",
                path=path,
            ) from None
        return TextSource(path, _members(names))
    if any(path.glob("*.csv.gz")):
        return Source(path)
    members = _members([str(found.relative_to(path)) for found in sorted(path.glob("**/*.txt"))])
    if not members:
        raise DataError(
            "expected O*NET's text database (*.txt) or its tables (*.csv.gz), found none", path=path
        )
    return TextSource(path, members)


def _members(names: Iterable[str]) -> dict[str, str]:
    """Text files by name, whatever folder they are in."""
    # A Mac adds hidden twins of each file to the zips it makes.
    return {
        PurePosixPath(name).name: name
        for name in names
        if name.endswith(".txt") and not name.startswith("__MACOSX/")
    }


def _row(row: Row, table: Table, place: Path, line: int) -> Row:
    """The row with all columns of the table, none of them blank that must not be."""
    for column in table.columns:
        if column in table.blank:
            # Where O*NET has nothing to say, its text files say n/a.
            row[column] = "" if row.get(column, "n/a") == "n/a" else row[column]
        elif not _present(row, column, place).strip():
            raise DataError(f"expected {column!r}, got a blank text", path=place, line=line)
    if table.number:
        row[table.number] = _number(row[table.number], table.number, place, line)
    return row


def _number(text: str, column: str, place: Path, line: int) -> str:
    """A number as Python writes it: `4.00` as `4.0`."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"expected {column!r} to be a number, got {text!r}", path=place, line=line)
    return str(number)


def _present(row: Row, column: str, place: Path) -> str:
    if column not in row:
        raise DataError(
            f"expected the column {column!r}, got {', '.join(row)}: pass the file as O*NET ships "
            "it",
            path=place,
            line=1,
        )
    return row[column]
