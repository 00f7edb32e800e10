"""Texts, targets and relevance judgements from files: JSON lines, CSV, plain lines."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from uwe.errors import DataError, InputError

__all__ = [
    "FORMATS",
    "Format",
    "RankingTask",
    "Record",
    "TargetTable",
    "read_queries",
    "read_targets",
    "read_task",
]

Format = Literal["lines", "csv", "jsonl"]
FORMATS: tuple[Format, ...] = ("lines", "csv", "jsonl")
"""`lines`: one text a line; `csv`: a header, then rows; `jsonl`: one JSON object a line."""

_SUFFIXES: dict[str, Format] = {
    ".txt": "lines", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
_ALIAS_SEPARATOR = "|"


@dataclass(frozen=True)
class Record:
    """One entry of a file.

    Attributes:
        line: Where it begins, counted from 1.
        text: Its text, not blank.
        fields: Everything that stands there, the text included; empty for plain lines.
    """

    line: int
    text: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class TargetTable:
    """Targets as `TargetCache.build` takes them.

    Attributes:
        labels: One text a target.
        ids: One id or None a target.
        aliases: Other texts of each target.
        metadata: Columns of one value a target, None where an entry had none.
    """

    labels: list[str]
    ids: list[str | None]
    aliases: list[list[str]]
    metadata: dict[str, list[Any]]


@dataclass(frozen=True)
class RankingTask:
    """Queries, targets, and which targets are relevant to which query.

    Attributes:
        target_ids: One id a target.
        targets: One text a target; ties are broken by this order.
        query_ids: One id a query.
        queries: One text a query.
        relevant: For each query the ascending indices of its relevant targets; may be empty.
    """

    target_ids: list[str]
    targets: list[str]
    query_ids: list[str]
    queries: list[str]
    relevant: list[list[int]]


def read_queries(
    source: str | Path | Iterable[bytes],
    *,
    format: Format | None = None,  # noqa: A002 - what the command line calls it too
    field: str | None = None,
    on_invalid: Callable[[DataError], object] | None = None,
) -> Iterator[Record]:
    """Read texts one after the other, in the order of the file; nothing is held.

    Args:
        source: A file (`.gz` is unpacked), or lines of bytes such as `sys.stdin.buffer`.
        format: None tells it by the file's suffix; an iterable without one is `lines`.
        field: Key or column of the text. None takes `text`, or the only column of a CSV.
        on_invalid: Called with the error of each invalid entry, which is then skipped. None
            raises it.

    Yields:
        The entries with a text.

    Raises:
        DataError: For an entry that is no UTF-8, no JSON object or no row of the header's width,
            or whose text is missing, no text, or blank; with its path and line.
        InputError: If the format is unknown, or can not be told by the suffix.
        OSError: If the file can not be read.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    chosen = _format(path, format)
    with _lines(source) as lines:
        for line, entry in _entries(lines, chosen, path):
            try:
                fields = _checked(entry, path, line)
                text = fields[""] if chosen == "lines" else _text(fields, field, path, line)
                if not text.strip():
                    raise DataError(
                        "expected a text, got a blank one: leave it out", path=path, line=line
                    )
            except DataError as error:
                if on_invalid is None:
                    raise
                on_invalid(error)
                continue
            yield Record(line, text, {} if chosen == "lines" else fields)


