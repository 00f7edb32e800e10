"""`uwe bench compare`: is the second of two evaluations better than the first?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from uwe.cli import arguments, output


def compare_command(
    first: Annotated[str, typer.Argument(metavar="RESULT", help="A result of  uwe bench run.")],
    second: Annotated[
        str | None,
        typer.Argument(metavar="[RESULT]", help="Another; without it, both are in the first."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", metavar="NAME",
            help="Which model of the first, then which of the second; with its scorer where it has "
            'several: "uwe-mini soft:0.5". Needed where there is a choice.',
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="MAP, MRR, RP@k, nDCG@k, recall@k or hit@k.")
    ] = "MAP",
    mean: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK/SPLIT",
            help="Also the mean difference over this task and others so named. Repeatable.",
        ),
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Compare two models, scorers or runs query by query: difference, 95 % interval and p.

    p is that of a paired sign-flip test with 10,000 draws, of each task by itself.

    Examples:
      uwe bench compare before.json after.json
      uwe bench compare result.json -m "uwe-mini pooled" -m "uwe-mini soft:0.5" --metric RP@10
      uwe bench compare a.json b.json --mean jobnorm/val --mean skillextract_house/val
    """
    from uwe.bench.comparison import compare
    from uwe.bench.results import read_results

    found = compare(
        read_results(first),
        None if second is None else read_results(second),
        models=model or (),
        metric=metric,
        mean=mean or (),
    )
    if as_json:
        output.print_json(asdict(found), indent=2)
        return
    output.print_line(f"first: {found.first}; second: {found.second}; {metric} in percent")
    rows = []
    for each in found.differences:
        difference, low, high = (100 * x for x in vars(each.difference).values())
        sample = "" if each.sampled_from is None else f" of {each.sampled_from:,}"
        rows.append(
            [
                each.task,
                f"{each.queries:,}{sample}",
                f"{100 * each.first:.2f}",
                f"{100 * each.second:.2f}",
                f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]",
                f"{each.p:.4f}",
                " and ".join(dict.fromkeys(each.regimes)),
            ]
        )
    header = ["task/split", "queries", "first", "second", "second - first", "p", "regime"]
    output.print_table(header, rows, right="12345")
    if found.mean is not None:
        value, low, high = (100 * x for x in vars(found.mean).values())
        output.print_line(
            f"mean of {', '.join(mean or ())}: {value:+.2f} [{low:+.2f}, {high:+.2f}]"
        )
    if found.unpaired:
        output.print_line(f"evaluated for one of them only: {', '.join(found.unpaired)}")
    if len(rows) > 1:
        output.print_line(f"p stands for each task alone: it is not corrected for {len(rows)}")
