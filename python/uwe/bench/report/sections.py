"""The sections of plots: what each shows, and a panel for each split of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from uwe.bench.report import breakdowns, figures
from uwe.bench.report.breakdowns import FEW, Breakdown
from uwe.bench.report.content import Report
from uwe.bench.report.figures import Look
from uwe.bench.results import Entry, TaskRecord

__all__ = ["Panel", "Section", "sections"]

Draw = Callable[[list[Entry], TaskRecord, str], str]
"""Entries of a split, the split and the plot's key in; SVG out, or nothing if it would say none."""


@dataclass(frozen=True)
class Panel:
    """A plot of one split.

    Attributes:
        record: Of what.
        svg: The plot.
        regimes: By regime, the labels that are in it.
    """

    record: TaskRecord
    svg: str
    regimes: dict[str, list[str]]


@dataclass(frozen=True)
class Section:
    """Plots of one kind.

    Attributes:
        name: Its anchor in the page.
        title: Its heading.
        text: How to read it.
        panels: A plot a split.
        left_out: Splits without one, as all that it would show is in one group.
        own_names: Whether each plot has the names of what it shows, and needs no legend.
    """

    name: str
    title: str
    text: str
    panels: tuple[Panel, ...]
    left_out: tuple[str, ...] = ()
    own_names: bool = False


_HOLLOW = f"Hollow marks: fewer than {FEW}."


def sections(report: Report, style: Mapping[str, Look]) -> list[Section]:
    """All sections that have a plot, in the order of the page."""
    found = (
        _section(
            report, "bars", "Task by task",
            "Bars are means, the thin lines their intervals. Each task has a scale of its own.",
            lambda entries, record, key: figures.bars(
                entries, style, key, f"MAP and RP@10 on {record.key}"
            ),
            own_names=True,
        ),
        _section(
            report, "long-tail", "The long tail",
            "Mean precision at the rank of each relevant pair of a query and a target, by how "
            "many of the evaluated queries that target is relevant to: rare targets on the left. "
            f"Below each group, its number of pairs. {_HOLLOW}",
            _profile(lambda e, _: breakdowns.by_frequency(e), style, "frequency", "pairs"),
        ),
        _section(
            report, "labels", "Few answers, many answers",
            "MAP by how many relevant targets a query has. Below each group, its number of "
            f"queries. {_HOLLOW}",
            _profile(lambda e, _: breakdowns.by_labels(e), style, "number of answers", "queries"),
        ),
        _section(
            report, "length", "Short queries, long queries",
            "MAP by how many words a query has. Below each group, its number of queries. "
            f"{_HOLLOW}",
            _profile(breakdowns.by_length, style, "words of a query", "queries"),
        ),
        _section(
            report, "depth", "RP@k",
            "R-precision at k: how many of the first k are relevant, as a share of the most that "
            "could be, which is k, or all relevant targets where they are fewer.",
            lambda entries, record, key: figures.curves(
                {e.label: breakdowns.rp_curve(e) for e in entries}, style, key,
                f"RP@k on {record.key}",
            ),
        ),
    )  # fmt: skip
    return [section for section in found if section.panels]


def _section(
    report: Report, name: str, title: str, text: str, draw: Draw, *, own_names: bool = False
) -> Section:
    panels, left_out = [], []
    for number, record, entries in _splits(report):
        svg = draw(entries, record, f"{name}-{number}")
        if svg:
            regimes: dict[str, list[str]] = {}
            for entry in entries:
                regimes.setdefault(entry.regime.name, []).append(entry.label)
            panels.append(Panel(record, svg, regimes))
        else:
            left_out.append(record.key)
    return Section(name, title, text, tuple(panels), tuple(left_out), own_names)


def _profile(
    found: Callable[[list[Entry], TaskRecord], Breakdown],
    style: Mapping[str, Look],
    by: str,
    unit: str,
) -> Draw:
    def draw(entries: list[Entry], record: TaskRecord, key: str) -> str:
        breakdown = found(entries, record)
        if len(breakdown.groups) < 2:
            return ""
        return figures.profile(breakdown, style, key, f"MAP by {by} on {record.key}", unit)

    return draw


def _splits(report: Report) -> Iterator[tuple[int, TaskRecord, list[Entry]]]:
    for number, record in enumerate(report.tasks):
        entries = report.of_task(record.key, report.shown)
        if entries:
            yield number, record, entries
