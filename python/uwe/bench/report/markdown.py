"""The tables of a report as Markdown, for pages such as `docs/workbench.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from uwe.bench.means import means
from uwe.bench.report import facts, tables
from uwe.bench.report.content import Report
from uwe.bench.report.probes import ProbeCell, probe_tables
from uwe.bench.report.tables import Figure, Line, TaskLines

__all__ = ["to_markdown"]


def to_markdown(report: Report) -> str:
    """The text of the file; the same report gives the same text."""
    parts = (
        _head(report), _headline(report), _means(report), _scorers(report), _metrics(report),
        _probes(report), _tasks(report), _regimes(report), _times(report), _provenance(report),
    )  # fmt: skip
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _head(report: Report) -> Iterator[str]:
    found = report.results
    yield f"# {_safe(report.title)}"
    yield ""
    yield (
        f"Measured with uwe {_safe(found.uwe)} on {_safe(found.created[:10])}. Figures are per "
        "cent, with 95 % bootstrap intervals over queries, and say their [regime](#regimes)."
    )
    yield ""


def _headline(report: Report) -> Iterator[str]:
    yield from (
        "## Headline",
        "",
        f"{' / '.join(report.front)}; bold is the best of a row, if all of it is of one regime.",
        "",
    )
    rows = [
        [_task(task), f"{task.record.queries:,} × {task.record.targets:,}"]
        + [_cell(line) for line in task.lines]
        for task in tables.headline(report)
    ]
    yield from _table(["task", "queries × targets", *map(_safe, report.shown)], rows)
    hidden = [label for label in report.labels if label not in report.shown]
    if hidden:
        yield "Of models with several scorers, the first is shown here."
        yield from (f"Also measured, below: {_safe(', '.join(hidden))}.", "")


def _means(report: Report) -> Iterator[str]:
    found = means(report.results)
    if not found:
        return
    yield from ("## Means", "", "Never over two regimes or splits.", "")
    rows = [
        [
            _safe(mean.label),
            mean.split,
            mean.regime,
            *(
                tables.percent(mean.metrics[name]) if name in mean.metrics else "–"
                for name in report.front
            ),
            _safe(mean.title),
        ]
        for mean in found
    ]
    yield from _table(["model", "split", "regime", *report.front, "mean of"], rows, right="34")


def _scorers(report: Report) -> Iterator[str]:
    found = tables.scorer_tables(report)
    if found:
        front = " / ".join(report.front)
        yield from ("## Scorers", "", f"{front} of the same token vectors, scored in several ways;")
        yield from ("bold is the best of a column.", "")
    for table in found:
        yield from (f"### {_safe(table.model)}", "")
        header = ["scorer", *(_task(task) for task in table.tasks)]
        rows = [
            [_safe(scorer or "its own"), *(_cell(task.lines[number]) for task in table.tasks)]
            for number, scorer in enumerate(table.scorers)
        ]
        yield from _table(header, rows)


def _metrics(report: Report) -> Iterator[str]:
    yield from ("## All metrics", "")
    rows = [
        [_task(task), _safe(line.label), line.regime.name, *map(_figure, line.figures)]
        for task in tables.metric_lines(report)
        for line in task.lines
        if line
    ]
    yield from _table(["task", "model", "regime", *map(_safe, report.metrics)], rows)


def _probes(report: Report) -> Iterator[str]:
    if report.probes is None:
        return
    yield from ("## Probes", "")
    yield "Accuracy with 95 % Wilson intervals; in brackets after it, that of the same cases"
    yield "without what the category changes. Ranked were all"
    yield f"{report.probes.targets:,} of {_safe(report.probes.space)}."
    yield ""
    for table in probe_tables(report.probes):
        rows = [
            [f"{name}: {title}", f"{count:,}", *map(_probe, cells)]
            for name, title, count, cells in table.rows
        ]
        yield from _table([f"cases {table.origin}", "number", *map(_safe, table.labels)], rows)


def _probe(cell: ProbeCell | None) -> str:
    if cell is None:
        return "–"
    return _figure(cell.figure) + (f" [clean {cell.clean}]" if cell.clean else "")


def _tasks(report: Report) -> Iterator[str]:
    yield from ("## Tasks", "")
    for task in tables.metric_lines(report):
        yield f"- **{_task(task)}**: {_safe('; '.join(facts.remarks(report, task.record)))}"
    yield ""


def _regimes(report: Report) -> Iterator[str]:
    yield from ("## Regimes", "")
    yield from (f"- **{name}**: {meaning}" for name, meaning in facts.REGIMES.items())
    yield ""
    rows = [
        [record.key, _safe(model), regime.name, found or "not counted", _safe(regime.reason)]
        for record, lines in facts.regimes(report)
        for model, regime, found in lines
    ]
    yield from _table(["task", "model", "regime", "pairs in training", "why"], rows)


def _times(report: Report) -> Iterator[str]:
    yield from ("## Time", "", "Seconds.", "")
    rows = [
        [record.key, _safe(label), *seconds, total]
        for record, lines in facts.times(report)
        for label, seconds, total in lines
    ]
    yield from _table(["task", "model", *facts.PARTS, "sum"], rows, right="2345")


def _provenance(report: Report) -> Iterator[str]:
    yield from ("## Provenance", "")
    for name, listed in facts.provenance(report):
        yield from (f"### {_safe(name)}", "")
        yield from (f"- {_safe(fact)}: {_safe(value)}" for fact, value in listed)
        yield ""


def _task(task: TaskLines) -> str:
    mark = tables.sample_mark(task.record)
    return _safe(f"{task.record.key} ({mark})" if mark else task.record.key)


def _cell(line: Line | None) -> str:
    if line is None:
        return "not measured"
    return f"{' / '.join(map(_figure, line.figures))} {line.regime.name}"


def _figure(figure: Figure) -> str:
    mean = f"**{figure.mean}**" if figure.best else figure.mean
    return f"{mean} ({figure.interval})" if figure.interval else mean


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('--:' if str(i) in right else '---' for i in range(len(header)))}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _safe(text: str) -> str:
    """`text` as Markdown that shows it as it is."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An underscore within a word marks nothing.
    return re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))", r"\\\1", text)
