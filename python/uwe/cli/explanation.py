"""`uwe explain`: a table of query words by target words, for one pair or many."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import arguments, output
from uwe.errors import DataError, InputError, shown

if TYPE_CHECKING:
    from uwe.corpus import Record
    from uwe.explanation import Explanation


def explain_command(
    query: Annotated[str | None, typer.Argument(help="The text that was ranked.")] = None,
    label: Annotated[
        str | None, typer.Argument(help="The target's label, exactly as it is spelt, or its id.")
    ] = None,
    index: Annotated[
        int | None, typer.Option(help="The target's index in place of its label.")
    ] = None,
    targets: arguments.Targets = arguments.DEFAULT_TARGETS,
    scorer: arguments.ScorerName = None,
    model: arguments.Model = None,
    abbreviations: arguments.AbbreviationTable = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input", "-i", metavar="FILE",
            help="Explain every pair of a file, or of standard input (-), in their order: JSON "
            "lines or CSV with query and target, a label or in JSON an index.",
        ),
    ] = None,
    format_: arguments.PairFormat = None,
    delimiter: arguments.Delimiter = None,
    skip_invalid: arguments.SkipInvalid = False,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Show what each word of a query adds to the score of one target.

    A row for each word of the query and each special token, a column for each of the target; all
    cells add up to the score. Many pairs print their tables one after the other; with --json one
    JSON object a pair.

    Examples:
      uwe explain "data engineer" "data science"
      uwe explain "data engineer" "Apache Spark" --targets skills.uwe --json
      uwe explain --input pairs.jsonl --json > explained.jsonl
    """
    if source is not None and (query, label, index) != (None, None, None):
        raise typer.BadParameter("give either a QUERY with a target or --input FILE")
    if source is None and (query is None or (label is None) == (index is None)):
        raise typer.BadParameter("give a QUERY and either a LABEL or --index, or --input FILE")
    if source is None and (format_, delimiter, skip_invalid) != (None, None, False):
        raise typer.BadParameter("--format, --delimiter and --skip-invalid are for --input FILE")
    if format_ == "lines":
        raise typer.BadParameter("pairs come as csv or jsonl: plain lines have one text only")
    from uwe.explanation import explain

    space = arguments.open_targets(targets, model)
    table = arguments.read_abbreviations(abbreviations)
    explained = partial(explain, targets=space, scorer=scorer, abbreviations=table)
    if source is not None:
        _explain_stream(source, format_, delimiter, skip_invalid, explained, as_json)
        return
    target = label if label is not None else index
    assert query is not None
    assert target is not None
    explanation = explained(query, target=target)
    if as_json:
        output.print_json(explanation.to_dict(), indent=2)
    else:
        output.print_line(str(explanation))


def _explain_stream(
    source: str,
    format_: str | None,
    delimiter: str | None,
    skip_invalid: bool,
    explained: Callable[..., Explanation],
    as_json: bool,
) -> None:
    from uwe.progress import reporting

    skipped = arguments.Skipped()
    records = arguments.read_pairs(source, format_, delimiter, skipped if skip_invalid else None)
    with reporting(not sys.stdout.isatty(), None, "Explaining") as progress:
        for done, record in enumerate(records, 1):
            try:
                explanation = explained(record.text, target=_target(record))
            except InputError as error:
                path = None if source == "-" else source
                wrong = DataError(str(error), path=path, line=record.line)
                if not skip_invalid:
                    raise wrong from None
                skipped(wrong)
                continue
            if as_json:
                output.print_json({**arguments.place_of(record), **explanation.to_dict()})
            else:
                output.print_line(f"{explanation}\n")
            progress(done)
    skipped.tell()


def _target(record: Record) -> str | int:
    target = record.fields.get("target")
    if isinstance(target, bool) or not isinstance(target, str | int):
        raise InputError(
            f"expected the field 'target' to be a label or an index, got {shown(target)}: name it"
        )
    return target
