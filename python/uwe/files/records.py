"""Entries of a file, each with its line: plain lines, CSV, JSON lines; Parquet, Excel."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from uwe.checks import is_blank, is_iterable, is_unicode, path_of
from uwe.errors import DataError, InputError, shown
from uwe.files.arrow import parquet_rows
from uwe.files.xlsx import xlsx_rows

Format = Literal["lines", "csv", "jsonl", "parquet", "xlsx"]
FORMATS: tuple[Format, ...] = ("lines", "csv", "jsonl", "parquet", "xlsx")
"""`lines`: one text a line; `csv`: a header, then rows; `jsonl`: one JSON object a line; `parquet`
(extra `arrow`): its rows count as lines; `xlsx` (extra `xlsx`): the first sheet of an Excel
workbook, a header, then rows, which count as Excel has them."""

_LONGEST_FIELD = 1 << 24
"""Characters of a value in a CSV file; one that is longer has lost its closing quote."""
_LONGEST_ENTRY = 1 << 27
"""Characters of an entry, likewise."""

_LINES, _AGAIN = 32, 8
"""Lines of one entry that are read again wherever a quote stays open; and, for each line of the
file, lines that are read again beyond."""

_SUFFIXES: dict[str, Format] = {
    ".txt": "lines", ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".xlsx": "xlsx",
}  # fmt: skip

_BINARY = {
    b"\x1f\x8b": "data packed by gzip: unpack them with  gzip -d, or let the name end in .gz",
    b"PK\x03\x04": "a zip archive: unpack it, or, if Excel wrote it, let the name end in .xlsx",
}
"""What is no text, by its first bytes."""

_QUOTED = re.compile(r'"[^"]*"?')


def format_of(path: Path | None, given: Format | None, delimiter: str | None = None) -> Format:
    """The format that was given, or that the suffix tells; with a delimiter it is CSV."""
    if given is not None and (not isinstance(given, str) or given not in FORMATS):
        raise InputError(f"expected one of the formats {', '.join(FORMATS)}, got {shown(given)}")
    found = given or _SUFFIXES.get(suffix_of(path))
    if delimiter is not None:
        if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
            raise InputError(
                f"expected one character as the delimiter, got {shown(delimiter)}: pass ';', say"
            )
        if found in ("jsonl", "parquet", "xlsx") or given == "lines":
            raise InputError(f"the format {found} has no delimiter: leave it out")
        return "csv"
    if found is None and path is None:
        return "lines"
    if found is None:
        raise InputError(
            f"cannot tell the format of {path} by its suffix; known are {', '.join(_SUFFIXES)}, "
            f"all but the last two also with .gz: give the format, one of {', '.join(FORMATS)}"
        )
    return found


def suffix_of(path: Path | None) -> str:
    """The last suffix but `.gz`, in lower case; an empty text without one."""
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"] if path else []
    return suffixes[-1] if suffixes else ""


@contextmanager
def lines_of(source: str | Path | Iterable[bytes]) -> Iterator[Iterable[bytes]]:
    """Lines of bytes; a damaged archive is a DataError."""
    if not isinstance(source, str | PathLike):
        if isinstance(source, bytes) or not is_iterable(source):
            raise InputError(
                f"expected a file, or lines of bytes, got {shown(source)}: name a file"
            )
        yield source
        return
    path = path_of("source", source)
    with path.open("rb") as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        magic = file.read(2)
        file.seek(0)
        if magic not in (b"", b"\x1f\x8b"):
            raise DataError(
                "expected a file packed by gzip, as its name says, got one that is not: pack it "
                "with  gzip",
                path=path,
            )
        try:
            with gzip.open(file) as unpacked:
                yield io.BufferedReader(unpacked)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"damaged archive ({error}): fetch it again", path=path) from None


def decoded(lines: Iterable[bytes], path: Path | None = None) -> Iterator[tuple[int, str]]:
    """Line numbers, from 1, and lines; a byte order mark at the start is passed over."""
    # Bytes that are no UTF-8 become lone surrogates, which `checked` refuses entry by entry: so
    # one bad line costs one entry, not the rest of the file.
    for number, line in enumerate(lines, 1):
        if not isinstance(line, bytes):
            raise InputError(
                f"expected lines of bytes, got {shown(line)}: open the file with mode 'rb'"
            )
        if number == 1:
            for start, what in _BINARY.items():
                if line.startswith(start):
                    raise DataError(f"expected text in UTF-8, got {what}", path=path)
        if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(
                "expected UTF-8, got UTF-16, as spreadsheets save Unicode text: save it as CSV "
                "UTF-8, or convert it with  iconv -f UTF-16 -t UTF-8",
                path=path,
                line=1,
            )
        text = line.decode("utf-8", "surrogateescape")
        if number == 1 and "\r" in text.rstrip("\r") and not text.endswith("\n"):
            raise DataError(
                "expected lines that end in LF or CR LF, got CR alone, as old spreadsheets write: "
                "convert it with  tr '\\r' '\\n'",
                path=path,
                line=1,
            )
        yield number, text.removeprefix("\ufeff") if number == 1 else text


def entries_in(
    source: str | Path | Iterable[bytes],
    format_: Format,
    path: Path | None,
    known: Collection[str],
    delimiter: str | None,
    columns: Collection[str] | None = None,
) -> Iterator[tuple[int, dict[str, Any] | DataError]]:
    """`entries_of` a file of any format, or of lines of bytes.

    Of Parquet, `columns` names those that are read; None reads all.
    """
    if format_ not in ("parquet", "xlsx"):
        with lines_of(source) as lines:
            yield from entries_of(lines, format_, path, known, delimiter)
        return
    if path is None:
        raise InputError(f"expected a file, as {format_} is read from its end: name one")
    if format_ == "parquet":
        yield from enumerate(parquet_rows(path, known, columns), 1)
    else:
        yield from _sheet_entries(path, known)


def _sheet_entries(path: Path, known: Collection[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows below the first that is not blank, which is the header."""
    header: list[str] = []
    for line, row in enumerate(xlsx_rows(path), 1):
        if all(cell is None for cell in row):
            continue
        if header:  # columns without a name are notes
            yield line, {name: cell for name, cell in zip(header, row, strict=True) if name}
            continue
        header = ["" if cell is None else str(cell).strip() for cell in row]
        if problem := _wrong_header([name for name in header if name], known):
            raise DataError(problem, path=path, line=line)
    if not header:
        raise DataError("expected a header and rows, got blank lines: add some", path=path)


