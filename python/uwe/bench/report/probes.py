"""Probes in a report: accuracy by category, and the cases that failed."""

from __future__ import annotations

from dataclasses import dataclass

from uwe.bench.probe_cases import CATEGORIES, ProbeCase
from uwe.bench.probes import ProbeAccuracy, ProbeOutcome, ProbeResults
from uwe.bench.report.tables import Figure, figure, percent

__all__ = ["Failures", "ProbeCell", "ProbeTable", "probe_failures", "probe_tables"]

LISTED = 5
"""Failing cases of a category that a page lists where a rule made them: there may be hundreds."""


@dataclass(frozen=True)
class ProbeCell:
    """Accuracy of one model with one scorer; `clean` is that of the same cases undisturbed."""

    figure: Figure
    clean: str


@dataclass(frozen=True)
class ProbeTable:
    """Cases of one origin: for each category its name, meaning, size and a cell a label."""

    origin: str
    labels: tuple[str, ...]
    rows: tuple[tuple[str, str, int, tuple[ProbeCell | None, ...]], ...]


@dataclass(frozen=True)
class Failures:
    """What one model with one scorer got wrong: cases to list, and how many are not listed."""

    label: str
    origin: str
    cases: tuple[tuple[ProbeCase, ProbeOutcome], ...]
    more: int


def probe_tables(probes: ProbeResults) -> list[ProbeTable]:
    """A table for each origin of cases."""
    found = {(a.origin, a.category, a.label): a for a in probes.accuracies()}
    titles = {category.name: category.title for category in CATEGORIES}
    tables = []
    for origin in dict.fromkeys(origin for origin, _, _ in found):
        rows = []
        for name in dict.fromkeys(name for o, name, _ in found if o == origin):
            of_row = [found.get((origin, name, label)) for label in probes.labels]
            best = max(a.passed for a in of_row if a)
            differ = len({a.passed for a in of_row if a}) > 1
            cells = [None if a is None else _cell(a, differ and a.passed == best) for a in of_row]
            rows.append((name, titles[name], max(a.cases for a in of_row if a), tuple(cells)))
        tables.append(ProbeTable(origin, tuple(probes.labels), tuple(rows)))
    return tables


def probe_failures(probes: ProbeResults) -> list[Failures]:
    """What failed, by label and origin; of a category that a rule made only the first few."""
    found = []
    for label in probes.labels:
        for origin in dict.fromkeys(case.origin for case in probes.cases.values()):
            failed = probes.failures(label, origin)
            listed: list[tuple[ProbeCase, ProbeOutcome]] = []
            counts: dict[str, int] = {}
            for outcome in failed:
                case = probes.cases[outcome.case]
                counts[case.category] = counts.get(case.category, 0) + 1
                if origin != "by rule" or counts[case.category] <= LISTED:
                    listed.append((case, outcome))
            if failed:
                found.append(Failures(label, origin, tuple(listed), len(failed) - len(listed)))
    return found


def _cell(accuracy: ProbeAccuracy, best: bool) -> ProbeCell:
    clean = accuracy.clean_cases and percent(accuracy.clean_passed / accuracy.clean_cases)
    return ProbeCell(figure(accuracy.interval, best), clean or "")
