"""Many texts, of a file or of standard input, and what is found for each, printed or written."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import typer

import uwe
from uwe.checks import path_of
from uwe.cli import arguments, output
from uwe.cli.bench.options import check_out
from uwe.cli.guard import say
from uwe.errors import DataError, InputError
from uwe.files.hashing import file_sha256
from uwe.files.parts import Lines, Rows, parts_of
from uwe.files.records import suffix_of

if TYPE_CHECKING:
    from uwe.cache.target_cache import TargetCache
    from uwe.corpus import Record


T = TypeVar("T")
Find = Callable[[Iterator[str]], Iterator[T]]
"""What finds something for each of some texts, in their order."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
_PLACE = {"line": "int64", "text_id": "string"}


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What was found for one text."""

    found: T
    place: dict[str, Any] = field(default_factory=dict)  # line, id if any; {} on the command line
    kept: dict[str, Any] = field(default_factory=dict)  # carried over from its entry


@dataclass(frozen=True)
class Texts:
    """The options that say what is read."""

    source: str  # --input
    format: str | None
    delimiter: str | None
    field: str | None
    keep: list[str]
    skipped: arguments.Skipped | None  # takes errors of invalid entries; None ends with the first

    @property
    def path(self) -> Path | None:
        """The file; None for standard input or a pipe, which can be read once."""
        path = None if self.source == "-" else path_of("--input", self.source)
        return path if path is not None and path.is_file() else None

    def records(self) -> Iterator[Record]:
        """The entries."""
        from uwe.corpus import read_queries

        records = read_queries(
            arguments.source_of(self.source),
            format=arguments.file_format(self.format),
            delimiter=arguments.file_delimiter(self.delimiter),
            field=self.field,
            columns=("id", *self.keep),
            on_invalid=self.skipped,
        )
        first = next(records, None)
        if first is None:
            return
        if not first.fields and (self.field is not None or self.keep):
            raise typer.BadParameter(
                "--field and --keep are for files with columns or keys: plain lines have none"
            )
        if missing := [name for name in self.keep if name not in first.fields]:
            raise DataError(
                f"expected the field {missing[0]!r} of --keep, got "
                f"{', '.join(map(repr, first.fields))}: name another",
                path=self.path,
                line=first.line,
            )
        yield first
        yield from records

    def kept_types(self) -> dict[str, Any]:
        """The Arrow type of what is kept: that of Parquet, or text."""
        from uwe.files.arrow import parquet_types
        from uwe.files.records import format_of

        given, path = arguments.file_format(self.format), self.path
        types: dict[str, Any] = {}
        if self.keep and path and format_of(path, given) == "parquet":
            types = parquet_types(path)
        return {f"input.{name}": types.get(name, "string") for name in self.keep}

    def answers(self, find: Find[T], size: int, done: int = 0) -> Iterator[Iterator[Answer[T]]]:
        """What is found for `size` texts at a time, after the first `done`.

        An entry that is invalid is raised when all before it are answered.
        """
        invalid: list[DataError] = []
        records = _until_invalid(self.records(), invalid)
        next(islice(records, done, done), None)
        while True:
            some = islice(records, size)
            first = next(some, None)
            if first is None:
                break
            yield self._answers(chain([first], some), find, invalid)
        if invalid:
            raise invalid[0]

    def _answers(
        self, records: Iterator[Record], find: Find[T], invalid: list[DataError]
    ) -> Iterator[Answer[T]]:
        waiting: deque[Record] = deque()

        def texts() -> Iterator[str]:
            for record in records:
                waiting.append(record)
                yield record.text

        for found in find(texts()):
            record = waiting.popleft()
            kept = {name: record.fields.get(name) for name in self.keep}
            yield Answer(found, arguments.place_of(record), kept)
        if invalid:
            raise invalid[0]

    def tell_none(self) -> None:
        """Say that there was no text, unless that is told otherwise or nobody cares."""
        if self.source != "-" and not (self.skipped and self.skipped.count):
            say("no text came: expected one a line, or a field of a table or of JSON lines")

    def job(self, command: str, space: TargetCache, settings: dict[str, Any]) -> dict[str, Any]:
        """Everything that what is found depends on."""
        from uwe.calibration import calibrations_json

        targets = space.core.manifest + calibrations_json(space.calibrations)
        table = settings.get("abbreviations")
        if table not in (None, "none"):
            settings = {**settings, "abbreviations": file_sha256(Path(table))}
        return {
            "uwe": uwe.__version__,
            "command": command,
            "the SHA-256 of --input": self.path and file_sha256(self.path),
            "the SHA-256 of --targets": hashlib.sha256(targets.encode()).hexdigest(),
            "format": self.format,
            "delimiter": self.delimiter,
            "field": self.field,
            "keep": self.keep,
            **settings,
        }


def _until_invalid(records: Iterator[Record], invalid: list[DataError]) -> Iterator[Record]:
    try:
        yield from records
    except DataError as error:
        invalid.append(error)


@dataclass(frozen=True)
class Form(Generic[T]):
    """How what is found is put down."""

    columns: dict[str, str]  # the Arrow type of each column of a table, by name
    rows: Callable[[T], list[list[Any]]]  # the rows of a table, at least one
    entry: Callable[[T], dict[str, Any]]  # a JSON object

    def object(self, answer: Answer[T]) -> dict[str, Any]:
        """A JSON object with the place of the text, and what is kept."""
        kept = {"input": answer.kept} if answer.kept else {}
        return {**answer.place, **self.entry(answer.found), **kept}


def check_file(
    out: str | None, source: str | None, abbreviations: str | None, *, resume: bool, as_json: bool
) -> None:
    """Refuse an `--output` that cannot work: better before the work than after."""
    once = source in (None, "-") or (Path(str(source)).exists() and not Path(str(source)).is_file())
    if resume and (out is None or once):
        raise typer.BadParameter("--resume is for --input FILE with --output; a pipe has no parts")
    if out is None:
        return
    if as_json:
        raise typer.BadParameter("the suffix of --output says the form: leave --json out")
    path = path_of("--output", out)
    suffix = suffix_of(path)
    packed = path.suffix.lower() == ".gz"
    if suffix not in _SUFFIXES or (packed and suffix == ".parquet"):
        raise InputError(
            f"cannot tell the form of {out} by its suffix; known are {', '.join(_SUFFIXES)}, all "
            "but the last with or without .gz: rename it"
        )
    check_out(out, source, abbreviations)
    if suffix == ".parquet":
        Rows({})


def write(
    out: str,
    texts: Texts,
    find: Find[T],
    form: Form[T],
    *,
    size: int,
    job: dict[str, Any] | None,
    resume: bool,
    what: str,
) -> None:
    """Write what is found, in parts of `size` texts, and say how fast that was.

    `out` is a path that `check_file` took. `job` is all that the result depends on, or None if the
    texts can be read once only. `what` is what a bar says. On an error `out` stays as it was.
    """
    from uwe.progress import reporting

    columns = {**_PLACE, **form.columns, **texts.kept_types()}
    put, items = _writer(out, columns, form, place=True)
    start = time.monotonic()
    whole: list[Path] = []
    try:
        with parts_of(Path(out), put.join, job, resume=resume) as parts:
            whole = parts.whole
            done = before = len(whole) * size
            if whole:
                say(f"parts that are done: {len(whole):,}; going on after them")
            with reporting(True, None, what) as report:

                def told(answers: Iterator[Answer[T]]) -> Iterator[Answer[T]]:
                    nonlocal done
                    for answer in answers:
                        yield answer
                        done += 1
                        report(done)

                for answers in texts.answers(find, size, before):
                    with parts.new() as path:
                        put.write(path, items(told(answers)))
    except BaseException:
        if job is not None and whole:
            say(f"parts that are done: {len(whole):,}; --resume goes on after them")
        raise
    if not done:
        texts.tell_none()
        return
    count = done - before
    rate = count / max(time.monotonic() - start, 1e-9)
    noun = "text" if count == 1 else "texts"
    say(f"{count:,} {noun}, {rate:,.{0 if rate >= 100 else 1}f} a second")


def show(
    texts: Texts,
    find: Find[T],
    line: Callable[[Answer[T]], str],
    *,
    size: int,
    flush: bool,
    what: str,
) -> None:
    """Print a line, or some, for each text, as soon as it is found.

    `size` is as in `write`. `flush` is for somebody who waits for each line. `what` is what a bar
    says; there is none where the lines are shown. An invalid entry is raised after what is found
    before it.
    """
    from uwe.progress import reporting

    done = 0
    with reporting(not sys.stdout.isatty(), None, what) as report:
        for answer in chain.from_iterable(texts.answers(find, size)):
            output.print_line(line(answer))
            if flush:
                sys.stdout.flush()
            done += 1
            report(done)
    if not done:
        texts.tell_none()


def write_one(out: str, found: T, form: Form[T]) -> None:
    """Write what is found for a text of the command line."""
    put, items = _writer(out, form.columns, form, place=False)
    with parts_of(Path(out), put.join, None, resume=False) as parts, parts.new() as path:
        put.write(path, items(iter([Answer(found)])))


def _writer(
    out: str, columns: dict[str, Any], form: Form[T], *, place: bool
) -> tuple[Lines | Rows, Callable[[Iterator[Answer[T]]], Iterator[Any]]]:
    """What writes parts, and what makes of answers what it takes."""
    suffix = suffix_of(Path(out))

    def rows(answers: Iterator[Answer[T]]) -> Iterator[list[Any]]:
        for answer in answers:
            id_ = answer.place.get("id")
            before = [answer.place["line"], text_of_cell(id_)] if place else []
            for row in form.rows(answer.found):
                yield [*before, *row, *answer.kept.values()]

    if suffix == ".jsonl":
        return Lines(), lambda answers: (output.as_json(form.object(a)) for a in answers)
    if suffix == ".parquet":
        texts = [i for i, kind in enumerate(columns.values()) if kind == "string"]

        def typed(answers: Iterator[Answer[T]]) -> Iterator[list[Any]]:
            for row in rows(answers):
                for i in texts:
                    row[i] = text_of_cell(row[i])
                yield row

        return Rows(columns), typed
    delimiter = _DELIMITERS[suffix]
    short = [i for i, kind in enumerate(columns.values()) if kind == "float32"]

    def lines(answers: Iterator[Answer[T]]) -> Iterator[str]:
        for row in rows(answers):
            for i in short:
                row[i] = None if row[i] is None else f"{row[i]:.9g}"
            yield _joined(row, delimiter)

    return Lines(_joined(columns, delimiter)), lines


def _joined(row: Iterable[Any], delimiter: str) -> str:
    text = io.StringIO()
    # Values with one of these characters are put in quotes.
    cells = (text_of_cell(value) or "" for value in row)
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n")


def text_of_cell(value: Any) -> str | None:
    """A value as the text of a cell."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
