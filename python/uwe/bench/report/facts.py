"""What one has to know to read the figures: the tasks, the regimes, the times, what was run."""

from __future__ import annotations

from typing import Any

from uwe.bench.report.content import Report
from uwe.bench.results import Regime, TaskRecord

__all__ = ["PARTS", "REGIMES", "provenance", "regimes", "remarks", "times", "total_times"]

REGIMES = {
    "clean": "no training edge comes from what made the task, and at most 5 % of its pairs from "
    "elsewhere",
    "held-out": "such edges were used, its own pairs left out: at most 0.1 % are among them",
    "seen": "answers of the task were in training",
    "undeclared": "nobody says what the model was trained on",
}
"""What each regime means."""

PARTS = ("encode targets", "encode queries", "score")
"""Of the time; in the order in which they are drawn."""


def remarks(report: Report, record: TaskRecord) -> list[str]:
    """What one has to know to read the figures of a split."""
    size = f"{record.queries:,} queries × {record.targets:,} targets ({record.space})"
    found = [record.measures, f"{size}, {record.pairs:,} relevant pairs"]
    if record.aliases:
        found.append(f"aliases are scored too: {record.aliases:,} texts besides the labels")
    if record.left_out:
        left_out = f"{record.left_out:,}"
        found.append(f"queries without a relevant target, which no mean counts: {left_out}")
    if record.substitute:
        found.append("only stands in for the paper's task")
    found += [f"differs from WorkRB: {text}" for text in record.deviations]
    found += record.notes
    entries = report.of_task(record.key, report.labels)
    # A model cuts for all its scorers alike.
    for model, cut in {entry.model: entry.truncated for entry in entries}.items():
        if cut:
            found.append(f"{model} reads only the beginning of {cut:,} queries")
    found += [
        f"queries for which {entry.label} scores all targets the same, so that their order ranks "
        f"them: {entry.tied:,}"
        for entry in entries
        if entry.tied
    ]
    return [*found, record.licence or "no licence stated"]


def regimes(report: Report) -> list[tuple[TaskRecord, list[tuple[str, Regime, str]]]]:
    """For each split, of each model what it had seen: its name, the regime, found of all pairs."""
    return [
        (
            record,
            list(
                {
                    e.model: (e.model, e.regime, _found(e.regime))
                    for e in report.of_task(record.key, report.labels)
                }.values()
            ),
        )
        for record in report.tasks
    ]


def times(report: Report) -> list[tuple[TaskRecord, list[tuple[str, list[str], str]]]]:
    """Of each split and label the seconds of each part, and their sum."""
    return [
        (
            record,
            [
                (
                    entry.label,
                    [f"{entry.seconds[p]:,.2f}" if p in entry.seconds else "–" for p in PARTS],
                    f"{sum(entry.seconds.values()):,.2f}",
                )
                for entry in report.of_task(record.key, report.labels)
            ],
        )
        for record in report.tasks
    ]


def total_times(report: Report) -> dict[str, dict[str, float]]:
    """Of each label the seconds of each part over all splits; a target space counts once."""
    found = {label: dict.fromkeys(PARTS, 0.0) for label in report.labels}
    encoded = set()
    for entry in report.results.entries:
        record = report.results.tasks[entry.task]
        space = (entry.label, record.space, record.targets, record.aliases)
        for part, seconds in entry.seconds.items():
            if part == "encode targets":
                if space in encoded:
                    continue
                encoded.add(space)
            found[entry.label][part] = found[entry.label].get(part, 0.0) + seconds
    return found


def provenance(report: Report) -> list[tuple[str, list[tuple[str, str]]]]:
    """Of each model, run and split what makes its figures repeatable: names and texts."""
    found = []
    for model in report.results.models.values():
        facts = [("kind", model.kind), ("source", model.source)]
        facts += [("fingerprint", model.fingerprint or "not known")]
        facts += [
            ("trained on", " ".join(map(str, source.values()))) for source in model.trained_on
        ] or [("trained on", "states nothing")]
        found.append((f"Model {model.name}", facts))
    for run in report.runs:
        facts = [("uwe", run.uwe), ("packages", _listed(run.versions)), *_facts(run.machine)]
        limit = "none" if run.limit is None else f"at most {run.limit:,} queries of a split"
        facts += [
            ("seed", str(run.seed)),
            ("limit", limit),
            ("wall time", f"{run.seconds:,.1f} s"),
            ("peak memory", f"{run.peak_bytes / 1e6:,.0f} MB"),
        ]
        found.append((f"Run of {run.created}", facts))
    found += [(f"Data of {record.key}", list(record.seals.items())) for record in report.tasks]
    return [(name, [(fact, value) for fact, value in facts if value]) for name, facts in found]


def _facts(machine: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, _fact(name, value)) for name, value in machine.items()]


def _fact(name: str, value: Any) -> str:
    if name == "memory" and isinstance(value, int):
        return f"{value / 1e9:,.1f} GB"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _found(regime: Regime) -> str:
    if regime.found is None:
        return ""
    share = f" ({regime.found / regime.pairs * 100:.3f} %)" if regime.pairs else ""
    return f"{regime.found:,} of {regime.pairs:,}{share}"
