"""`uwe rank`: one query to a table, or many to lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uwe.cli import arguments, bulk, output, ranked
from uwe.cli.guard import say
from uwe.cli.ranked import Ranked

if TYPE_CHECKING:
    from uwe.cache.target_cache import TargetCache
    from uwe.explanation import Explanation
    from uwe.ranking.matches import Match


_BLOCK = 64
_PART = 128 * _BLOCK
"""Texts of a part of the output. The last bits of a score may depend on the texts that are encoded
with it: parts hold whole blocks, so that what goes on after one finds the same."""


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
    source: arguments.Source = None,
    format_: arguments.FileFormat = None,
    delimiter: arguments.Delimiter = None,
    field: arguments.Field = None,
    keep: arguments.Keep = None,
    skip_invalid: arguments.SkipInvalid = False,
    why: Annotated[
        bool | None,
        typer.Option(
            "--why/--no-why",
            help="Say which words of the query earned the score; the default for one query.",
        ),
    ] = None,
    out: arguments.Output = None,
    resume: arguments.Resume = False,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Rank targets for a query, or for many from a file or standard input.

    One query prints a table: rank, label, score, confidence (where there is a calibration), and the
    words of the query that earned most of the score with their shares. Many print one line a match,
    of columns separated by tabs: query, rank, label, score, confidence, id, alias (the text of the
    target that matched, if not its label), how the query was read (if not as it stands), and with
    --why the words; what --keep names comes last. The line of a query with no targets left has the
    query, and what was kept, alone. With --json one JSON object a query; with --output a file, and
    on standard error how fast it was written.

    Examples:
      uwe rank "data engineer, big data pipelines"
      uwe rank "Sr. SWE (ML)" --targets esco-occupations -k 5
      uwe rank "head chef" --targets esco-occupations --json
      uwe rank "kubernetes" --min-confidence 0.5
      uwe rank "welder" --targets esco-skills@1.1.1 --where skill_type=knowledge
      uwe rank --input titles.csv --field title --keep id --output ranked.csv
      uwe rank --input titles.parquet --field title --output ranked.parquet --resume
      cat titles.txt | uwe rank --input -
    """
    if (query is None) == (source is None):
        raise typer.BadParameter("give either a QUERY or --input FILE (- is standard input)")
    if source is None and (format_ or delimiter or field or keep or skip_invalid or resume):
        raise typer.BadParameter(
            "--format, --delimiter, --field, --keep, --skip-invalid and --resume are for --input"
        )
    bulk.check_file(out, source, abbreviations, resume=resume, as_json=as_json)
    space = arguments.open_targets(targets, model)
    given: dict[str, Any] = {
        "k": k,
        "where": where,
        "min_score": min_score,
        "min_confidence": min_confidence,
        "kind": kind,
        "scorer": scorer,
        "candidates": candidates,
        "abbreviations": abbreviations,
    }
    settings = {
        **given,
        "where": arguments.read_where(where, space),
        "abbreviations": arguments.read_abbreviations(abbreviations),
    }
    if source is None:
        assert query is not None
        found = _answer(query, space, settings, why is not False if out is None else bool(why))
        if out is None:
            _print_one(found, space, as_json)
        else:
            bulk.write_one(out, found, ranked.form(bool(why)))
            output.print_line(out)
        return
    skipped = arguments.Skipped()
    texts = bulk.Texts(
        source, format_, delimiter, field, keep or [], skipped if skip_invalid else None
    )
    # Whoever types wants each answer at once; files are ranked a block at a time.
    typed = source == "-" and sys.stdin is not None and sys.stdin.isatty()
    settings["block"] = 1 if typed else _BLOCK
    find = partial(_answers, space=space, settings=settings, why=bool(why))
    form = ranked.form(bool(why))
    if out is None:
        line = (lambda answer: output.as_json(form.object(answer))) if as_json else ranked.as_line
        bulk.show(texts, find, line, size=_PART, flush=typed, what="Ranking")
    else:
        job = None if texts.path is None else texts.job("rank", space, {**given, "why": bool(why)})
        bulk.write(out, texts, find, form, size=_PART, job=job, resume=resume, what="Ranking")
        output.print_line(out)
    skipped.tell()


def _answer(query: str, space: TargetCache, settings: dict[str, Any], why: bool) -> Ranked:
    from uwe.ranking.rank import rank

    matches = rank(query, space, **settings)
    return Ranked(query, matches, _reasons(query, space, matches, settings) if why else None)


def _answers(
    texts: Iterable[str], space: TargetCache, settings: dict[str, Any], why: bool
) -> Iterator[Ranked]:
    from uwe.ranking.rank import rank_stream

    for matches in rank_stream(texts, space, **settings):
        reasons = _reasons(matches.query, space, matches, settings) if why else None
        yield Ranked(matches.query, matches, reasons)


def _print_one(found: Ranked, space: TargetCache, as_json: bool) -> None:
    if as_json:
        output.print_json(ranked.form(why=True).entry(found), indent=2)
    elif found.matches:
        ranked.print_table(found)
    else:
        remedy = ": loosen --where, --min-score or --min-confidence"
        if not len(space):
            remedy = " in the cache: add some with  uwe cache append"
        say(f"no target is left{remedy}")


def _reasons(
    query: str, space: TargetCache, matches: list[Match], settings: dict[str, Any]
) -> list[Explanation]:
    from uwe.explanation import explain_many

    scorer, table = settings["scorer"], settings["abbreviations"]
    return explain_many(query, space, matches, scorer=scorer, abbreviations=table)
