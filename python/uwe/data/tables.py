"""Tables as publishers ship them: separated by commas or tabs, packed or not, also in a zip."""

from __future__ import annotations

import errno
import io
import lzma
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, cast

from uwe.errors import DataError
from uwe.files.records import checked, decoded, entries_of, lines_of

MORE = " ..."
"""Ends the name of a last column that stands for one value or several."""

_OF_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError,
    RuntimeError, UnicodeDecodeError,
)  # fmt: skip
"""What reading a member of a damaged archive raises."""


@dataclass(frozen=True)
class TableFile:
    """One file, unpacked or in a zip."""

    path: Path  # where it lies, or the path of its zip
    member: str = ""  # its name in the zip, or an empty text

    @property
    def name(self) -> str:
        """Its name without folders."""
        return PurePosixPath(self.member).name if self.member else self.path.name

    @property
    def place(self) -> Path:
        """For people: `release.zip!skills_en.csv`."""
        return Path(f"{self.path}!{self.member}") if self.member else self.path

    def rows(
        self,
        separated_by: Literal["commas", "tabs"],
        required: Collection[str],
        delimiter: str | None = None,
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """Line numbers, from 1, and rows by column; nothing is held.

        `commas` is CSV, with quotes; `tabs` is without. The columns `required` have to be there.
        `delimiter` is that of CSV; None as in `uwe.corpus.read_queries`.
        """
        place = self.place
        with self._lines() as lines:
            entries = (
                entries_of(lines, "csv", place, required, delimiter)
                if separated_by == "commas"
                else _tabbed(lines, place)
            )
            for line, entry in entries:
                row = checked(entry, place, line)
                for column in required:
                    if column not in row:
                        raise DataError(
                            f"expected the column {column!r}, got {', '.join(row)}: name one of "
                            "these, or pass a publisher's file as it was published",
                            path=place,
                            line=1,
                        )
                yield line, row

    @contextmanager
    def _lines(self) -> Iterator[Iterable[bytes]]:
        if not self.member:
            with lines_of(self.path) as lines:
                yield lines
            return
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                # Lines of a member alone are read one by one, several times slower.
                yield io.BufferedReader(cast(zipfile.ZipExtFile, file))
        except _OF_DAMAGE as bad:
            if isinstance(bad, OSError) and bad.errno not in (None, errno.EINVAL):
                raise  # of the system, not of what was unpacked
            raise DataError(
                f"damaged archive ({bad}): download it again", path=self.place
            ) from None


def find_files(source: Path, suffix: str) -> list[TableFile]:
    """Files whose names end so: in a zip, in a folder and the zips in it; or the file itself."""
    zips, found = [source], []
    if source.is_dir():
        zips = sorted(source.rglob("*.zip"))
        found = [TableFile(path) for path in sorted(source.rglob(f"*{suffix}")) if path.is_file()]
    elif source.suffix.lower() == suffix:
        return [TableFile(source)]
    for path in zips:
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
            raise DataError(
                f"expected a zip as its publisher ships it, got something else ({error}): download "
                "it again, or name a folder of what was in it",
                path=path,
            ) from None
        # A Mac adds hidden twins of each file to the zips it makes.
        found += [
            TableFile(path, name)
            for name in names
            if name.lower().endswith(suffix) and not name.startswith("__MACOSX/")
        ]
    return found


def tabbed_rows(
    path: Path, columns: Sequence[str], *, header: bool = True, optional: Collection[str] = ()
) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped values of each line of a tab-separated file that is not blank.

    A file whose name ends in .gz is unpacked. If the name of the last column ends in `MORE`, a line
    may have several values there. `header` says whether the file begins with the names, `optional`
    which columns may be blank.
    """
    width, listed = len(columns), ", ".join(columns)
    more = columns[-1].endswith(MORE)
    with lines_of(path) as lines:
        for number, values in _values(lines, path):
            if len(values) == 1 and not values[0].strip(" "):
                continue
            if header and number == 1:
                if values != list(columns):
                    raise DataError(
                        f"expected the columns {listed}, separated by tabs, got "
                        f"{', '.join(values)}: mend the header",
                        path=path,
                        line=number,
                    )
                continue
            if len(values) < width or (len(values) > width and not more):
                raise DataError(
                    f"expected {width} values {'or more ' if more else ''}({listed}), separated by "
                    f"tabs, got {len(values)}: mend the line",
                    path=path,
                    line=number,
                )
            values = [value.strip() for value in values]
            for i, value in enumerate(values):
                if not value and (column := columns[min(i, width - 1)]) not in optional:
                    raise DataError(
                        f"expected a text in {column.removesuffix(MORE)}, got a blank value: mend "
                        "the line, or leave it out",
                        path=path,
                        line=number,
                    )
            yield number, values


def _tabbed(lines: Iterable[bytes], place: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows of lines that begin with a header."""
    header: list[str] = []
    for line, values in _values(lines, place):
        if not header:
            header = values
            continue
        if len(values) != len(header):
            raise DataError(
                f"expected {len(header)} values as in the header, separated by tabs, got "
                f"{len(values)}",
                path=place,
                line=line,
            )
        yield line, dict(zip(header, values, strict=True))


def _values(lines: Iterable[bytes], path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, raw in decoded(lines, path):
        checked({"": raw}, path, line)
        yield line, raw.rstrip("\r\n").split("\t")
