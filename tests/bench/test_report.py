"""The report: what its tables hold, that every figure says its regime, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench.sample_results import entry, sample_results
from cli_shell import Shell
from uwe.bench.report import Report, by_group, read_report, summary
from uwe.bench.results import Entry, Interval, Regime, Results
from uwe.bench.tables import Figure, Table
from uwe.errors import DataError, InputError

HOSTILE = (
    '<script>alert(7*7)</script> | a_b _c_ `d` *e* [f](g) \\ &amp;\n# h $x$ {{7*7}} " onload="y'
)


def report_of(results: Results) -> Report:
    return Report(title="WorkBench", runs=(results,), results=results)


class Page(HTMLParser):
    """Elements and texts of a page, and what was left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


# Groups ------------------------------------------------------------------------------------------


def test_groups_end_where_they_say() -> None:
    sums, counts = by_group([1.0] * 9 + [np.nan], [1, 2, 3, 4, 7, 8, 127, 128, 5000, 1])
    assert counts.tolist() == [1, 2, 2, 1, 0, 0, 1, 2] == sums.tolist()


def test_mean_of_pairs_by_query_is_map() -> None:
    one = entry("bm25", "", "job2skill/test")
    sums, counts = by_group(one.values(["MAP"])[0], [len(ranks) for ranks in one.ranks])
    assert sums.sum() / counts.sum() == pytest.approx(np.nanmean(one.values(["MAP"])))
    assert counts.sum() == 119  # one query has no label


# Tables ------------------------------------------------------------------------------------------


def with_means(means: dict[str, tuple[float, str]]) -> Results:
    """One task, each model with a MAP and a regime."""
    results = sample_results()
    entries = tuple(
        Entry(
            model=label,
            scorer="",
            task="jobnorm/val",
            regime=Regime(regime, "why", 1),
            metrics={"MAP": Interval(value, value - 0.01, value + 0.01)},
            ranks=((1,),),
            frequencies=((1,),),
            truncated=0,
            seconds={},
        )
        for label, (value, regime) in means.items()
    )
    task = {"jobnorm/val": results.tasks["jobnorm/val"]}
    return replace(results, tasks=task, entries=entries)


def figures(results: Results) -> Table:
    table = summary(results)[0].blocks[0]
    assert isinstance(table, Table)
    return table


def bold(results: Results) -> list[str]:
    return [str(row[1]) for row in figures(results).rows if row[-1].best]  # type: ignore[union-attr]


def test_best_is_marked_within_a_regime_only() -> None:
    found = {"a": (0.9, "seen"), "b": (0.4, "clean"), "c": (0.3, "clean"), "d": (0.8, "undeclared")}
    assert bold(with_means(found)) == []
    assert bold(with_means({"b": found["b"], "c": found["c"]})) == ["b"]


def test_equal_figures_are_all_best_and_none_where_all_are_equal() -> None:
    found = {"a": (0.4, "clean"), "b": (0.4, "clean"), "c": (0.1, "clean")}
    assert bold(with_means(found)) == ["a", "b"]
    del found["c"]
    assert bold(with_means(found)) == []


def test_a_figure_says_its_interval_and_no_number_is_a_dash() -> None:
    assert str(Figure(Interval(0.4, 0.39, 0.41))) == "40.0 (39.0–41.0)"
    assert str(Figure(None)) == str(Figure(Interval(float("nan"), 0, 0))) == "–"


def test_every_row_says_its_regime_and_size() -> None:
    results = sample_results()
    rows = figures(results).rows
    assert len(rows) == len(results.entries)
    assert ("jobnorm/val", "bm25", "-", "clean", "120 x 13,939") in [row[:5] for row in rows]
    assert figures(with_means({"a": (0.4, "clean")})).header[-1] == "MAP"  # all that was measured


def test_what_qualifies_figures_is_told() -> None:
    found = {section.title: section.blocks for section in summary(sample_results())}
    tasks, regimes = found["Tasks"][0], found["Regimes"][1]
    assert isinstance(tasks, list)
    assert isinstance(regimes, list)
    notes = {text.partition(": ")[0]: text for text in tasks}
    assert "stands in for SkillMatch-1K" in notes["skillsim_esco/test"]
    assert "2 targets have the text of an earlier one" in notes["skillsim_esco/test"]
    assert "1 queries have no relevant target" in notes["skillsim_esco/test"]
    assert "uwe-mini reads only the beginning of 3 queries" in notes["jobnorm/val"]
    assert "sample of 120 of 13,492" in notes["jobnorm/val"]
    assert any("bm25 is clean on job2skill/test" in text for text in regimes)
    (table, _) = found["Means"]
    assert isinstance(table, Table)
    assert any("skillsim_esco for skillsim" in str(row[3]) for row in table.rows)


# Forms -------------------------------------------------------------------------------------------


def test_both_forms_have_every_section_and_figure() -> None:
    report = report_of(sample_results())
    page, markdown = report.to_html(), report.to_markdown()
    for section in report.sections():
        assert f"## {section.title}\n" in markdown
        assert f"<h2>{section.title}</h2>" in page
    for one in report.results.entries:
        text = str(Figure(one.metrics["MAP"]))
        assert text in markdown
        assert f"<b>{text.partition(' ')[0]}</b> <small>{text.partition(' ')[2]}</small>" in page
    assert report.to_html() == page
    for above, line in pairwise(markdown.splitlines()):
        if above.startswith("|") and line.startswith("|"):
            assert above.count("|") == line.count("|")