def entries_of(
    lines: Iterable[bytes],
    format_: Format,
    path: Path | None,
    known: Collection[str],
    delimiter: str | None = None,
) -> Iterator[tuple[int, dict[str, Any] | DataError]]:
    """Line number and fields of each entry, or what is wrong with it.

    Blank lines are passed over; a file of nothing else is one invalid entry.

    Without a delimiter, tabs separate the columns of a `.tsv`; otherwise commas do, or, if the
    header has no comma, its tabs or semicolons. A CSV header with none of the `known` names is a
    DataError.
    """
    if format_ == "csv":
        yield from _csv_entries(lines, path, known, delimiter)
        return
    number = 0
    found = False
    for number, raw in decoded(lines, path):
        line = raw.rstrip("\r\n")
        if not is_blank(line):
            found = True
            yield number, _entry(line, format_, path, number)
    if number and not found:
        yield 1, _entry("", format_, path, 1)


def _entry(
    line: str, format_: Format, path: Path | None, number: int
) -> dict[str, Any] | DataError:
    if format_ == "lines":
        return {"": line}
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        found = f"none ({error.msg}, column {error.colno})" if line else "a blank line"
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, depths
        found = str(error)
    else:
        if isinstance(entry, dict):
            return entry
        found = type(entry).__name__
    wrong = f"expected a JSON object, got {found}: mend the line"
    return DataError(wrong, path=path, line=number)


