"""The curves of a run: losses, validation, learning rate and gradient, drawn from its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uwe.errors import InputError
from uwe.plotting import drawing
from uwe.training.log import METRICS_FILE, read_metrics, smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RunLog", "draw_curves", "read_run"]

_STYLES = ("-", "--", ":", "-.")


class RunLog:
    """What `metrics.jsonl` of a run says.

    Attributes:
        name: Of the run's folder.
        steps: A record a step.
        validations: A record each time the model was measured.
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
    """Read the log of a run.

    Raises:
        InputError: If the folder has none, or one without a step.
        DataError: If a line is malformed.
        OSError: If it cannot be read.
    """
    folder = Path(folder)
    run = RunLog(folder.resolve().name, read_metrics(folder / METRICS_FILE))
    if not run.steps:
        raise InputError(
            f"{folder}: expected a run of  uwe train  with {METRICS_FILE}, found no step: name the "
            "folder that --out named"
        )
    return run


def draw_curves(runs: Sequence[RunLog], path: str | Path) -> None:
    """Draw one or several runs into a file.

    Args:
        runs: At least one.
        path: Ends with .svg, .png or .pdf.

    Raises:
        InputError: If it ends otherwise, or there is no run.
        MissingExtraError: If matplotlib is missing.
        OSError: If it cannot be written.
    """
    if not runs:
        raise InputError("expected runs to draw, got none: name some")
    names = ", ".join(run.name for run in runs)
    with drawing(path, (11, 7), title=f"Curves of {names}") as figure:
        (loss, validation), (rate, norm) = figure.subplots(2, 2)
        graphs = sorted({graph for run in runs for graph in run.losses()})
        colours = {graph: f"C{number % 10}" for number, graph in enumerate(graphs)}
        for number, run in enumerate(runs):
            label = run.name if len(runs) > 1 else ""
            _losses(loss, run, colours, _STYLES[number % len(_STYLES)], label)
            _validations(validation, run, number, label)
            steps = [entry["step"] for entry in run.steps]
            rate.plot(steps, [e["learning_rate"] for e in run.steps], f"C{number}", label=label)
            norms = np.array([entry["gradient_norm"] for entry in run.steps])
            norm.plot(steps, norms, f"C{number}", linewidth=0.5, alpha=0.6)
        for axes, title, unit in (
            (loss, "Loss of each graph, smoothed", "loss"),
            (validation, "Validation", "percent"),
            (rate, "Learning rate", ""),
            (norm, "Norm of the gradient before clipping", ""),
        ):
            axes.set_title(title)
            axes.set_xlabel("step")
            axes.set_ylabel(unit)
            if names := axes.get_legend_handles_labels()[1]:
                axes.legend(ncols=1 + len(names) // 9)  # two runs of twelve graphs fit
        if not any(run.validations for run in runs):
            validation.text(0.5, 0.5, "none", ha="center", transform=validation.transAxes)
        rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))


def _losses(axes: Axes, run: RunLog, colours: Mapping[str, str], style: str, label: str) -> None:
    """A colour a graph, a style of line a run."""
    for graph, (steps, values) in sorted(run.losses().items()):
        named = " ".join(filter(None, (label, graph)))
        dot = "o" if len(steps) == 1 else ""  # a line of one point is invisible
        axes.plot(steps, values, marker=dot, color=colours[graph], linestyle=style, label=named)


def _validations(axes: Axes, run: RunLog, number: int, label: str) -> None:
    if not run.validations:
        return
    steps = [entry["step"] for entry in run.validations]
    means = [100 * entry["mean"] for entry in run.validations]
    axes.plot(steps, means, f"C{number}", marker="o", linewidth=2, label=f"{label} mean".strip())
    if label:
        return
    for place, task in enumerate(run.validations[0]["tasks"], start=1):
        for metric in run.validations[0]["tasks"][task]:
            values = [100 * entry["tasks"][task][metric] for entry in run.validations]
            style = "-" if metric == "MAP" else ":"
            axes.plot(steps, values, f"C{place % 10}{style}", label=f"{task} {metric}")
