"""`uwe extract`: the skills that one advert or CV asks for, or those of many."""

from __future__ import annotations

import sys
import textwrap
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uwe.checks import is_blank, path_of
from uwe.cli import arguments, bulk, output
from uwe.cli.bench.options import check_out
from uwe.cli.guard import say
from uwe.errors import DataError
from uwe.files.atomic import write_text

if TYPE_CHECKING:
    from uwe.cache.target_cache import TargetCache
    from uwe.extraction.findings import Extraction


_LONGEST_FILE = 1 << 24
"""Bytes of one text; a file that is longer holds something else."""

_SHOWN = 60
"""Characters of a place in the table."""

_PART = 512
"""Texts of a part of the output."""

_COLUMNS = {
    "rank": "int32", "label": "string", "id": "string", "score": "float32",
    "confidence": "float64", "place": "string", "place_confidence": "float64", "start": "int64",
    "end": "int64",
}  # fmt: skip


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
    source: arguments.Source = None,
    format_: arguments.FileFormat = None,
    delimiter: arguments.Delimiter = None,
    field: arguments.Field = None,
    keep: arguments.Keep = None,
    skip_invalid: arguments.SkipInvalid = False,
    out: arguments.Output = None,
    resume: arguments.Resume = False,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Find the skills, or other targets, that an advert or a CV asks for, and where.

    One text prints a table: confidence, label, the text of the best place, and the number of
    places. With --json one JSON object, in which places are counted in characters of the file,
    but for a byte order mark. Many texts print one JSON object each; a plain file has one text a
    line. With --output a file, whose tables have a row for each place, and on standard error how
    fast it was written.

    Examples:
      uwe extract advert.txt
      uwe extract advert.html --min-confidence 0.7 --html found.html
      uwe extract cv.md --targets esco-skills@1.1.1 --where skill_type=knowledge --json
      uwe extract --input adverts.jsonl --field description --output found.jsonl
      uwe extract --input adverts.parquet --keep id --output found.parquet --resume
    """
    if (file is None) == (source is None):
        raise typer.BadParameter("give either a FILE (- is standard input) or --input FILE")
    bulk_only = (format_, delimiter, field, keep, skip_invalid, out, resume)
    if source is None and any(bulk_only):
        raise typer.BadParameter(
            "--format, --delimiter, --field, --keep, --skip-invalid, --output and --resume are for "
            "--input"
        )
    if source is not None and page is not None:
        raise typer.BadParameter("--html is for one FILE")
    check_out(page, file, abbreviations)
    bulk.check_file(out, source, abbreviations, resume=resume, as_json=as_json)
    text = None if file is None else _read(file)
    space = arguments.open_targets(targets)
    given: dict[str, Any] = {
        "min_confidence": min_confidence,
        "where": where,
        "abbreviations": abbreviations,
    }
    settings = {
        **given,
        "where": arguments.read_where(where, space),
        "abbreviations": arguments.read_abbreviations(abbreviations),
    }
    if text is not None:
        _extract_one(text, space, settings, page, as_json)
        return
    assert source is not None
    from uwe.extraction.extract import extract_stream

    skipped = arguments.Skipped()
    texts = bulk.Texts(
        source, format_, delimiter, field, keep or [], skipped if skip_invalid else None
    )
    find = partial(extract_stream, targets=space, **settings)
    form = bulk.Form(_COLUMNS, _rows, lambda found: found.to_dict())
    if out is None:
        bulk.show(
            texts, find, lambda answer: output.as_json(form.object(answer)),
            size=_PART, flush=False, what="Extracting",
        )  # fmt: skip
    else:
        job = None
        if texts.path is not None:
            model = {"the SHA-256 of skill head and calibrations": _beside_model(space)}
            job = texts.job("extract", space, {**given, **model})
        bulk.write(out, texts, find, form, size=_PART, job=job, resume=resume, what="Extracting")
        output.print_line(out)
    skipped.tell()


def _beside_model(space: TargetCache) -> str | None:
    from hashlib import sha256

    from uwe.calibration import calibrations_json, calibrations_of
    from uwe.encoder.text_encoder import SKILL_HEAD_FILE, TextEncoder

    if not isinstance(space.model, TextEncoder):
        return None
    path = space.model.folder / SKILL_HEAD_FILE
    head = path.read_bytes() if path.is_file() else b""
    return sha256(head + calibrations_json(calibrations_of(space.model)).encode()).hexdigest()


def _rows(found: Extraction) -> list[list[Any]]:
    """The row of each place, or one of nulls."""
    from uwe.extraction.findings import place_rows

    return [[row.get(name) for name in _COLUMNS] for row in place_rows(found)]


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
    if is_blank(text):
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
