"""Degrees of graphs on logarithmic scales: how long their tails are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uwe.errors import InputError
from uwe.graphs.graph import Graph
from uwe.graphs.inspect import degrees_of
from uwe.plotting import drawing, plain_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_COLUMNS = 3
_WIDTH, _HEIGHT = 3.4, 2.8  # of a panel, in inches
# Of the left and the right side: colours that people who see few of them tell apart.
_LOOKS = (("#0072b2", "-"), ("#d55e00", "--"))


def draw_degrees(graphs: Sequence[Graph], path: str | Path) -> None:
    """Draw `plot_degrees` into a file that ends with .svg, .png or .pdf."""
    if not graphs:
        raise InputError("expected graphs to draw, got none: name some")
    columns = min(_COLUMNS, len(graphs))
    size = (columns * _WIDTH, math.ceil(len(graphs) / columns) * _HEIGHT)
    spoken = "; ".join(
        f"{graph.name}: {_spoken(graph, 0)}, {_spoken(graph, 1)}" for graph in graphs
    )
    with drawing(
        path, size, title="Degrees of nodes", description=f"Logarithmic scales. {spoken}."
    ) as figure:
        plot_degrees(figure, graphs)


def plot_degrees(figure: Figure, graphs: Sequence[Graph]) -> None:
    """Fill a figure with a panel a graph: the share of nodes with so many edges or more.

    One line a side (the complementary distribution of the degrees); all panels have the same
    scales. Degrees count edges of positive weight; nodes without one are not drawn.
    """
    columns = min(_COLUMNS, len(graphs))
    rows = math.ceil(len(graphs) / columns)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for axes, graph in zip(panels, graphs, strict=False):
        for side, (colour, style) in enumerate(_LOOKS):
            degrees = degrees_of(graph, side)
            drawn = degrees[degrees > 0]
            values, counts = np.unique(drawn, return_counts=True)
            shares = np.cumsum(counts[::-1])[::-1] / max(1, len(drawn))
            label = f"{(graph.left, graph.right)[side].kind} ({len(drawn):,})"
            axes.plot(values, shares, color=colour, linestyle=style, linewidth=2, label=label)
        axes.set(xscale="log", yscale="log")
        axes.set_xlabel("edges of a node, at least")
        axes.set_ylabel("share of nodes")
        axes.set_title(graph.name, fontweight="bold")
        axes.legend(loc="upper right")
        plain_ticks(axes)
    for axes in figure.axes[len(graphs) :]:
        axes.remove()


def _spoken(graph: Graph, side: int) -> str:
    degrees = degrees_of(graph, side)
    return (
        f"{int((degrees > 0).sum()):,} nodes of kind {(graph.left, graph.right)[side].kind}, "
        f"{int((degrees == 1).sum()):,} of them with one edge, at most {int(degrees.max()):,} edges"
    )
