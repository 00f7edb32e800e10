"""`uwe bench extraction`: are the skills of whole adverts found, and where they stand?"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from uwe.cli import arguments, output
from uwe.cli.bench.options import Result, check_out
from uwe.cli.guard import say
from uwe.errors import InputError


def extraction_command(
    extractor: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="uwe, which is  uwe extract;  or sentences, each of which gets the skill that "
            "ranks first.",
        ),
    ] = "uwe",
    threshold: Annotated[
        float, typer.Option(metavar="SCORE", help="The least score of a finding that counts.")
    ] = 0.5,
    data: arguments.Data = None,
    out: Result = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Draw precision over recall there (.svg, .png or .pdf; train)."
        ),
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Measure how well skills are found in whole adverts and CVs, by label and by place.

    Extractors of yours are measured by uwe.bench.extraction.evaluate_extraction.

    Examples:
      uwe bench extraction -o extraction.json --plot extraction.svg
      uwe bench extraction --extractor sentences --threshold 0.66
    """
    from uwe.bench.extraction import EXTRACTORS, draw_extraction, evaluate_extraction
    from uwe.bench.machine import machine, versions
    from uwe.data.adverts import marked_sets
    from uwe.data.layout import data_folder
    from uwe.files.atomic import write_text
    from uwe.plotting import check_drawing
    from uwe.spaces import space_cache

    if extractor not in EXTRACTORS:
        raise InputError(f"expected --extractor {' or '.join(EXTRACTORS)}, got {extractor}")
    check_out(out)
    check_out(plot, out)
    if plot is not None:
        check_drawing(plot)
    sets = marked_sets(data_folder(data))
    find = EXTRACTORS[extractor](space_cache("esco-skills"))
    results = {}
    for name, texts in sets.items():
        say(f"{name}: {len(texts)} texts ...")
        results[name] = evaluate_extraction(find, texts, threshold=threshold)
    document: dict[str, Any] = {
        "format": "uwe-bench-extraction",
        "version": 1,
        "extractor": extractor,
        "versions": versions(),
        "machine": machine(),
        "sets": results,
    }
    text = json.dumps(document, default=vars)
    if out is not None:
        write_text(out, text + "\n")
    measures = {
        f"{name}, {what}": measure
        for name, result in results.items()
        for what, measure in (("labels", result.labels), ("places", result.places))
        if measure is not None
    }
    if plot is not None:
        draw_extraction(measures, plot)
    if as_json:
        output.print_line(text)
        return
    rows = [
        [
            name,
            "-" if figures.threshold is None else f"{figures.threshold:.3f}",
            *(
                f"{100 * each.mean:.1f} [{100 * each.low:.1f}, {100 * each.high:.1f}]"
                for each in (figures.precision, figures.recall, figures.f1)
            ),
            f"{figures.found:,}",
            f"{figures.idle:,}",
        ]
        for name, measure in measures.items()
        for figures in (measure.default, measure.best)
    ]
    header = ["set", "score >=", "precision", "recall", "F1", "found", "in idle lines"]
    output.print_table(header, rows, right="123456")
    output.print_line(
        "\n95 % intervals over texts; the second threshold of each is the best for these very "
        "texts; idle lines have no marked place; "
        + ", ".join(f"{name} {1e3 * each.seconds:.0f} ms a text" for name, each in results.items())
    )