def test_hardest_queries_show_words_where_there_are_any() -> None:
    text = report_of(sample_results()).to_html()
    assert "Hardest queries" in text
    hard = next(e for e in sample_results().entries if e.hardest).hardest[0]
    assert hard["ranked"][0]["label"] in text


def test_the_page_needs_no_network_and_is_whole() -> None:
    page = Page(report_of(sample_results()).to_html())
    assert page.open == []
    assert {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe"} == set()
    links = [found["href"] for _, found in page.elements if "href" in found]
    ids = [f"#{found['id']}" for _, found in page.elements if "id" in found]
    assert links == ids


def test_hostile_texts_are_shown_as_they_are() -> None:
    from markdown_it import MarkdownIt

    results = sample_results()
    one = results.entries[0]
    hard = {
        "id": HOSTILE, "query": HOSTILE, "AP": 0.1, "answers": 1,
        "relevant": [{"label": HOSTILE, "rank": 3}],
        "ranked": [{"label": HOSTILE, "score": 1.0, "relevant": False, "words": [(HOSTILE, 0.5)]}],
    }  # fmt: skip
    regime = replace(one.regime, name='x" onload="y', reason=HOSTILE)
    record = replace(
        results.tasks[one.task], name=HOSTILE, split=HOSTILE, notes=(HOSTILE,), licence=HOSTILE,
        seals={HOSTILE: HOSTILE},
    )  # fmt: skip
    hostile = replace(
        results,
        created=HOSTILE,
        machine={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        models={HOSTILE: replace(results.models["bm25"], name=HOSTILE, source=HOSTILE)},
        tasks={record.key: record},
        entries=(
            replace(
                one, task=record.key, model=HOSTILE, scorer=HOSTILE, regime=regime, hardest=(hard,)
            ),
        ),
    )
    report = Report(title=HOSTILE, runs=(hostile,), results=hostile)
    page = Page(report.to_html())
    assert page.open == []
    assert {tag for tag, _ in page.elements} & {"script"} == set()
    assert not any("onload" in found for _, found in page.elements)
    assert HOSTILE in page.texts
    rendered = MarkdownIt("commonmark").enable("table").render(report.to_markdown())
    for tag in ("<script", "<em>", "<code>", '<a href="g"'):
        assert tag not in rendered


# Files -------------------------------------------------------------------------------------------


def test_results_of_several_files_are_joined(tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, model in zip(paths, ("uwe-mini", "bm25"), strict=True):
        sample_results(models=(model,)).save(path)
    found = read_report(paths)
    assert [len(run.entries) for run in found.runs] == [6, 3]
    assert len(found.results.entries) == 9


def test_same_figures_twice_and_two_versions_of_a_task_are_errors(tmp_path: Path) -> None:
    sample_results().save(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"a\.json"):
        read_report([tmp_path / "a.json", tmp_path / "a.json"])
    other = sample_results(models=("bm25",))
    other.tasks["jobnorm/val"] = replace(other.tasks["jobnorm/val"], seals={"t": "99" * 32})
    other.save(tmp_path / "b.json")
    with pytest.raises(InputError, match=r"b\.json"):
        read_report([tmp_path / "a.json", tmp_path / "b.json"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda e: replace(e, ranks=e.ranks[1:]),
        lambda e: replace(e, frequencies=((), *e.frequencies[1:])),
        lambda e: replace(e, traps=(1,)),
        lambda e: replace(e, hardest=({"query": "q"},)),
        lambda e: replace(e, hardest=({**e.hardest[0], "ranked": [3]},)),
    ],
)
def test_damaged_figures_are_an_error(tmp_path: Path, damage: Callable[[Entry], Entry]) -> None:
    results = sample_results()
    path = tmp_path / "a.json"
    replace(results, entries=(damage(results.entries[0]), *results.entries[1:])).save(path)
    with pytest.raises(DataError) as found:
        read_report([path])
    assert found.value.path == path


def test_a_result_without_figures_is_an_error(tmp_path: Path) -> None:
    sample_results(entries=()).save(tmp_path / "a.json")
    with pytest.raises(InputError, match="with figures"):
        read_report([tmp_path / "a.json"])


# The command -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for model in ("uwe-mini", "bm25"):
        sample_results(models=(model,)).save(tmp_path / f"{model}.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return ["bench", "report", *arguments]


def test_the_command_writes_both_files(folder: Path, shell: Shell) -> None:
    given = ("uwe-mini.json", "bm25.json", "-o", "r.html", "--markdown", "r.md", "--title", "A&B")
    assert shell(*command(*given)).stdout == "r.html\nr.md\n"
    assert "<h1>A&amp;B</h1>" in (folder / "r.html").read_text()
    assert (folder / "r.md").read_text().startswith("# A&amp;B\n")


def test_a_failure_leaves_what_was_there(folder: Path, shell: Shell) -> None:
    (folder / "r.html").write_text("old")
    assert "two results" in shell.error(*command("bm25.json", "bm25.json", "-o", "r.html"))
    assert (folder / "r.html").read_text() == "old"


@pytest.mark.parametrize(
    "arguments",
    [
        ["bm25.json", "-o", "none/r.html"],
        ["bm25.json", "-o", "bm25.json"],
        ["bm25.json", "-o", "r.html", "--markdown", "r.html"],
        ["bm25.json", "-o", "link.json"],
        ["missing.json", "-o", "r.html"],
    ],
)
def test_bad_arguments(folder: Path, shell: Shell, arguments: list[str]) -> None:
    (folder / "link.json").symlink_to("bm25.json")
    before = (folder / "bm25.json").read_bytes()
    shell.error(*command(*arguments))
    assert not (folder / "r.html").exists()
    assert (folder / "bm25.json").read_bytes() == before
