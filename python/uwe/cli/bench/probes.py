"""`uwe bench probes`: cases that a model has to get right, and those that it gets wrong."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import arguments, output
from uwe.cli.bench.options import Models, Scorers, check_out
from uwe.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uwe.bench.probes import ProbeAccuracy, ProbeResults

__all__ = ["print_probes", "probes_command"]

_LISTED = 3
"""Failing cases of a category that are printed: there may be hundreds."""


def probes_command(
    model: Models = None,
    scorer: Scorers = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            "--category", "-c", metavar="NAME",
            help="lexical, case, plural, bullet, typo, spelling, abbreviation or long; the "
            "default is all. Repeatable.",
        ),
    ] = None,
    cases: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Cases of yours in place of the built-in ones: JSON lines with id, category, "
            "query, wanted (labels of ESCO 1.2.0), and traps, clean, note.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where the result goes (JSON)."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Probe models: words in another sense, typos, abbreviations, spelling, and what fails.

    Examples:
      uwe bench probes
      uwe bench probes --model uwe-mini --model bm25 --category lexical -o probes.json
    """
    from uwe.bench.adapters.resolve import bench_model
    from uwe.bench.model import EncoderModel
    from uwe.bench.probe_cases import built_in_cases, chosen_cases, read_cases
    from uwe.bench.probes import SPACE, run_probes
    from uwe.spaces import target_space

    check_out(out)
    labels = target_space(SPACE).labels
    found = built_in_cases(labels) if cases is None else read_cases(cases, labels)
    chosen = chosen_cases(found, category)
    models = [bench_model(source) for source in model or ["uwe-mini"]]
    if scorer and not any(isinstance(m, EncoderModel) and not m.one_vector for m in models):
        raise InputError("every model here has a way of scoring of its own: leave out --scorer")
    results = run_probes(models, scorer=scorer, cases=chosen, progress=not quiet)
    if out is not None:
        results.save(out)
    if as_json:
        output.print_line(results.to_json().rstrip())
        return
    print_probes(results)
    if out is not None:
        output.print_line(f"\n{out}: show it with  uwe bench report {out} -o report.html")


def print_probes(results: ProbeResults) -> None:
    """Accuracy by category, then the cases that fail."""
    accuracies = results.accuracies()
    for origin in dict.fromkeys(a.origin for a in accuracies):
        output.print_line(f"{origin}, {results.targets:,} targets, {results.space}")
        _print_accuracies(results, [a for a in accuracies if a.origin == origin])
        output.print_line("")
    for label in results.labels:
        for origin in dict.fromkeys(a.origin for a in accuracies):
            _print_failures(results, label, origin)
    output.print_line(
        "Accuracy in percent with 95 % Wilson intervals; clean: of the same cases, without what "
        "the category changes."
    )


def _print_accuracies(results: ProbeResults, accuracies: Sequence[ProbeAccuracy]) -> None:
    rows = []
    for name in dict.fromkeys(a.category for a in accuracies):
        of_name = [a for a in accuracies if a.category == name]
        rules = dict.fromkeys(
            case.passes_when
            for case in results.cases.values()
            if (case.category, case.origin) == (name, of_name[0].origin)
        )
        row = [name, str(of_name[0].cases), " or ".join(rules)]
        for a in of_name:
            i = a.interval
            row += [
                f"{100 * i.mean:.1f} [{100 * i.low:.1f}, {100 * i.high:.1f}]",
                f"{100 * a.clean_passed / a.clean_cases:.1f}" if a.clean_cases else "-",
            ]
        rows.append(row)
    columns = [column for label in results.labels for column in (label, "clean")]
    right = "".join(str(i) for i in (1, *range(3, min(10, 3 + len(columns)))))
    output.print_table(["category", "cases", "right if wanted is", *columns], rows, right=right)


def _print_failures(results: ProbeResults, label: str, origin: str) -> None:
    failures = results.failures(label, origin)
    if not failures:
        return
    output.print_line(f"{label} fails {len(failures)} of the cases {origin}")
    shown: Counter[str] = Counter()
    for failure in failures:
        case = results.cases[failure.case]
        if shown[case.category] == _LISTED:
            continue
        shown[case.category] += 1
        output.print_line(f"  {case.id}: {case.query}")
        wanted = (failure.rank, failure.score, failure.wanted)
        against = (failure.against_rank, failure.against_score, failure.against)
        other = "trap" if case.traps else "against"
        for name, (rank, score, text) in (("wanted", wanted), (other, against)):
            output.print_line(f"    {name:7}  {rank:>6}  {score:6.3f}  {text}")
    if shown.total() < len(failures):
        output.print_line(f"  and {len(failures) - shown.total()} more, which -o and --json have")
    output.print_line("")
