"""The curves of runs, drawn from their logs: losses, validation, learning rate, gradient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uwe.checks import real_path
from uwe.errors import InputError
from uwe.plotting import drawing
from uwe.training.log import METRICS_FILE, read_metrics, smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_STYLES = ("-", "--", ":", "-.")


class RunLog:
    """What `metrics.jsonl` of a run says; `name` is that of the run's folder.

    `steps` has a record a step, `validations` one each time the model was measured.
    """

    def __init__(self, name: str, entries: Sequence[dict[str, Any]]) -> None:
        self.name = name
        self.steps = [entry for entry in entries if entry.get("kind") == "train"]
        self.validations = [entry for entry in entries if entry.get("kind") == "validation"]

    def losses(self) -> dict[str, tuple[list[int], list[float]]]:
        """By graph: steps, and the loss smoothed over the steps before."""
        found: dict[str, tuple[list[int], list[float]]] = {}
        for entry in self.steps:
            for graph, loss in entry["loss"].items():
                steps, values = found.setdefault(graph, ([], []))
                steps.append(entry["step"])
                values.append(smoothed(values[-1] if values else None, loss))
        return found


def read_run(folder: str | Path) -> RunLog:
    """Read the log of a run, which has at least one step."""
    folder = Path(folder)
    run = RunLog(real_path(folder).name, read_metrics(folder / METRICS_FILE))
    if not run.steps:
        raise InputError(
            f"{folder}: expected a run of  uwe train  with {METRICS_FILE}, found no step: name the "
            "folder that --out named"
        )
    return run


def draw_curves(runs: Sequence[RunLog], path: str | Path) -> None:
    """Draw one or several runs into a file: a colour a graph, a style of line a run.

    `path` ends with .svg, .png or .pdf.
    """
    if not runs:
        raise InputError("expected runs to draw, got none: name some")
    graphs = sorted({graph for run in runs for graph in run.losses()})
    colours = {graph: f"C{number % 10}" for number, graph in enumerate(graphs)}
    title = f"Curves of {', '.join(run.name for run in runs)}"
    with drawing(path, (11, 7), title=title) as figure:
        (loss, validation), (rate, norm) = figure.subplots(2, 2)
        for number, run in enumerate(runs):
            colour, style = f"C{number % 10}", _STYLES[number % len(_STYLES)]
            label = f"{run.name} " if len(runs) > 1 else ""
            for graph, (steps, values) in sorted(run.losses().items()):
                dot = "o" if len(steps) == 1 else ""  # a line of one point is invisible
                loss.plot(steps, values, colours[graph] + style + dot, label=f"{label}{graph}")
            steps = [entry["step"] for entry in run.steps]
            rate.plot(steps, [e["learning_rate"] for e in run.steps], colour, label=label.strip())
            norm.plot(steps, [e["gradient_norm"] for e in run.steps], colour, alpha=0.6)
            if run.validations:
                _draw_validations(validation, run, colour, label)
        for axes, words, unit in (
            (loss, "Loss of each graph, smoothed", "loss"),
            (validation, "Validation", "percent"),
            (rate, "Learning rate", ""),
            (norm, "Norm of the gradient before clipping", ""),
        ):
            axes.set_title(words)
            axes.set_xlabel("step")
            axes.set_ylabel(unit)
            if names := axes.get_legend_handles_labels()[1]:
                axes.legend(ncols=1 + len(names) // 9)  # two runs of twelve graphs fit
        rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))


def _draw_validations(axes: Axes, run: RunLog, colour: str, label: str) -> None:
    """The mean, and of a run that is alone each task."""
    steps = [entry["step"] for entry in run.validations]
    means = [100 * entry["mean"] for entry in run.validations]
    axes.plot(steps, means, f"{colour}o-", linewidth=2, label=f"{label}mean")
    for number, task in enumerate(() if label else run.validations[0]["tasks"], start=1):
        for metric in run.validations[0]["tasks"][task]:
            values = [100 * entry["tasks"][task][metric] for entry in run.validations]
            style = "-" if metric == "MAP" else ":"
            axes.plot(steps, values, f"C{number % 10}{style}", label=f"{task} {metric}")