def read_targets(
    source: str | Path | Iterable[bytes],
    *,
    format: Format | None = None,  # noqa: A002 - what the command line calls it too
    on_invalid: Callable[[DataError], object] | None = None,
) -> TargetTable:
    """Read targets with their ids, aliases and metadata.

    Of JSON lines and CSV, `label` (or `text`) is the label, `id` the id, `aliases` the other texts
    (a list; in CSV separated by `|`), and everything else a metadata column. A plain line is a
    label.

    Args:
        source: A file (`.gz` is unpacked), or lines of bytes such as `sys.stdin.buffer`.
        format: None tells it by the file's suffix; an iterable without one is `lines`.
        on_invalid: Called with the error of each invalid entry, which is then skipped. None
            raises it.

    Raises:
        DataError: As `read_queries`, or if there is no target, or `id` or `aliases` has the wrong
            type; with its path and line.
        InputError: If the format is unknown, or can not be told by the suffix.
        OSError: If the file can not be read.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    chosen = _format(path, format)
    table = TargetTable([], [], [], {})
    columns: dict[str, list[Any]] = table.metadata
    with _lines(source) as lines:
        for line, entry in _entries(lines, chosen, path):
            try:
                label, id_, aliases, fields = _target(entry, chosen, path, line)
            except DataError as error:
                if on_invalid is None:
                    raise
                on_invalid(error)
                continue
            for column in [name for name in fields if name not in columns]:
                columns[column] = [None] * len(table.labels)
            for column, values in columns.items():
                values.append(fields.get(column))
            table.labels.append(label)
            table.ids.append(id_)
            table.aliases.append(aliases)
    if not table.labels:
        raise DataError("expected at least one target, got an empty file", path=path)
    return table


def _target(
    entry: dict[str, Any] | DataError, format_: Format, path: Path | None, line: int
) -> tuple[str, str | None, list[str], dict[str, Any]]:
    """Label, id, aliases and metadata of an entry."""
    fields = _checked(entry, path, line)
    if format_ == "lines":
        fields = {"label": fields[""]}
    id_ = fields.pop("id", None)
    if id_ is not None and not isinstance(id_, str):
        raise DataError(
            f"expected 'id' to be a text, got {id_!r}: write it in quotes", path=path, line=line
        )
    aliases = _aliases(fields.pop("aliases", None), path, line)
    name = "label" if "label" in fields else "text" if "text" in fields else None
    label = _text(fields, name, path, line)
    if not label.strip():
        raise DataError("expected a label, got a blank text", path=path, line=line)
    fields.pop(name or next(iter(fields)))
    for column, value in fields.items():
        if isinstance(value, list | dict):
            raise DataError(
                f"expected {column!r} to be one value, got {value!r}", path=path, line=line
            )
    return label, id_ or None, aliases, fields


def read_task(folder: str | Path, split: str = "test") -> RankingTask:
    """Read `targets.jsonl.gz`, `<split>.queries.jsonl.gz` and `<split>.qrels.tsv.gz`.

    Judgements with a grade of 0 are not relevant. A query without a judgement is kept.

    Raises:
        DataError: If an entry is malformed, an id occurs twice, or a judgement names an unknown id;
            with its path and line.
        OSError: If a file can not be read.
    """
    folder = Path(folder)
    target_ids, targets = _identified(folder / "targets.jsonl.gz")
    query_ids, queries = _identified(folder / f"{split}.queries.jsonl.gz")
    target_index = {id_: i for i, id_ in enumerate(target_ids)}
    query_index = {id_: i for i, id_ in enumerate(query_ids)}
    relevant: list[set[int]] = [set() for _ in queries]
    path = folder / f"{split}.qrels.tsv.gz"
    with _lines(path) as lines:
        for line, raw in _decoded(lines):
            columns = raw.rstrip("\r\n").split("\t")
            if len(columns) != 4 or not columns[3].isdecimal():
                raise DataError(
                    f"expected query, 0, target and a grade, separated by tabs, got {raw!r}",
                    path=path,
                    line=line,
                )
            query, _, target, grade = columns
            for id_, known in ((query, query_index), (target, target_index)):
                if id_ not in known:
                    raise DataError(f"no entry has the id {id_!r}", path=path, line=line)
            if int(grade) > 0:
                relevant[query_index[query]].add(target_index[target])
    return RankingTask(target_ids, targets, query_ids, queries, [sorted(r) for r in relevant])


def _identified(path: Path) -> tuple[list[str], list[str]]:
    """Ids and texts of a file of `{"id", "text"}`."""
    texts: dict[str, str] = {}
    for record in read_queries(path):
        id_ = record.fields.get("id")
        if not isinstance(id_, str) or not id_:
            raise DataError(f"expected 'id' with a text, got {id_!r}", path=path, line=record.line)
        if id_ in texts:
            raise DataError(f"the id {id_!r} occurs twice", path=path, line=record.line)
        texts[id_] = record.text
    return list(texts), list(texts.values())


def _format(path: Path | None, given: Format | None) -> Format:
    if given is not None:
        if given not in FORMATS:
            raise InputError(f"expected a format out of {', '.join(FORMATS)}, got {given!r}")
        return given
    if path is None:
        return "lines"
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    found = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    if found is None:
        raise InputError(
            f"can not tell the format of {path} by its suffix; known are {', '.join(_SUFFIXES)}, "
            f"with or without .gz: give the format, one of {', '.join(FORMATS)}"
        )
    return found


@contextmanager
def _lines(source: str | Path | Iterable[bytes]) -> Iterator[Iterable[bytes]]:
    """Lines of bytes; a damaged archive is a DataError."""
    if not isinstance(source, str | Path):
        yield source
        return
    path = Path(source)
    with path.open("rb") as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        try:
            with gzip.open(file) as unpacked:
                yield io.BufferedReader(unpacked)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"damaged archive ({error}): fetch it anew", path=path) from None


def _decoded(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    # Bytes that are no UTF-8 become lone surrogates, which `_checked` refuses entry by entry: so
    # one bad line costs one entry, not the rest of the file.
    for number, line in enumerate(lines, 1):
        text = line.decode("utf-8", "surrogateescape")
        yield number, text.removeprefix("\ufeff") if number == 1 else text


def _entries(
    lines: Iterable[bytes], format_: Format, path: Path | None
) -> Iterator[tuple[int, dict[str, Any] | DataError]]:
    """Line number and fields of each entry, or what is wrong with it."""
    if format_ == "csv":
        yield from _csv_entries(lines, path)
        return
    for number, raw in _decoded(lines):
        line = raw.rstrip("\r\n")
        if format_ == "lines":
            yield number, {"": line}
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, DataError(f"expected a JSON object, got {error}", path=path, line=number)
            continue
        if not isinstance(entry, dict):
            entry = DataError(
                f"expected a JSON object, got {type(entry).__name__}", path=path, line=number
            )
        yield number, entry


def _csv_entries(
    lines: Iterable[bytes], path: Path | None
) -> Iterator[tuple[int, dict[str, Any] | DataError]]:
    numbered = _decoded(lines)
    taken: list[tuple[int, str]] = []  # by the entry that is being read
    again: deque[tuple[int, str]] = deque()

    def pull() -> Iterator[str]:
        while (line := again.popleft() if again else next(numbered, None)) is not None:
            taken.append(line)
            yield line[1]

    header: list[str] | None = None
    reader = csv.reader(pull(), strict=True)
    while True:
        taken.clear()
        problem = ""
        try:
            row = next(reader, None)
        except csv.Error as error:
            row, problem = [], f"expected a CSV row, got {error}: mend its quotes"
        if row is None:
            return
        line = taken[0][0]
        if header is None:
            header = [name.strip() for name in row]
            if not problem and (len(set(header)) != len(header) or "" in header):
                problem = f"expected a header of different names, got {row}"
            if problem:
                raise DataError(problem, path=path, line=line)
            continue
        if not problem and len(row) != len(header):
            problem = f"expected {len(header)} values as in the header, got {len(row)}"
        if not problem:
            yield line, dict(zip(header, row, strict=True))
            continue
        yield line, DataError(problem, path=path, line=line)
        if len(taken) > 1:
            # An open quote swallows lines that are entries of their own: only its own line is
            # lost. The reader starts anew, as it may have seen the end of the file.
            again.extendleft(reversed(taken[1:]))
            reader = csv.reader(pull(), strict=True)


def _checked(entry: dict[str, Any] | DataError, path: Path | None, line: int) -> dict[str, Any]:
    if isinstance(entry, DataError):
        raise entry
    for name, value in entry.items():
        for text in (name, value, *(value if isinstance(value, list) else ())):
            if isinstance(text, str) and not text.isascii() and not _is_unicode(text):
                raise DataError(
                    "expected UTF-8, got other bytes or a lone surrogate: convert the file",
                    path=path,
                    line=line,
                )
    return entry


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _text(fields: dict[str, Any], field: str | None, path: Path | None, line: int) -> str:
    name = field if field is not None else next(iter(fields)) if len(fields) == 1 else "text"
    if name not in fields:
        raise DataError(
            f"expected the field {name!r}, got {', '.join(map(repr, fields)) or 'none'}: name "
            "another field, or mend the line",
            path=path,
            line=line,
        )
    text = fields[name]
    if not isinstance(text, str):
        raise DataError(f"expected {name!r} to be a text, got {text!r}", path=path, line=line)
    return text


def _aliases(value: object, path: Path | None, line: int) -> list[str]:
    if isinstance(value, str):
        value = [alias.strip() for alias in value.split(_ALIAS_SEPARATOR) if alias.strip()]
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(a, str) and a.strip() for a in value):
        raise DataError(
            f"expected 'aliases' to be a list of texts, got {value!r}", path=path, line=line
        )
    return value
