"""`uwe train`: a recipe trained, the curves of runs, and what is in training graphs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from uwe.cli import arguments, output
from uwe.cli.guard import Commands

if TYPE_CHECKING:
    from uwe.graphs.inspect import GraphFacts, Leak, Overlap


class _RecipeFirst(TyperGroup):
    """`uwe train RECIPE` is `uwe train run RECIPE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        from difflib import get_close_matches

        known = [*self.commands, "--help", "-h"]
        # What is like a command and no file is one with a slip, for which it is suggested.
        slip = args and "." not in args[0] and get_close_matches(args[0], self.commands)
        if args and args[0] not in known and (not slip or Path(args[0]).exists()):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = Commands(
    cls=_RecipeFirst,
    help="Train a model on bipartite graphs (extra: train).  uwe train RECIPE  is  uwe train run "
    "RECIPE.",
)


def run_command(
    recipe: Annotated[str, typer.Argument(help="A TOML file, as in recipes/.")],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Folder of the run; the default is runs/NAME."
        ),
    ] = None,
    data: arguments.Data = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting that replaces the recipe's, such as optimizer.steps=100 or "
            "graph.J.batch_size=64. Repeatable.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")
    ] = False,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave a GPU alone.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: arguments.AsJson = False,
) -> None:
    """Train a model by a recipe; Ctrl-C stops after the step, and --resume goes on.

    Examples:
      uwe train recipes/uwe-mini-clean-texts.toml --data uwe-data
      uwe train recipes/uwe-mini-clean-texts.toml --set optimizer.steps=100 -o runs/short
      uwe train recipes/uwe-mini-clean-texts.toml --resume
    """
    from uwe.trainer import train

    done = train(
        recipe,
        out=out,
        data=data,
        changes=change or (),
        resume=resume,
        progress=not quiet,
        cpu=cpu,
    )
    if as_json:
        output.print_json({**asdict(done), "model": str(done.model)}, indent=2)
        return
    for task, values in done.validation.items():
        figures = "  ".join(f"{name} {100 * value:.1f}" for name, value in values.items())
        output.print_line(f"{task}: {figures}")
    output.print_line(
        f"{done.model}: step {done.step} of {done.steps}; rank with it after  uwe export "
        f"{done.model} -o FOLDER"
    )


def skill_head_command(
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="The file that is written.")
    ],
    model: arguments.NewModel = None,
    data: arguments.Data = None,
    seed: Annotated[int, typer.Option(help="Of the weights and the order.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: arguments.AsJson = False,
) -> None:
    """Train the head that marks skills in texts, over a frozen model, and evaluate it.

    It learns from skillspan/train.jsonl.gz and written/ of the data folder, and is evaluated on
    skillspan/dev.jsonl.gz. A model reads skills where skill_head.npz in its folder is such a file.

    Example:
      uwe train skill-head --model models/uwe-mini-clean -o models/uwe-mini-clean/skill_head.npz
    """
    from uwe.bench.skill_head import evaluate_head
    from uwe.data.layout import data_folder
    from uwe.data.marked_lines import (
        encode_marked_lines,
        read_marked_lines,
        read_written_lines,
    )
    from uwe.encoder.loading import load
    from uwe.extraction.skill_head import SkillHead
    from uwe.training.skill_head import HeadRecipe, train_head

    folder, encoder, path = data_folder(data) / "skillspan", load(model), Path(out)
    marked = {
        split: encode_marked_lines(
            read_marked_lines(folder / f"{split}.jsonl.gz"), encoder, progress=not quiet
        )
        for split in ("train", "dev")
    }
    written = encode_marked_lines(
        read_written_lines(folder.parent / "written"), encoder, progress=not quiet
    )
    recipe = HeadRecipe(seed=seed)
    train_head(marked["train"], recipe, path, written=written, progress=not quiet)
    found = asdict(evaluate_head(SkillHead(path, dim=encoder.dim), marked["dev"]))
    if as_json:
        output.print_json(found, indent=2)
        return
    for name, value in found.items():
        output.print_line(
            f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {value}"
        )


def report_command(
    run: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="FILE", help="A file of type .svg, .png or .pdf."),
    ] = "curves.svg",
    as_json: arguments.AsJson = False,
) -> None:
    """Draw losses, validation, learning rate and gradient of one run, or of several together.

    Example:
      uwe train report runs/uwe-mini-clean -o curves.png
    """
    from uwe.training.curves import draw_curves, read_run

    logs = [read_run(folder) for folder in run]
    draw_curves(logs, out)
    if as_json:
        found = [
            {"run": log.name, "steps": len(log.steps), "validations": log.validations}
            for log in logs
        ]
        output.print_json(found, indent=2)
        return
    for log in logs:
        for entry in log.validations:
            output.print_line(f"{log.name} step {entry['step']}: mean {100 * entry['mean']:.2f}")
    output.print_line(f"{out}: drawn")


def inspect_command(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER", help="A folder of graphs, as  uwe data graphs  makes them."
        ),
    ],
    graphs: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Which graphs, such as J,V; the default is all."),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Draw the degrees into a file of type .svg, .png or .pdf."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="The data folder, whose tasks' answers are looked for in the graphs; the default "
            "is $UWE_DATA, if it has tasks. Without either none are.",
        ),
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Print sizes, degrees, the long tail, overlaps, and answers of tasks that the graphs hold.

    Degrees count the edges that are drawn. "Known" edges, the weak relations and nodes with equal
    texts, are neither drawn nor negatives.

    Examples:
      uwe train inspect uwe-data/train --plot degrees.svg
      uwe train inspect uwe-data/train --graphs J,V --data uwe-data --json
    """
    from uwe.data.layout import ENVIRONMENT, TARGETS, data_folder
    from uwe.errors import InputError
    from uwe.graphs.degree_plot import draw_degrees
    from uwe.graphs.files import read_graphs
    from uwe.graphs.inspect import find_leaks, find_overlaps, graph_facts

    if Path(folder).suffix == ".toml":
        raise InputError(
            f"{folder}: expected a folder of graphs, got a recipe: name the folder below the "
            "data folder that its graphs entry names, as in  uwe train inspect uwe-data/train"
        )
    names = None if graphs is None else [name.strip() for name in graphs.split(",")]
    tasks = data_folder(data) if data is not None or os.environ.get(ENVIRONMENT) else None
    if data is None and tasks is not None and not any(tasks.rglob(TARGETS)):
        tasks = None  # who has graphs of their own alone asked for no task
    read = read_graphs(folder, names)
    if plot is not None:
        draw_degrees(read, plot)
    facts, overlaps = [graph_facts(graph) for graph in read], find_overlaps(read)
    leaks = None if tasks is None else list(find_leaks(folder, tasks, names))
    if as_json:
        document = {
            "path": folder,
            "graphs": [asdict(each) for each in facts],
            "overlaps": [asdict(each) for each in overlaps],
            "leaks": None if leaks is None else [asdict(each) for each in leaks],
            "plot": plot,
        }
        output.print_json(document, indent=2)
        return
    _print_graphs(facts)
    _print_overlaps(overlaps)
    _print_leaks(leaks)
    if plot is not None:
        output.print_line(f"\n{plot}")


def _print_graphs(facts: Sequence[GraphFacts]) -> None:
    rows = [
        [each.name, relation, f"{count:,}"]
        for each in facts
        for relation, count in (
            ("drawn", each.edges),
            ("known", each.known),
            *each.relations.items(),
        )
    ]
    output.print_table(["graph", "relation", "edges"], rows, right="2")
    sides = [(each.name, side) for each in facts for side in (each.left, each.right)]
    output.print_line("")
    rows = [
        [name, side.kind, f"{side.nodes:,}", f"{side.merged:,}", f"{side.undrawn:,}"]
        for name, side in sides
    ]
    output.print_table(["graph", "kind", "nodes", "merged", "undrawn"], rows, right="234")
    quantiles = ("min", "50%", "90%", "99%", "max")
    output.print_line("")
    rows = [
        [
            name,
            side.kind,
            f"{side.mean:.1f}",
            *(f"{side.quantiles.get(each, 0):,}" for each in quantiles),
            f"{side.single:.1%}",
            f"{side.head:.1%}",
        ]
        for name, side in sides
    ]
    header = ["graph", "kind", "mean degree", *quantiles, "with one edge", "edges at top 1%"]
    output.print_table(header, rows, right="23456789")


def _print_overlaps(overlaps: Sequence[Overlap]) -> None:
    if overlaps:
        output.print_line("")
        rows = [[each.kind, each.first, each.second, f"{each.texts:,}"] for each in overlaps]
        output.print_table(["kind", "graph", "and graph", "shared texts"], rows, right="3")


def _print_leaks(leaks: Sequence[Leak] | None) -> None:
    output.print_line("")
    if leaks is None:
        output.print_line(
            "not looked for answers of tasks: pass a folder that has some as --data, or as UWE_DATA"
        )
        return
    rows = [
        [
            f"{each.task}/{each.split}",
            f"{each.pairs:,}",
            f"{each.found:,}",
            f"{each.found / each.pairs:.3%}",
        ]
        for each in leaks
    ]
    output.print_table(["task/split", "pairs", "found", "share"], rows, right="123")


app.add("run", run_command)
app.add("skill-head", skill_head_command)
app.add("report", report_command)
app.add("inspect", inspect_command)
