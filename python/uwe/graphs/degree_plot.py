"""Degrees of graphs by rank, on logarithmic scales: how long their tails are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uwe.errors import InputError
from uwe.graphs.graph import Graph, Nodes
from uwe.graphs.inspect import degrees_of
from uwe.plotting import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_degrees", "plot_degrees"]

_COLUMNS = 3
_WIDTH, _HEIGHT = 3.4, 2.8  # of a panel, in inches
# Of the left and the right side: colours that people who see few of them tell apart.
_LOOKS = (("#0072b2", "-"), ("#d55e00", "--"))


def draw_degrees(graphs: Sequence[Graph], path: str | Path) -> None:
    """Draw `plot_degrees` into a file.

    Args:
        graphs: At least one.
        path: Ends with .svg, .png or .pdf.

    Raises:
        InputError: If it ends otherwise, or there is no graph.
        MissingExtraError: If matplotlib is missing.
        OSError: If it cannot be written.
    """
    if not graphs:
        raise InputError("expected graphs to draw, got none: name some")
    columns = min(_COLUMNS, len(graphs))
    size = (columns * _WIDTH, math.ceil(len(graphs) / columns) * _HEIGHT)
    spoken = "; ".join(
        f"{graph.name}: {_spoken(graph.left, degrees_of(graph, 0))}, "
        f"{_spoken(graph.right, degrees_of(graph, 1))}"
        for graph in graphs
    )
    with drawing(
        path, size, title="Degrees by rank", description=f"Logarithmic scales. {spoken}."
    ) as figure:
        plot_degrees(figure, graphs)


def plot_degrees(figure: Figure, graphs: Sequence[Graph]) -> None:
    """Fill a figure with a panel a graph: degree by rank, one line a side.

    All panels have the same scales. Degrees count edges of positive weight; nodes without one are
    not drawn.
    """
    degrees = [[degrees_of(graph, side) for side in (0, 1)] for graph in graphs]
    every = [each for pair in degrees for each in pair]
    scales = (
        _decades(max(int((each > 0).sum()) for each in every)),
        _decades(max(int(each.max()) for each in every)),
    )
    columns = min(_COLUMNS, len(graphs))
    rows = math.ceil(len(graphs) / columns)
    for place, (graph, pair) in enumerate(zip(graphs, degrees, strict=True), start=1):
        _panel(figure.add_subplot(rows, columns, place), graph, pair, scales)


def _panel(
    axes: Axes,
    graph: Graph,
    degrees: Sequence[NDArray[np.int64]],
    scales: tuple[int, int],
) -> None:
    """Axes, both lines, and what they are."""
    for nodes, counts, (colour, style) in zip(
        (graph.left, graph.right), degrees, _LOOKS, strict=True
    ):
        ranks, values = _steps(counts)
        label = f"{nodes.kind} ({int((counts > 0).sum()):,})"
        # A line at degree 1 lies on the axis: it is neither cut in half there nor hidden.
        axes.plot(
            ranks, values, color=colour, linestyle=style, linewidth=2, label=label, clip_on=False,
            zorder=3,
        )  # fmt: skip
    _logarithmic(axes, scales)
    axes.set_xlabel("rank of the node")
    axes.set_ylabel("edges")
    axes.set_title(graph.name, fontweight="bold", pad=20)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, handlelength=2.5
    )


def _logarithmic(axes: Axes, scales: tuple[int, int]) -> None:
    """Scales from 1 over so many powers of ten, ruled at each."""
    from matplotlib.ticker import EngFormatter, FixedLocator, NullLocator

    axes.set(xscale="log", yscale="log", xlim=(1, 10 ** scales[0]), ylim=(1, 10 ** scales[1]))
    for axis, decades in zip((axes.xaxis, axes.yaxis), scales, strict=True):
        axis.set_major_locator(FixedLocator([10**decade for decade in range(decades + 1)]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(EngFormatter(sep=""))  # 100, 1k, 10k


def _decades(most: int) -> int:
    """How many powers of ten a scale from 1 to `most` spans; at least one."""
    return max(1, math.ceil(math.log10(max(most, 1))))


def _steps(degrees: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """First and last rank of each degree above 0, from the greatest, and that degree.

    They are all that a line needs.
    """
    values, counts = np.unique(-degrees[degrees > 0], return_counts=True)
    last = np.cumsum(counts)
    found = [
        (int(rank), -int(value))
        for value, first, end in zip(values, last - counts + 1, last, strict=True)
        for rank in dict.fromkeys((first, end))
    ]
    return [rank for rank, _ in found], [degree for _, degree in found]


def _spoken(nodes: Nodes, degrees: NDArray[np.int64]) -> str:
    single = int((degrees == 1).sum())
    return (
        f"{int((degrees > 0).sum()):,} nodes of kind {nodes.kind}, {single:,} of them with one "
        f"edge, at most {int(degrees.max()):,} edges"
    )