def _csv_entries(
    lines: Iterable[bytes], path: Path | None, known: Collection[str], delimiter: str | None
) -> Iterator[tuple[int, dict[str, Any] | DataError]]:
    numbered = decoded(lines, path)
    taken: list[tuple[int, str]] = []  # by the entry that is being read
    credit = held = 0  # lines that may be read again; characters of the entry
    again = deque(_first(numbered, path))
    if again and delimiter is None:
        delimiter = _delimiter(again[0][1], path)
    reading = partial(csv.reader, strict=True, delimiter=delimiter or ",")

    def pull() -> Iterator[str]:
        # Where many quotes are open, each would have the rest of the file read once more.
        nonlocal credit, held
        while held <= _LONGEST_ENTRY and (not again or len(taken) < _LINES or credit > 0):
            paid = -(len(taken) >= _LINES) if again else _AGAIN
            line = again.popleft() if again else next(numbered, None)
            if line is None:
                break
            credit += paid
            held += len(line[1])
            taken.append(line)
            yield line[1]

    header: list[str] | None = None
    line = 0
    # Of the whole process, and lower by default than long adverts are.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    reader = reading(pull())
    while True:
        taken.clear()
        held = 0
        row, problem = _next_row(reader)
        if row is None:
            break
        line = taken[0][0]
        if len(taken) == 1 and not taken[0][1].strip():
            continue
        if header is None:
            header = [name.strip() for name in row]
            named = [name for name in header if name]  # others are notes, or numbers of rows
            problem = _wrong_header(named or [taken[0][1].strip()], known) or problem
            if problem:
                raise DataError(problem, path=path, line=line)
            continue
        if not problem and len(row) != len(header):
            problem = (
                f"expected {len(header)} values as in the header, got {len(row)}: put a value with "
                f"{shown(delimiter)} in it in quotes"
            )
        if not problem:
            yield line, {name: cell for name, cell in zip(header, row, strict=True) if name}
            continue
        yield line, DataError(problem, path=path, line=line)
        # An open quote swallows lines that are entries of their own: only its own line is lost.
        # The reader starts again, as it may have seen the end of the file.
        again.extendleft(reversed(taken[1:]))
        reader = reading(pull())


def _first(numbered: Iterator[tuple[int, str]], path: Path | None) -> list[tuple[int, str]]:
    """The first line that is not blank, if there is any line."""
    number = 0
    for number, text in numbered:
        if text.strip():
            return [(number, text)]
    if number:
        raise DataError("expected a header and rows, got blank lines: add some", path=path, line=1)
    return []


def _next_row(reader: Iterator[list[str]]) -> tuple[list[str] | None, str]:
    """The next row, None at the end; and what is wrong with it, or an empty text."""
    try:
        return next(reader, None), ""
    except csv.Error as error:
        too_long = "field larger than" in str(error)
        remedy = "close its quotes, or leave the text out" if too_long else "mend its quotes"
        return [], f"expected a CSV row, got {error}: {remedy}"


def _delimiter(header: str, path: Path | None) -> str:
    """What separates the columns, by the first line."""
    if suffix_of(path) == ".tsv":
        return "\t"
    bare = _QUOTED.sub("", header)
    return next((mark for mark in ",\t;" if mark in bare), ",")


def _wrong_header(header: list[str], known: Collection[str]) -> str:
    """What is wrong with it, or an empty text."""
    if not set(header) & set(known):
        remedy = "add a first line that names the columns, or name another field"
        if any(mark in column for column in header for mark in ",;\t"):
            remedy = "name what separates them as the delimiter, or save the file with commas"
        return (
            f"expected a header with columns such as {', '.join(map(repr, sorted(known)))}, got "
            f"{', '.join(map(repr, header))}: {remedy}"
        )
    if len(set(header)) != len(header):
        return f"expected a header of different names, got {header}"
    return ""


def checked(entry: dict[str, Any] | DataError, path: Path | None, line: int) -> dict[str, Any]:
    """The entry; DataError if it is one, or holds what is no Unicode."""
    if isinstance(entry, DataError):
        raise entry
    for name, value in entry.items():
        if not (is_unicode(name) and _is_unicode(value)):
            raise DataError(
                "expected UTF-8, got other bytes or a lone surrogate: convert the file",
                path=path,
                line=line,
            )
    return entry


def _is_unicode(value: Any) -> bool:
    """Whether a text is, or the texts in a list or an object, however deep."""
    if isinstance(value, list | dict):
        try:
            value = json.dumps(value, ensure_ascii=False, default=str)
        except RecursionError:
            return False
    return not isinstance(value, str) or is_unicode(value)
