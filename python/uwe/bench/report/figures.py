"""The plots of a report, each as wide as a phone; the page sets them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uwe.bench.report.breakdowns import FEW, Breakdown
from uwe.bench.report.content import HEADLINE
from uwe.bench.report.svg import INK, MUTED, PAPER, RULE, SERIES, canvas, drawn, printable
from uwe.bench.report.tables import percent
from uwe.bench.results import Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Look", "bars", "curves", "looks", "profile", "swatch", "times"]

_WIDTH = 360
_SMALL, _TEXT = 10.0, 11.5
_MARKERS = "osDv^PX*"


@dataclass(frozen=True)
class Look:
    """How one model with one scorer looks in every plot: a colour, and a shape beside it."""

    colour: str
    marker: str


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """A look for each label; after eight they repeat."""
    return {label: Look(SERIES[i % 8], _MARKERS[i % 8]) for i, label in enumerate(labels)}


def swatch(look: Look, key: str) -> str:
    """The line and the mark of a label, for a legend."""
    with canvas(26, 12) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, 26), ylim=(0, 12))
        axes.plot([2, 24], [6, 6], color=look.colour, linewidth=2)
        axes.plot([13], [6], color=look.colour, marker=look.marker, markersize=7)
        return drawn(figure, key)


def bars(entries: Sequence[Entry], style: Mapping[str, Look], key: str, title: str) -> str:
    """MAP and RP@10 of each entry, those there are, side by side and on one scale."""
    row, top = 36, 20
    height = top + row * len(entries)
    found = {
        metric: [entry.metrics.get(metric) for entry in entries]
        for metric in HEADLINE
        if any(metric in entry.metrics for entry in entries)
    }
    # The figure stands beyond the interval, and needs room.
    most = max([i.high for row_ in found.values() for i in row_ if i and i.high > 0] or [1]) * 1.42
    left, gap = 118, 8
    wide = (_WIDTH - left - gap) / len(found)
    with canvas(_WIDTH, height) as figure:
        for column, (metric, intervals) in enumerate(found.items()):
            axes = figure.add_axes(
                ((left + column * (wide + gap)) / _WIDTH, 0, wide / _WIDTH, (height - top) / height)
            )
            _bare(axes)
            axes.set(xlim=(0, most), ylim=(len(entries) - 0.5, -0.5))
            axes.text(
                0, 1, metric, fontsize=_SMALL, color=MUTED, va="bottom", transform=axes.transAxes
            )
            axes.axvline(0, color=MUTED, linewidth=1)
            for place, (entry, interval) in enumerate(zip(entries, intervals, strict=True)):
                if interval is None or not np.isfinite(interval.mean):
                    continue
                colour = style[entry.label].colour
                axes.barh(place, interval.mean, height=0.46, color=colour)
                ends = [interval.low, interval.high]
                # Ink alone would drown in a dark bar.
                axes.plot(ends, [place, place], color=PAPER, linewidth=3.4, solid_capstyle="butt")
                axes.plot(ends, [place, place], color=INK, linewidth=1.3, solid_capstyle="butt")
                end = max(interval.mean, interval.high) + most * 0.025
                text = percent(interval.mean)
                axes.text(end, place, text, fontsize=_TEXT, color=INK, va="center")
        names = figure.add_axes((0, 0, left / _WIDTH, (height - top) / height))
        names.set_axis_off()
        names.set(xlim=(0, left), ylim=(len(entries) - 0.5, -0.5))
        for place, entry in enumerate(entries):
            below = " · ".join(part for part in (entry.scorer, entry.regime.name) if part)
            names.text(
                left - 8, place - 0.02, _short(entry.model, 19), fontsize=_TEXT, color=INK,
                ha="right", va="bottom",
            )  # fmt: skip
            names.text(
                left - 8, place + 0.06, _short(below, 24), fontsize=_SMALL, color=MUTED,
                ha="right", va="top",
            )  # fmt: skip
        return drawn(figure, key, title, _spoken_bars(entries))


def profile(
    breakdown: Breakdown, style: Mapping[str, Look], key: str, title: str, unit: str
) -> str:
    """Means by group, a line for each label; hollow marks and dots where a group is small."""
    places = range(len(breakdown.groups))
    with canvas(_WIDTH, 214) as figure:
        axes = figure.add_axes((34 / _WIDTH, 44 / 214, (_WIDTH - 40) / _WIDTH, 160 / 214))
        _lined(axes, breakdown.means.values())
        axes.set_xlim(-0.5, len(places) - 0.5)
        for label, means in breakdown.means.items():
            look, values = style[label], np.array(means) * 100
            few = np.array(breakdown.counts) < FEW
            for drawn_values, dash in ((values, ":"), (np.where(few, np.nan, values), "-")):
                axes.plot(
                    places, drawn_values, dash, color=look.colour, linewidth=1.6, clip_on=False,
                    zorder=2,
                )  # fmt: skip
            for chosen, fill in ((few, PAPER), (~few, look.colour)):
                axes.plot(
                    np.flatnonzero(chosen), values[chosen], color=look.colour, linewidth=0,
                    marker=look.marker, markersize=6, markerfacecolor=fill, clip_on=False, zorder=3,
                )  # fmt: skip
        below = axes.get_xaxis_transform()
        for place, name, count in zip(places, breakdown.groups, breakdown.counts, strict=True):
            for y, text, size, colour in (
                (-0.04, name, _TEXT, INK), (-0.135, f"{count:,}", _SMALL - 0.5, MUTED),
            ):  # fmt: skip
                axes.text(
                    place, y, text, fontsize=size, color=colour, ha="center", va="top",
                    transform=below,
                )  # fmt: skip
        spoken = "; ".join(
            f"{label}: "
            + ", ".join(
                f"{percent(mean)} at {name} ({count:,} {unit})"
                for mean, name, count in zip(means, breakdown.groups, breakdown.counts, strict=True)
            )
            for label, means in breakdown.means.items()
        )
        return drawn(figure, key, title, f"MAP by group. {spoken}.")


def curves(
    found: Mapping[str, NDArray[np.float64]], style: Mapping[str, Look], key: str, title: str
) -> str:
    """RP@k along k, a line for each label: arrays of (most,)."""
    with canvas(_WIDTH, 214) as figure:
        axes = figure.add_axes((34 / _WIDTH, 30 / 214, (_WIDTH - 44) / _WIDTH, 174 / 214))
        _lined(axes, found.values())
        most = max(len(values) for values in found.values())
        axes.set_xlim(0, most + 1)
        marks = [1, *range(10, most + 1, 10)]
        for label, values in found.items():
            look = style[label]
            axes.plot(
                np.arange(1, len(values) + 1), values * 100, color=look.colour, linewidth=1.6,
                marker=look.marker, markersize=5.5, markevery=[k - 1 for k in marks],
                clip_on=False,
            )  # fmt: skip
        for k in marks:
            axes.text(
                k, -0.04, f"k = {k}" if k == 1 else str(k), fontsize=_TEXT, color=INK,
                ha="center", va="top", transform=axes.get_xaxis_transform(),
            )  # fmt: skip
        spoken = "; ".join(
            f"{label}: " + ", ".join(f"{percent(values[k - 1])} at {k}" for k in marks)
            for label, values in found.items()
        )
        return drawn(figure, key, title, f"RP@k. {spoken}.")


def times(found: Mapping[str, Mapping[str, float]], parts: Sequence[str], key: str) -> str:
    """Seconds by part, stacked, a bar for each label.

    Args:
        found: By label, seconds by part.
        parts: In the order of stacking; the page's legend takes the same colours.
        key: Of the plot.
    """
    row, left = 28, 132
    height = row * len(found)
    most = max(sum(seconds.values()) for seconds in found.values()) * 1.28 or 1
    with canvas(_WIDTH, height) as figure:
        axes = figure.add_axes((left / _WIDTH, 0, 1 - left / _WIDTH, 1))
        _bare(axes)
        axes.set(xlim=(0, most), ylim=(len(found) - 0.5, -0.5))
        axes.axvline(0, color=MUTED, linewidth=1)
        for place, (label, seconds) in enumerate(found.items()):
            start = 0.0
            for part, colour in zip(parts, SERIES, strict=False):
                axes.barh(place, seconds.get(part, 0), left=start, height=0.42, color=colour)
                start += seconds.get(part, 0)
            text = f"{start:,.1f} s"
            axes.text(start + most * 0.01, place, text, fontsize=_TEXT, color=INK, va="center")
            axes.text(
                -8 / (_WIDTH - left) * most, place, _short(label, 23), fontsize=_SMALL, color=INK,
                ha="right", va="center",
            )  # fmt: skip
        spoken = "; ".join(
            f"{label}: " + ", ".join(f"{part} {s:.1f}" for part, s in seconds.items())
            for label, seconds in found.items()
        )
        return drawn(figure, key, "Seconds by part", f"{spoken}.")


def _bare(axes: Axes) -> None:
    axes.set_facecolor("none")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _lined(axes: Axes, rows: object) -> None:
    """Axes with light lines at a few round heights, from 0 up."""
    from matplotlib.ticker import MaxNLocator

    _bare(axes)
    values = np.concatenate([np.ravel(row) for row in rows]) * 100  # type: ignore[attr-defined]
    values = values[np.isfinite(values)]
    most = float(values.max(initial=0)) * 1.08 or 1.0
    axes.set_ylim(0, most)
    for height in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(0, most):
        if 0 <= height <= most:
            axes.axhline(height, color=MUTED if height == 0 else RULE, linewidth=1, zorder=1)
            axes.text(
                -0.02, height, f"{height:g}", fontsize=_SMALL, color=MUTED, ha="right",
                va="center", transform=axes.get_yaxis_transform(),
            )  # fmt: skip


def _short(text: str, most: int) -> str:
    text = printable(text)
    if len(text) > most:
        text = text.rpartition("/")[2]  # of a hub's name, what tells models apart
    return text if len(text) <= most else text[: most - 1] + "…"


def _spoken_bars(entries: Sequence[Entry]) -> str:
    return " ".join(
        f"{entry.label}, {entry.regime.name}: "
        + ", ".join(
            f"{metric} {percent(entry.metrics[metric].mean)}"
            for metric in HEADLINE
            if metric in entry.metrics
        )
        + "."
        for entry in entries
    )
