"""The report: what its tables and groups hold, and that every figure says its regime."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from bench.sample_results import entry, sample_results
from uwe.bench.report import to_markdown
from uwe.bench.report.breakdowns import by_frequency, by_labels, by_length, rp_curve
from uwe.bench.report.content import MOST_COLUMNS, Report
from uwe.bench.report.facts import remarks, total_times
from uwe.bench.report.tables import headline, sample_mark, scorer_tables
from uwe.bench.results import Entry, Interval, Regime, Results


def report_of(results: Results) -> Report:
    return Report(title="WorkBench", runs=(results,), results=results)


def small_entry(ranks: list[list[int]], frequencies: list[list[int]], label: str = "m") -> Entry:
    return Entry(
        model=label, scorer="", task="t/test", regime=Regime("clean", "", 1), metrics={},
        ranks=tuple(map(tuple, ranks)), frequencies=tuple(map(tuple, frequencies)), truncated=0,
        seconds={},
    )  # fmt: skip


# Groups ------------------------------------------------------------------------------------------


def test_frequency_groups_hold_the_precision_at_each_pair() -> None:
    found = by_frequency([small_entry([[1, 4], [], [10]], [[1, 3], [], [3]])])
    assert found.groups == ("1", "2–3")
    assert found.counts == (1, 2)
    # Of the first query, 1 of 1 and 2 of 4 are relevant; of the last, 1 of 10.
    assert found.means["m"] == pytest.approx((1.0, (0.5 + 0.1) / 2))


def test_mean_of_pairs_by_query_is_map() -> None:
    one = entry("bm25", "", "job2skill/test")
    expected = one.values(["MAP"])[0]
    for ranks, ap in zip(one.ranks, expected, strict=True):
        if ranks:
            assert np.mean([(i + 1) / r for i, r in enumerate(ranks)]) == pytest.approx(ap)
    found = by_labels([one])
    total = sum(c * m for c, m in zip(found.counts, found.means["bm25"], strict=True))
    assert total / sum(found.counts) == pytest.approx(np.nanmean(expected))
    assert sum(found.counts) == np.isfinite(expected).sum() == 119  # one has no label


def test_groups_end_where_they_say() -> None:
    sizes = [1, 2, 3, 4, 7, 8, 127, 128, 5000]
    found = by_frequency([small_entry([[1]] * len(sizes), [[n] for n in sizes])])
    assert dict(zip(found.groups, found.counts, strict=True)) == {
        "1": 1, "2–3": 2, "4–7": 2, "8–15": 1, "64–127": 1, "128+": 2,
    }  # fmt: skip


def test_length_groups_leave_out_queries_without_labels() -> None:
    results = sample_results()
    record = replace(
        results.tasks["jobnorm/val"], query_words=(1, 1, 9), queries=3, name="t", split="test"
    )
    found = by_length([small_entry([[2], [], [1]], [[1], [], [1]])], record)
    assert (found.groups, found.counts, found.means["m"]) == (("1", "8–15"), (1, 1), (0.5, 1.0))


def test_curve_is_the_metric_at_each_k() -> None:
    one = entry("uwe-mini", "pooled", "job2skill/test")
    curve = rp_curve(one)
    assert curve.shape == (50,)
    for k in (1, 5, 10):
        assert curve[k - 1] == pytest.approx(one.metrics[f"RP@{k}"].mean)
    assert np.isnan(rp_curve(small_entry([[]], [[]]))).all()


# Tables ------------------------------------------------------------------------------------------


def with_means(means: dict[str, tuple[float, str]]) -> Results:
    """One task, each model with a MAP and a regime."""
    results = sample_results()
    entries = tuple(
        replace(
            small_entry([[1]], [[1]], label),
            task="jobnorm/val",
            metrics={"MAP": Interval(value, value - 0.01, value + 0.01)},
            regime=Regime(regime, "why", 1),
        )
        for label, (value, regime) in means.items()
    )
    task = {"jobnorm/val": results.tasks["jobnorm/val"]}
    return replace(results, tasks=task, entries=entries)


def bold(results: Results) -> list[str]:
    (row,) = headline(report_of(results))
    return [line.label for line in row.lines if line and line.figures[0].best]


def test_best_is_marked_within_a_regime_only() -> None:
    found = {"a": (0.9, "seen"), "b": (0.4, "clean"), "c": (0.3, "clean"), "d": (0.8, "undeclared")}
    assert bold(with_means(found)) == []
    assert bold(with_means({"b": found["b"], "c": found["c"]})) == ["b"]


def test_equal_figures_are_all_best() -> None:
    assert bold(with_means({"a": (0.4, "clean"), "b": (0.4, "clean"), "c": (0.1, "clean")})) == [
        "a", "b",
    ]  # fmt: skip


def test_nothing_is_best_where_all_are_equal() -> None:
    assert bold(with_means({"a": (0.4, "clean"), "b": (0.4, "clean")})) == []


def test_best_is_no_nan() -> None:
    found = {"a": (float("nan"), "clean"), "b": (0.4, "clean"), "c": (0.2, "clean")}
    assert bold(with_means(found)) == ["b"]


def test_a_metric_that_nobody_asked_for_is_not_in_the_headline() -> None:
    (row,) = headline(report_of(with_means({"a": (0.4, "clean")})))
    line = row.lines[0]
    assert line is not None
    assert [figure.mean for figure in line.figures] == ["40.0"]


def test_samples_are_marked_where_they_are() -> None:
    marks = {key: sample_mark(r) for key, r in sample_results().tasks.items()}
    assert marks == {
        "job2skill/test": "sample of 120 of 3,039",
        "jobnorm/val": "sample of 120 of 13,492",
        "skillsim_esco/test": "",
    }


def test_many_scorers_leave_the_headline_to_the_first_of_each_model() -> None:
    results = with_means({"a": (0.5, "clean"), "b": (0.2, "clean")})
    first, second = results.entries
    scored = [replace(first, scorer=f"soft:{i}") for i in range(1, MOST_COLUMNS + 1)]
    report = report_of(replace(results, entries=(*scored, second)))
    assert report.shown == ["a soft:1", "b"]
    assert len(report.labels) == MOST_COLUMNS + 1
    (table,) = scorer_tables(report)
    assert (table.model, table.scorers[-1]) == ("a", f"soft:{MOST_COLUMNS}")
    fewer = report_of(replace(results, entries=(*scored[1:], second)))
    assert len(fewer.shown) == MOST_COLUMNS


def test_a_shared_target_space_counts_once() -> None:
    report = report_of(sample_results())
    found = total_times(report)["bm25"]
    assert found["encode targets"] == pytest.approx(0.3)  # three tasks with the same targets
    assert found["score"] == pytest.approx(7.5)


def test_what_qualifies_figures_is_told() -> None:
    results = sample_results()
    found = remarks(report_of(results), results.tasks["skillsim_esco/test"])
    assert "differs from WorkRB: stands in for SkillMatch-1K" in found
    assert "2 targets have the text of an earlier one" in found
    assert "queries without a relevant target, which no mean counts: 1" in found
    found = remarks(report_of(results), results.tasks["jobnorm/val"])
    assert "uwe-mini reads only the beginning of 3 queries" in found


# Markdown ----------------------------------------------------------------------------------------


def test_markdown_says_interval_regime_and_sample() -> None:
    text = to_markdown(report_of(sample_results()))
    row = next(line for line in text.splitlines() if line.startswith("| job2skill/test (sample"))
    assert row.split("|")[1].strip() == "job2skill/test (sample of 120 of 3,039)"
    cell = row.split("|")[3].strip()
    assert re.fullmatch(
        r"\d+\.\d \(.+–.+\) / \d+\.\d \(.+–.+\) seen", cell
    )  # one regime of several
    for heading in ("Headline", "Means", "Scorers", "All metrics", "Tasks", "Regimes", "Time"):
        assert f"## {heading}\n" in text
    assert "mean of 2 of 6 (job2skill, skillsim_esco for skillsim" in text


def test_markdown_tables_are_whole() -> None:
    lines = to_markdown(report_of(sample_results())).splitlines()
    for above, line in pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            assert above.count("|") == line.count("|")


def test_markdown_shows_hostile_names_as_they_are() -> None:
    from markdown_it import MarkdownIt

    results = sample_results()
    name = "<script>alert(1)</script> | a_b _c_ `d` *e* [f](g) \\ &amp;\n# h"
    entries = tuple(
        replace(e, model=name if e.model == "bm25" else e.model) for e in results.entries
    )
    models = {**results.models, name: replace(results.models["bm25"], name=name)}
    text = to_markdown(report_of(replace(results, entries=entries, models=models)))
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script" not in html
    assert "<em>" not in html
    assert "<code>" not in html
    assert '<a href="g"' not in html
    shown = "&lt;script&gt;alert(1)&lt;/script&gt; | a_b _c_ `d` *e* [f](g) \\ &amp;amp; # h"
    assert f"<th>{shown}</th>" in html
