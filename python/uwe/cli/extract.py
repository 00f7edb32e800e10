"""`uwe extract`: the skills that one advert or CV asks for, or those of many."""

from __future__ import annotations

import sys
import textwrap
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uwe.checks import path_of
from uwe.cli import arguments, output
from uwe.cli.bench.options import check_out
from uwe.cli.guard import say
from uwe.errors import DataError, InputError
from uwe.files.arrow import arrow
from uwe.files.atomic import replaced_file, write_lines, write_text

if TYPE_CHECKING:
    from uwe.cache.target_cache import TargetCache
    from uwe.corpus import Record
    from uwe.extraction.findings import Extraction

    Answers = Iterator[tuple[Record, Extraction]]

__all__ = ["extract_command"]

_LONGEST_FILE = 1 << 24
"""Bytes of one text; a file that is longer holds something else."""

_SHOWN = 60
"""Characters of a place in the table."""

_TEXTS = 512
"""Texts whose findings make a row group of Parquet."""


def extract_command(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="An advert or a CV in UTF-8: plain text, Markdown or HTML; - is standard input.",
        ),
    ] = None,
    targets: arguments.Targets = arguments.DEFAULT_TARGETS,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Leave out targets that are less likely to be right: 0 to 1, and 0.5 if not given."
        ),
    ] = None,
    where: arguments.Conditions = None,
    abbreviations: arguments.AbbreviationTable = None,
    page: Annotated[
        str | None,
        typer.Option(
            "--html", metavar="FILE",
            help="Also write a page that shows where each target was found.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input", "-i", metavar="FILE",
            help="Extract from every text of a file, or of standard input (-), in their order.",
        ),
    ] = None,
    format_: arguments.FileFormat = None,
    delimiter: arguments.Delimiter = None,
    field: Annotated[
        str | None,
        typer.Option(
            help="Key or column of JSON lines, CSV or Parquet that holds the text; the default is "
            "text."
        ),
    ] = None,
    skip_invalid: arguments.SkipInvalid = False,
    out: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE",
            help="Where to write what --input finds, in place of standard output: .jsonl, "
            ".jsonl.gz, or .parquet with a row for each place (extra: arrow).",
        ),
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Find the skills, or other targets, that an advert or a CV asks for, and where.

    One text prints a table: confidence, label, the text of the best place, and the number of
    places. With --json one JSON object, in which places are counted in characters of the file,
    but for a byte order mark. Many texts print one JSON object each; a plain file has one text a
    line.

    Examples:
      uwe extract advert.txt
      uwe extract advert.html --min-confidence 0.7 --html found.html
      uwe extract cv.md --targets esco-skills@1.1.1 --where skill_type=knowledge --json
      uwe extract --input adverts.jsonl --field description --output found.jsonl
      uwe extract --input adverts.parquet --output found.parquet
    """
    if (file is None) == (source is None):
        raise typer.BadParameter("give either a FILE (- is standard input) or --input FILE")
    if source is None and (format_ or delimiter or field or skip_invalid or out):
        raise typer.BadParameter(
            "--format, --delimiter, --field, --skip-invalid and --output are for --input"
        )
    if source is not None and page is not None:
        raise typer.BadParameter("--html is for one FILE")
    check_out(page, file)
    check_out(out, source)
    write = _writer(out)
    text = None if file is None else _read(file)
    space = arguments.open_targets(targets)
    settings: dict[str, Any] = {
        "min_confidence": min_confidence,
        "where": arguments.read_where(where, space),
        "abbreviations": arguments.read_abbreviations(abbreviations),
    }
    if text is not None:
        _extract_one(text, space, settings, page, as_json)
        return
    assert source is not None
    skipped = arguments.Skipped()
    records = arguments.read_records(
        source, format_, skipped if skip_invalid else None, field, delimiter
    )
    write(_answers(records, space, settings, named=field is not None, shown=out is not None))
    skipped.tell()


def _read(path: str) -> str:
    """The text of a file, without a byte order mark."""
    source = arguments.source_of(path)
    named = None if path == "-" else path
    if isinstance(source, str):
        with path_of("FILE", source).open("rb") as file:
            data = file.read(_LONGEST_FILE + 1)
    else:
        data = sys.stdin.buffer.read(_LONGEST_FILE + 1)
    if len(data) > _LONGEST_FILE:
        raise DataError(
            f"expected one advert or CV, got more than {_LONGEST_FILE >> 20} MiB: shorten it, or "
            "read a file of many texts with --input",
            path=named,
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(
            "expected plain text, Markdown or HTML in UTF-8, got other bytes: save it as such",
            path=named,
        ) from None
    if not text.strip():
        raise DataError("expected a text, got a blank one: fill it", path=named)
    return text


def _extract_one(
    text: str, space: TargetCache, settings: dict[str, Any], page: str | None, as_json: bool
) -> None:
    from uwe.extraction.extract import extract

    found = extract(text, space, **settings)
    if page is not None:
        write_text(path_of("--html", page), found.to_html())
    if as_json:
        output.print_json(found.to_dict(), indent=2)
        return
    for note in found.left_out:
        say(note)
    if not found:
        say("nothing was found: lower --min-confidence, or loosen --where")
        return
    rows = [
        (
            f"{finding.confidence:.2f}",
            finding.label,
            textwrap.shorten(finding.places[0].text, _SHOWN, placeholder=" …"),
            str(len(finding.places)),
        )
        for finding in found
    ]
    output.print_table(("confidence", "label", "best place", "places"), rows, right="03")


def _answers(
    records: Iterable[Record],
    space: TargetCache,
    settings: dict[str, Any],
    *,
    named: bool,
    shown: bool,
) -> Answers:
    """Entries with what was found in them; the first invalid entry is raised at the end."""
    from uwe.extraction.extract import extract_stream
    from uwe.progress import reporting

    waiting: deque[Record] = deque()
    invalid: list[DataError] = []
    texts = arguments.read_texts(records, waiting, invalid, plain=not named)
    done, start = 0, time.monotonic()
    with reporting(shown or not sys.stdout.isatty(), None, "Extracting") as progress:
        for done, found in enumerate(extract_stream(texts, space, **settings), 1):
            yield waiting.popleft(), found
            progress(done)
    if invalid:
        raise invalid[0]
    if not done:
        say("no text came: expected one a line, or a field of CSV, JSON lines or Parquet")
        return
    rate = 60 * done / max(time.monotonic() - start, 1e-9)
    say(f"{done:,} {'text' if done == 1 else 'texts'}, {rate:,.0f} a minute")


def _writer(out: str | None) -> Callable[[Answers], None]:
    """What takes the answers, with everything about its file checked that can be.

    Raises:
        InputError: If the name of the file ends otherwise.
        MissingExtraError: If it is Parquet and pyarrow is not installed.
    """
    if out is None:
        return _print
    path = path_of("--output", out)
    if path.suffix == ".parquet":
        arrow("writing Parquet")
        return lambda answers: _write_parquet(path, answers)
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise InputError(
            f"expected --output to end with .jsonl, .jsonl.gz or .parquet, got {out}: rename it"
        )
    return lambda answers: write_lines(path, (_line(*answer) for answer in answers))


def _print(answers: Answers) -> None:
    for record, found in answers:
        output.print_line(_line(record, found))


def _line(record: Record, found: Extraction) -> str:
    return output.as_json({**arguments.place_of(record), **found.to_dict()})


def _write_parquet(path: Path, answers: Answers) -> None:
    """The columns of `Extractions.to_arrow`, but `line` and `text_id` in place of the number."""
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    empty = _table([])
    with replaced_file(path) as raw, parquet.ParquetWriter(raw, empty.schema) as writer:
        while block := list(islice(answers, _TEXTS)):
            writer.write_table(_table(block))


def _table(block: list[tuple[Record, Extraction]]) -> Any:
    from uwe.extraction.findings import Extractions

    pa = arrow("writing Parquet")
    table = Extractions(found for _, found in block).to_arrow()
    places = [arguments.place_of(block[number][0]) for number in table["text"].to_pylist()]
    ids = [None if place.get("id") is None else str(place["id"]) for place in places]
    lines = pa.array([place["line"] for place in places], pa.int64())
    return table.set_column(0, "line", lines).add_column(1, "text_id", pa.array(ids, pa.string()))
