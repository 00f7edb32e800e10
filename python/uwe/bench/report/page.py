"""The report as one HTML file: no script, no network, everything from files escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uwe.bench.means import means
from uwe.bench.report import facts, figures, tables
from uwe.bench.report.content import Report
from uwe.bench.report.probes import probe_failures, probe_tables
from uwe.bench.report.sections import sections
from uwe.bench.results import Entry, TaskRecord
from uwe.errors import MissingExtraError

__all__ = ["to_html"]


def to_html(report: Report) -> str:
    """The text of the page; the same report gives the same text.

    Raises:
        MissingExtraError: If a library of the extra `bench` is missing.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise MissingExtraError("bench", "the page of a report") from None
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=tables.percent,
        sample=tables.sample_mark,
        svg=Markup,  # ours, with the texts in it escaped
        top_words=top_words,
    )
    labels = report.shown
    style = figures.looks(labels)
    swatches = [figures.swatch(style[x], f"swatch-{i}") for i, x in enumerate(labels)]
    totals = facts.total_times(report)
    return environment.get_template("page.html").render(
        report=report,
        results=report.results,
        tasks=[(f"task-{i}", record) for i, record in enumerate(report.tasks)],
        samples=sum(bool(tables.sample_mark(record)) for record in report.tasks),
        legend=list(zip(labels, swatches, strict=True)),
        hidden=[label for label in report.labels if label not in labels],
        headline=tables.headline(report),
        front=report.front,
        meanings=facts.REGIMES,
        means=means(report.results),
        sections=sections(report, style),
        scorers=tables.scorer_tables(report),
        metrics=tables.metric_lines(report),
        hardest=_hardest(report),
        probe_tables=probe_tables(report.probes) if report.probes else [],
        probe_failures=probe_failures(report.probes) if report.probes else [],
        remarks={record.key: facts.remarks(report, record) for record in report.tasks},
        regimes=facts.regimes(report),
        parts=facts.PARTS,
        time_plot=figures.times(totals, facts.PARTS, "times") if totals else "",
        times=facts.times(report),
        provenance=facts.provenance(report),
    )


def top_words(words: Sequence[Sequence[Any]] | None, most: int = 3) -> list[tuple[str, float]]:
    """The words with the largest shares of a score, such as `("rust", 0.62)`."""
    found = [(str(word), float(share)) for word, share in words or ()]
    return sorted(found, key=lambda pair: -pair[1])[:most]


def _hardest(report: Report) -> list[tuple[TaskRecord, list[Entry]]]:
    found = [
        (record, [e for e in report.of_task(record.key, report.shown) if e.hardest])
        for record in report.tasks
    ]
    return [(record, entries) for record, entries in found if entries]
