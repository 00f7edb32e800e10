"""Texts, targets and relevance judgements from files."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from uwe.checks import file_name, is_blank, path_of, text_of
from uwe.errors import DataError, InputError, shown
from uwe.files.records import (
    Format,
    checked,
    decoded,
    entries_in,
    format_of,
    lines_of,
)

_ALIAS_SEPARATOR = re.compile(r"[|\r\n]")
_GRADE = re.compile(r"\d{1,9}")

T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """One entry of a file."""

    line: int  # where it begins, counted from 1; of Parquet or Excel, its row
    text: str  # not blank
    fields: dict[str, Any]  # all that stands there, the text included; empty for plain lines


@dataclass(frozen=True)
class TargetTable:
    """Targets as `TargetCache.build` takes them."""

    labels: list[str]  # one text a target
    ids: list[str | None]  # one id or None a target
    aliases: list[list[str]]  # other texts of each target
    metadata: dict[str, list[Any]]  # columns of one value a target, None where an entry had none


@dataclass(frozen=True)
class RankingTask:
    """Queries, targets, and which targets are relevant to which query."""

    target_ids: list[str]  # one id a target
    targets: list[str]  # one text a target; ties are broken by this order
    query_ids: list[str]  # one id a query
    queries: list[str]  # one text a query
    # For each query the ascending indices of its relevant targets; may be empty.
    relevant: list[list[int]]


def read_queries(
    source: str | Path | Iterable[bytes],
    *,
    format: Format | None = None,  # noqa: A002 - what the command line calls it too
    field: str | None = None,
    delimiter: str | None = None,
    columns: Collection[str] | None = None,
    on_invalid: Callable[[DataError], object] | None = None,
) -> Iterator[Record]:
    """Read texts one after the other, in the order of the file; nothing is held.

    Blank lines are passed over, and counted.

    Args:
        source: A file (`.gz` is unpacked), or lines of bytes such as `sys.stdin.buffer`.
        format: None tells it by the file's suffix; an iterable without one is `lines`.
        field: Key or column of the text; None takes `text`.
        delimiter: What separates the columns of CSV, one character. None takes tabs for a `.tsv`,
            and otherwise commas, or, where the header has none, its tabs or semicolons.
        columns: Of Parquet, what is read beside the text; None reads all columns.
        on_invalid: Called with the error of each invalid entry, which is then skipped. None
            raises it.
    """
    path, chosen = _form(source, format, delimiter)
    name = "" if chosen == "lines" else "text" if field is None else text_of("field", field)

    def take(fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return _text(fields, name), fields

    known, read = {name, "id"}, None if columns is None else {name, *columns}
    for line, (text, fields) in _taken(
        source, path, chosen, known, take, on_invalid, delimiter, read
    ):
        yield Record(line, text, {} if chosen == "lines" else fields)


def read_targets(
    source: str | Path | Iterable[bytes],
    *,
    format: Format | None = None,  # noqa: A002 - what the command line calls it too
    label_field: str | None = None,
    id_field: str | None = None,
    aliases_field: str | None = None,
    delimiter: str | None = None,
    on_invalid: Callable[[DataError], object] | None = None,
) -> TargetTable:
    """Read targets with their ids, aliases and metadata.

    Of JSON lines and CSV, `label` (or `text`) is the label, `id` the id, `aliases` the other texts
    (a list, or one text in which `|` or line ends separate them), and everything else a metadata
    column, which in CSV always holds texts. A plain line is a label.

    Args:
        source: A file (`.gz` is unpacked), or lines of bytes such as `sys.stdin.buffer`.
        format: None tells it by the file's suffix; an iterable without one is `lines`.
        label_field: Key or column of the label; None takes `label`, or `text` without it.
        id_field: Key or column of the id; None takes `id` if there is one.
        aliases_field: Key or column of the aliases; None takes `aliases` if there are any.
        delimiter: As in `read_queries`.
        on_invalid: Called with the error of each invalid entry, which is then skipped. None
            raises it.
    """
    path, chosen = _form(source, format, delimiter)
    given = (label_field, id_field, aliases_field)
    named = [text_of("the name of a field", name) for name in given if name is not None]
    if named and chosen == "lines":
        raise InputError(
            f"plain lines have no field {named[0]!r}: leave it out, or use csv or jsonl"
        )
    if len(set(named)) != len(named):
        raise InputError(f"expected different fields for label, id and aliases, got {named}")
    labels = ("label", "text") if label_field is None else (label_field,)
    id_name = "id" if id_field is None else id_field
    aliases_name = "aliases" if aliases_field is None else aliases_field
    seen: set[str] = set()
    line_of: dict[str, int] = {}  # by id

    def take(fields: dict[str, Any]) -> tuple[str, str | None, list[str], dict[str, Any]]:
        seen.update(fields)
        known = ("",) if chosen == "lines" else labels
        name = next((name for name in known if name in fields), known[0])
        label = _text(fields, name)
        del fields[name]
        id_ = _id(fields.pop(id_name, None), id_name, chosen, line_of)
        aliases = _aliases(fields.pop(aliases_name, None), aliases_name)
        for column, value in fields.items():
            if isinstance(value, list | dict):
                raise InputError(
                    f"expected {column!r} to be one value, got {shown(value)}: correct it"
                )
        return label, id_ or None, aliases, fields

    table = TargetTable([], [], [], {})
    columns = table.metadata
    names = {*labels, id_name, aliases_name}
    for line, (label, id_, aliases, fields) in _taken(
        source, path, chosen, names, take, on_invalid, delimiter
    ):
        if id_ is not None:
            line_of[id_] = line
        for column in [name for name in fields if name not in columns]:
            columns[column] = [None] * len(table.labels)
        for column, values in columns.items():
            values.append(fields.get(column))
        table.labels.append(label)
        table.ids.append(id_)
        table.aliases.append(aliases)
    unseen = [name for name in named if name not in seen]
    if unseen and seen:
        raise DataError(
            f"expected the field {unseen[0]!r}, which no entry has: name another field", path=path
        )
    if not table.labels:
        raise DataError("expected at least one target, got none: add a line", path=path)
    return table


def read_task(folder: str | Path, split: str = "test") -> RankingTask:
    """Read `targets.jsonl.gz`, `<split>.queries.jsonl.gz` and `<split>.qrels.tsv.gz`.

    Judgements are separated by tabs, or by blanks as in TREC's form, where `uwe` writes a blank in
    an id as `%20`. Those with a grade of 0 are not relevant. A query without a judgement is kept. A
    judgement may be repeated, not contradicted.
    """
    folder, split = path_of("folder", folder), file_name("the name of a split", split)
    targets = identified(folder / "targets.jsonl.gz")
    queries = identified(folder / f"{split}.queries.jsonl.gz")
    target_index = {id_: i for i, id_ in enumerate(targets)}
    query_index = {id_: i for i, id_ in enumerate(queries)}
    judged: list[dict[int, bool]] = [{} for _ in queries]
    path = folder / f"{split}.qrels.tsv.gz"
    line = 0
    try:
        with lines_of(path) as lines:
            for line, raw in decoded(lines, path):  # noqa: B007 - errors name it
                if not raw.strip(" \r\n"):
                    continue
                query, target, yes = _judgement(raw)
                for what, id_, known, file in (
                    ("query", query, query_index, f"{split}.queries.jsonl.gz"),
                    ("target", target, target_index, "targets.jsonl.gz"),
                ):
                    if id_ not in known:
                        raise InputError(
                            f"expected the id of a {what} in {file}, got {shown(id_)}, which no "
                            "entry there has: mend the line, or add the entry"
                        )
                if judged[query_index[query]].setdefault(target_index[target], yes) != yes:
                    raise InputError(
                        f"expected one judgement of {query!r} and {target!r}, got relevant and "
                        "not: leave one out"
                    )
    except InputError as error:
        raise DataError(str(error), path=path, line=line) from None
    relevant = [sorted(t for t, yes in targets_.items() if yes) for targets_ in judged]
    return RankingTask(
        list(targets), list(targets.values()), list(queries), list(queries.values()), relevant
    )


def _judgement(line: str) -> tuple[str, str, bool]:
    """Query, target, and whether it is relevant."""
    columns = line.rstrip("\r\n").split("\t")
    if len(columns) == 1:  # as `uwe bench run --runs` and trec_eval have them
        columns = [unquote(column) for column in line.split()]
    if len(columns) != 4 or not _GRADE.fullmatch(columns[3]):
        raise InputError(
            "expected query, 0, target and a grade, a whole number from 0 up, separated by tabs or "
            f"blanks, got {line!r}: mend the line"
        )
    query, _, target, grade = columns
    return query, target, int(grade) > 0


def identified(path: Path) -> dict[str, str]:
    """The texts of a file of `{"id", "text"}` by id, in its order."""
    texts: dict[str, str] = {}
    for record in read_queries(path):
        id_ = record.fields.get("id")
        if not isinstance(id_, str) or not id_.strip() or id_ in texts:
            twice = isinstance(id_, str) and id_ in texts
            found = f"{shown(id_)} a second time" if twice else shown(id_)
            raise DataError(
                f"expected 'id' with a text that no other entry has, got {found}: give it one",
                path=path,
                line=record.line,
            )
        texts[id_] = record.text
    if not texts:
        raise DataError("expected at least one entry, got an empty file: fill it", path=path)
    return texts


def _form(
    source: str | Path | Iterable[bytes], given: Format | None, delimiter: str | None
) -> tuple[Path | None, Format]:
    path = path_of("source", source) if isinstance(source, str | PathLike) else None
    return path, format_of(path, given, delimiter)


def _taken(
    source: str | Path | Iterable[bytes],
    path: Path | None,
    format_: Format,
    known: Collection[str],
    take: Callable[[dict[str, Any]], T],
    on_invalid: Callable[[DataError], object] | None,
    delimiter: str | None,
    columns: Collection[str] | None = None,
) -> Iterator[tuple[int, T]]:
    """Line and what `take` makes of each entry; it says by an InputError that one is invalid."""
    for line, entry in entries_in(source, format_, path, known, delimiter, columns):
        try:
            taken = take(checked(entry, path, line))
        except (DataError, InputError) as error:
            wrong = error
            if not isinstance(wrong, DataError):
                wrong = DataError(str(error), path=path, line=line)
            if on_invalid is None:
                raise wrong from None
            on_invalid(wrong)
            continue
        yield line, taken


def _id(value: Any, name: str, format_: Format, line_of: Mapping[str, int]) -> str | None:
    typed = format_ in ("parquet", "xlsx")
    if typed and not isinstance(value, bool) and isinstance(value, int | float) and value % 1 == 0:
        value = str(int(value))  # where nobody can put it in quotes
    if value is not None and not isinstance(value, str):
        remedy = "store the column as text" if typed else "write it in quotes"
        raise InputError(f"expected {name!r} to be a text, got {shown(value)}: {remedy}")
    if value is not None and value in line_of:
        raise InputError(
            f"the {name} {shown(value)} occurs twice, first in line {line_of[value]}: correct it"
        )
    return value


def _text(fields: dict[str, Any], name: str) -> str:
    if name not in fields:
        raise InputError(
            f"expected the field {name!r}, got {', '.join(map(repr, fields)) or 'none'}: name "
            "another field, or mend the line"
        )
    text = fields[name]
    if not isinstance(text, str):
        raise InputError(f"expected {name!r} to be a text, got {text!r}: mend the line")
    if is_blank(text):
        raise InputError("expected a text, got a blank one: leave it out")
    return text


def _aliases(value: object, name: str) -> list[str]:
    if isinstance(value, str):
        value = [alias.strip() for alias in _ALIAS_SEPARATOR.split(value) if not is_blank(alias)]
    if value is None:
        return []
    if not isinstance(value, list) or not all(
        isinstance(a, str) and not is_blank(a) for a in value
    ):
        raise InputError(
            f"expected {name!r} to be a list of texts, got {shown(value)}: mend the line"
        )
    return value
