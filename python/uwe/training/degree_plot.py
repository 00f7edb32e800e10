"""Degrees of graphs by rank, on logarithmic scales, as an SVG file: how long their tails are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from uwe.training.graph import BipartiteGraph, Nodes
from uwe.training.inspection import degrees_of

__all__ = ["degree_plot"]

_COLUMNS = 3
_WIDTH, _HEIGHT = 330, 270  # of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 20, 54, 46  # around its axes
# Colours that people who see few of them tell apart, on white and on black.
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px } .tick { font-size: 11px; fill: #6a737d }
.rule { stroke: #d8dee4; stroke-width: 1 } .paper { fill: #fff }
.left { stroke: #0072b2 } .right { stroke: #d55e00; stroke-dasharray: 6 3 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .tick { fill: #9198a1 } .rule { stroke: #3d444d }
  .paper { fill: #0d1117 } .left { stroke: #56b4e9 } .right { stroke: #f0883e }
}
"""


def degree_plot(graphs: Sequence[BipartiteGraph]) -> str:
    """An SVG file with a panel a graph: degree by rank, one line a side.

    All panels have the same scales. Degrees count edges of positive weight; nodes without one are
    not drawn.
    """
    degrees = [[degrees_of(graph, side) for side in (0, 1)] for graph in graphs]
    every = [each for pair in degrees for each in pair]
    most_nodes = max(int((each > 0).sum()) for each in every)
    most_edges = max(int(each.max()) for each in every)
    scales = (_decades(most_nodes), _decades(most_edges))
    columns = min(_COLUMNS, len(graphs))
    width, height = columns * _WIDTH, math.ceil(len(graphs) / columns) * _HEIGHT
    panels = [
        f'<g transform="translate({i % columns * _WIDTH} {i // columns * _HEIGHT})">'
        f"{_panel(graph, pair, scales)}</g>"
        for i, (graph, pair) in enumerate(zip(graphs, degrees, strict=True))
    ]
    spoken = "; ".join(
        f"{graph.name}: {_spoken(graph.left, left)}, {_spoken(graph.right, right)}"
        for graph, (left, right) in zip(graphs, degrees, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="title description">\n'
        '<title id="title">Degrees by rank</title>\n'
        f'<desc id="description">Logarithmic scales. {escape(spoken)}.</desc>\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}"/>\n'
        + "\n".join(panels)
        + "\n</svg>"
    )


def _panel(
    graph: BipartiteGraph, degrees: Sequence[NDArray[np.int64]], scales: tuple[int, int]
) -> str:
    """Axes, both lines, and what they are."""
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    bottom = _TOP + high
    parts = [f'<text class="title" x="{_LEFT}" y="18">{escape(graph.name)}</text>']
    for decade in range(scales[0] + 1):
        x = _LEFT + wide * decade / scales[0]
        parts.append(f'<path class="rule" d="M{x:.1f} {_TOP}V{bottom}"/>')
        parts.append(_tick(x, bottom + 15, "middle", decade))
    for decade in range(scales[1] + 1):
        y = bottom - high * decade / scales[1]
        parts.append(f'<path class="rule" d="M{_LEFT} {y:.1f}H{_LEFT + wide}"/>')
        parts.append(_tick(_LEFT - 6, y + 4, "end", decade))
    parts.append(
        f'<text class="tick" x="{_LEFT + wide / 2:.1f}" y="{bottom + 31}" text-anchor="middle">'
        "rank of the node</text>"
        f'<text class="tick" transform="translate(14 {_TOP + high / 2:.1f}) rotate(-90)" '
        'text-anchor="middle">edges</text>'
    )
    place = float(_LEFT)
    for side, nodes, counts in zip(
        ("left", "right"), (graph.left, graph.right), degrees, strict=True
    ):
        points = " ".join(
            f"{_LEFT + wide * math.log10(rank) / scales[0]:.1f},"
            f"{bottom - high * math.log10(degree) / scales[1]:.1f}"
            for rank, degree in _steps(counts)
        )
        parts.append(f'<polyline class="line {side}" points="{points}"/>')
        label = f"{nodes.kind} ({int((counts > 0).sum()):,})"
        parts.append(f'<path class="line {side}" d="M{place:.0f} 36h18"/>')
        parts.append(f'<text x="{place + 23:.0f}" y="40">{escape(label)}</text>')
        place += 36 + 6.6 * len(label)
    return "".join(parts)


def _tick(x: float, y: float, anchor: str, decade: int) -> str:
    number = f"{10**decade}" if decade < 3 else f"{10 ** (decade - 3)}k"
    return f'<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{number}</text>'


def _decades(most: int) -> int:
    """How many powers of ten a scale from 1 to `most` spans; at least one."""
    return max(1, math.ceil(math.log10(max(most, 1))))


def _steps(degrees: NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last rank of each degree above 0, from the greatest: all that a line needs."""
    values, counts = np.unique(-degrees[degrees > 0], return_counts=True)
    last = np.cumsum(counts)
    return [
        (int(rank), -int(value))
        for value, first, end in zip(values, last - counts + 1, last, strict=True)
        for rank in dict.fromkeys((first, end))
    ]


def _spoken(nodes: Nodes, degrees: NDArray[np.int64]) -> str:
    single = int((degrees == 1).sum())
    return (
        f"{int((degrees > 0).sum()):,} nodes of kind {nodes.kind}, {single:,} of them with one "
        f"edge, at most {int(degrees.max()):,} edges"
    )
