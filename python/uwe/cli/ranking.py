"""`uwe rank`: one query to a table, or many to lines."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uwe.cli import arguments, output, ranked
from uwe.cli.guard import say
from uwe.cli.ranked import Ranked
from uwe.errors import DataError

if TYPE_CHECKING:
    from uwe.cache.target_cache import TargetCache
    from uwe.corpus import Record
    from uwe.explanation import Explanation
    from uwe.ranking.matches import Match

__all__ = ["rank_command"]


def rank_command(
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="A job title, a sentence, any text.")
    ] = None,
    targets: arguments.Targets = arguments.DEFAULT_TARGETS,
    k: Annotated[int, typer.Option("-k", help="How many targets for each query.")] = 10,
    where: arguments.Conditions = None,
    min_score: Annotated[
        float | None, typer.Option(help="Leave out targets that score less.")
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Leave out targets of a lower confidence, from 0 to 1: the probability that an "
            "expert would accept the match."
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="What the queries are, for the confidence: title, keyword, span (a phrase that an "
            "expert marked) or sentence. The default is told by the targets and the words.",
        ),
    ] = None,
    scorer: arguments.ScorerName = None,
    model: arguments.Model = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT",
            help="Rank only this many targets (at least -k) that an approximate index proposes "
            "(extra: ann).",
        ),
    ] = None,
    abbreviations: arguments.AbbreviationTable = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input", "-i", metavar="FILE",
            help="Rank for every entry of a file, or of standard input (-), in their order.",
        ),
    ] = None,
    format_: arguments.FileFormat = None,
    delimiter: arguments.Delimiter = None,
    field: Annotated[
        str | None,
        typer.Option(
            help="Key or column of JSON lines, CSV or Parquet that holds the query; the default is "
            "text."
        ),
    ] = None,
    skip_invalid: arguments.SkipInvalid = False,
    why: Annotated[
        bool | None,
        typer.Option(
            "--why/--no-why",
            help="Say which words of the query earned the score; the default for one query.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE",
            help="Write a file instead: .jsonl, or .csv or .tsv with a header, also with .gz. It "
            "appears whole; one that is there is replaced.",
        ),
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Rank targets for a query, or for many from a file or standard input.

    One query prints a table: rank, label, score, confidence (where there is a calibration), and the
    words of the query that earned most of the score with their shares. Many print one line a match,
    of columns separated by tabs: query, rank, label, score, confidence, id, alias (the text of the
    target that matched, if not its label), how the query was read (if not as it stands), and with
    --why the words; a query with no targets left is a line with the query alone. With --json
    one JSON object a query; with --output a file.

    Examples:
      uwe rank "data engineer, big data pipelines"
      uwe rank "Sr. SWE (ML)" --targets esco-occupations -k 5
      uwe rank "head chef" --targets esco-occupations --json
      uwe rank "kubernetes" --min-confidence 0.5
      uwe rank "welder" --targets esco-skills@1.1.1 --where skill_type=knowledge
      uwe rank --input titles.csv --field title --output ranked.csv
      cat titles.txt | uwe rank --input -
    """
    if (query is None) == (source is None):
        raise typer.BadParameter("give either a QUERY or --input FILE (- is standard input)")
    if source is None and (format_, delimiter, field, skip_invalid) != (None, None, None, False):
        raise typer.BadParameter(
            "--format, --delimiter, --field and --skip-invalid are for --input FILE"
        )
    if out is not None:
        if as_json:
            raise typer.BadParameter("the suffix of --output says the form: leave --json out")
        ranked.check_file(out, source)
    space = arguments.open_targets(targets, model)
    settings: dict[str, Any] = {
        "k": k,
        "where": arguments.read_where(where, space),
        "min_score": min_score,
        "min_confidence": min_confidence,
        "kind": kind,
        "scorer": scorer,
        "candidates": candidates,
        "abbreviations": arguments.read_abbreviations(abbreviations),
    }
    if source is None:
        assert query is not None
        found = _answer(query, space, settings, why is not False if out is None else bool(why))
        if out is None:
            _print_one(found, space, as_json)
        else:
            ranked.write(out, [found], bool(why))
            output.print_line(out)
        return
    skipped = arguments.Skipped()
    records = arguments.read_records(
        source, format_, skipped if skip_invalid else None, field, delimiter
    )
    # Whoever types wants each answer at once; files are ranked a block at a time.
    typed = source == "-" and sys.stdin.isatty()
    settings["block"] = 1 if typed else 64
    quiet = out is None and sys.stdout.isatty()
    answers = _answers(records, field is None, space, settings, bool(why), not quiet)
    done = (
        _print_each(answers, as_json, typed)
        if out is None
        else ranked.write(out, answers, bool(why))
    )
    if out is not None:
        output.print_line(out)
    if not done and not skipped.count and source != "-":
        say("no query came: expected a text a line, or a field of CSV or JSON lines")
    skipped.tell()


def _answer(query: str, space: TargetCache, settings: dict[str, Any], why: bool) -> Ranked:
    from uwe.ranking.rank import rank

    matches = rank(query, space, **settings)
    return Ranked(query, None, matches, _reasons(query, space, matches, settings) if why else None)


def _print_one(found: Ranked, space: TargetCache, as_json: bool) -> None:
    if as_json:
        output.print_json(ranked.as_json(found), indent=2)
    elif found.matches:
        ranked.print_table(found)
    else:
        remedy = ": loosen --where, --min-score or --min-confidence"
        if not len(space):
            remedy = " in the cache: add some with  uwe cache append"
        say(f"no target is left{remedy}")


def _print_each(answers: Iterable[Ranked], as_json: bool, flush: bool) -> int:
    """How many there were."""
    done = 0
    for found in answers:
        done += 1
        if as_json:
            output.print_json(ranked.as_json(found))
        else:
            output.print_line(ranked.as_line(found))
        if flush:
            sys.stdout.flush()
    return done


def _answers(
    records: Iterable[Record],
    plain: bool,
    space: TargetCache,
    settings: dict[str, Any],
    why: bool,
    progress: bool,
) -> Iterator[Ranked]:
    from uwe.progress import reporting
    from uwe.ranking.rank import rank_stream

    waiting: deque[Record] = deque()
    invalid: list[DataError] = []
    texts = arguments.read_texts(records, waiting, invalid, plain=plain)
    found = rank_stream(texts, space, **settings)
    with reporting(progress, None, "Ranking") as report:
        for done, matches in enumerate(found, 1):
            record = waiting.popleft()
            reasons = _reasons(record.text, space, matches, settings) if why else None
            yield Ranked(record.text, record, matches, reasons)
            report(done)
    if invalid:
        raise invalid[0]


def _reasons(
    query: str, space: TargetCache, matches: list[Match], settings: dict[str, Any]
) -> list[Explanation]:
    from uwe.explanation import explain_many

    scorer, table = settings["scorer"], settings["abbreviations"]
    return explain_many(query, space, matches, scorer=scorer, abbreviations=table)
