"""`uwe calibrate`: confidence for a target space of one's own, from labelled pairs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import arguments, output
from uwe.cli.bench.options import check_out
from uwe.errors import DataError, InputError

if TYPE_CHECKING:
    from uwe.bench.calibrator import Calibrated
    from uwe.cache.target_cache import TargetCache
    from uwe.corpus import Record


_NONE = "NONE"


def calibrate_command(
    pairs: Annotated[
        str,
        typer.Argument(
            metavar="PAIRS",
            help="File of labelled pairs, or - for standard input: CSV, JSON lines or Parquet with "
            "the columns query and target (a label or an id; in JSON also an index). A query may "
            "have several lines; a blank target or NONE says that the space has no answer.",
        ),
    ],
    targets: Annotated[
        str,
        typer.Option("--targets", "-t", metavar="FOLDER", help="The folder of a target cache."),
    ],
    scorer: arguments.ScorerName = None,
    model: arguments.Model = None,
    abbreviations: arguments.AbbreviationTable = None,
    format_: arguments.PairFormat = None,
    delimiter: arguments.Delimiter = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Draw there how confidence and truth agree (.svg, .png or .pdf; extra train).",
        ),
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Calibrate the confidence of matches in a target cache on labelled pairs.

    It needs 50 queries; label a representative sample, not only easy ones. The calibration is
    written beside the cache's folder, as FOLDER.calibration.json, and replaces the model's for this
    cache.
    What is printed comes from five-fold cross-validation: the share of queries whose best match is
    right, the expected calibration error, how well confidence tells queries that have an answer
    from those that have none (area under the ROC curve), and the --min-confidence at which at most
    5, 10 or 20 % of the queries get a wrong first match. Needs the extra bench.

    Examples:
      uwe calibrate pairs.csv --targets skills.uwe
      uwe calibrate pairs.tsv --targets skills.uwe --plot reliability.svg
      uwe calibrate pairs.jsonl --targets skills.uwe --json
    """
    from uwe.bench.calibrator import calibrate, shared_space
    from uwe.bench.reliability_plot import draw_reliability
    from uwe.plotting import check_drawing
    from uwe.spaces import target_spaces

    check_out(plot)
    if plot is not None:
        check_drawing(plot)
    if targets in target_spaces():  # told before its cache is built
        raise shared_space(targets)
    space = arguments.open_targets(targets, model)
    records = arguments.read_pairs(pairs, format_, delimiter)
    found = calibrate(
        _answers(records, space, None if pairs == "-" else pairs),
        space,
        scorer=scorer,
        abbreviations=arguments.read_abbreviations(abbreviations),
        progress=True,
    )
    if plot is not None:
        draw_reliability({"labelled queries": (found.confidence, found.right)}, plot)
    if as_json:
        output.print_json(found.to_dict(), indent=2)
    else:
        _print(found)


def _answers(
    records: Iterable[Record], space: TargetCache, path: str | None
) -> dict[str, set[str | int]]:
    """Indices of the right targets by query; an error names the line."""
    from uwe.bench.calibrator import target_finder

    find = target_finder(space)
    answers: dict[str, set[str | int]] = {}
    silent: dict[str, bool] = {}
    for record in records:
        try:
            if "target" not in record.fields:
                raise InputError(
                    "expected the columns query and target, got "
                    f"{', '.join(record.fields) or 'plain lines'}: name them so"
                )
            target = record.fields["target"]
            blank = target is None or (isinstance(target, str) and target.strip() in ("", _NONE))
            if silent.setdefault(record.text, blank) != blank:
                raise InputError(
                    f"expected {record.text!r} to have a target or none, got both: remove a line"
                )
            found = [] if blank else find(target)
        except InputError as error:
            raise DataError(str(error), path=path, line=record.line) from None
        answers.setdefault(record.text, set()).update(found)
    return answers


def _print(found: Calibrated) -> None:
    figures = found.reliability
    auc = "-" if figures.answerable is None else f"{figures.answerable:.3f}"
    rows = [
        ["cache", str(found.targets.path)],
        ["fitted on", found.calibration.fitted_on],
        ["queries", str(figures.queries)],
        ["right first", f"{figures.right:.1%}"],
        ["mean confidence", f"{figures.confidence:.1%}"],
        ["expected calibration error", f"{figures.error:.3f}"],
        ["answerable, AUC", auc],
    ]
    for risk, bound in found.min_confidence.items():
        # Rounded up: a lower bound lets more wrong matches through.
        shown = "none" if bound is None else f"{math.ceil(bound * 1000) / 1000:.3f}"
        rows.append([f"--min-confidence for at most {risk:.0%} wrong", shown])
    output.print_table(rows[0], rows[1:])
