"""`uwe rank`: one query to a table, or many to lines."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uwe.cli import arguments, output
from uwe.cli.guard import say
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
            help="Key or column of JSON lines or CSV that holds the query; the default is text."
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
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Rank targets for a query, or for many from a file or standard input.

    One query prints a table: rank, label, score, and the words of the query that earned most of
    the score with their shares. Many print one line a match, of columns separated by tabs: query,
    rank, label, score, id, alias (the text of the target that matched, if not its label), how the
    query was read (if not as it stands), and with --why the words; a query that no target is left
    for is a line with the query alone. With --json one JSON object a query.

    Examples:
      uwe rank "data engineer, big data pipelines"
      uwe rank "Sr. SWE (ML)" --targets esco-occupations -k 5
      uwe rank "head chef" --targets esco-occupations --json
      uwe rank "welder" --targets esco-skills@1.1.1 --where skill_type=knowledge
      uwe rank --input titles.csv --field title --json > ranked.jsonl
      cat titles.txt | uwe rank --input -
    """
    if (query is None) == (source is None):
        raise typer.BadParameter("give either a QUERY or --input FILE (- is standard input)")
    if source is None and (format_, delimiter, field, skip_invalid) != (None, None, None, False):
        raise typer.BadParameter(
            "--format, --delimiter, --field and --skip-invalid are for --input FILE"
        )
    space = arguments.open_targets(targets, model)
    settings: dict[str, Any] = {
        "k": k,
        "where": arguments.read_where(where, space),
        "min_score": min_score,
        "scorer": scorer,
        "candidates": candidates,
        "abbreviations": arguments.read_abbreviations(abbreviations),
    }
    if source is None:
        assert query is not None
        _rank_one(query, space, settings, why is not False, as_json)
        return
    skipped = arguments.Skipped()
    records = arguments.read_records(
        source, format_, delimiter, skipped if skip_invalid else None, field
    )
    if field is not None:
        records = _with_fields(records)
    # Whoever types wants each answer at once; files are ranked a block at a time.
    settings["block"] = 1 if source == "-" and sys.stdin.isatty() else 64
    done = _rank_stream(records, space, settings, bool(why), as_json)
    if not done and not skipped.count and source != "-":
        say("no query came: expected a text a line, or a field of CSV or JSON lines")
    skipped.tell()


def _rank_one(
    query: str, space: TargetCache, settings: dict[str, Any], why: bool, as_json: bool
) -> None:
    from uwe.ranking.rank import rank

    matches = rank(query, space, **settings)
    reasons = _reasons(query, space, matches, settings) if why else None
    if as_json:
        output.print_json({"query": query, "matches": _as_dicts(matches, reasons)}, indent=2)
        return
    if not matches:
        remedy = ": loosen --where or --min-score"
        if not len(space):
            remedy = " in the cache: add some with  uwe cache append"
        say(f"no target is left{remedy}")
        return
    rows = [["rank", "label", "score", *(["earned by"] if reasons is not None else [])]]
    for i, match in enumerate(matches):
        label = match.label if match.alias is None else f"{match.label} (alias: {match.alias})"
        earned = [] if reasons is None else [_earned(reasons[i])]
        rows.append([str(i + 1), label, f"{match.score:.3f}", *earned])
    for reading in dict.fromkeys(match.read_as for match in matches if match.read_as):
        output.print_line(f"read as {output.one_line(reading)}")
    output.print_table(rows[0], rows[1:], right="02")


def _rank_stream(
    records: Iterable[Record],
    space: TargetCache,
    settings: dict[str, Any],
    why: bool,
    as_json: bool,
) -> int:
    """How many queries were ranked."""
    from uwe.progress import reporting
    from uwe.ranking.rank import rank_stream

    waiting: deque[Record] = deque()
    invalid: list[DataError] = []
    ranked = rank_stream(_texts(records, waiting, invalid), space, **settings)
    done = 0
    with reporting(not sys.stdout.isatty(), None, "Ranking") as progress:
        for done, matches in enumerate(ranked, 1):
            record = waiting.popleft()
            reasons = _reasons(record.text, space, matches, settings) if why else None
            _print_ranked(record, matches, reasons, as_json)
            progress(done)
            if settings["block"] == 1:
                sys.stdout.flush()
    if invalid:
        raise invalid[0]
    return done


def _with_fields(records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        if not record.fields:
            raise typer.BadParameter("--field is for CSV and JSON lines: plain lines have none")
        yield record


def _texts(
    records: Iterable[Record], waiting: deque[Record], invalid: list[DataError]
) -> Iterator[str]:
    """The queries; their records wait for the matches, a block of them at most.

    An invalid entry ends them, so that everything before it is ranked and printed first.
    """
    try:
        for record in records:
            waiting.append(record)
            yield record.text
    except DataError as error:
        invalid.append(error)


def _print_ranked(
    record: Record, matches: list[Match], reasons: list[Explanation] | None, as_json: bool
) -> None:
    if as_json:
        found = {"query": record.text, "matches": _as_dicts(matches, reasons)}
        output.print_json({**arguments.place_of(record), **found})
        return
    rows: list[list[str | None]] = [
        [str(place), match.label, f"{match.score:.4f}", match.id, match.alias, match.read_as]
        for place, match in enumerate(matches, 1)
    ]
    if not rows:  # a query that nothing was found for is a row too
        rows.append([None] * 6)
    for i, row in enumerate(rows):
        earned = [] if reasons is None else [_earned(reasons[i]) if reasons else ""]
        columns = (output.one_line(column or "") for column in [record.text, *row, *earned])
        output.print_line("\t".join(columns))


def _reasons(
    query: str, space: TargetCache, matches: list[Match], settings: dict[str, Any]
) -> list[Explanation]:
    from uwe.explanation import explain_many

    scorer, table = settings["scorer"], settings["abbreviations"]
    return explain_many(query, space, matches, scorer=scorer, abbreviations=table)


def _earned(reason: Explanation) -> str:
    # A word's comma or bracket belongs to the sentence that it was in.
    words = ((w.text.lstrip("([").rstrip(",;:.!?)]") or w.text, w.share) for w in reason.top())
    return ", ".join(f"{word} {share:+.3f}" for word, share in words)


def _as_dicts(matches: list[Match], reasons: list[Explanation] | None) -> list[dict[str, Any]]:
    found = []
    for i, match in enumerate(matches):
        entry = {"rank": i + 1, **match.to_dict()}
        if reasons is not None:
            entry["why"] = [vars(word) for word in reasons[i].query_words]
        found.append(entry)
    return found
