"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from uwe.checks import path_of
from uwe.cli.guard import say
from uwe.errors import InputError, UweError
from uwe.files.records import Format

if TYPE_CHECKING:
    from uwe.cache.filters import Where
    from uwe.cache.target_cache import TargetCache
    from uwe.corpus import Record
    from uwe.encoder.text_encoder import TextEncoder
    from uwe.lexicon import Abbreviations

DEFAULT_TARGETS = "esco-skills"

Targets = Annotated[
    str,
    typer.Option(
        "--targets", "-t", metavar="NAME|FOLDER",
        help="A built-in target space (see: uwe spaces) or the folder of a target cache.",
    ),
]  # fmt: skip
Model = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="Model folder or hub id; the default is that of the cache, or else the shipped one.",
    ),
]
NewModel = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="SOURCE", help="Model folder or hub id; the default is the shipped one."
    ),
]
Data = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="The data folder; the default is $UWE_DATA."),
]
ScorerName = Annotated[
    str | None,
    typer.Option(
        "--scorer",
        metavar="NAME",
        help="pooled, max, or soft, soft_query, soft_target with a temperature as in soft:0.5; "
        "soft:0.5:4 weighs both directions by the query's length, alike at 4 tokens. The default "
        "is the cache's or model's own.",
    ),
]
Conditions = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="COLUMN=VALUE",
        help="Only targets with this metadata; repeat for several columns (all must hold) or "
        "several values of one (any may).",
    ),
]  # fmt: skip
AbbreviationTable = Annotated[
    str | None,
    typer.Option(
        "--abbreviations", metavar="FILE|none",
        help="A table of your own in place of the one that comes with the package: lines of an "
        "abbreviation, a tab, and what it stands for. none takes queries as they stand.",
    ),
]  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FileFormat = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="FORMAT",
        help="lines, csv, jsonl, parquet (extra: arrow) or xlsx (extra: xlsx); the default is told "
        "by the suffix (.txt, .csv, .tsv, .jsonl, .ndjson, also with .gz; .parquet, .xlsx), csv "
        "with --delimiter, and lines for standard input.",
    ),
]  # fmt: skip
PairFormat = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="FORMAT",
        help="csv, jsonl or parquet (extra: arrow); the default is told by the suffix (.csv, "
        ".tsv, .jsonl, .ndjson, also with .gz; .parquet), csv with --delimiter, and jsonl for "
        "standard input.",
    ),
]  # fmt: skip
Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="What separates the columns of CSV, such as ; or tab. The default is tabs for .tsv, "
        "and otherwise commas, or, if the header has none, its tabs or semicolons.",
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--input", "-i", metavar="FILE",
        help="Take every text of a file, or of standard input (-), in their order.",
    ),
]  # fmt: skip
Field = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Key or column that holds the text; the default is text."),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Carry a key or column of --input over to the output, where it is input.NAME; repeat "
        "for several.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE",
        help="Write a file instead: .jsonl, or .csv or .tsv with a header, also with .gz, or "
        ".parquet (extra: arrow). It appears whole; one that is there is replaced. Until then its "
        "parts are in FILE.parts.",
    ),
]  # fmt: skip
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue from the parts that an interrupted call with these arguments left; if there "
        "are none, start afresh.",
    ),
]
SkipInvalid = Annotated[
    bool,
    typer.Option("--skip-invalid", help="Pass over entries that are invalid, and say how many."),
]


def load_model(source: str | None) -> TextEncoder | None:
    """The model that was named, or None."""
    if source is None:
        return None
    from uwe.encoder.loading import load

    return load(source)


def open_targets(name: str, model_source: str | None = None) -> TargetCache:
    """The target space that was named: built-in, or a folder."""
    from uwe.cache.target_cache import TargetCache
    from uwe.spaces import space_cache, target_spaces

    model = load_model(model_source)
    if name in target_spaces():
        return space_cache(name, model=model, progress=True)
    path = path_of("--targets", name)
    if path.is_file() and path.with_name("manifest.json").is_file():
        raise InputError(
            f"expected the folder of a target cache, got a file in it, {name}: name {path.parent}"
        )
    if path.is_file():
        raise InputError(
            f"expected a target cache, got the file {name}: build one with  "
            f"uwe cache build {path.stem}.uwe --input {name}"
        )
    if not path.exists() and path.name == name and (not path.suffix or "@" in name):
        raise InputError(
            f"expected a folder or one of the built-in target spaces {', '.join(target_spaces())}, "
            f"got {name!r}: correct it"
        )
    return TargetCache.open(path, model=model)


def read_abbreviations(table: str | None) -> bool | Abbreviations:
    """`--abbreviations` as the functions take it; a file is read once."""
    from uwe.lexicon import Abbreviations

    return True if table is None else table != "none" and Abbreviations.read(table)


def read_where(conditions: list[str] | None, targets: TargetCache) -> Where | None:
    """`COLUMN=VALUE` texts as a mask; a value is a text or, where the column has none, JSON."""
    if not conditions:
        return None
    wanted: dict[str, list[Any]] = {}
    for condition in conditions:
        column, equals, value = condition.partition("=")
        if not equals:
            raise InputError(f"expected --where COLUMN=VALUE, got {condition!r}")
        wanted.setdefault(column, []).append(value)
    return {column: _values(column, values, targets) for column, values in wanted.items()}


def _values(column: str, values: list[str], targets: TargetCache) -> list[Any]:
    try:
        targets.mask({column: values})
    except InputError:
        try:
            # A column of numbers or booleans refuses texts.
            parsed = [json.loads(value) for value in values]
            targets.mask({column: parsed})
        except (ValueError, TypeError, RecursionError):
            parsed = None
        if parsed is None:
            raise
        return parsed
    return list(values)


def source_of(path: str) -> str | Iterable[bytes]:
    """What to read: `-` is standard input."""
    if path != "-":
        return path
    if sys.stdin is None:
        raise InputError("expected entries on standard input, which is closed: open it, or a file")
    return sys.stdin.buffer


def read_pairs(
    source: str, format_: str | None, delimiter: str | None, skipped: Skipped | None = None
) -> Iterator[Record]:
    """The entries of a file or of standard input (`-`), whose text is the field `query`.

    `skipped` takes what is wrong with invalid entries; without it the first one is raised.
    """
    from uwe.corpus import read_queries

    if source == "-" and delimiter is None:
        format_ = format_ or "jsonl"
    return read_queries(
        source_of(source),
        format=file_format(format_),
        delimiter=file_delimiter(delimiter),
        field="query",
        on_invalid=skipped,
    )


def place_of(record: Record) -> dict[str, Any]:
    """The line of an entry, and its id if it has one, for the JSON that answers it."""
    return {"line": record.line, **{k: v for k, v in record.fields.items() if k == "id"}}


class Skipped:
    """Counts invalid entries, and keeps what was wrong with the first."""

    count = 0
    first: UweError | None = None

    def __call__(self, error: UweError) -> None:
        """Count one."""
        self.count += 1
        self.first = self.first or error

    def tell(self) -> None:
        """Say how many there were, if any, on standard error."""
        if self.count:
            entries = "entry" if self.count == 1 else "entries"
            say(f"skipped {self.count} invalid {entries}, first {self.first}")


def file_format(name: str | None) -> Format | None:
    """`--format` as the readers take it, which check it."""
    return cast("Format | None", name)


def file_delimiter(name: str | None) -> str | None:
    """`--delimiter` as the readers take it, which check it: few shells type a tab."""
    return "\t" if name in ("tab", "\\t") else name
