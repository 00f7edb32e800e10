"""`uwe explain`: a table of query words by target words."""

from __future__ import annotations

from typing import Annotated

import typer

from uwe.cli import arguments, output

__all__ = ["explain_command"]


def explain_command(
    query: Annotated[str, typer.Argument(help="The text that was ranked.")],
    label: Annotated[
        str | None, typer.Argument(help="The target's label, exactly as it is spelt.")
    ] = None,
    index: Annotated[
        int | None, typer.Option(help="The target's index in place of its label.")
    ] = None,
    targets: arguments.Targets = arguments.DEFAULT_TARGETS,
    scorer: arguments.ScorerName = None,
    temperature: arguments.Temperature = None,
    model: arguments.Model = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Show what each word of a query adds to the score of one target.

    A row for each word of the query and each special token, a column for each of the target; all
    cells add up to the score.

    Examples:
      uwe explain "data engineer" "data science"
      uwe explain "data engineer" "Apache Spark" --targets skills.uwe --json
    """
    if (label is None) == (index is None):
        raise typer.BadParameter("give either a LABEL or --index")
    from uwe.explanation import explain

    space = arguments.open_targets(targets, model)
    chosen = arguments.read_scorer(scorer, temperature, space.scorer)
    target = label if label is not None else index
    assert target is not None
    explanation = explain(query, space, target, scorer=chosen)
    if as_json:
        output.print_json(explanation.to_dict(), indent=2)
    else:
        output.print_line(str(explanation))
