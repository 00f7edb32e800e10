"""The page: one file, everything from files escaped, the same bytes each time."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.sample_results import sample_results
from uwe.bench.probe_cases import ProbeCase
from uwe.bench.probes import ProbeOutcome, ProbeResults
from uwe.bench.report import Report, read_report, to_html
from uwe.bench.report.figures import looks, swatch
from uwe.bench.results import Results
from uwe.errors import DataError, InputError, MissingExtraError

HOSTILE = "<script>alert('x')</script>\"$a_b$ & \x07\ud800 ]]> {{ 7 * 7 }}"
VOID = {"meta", "br", "link", "img", "path", "use", "rect"}


class Page(HTMLParser):
    """Elements with their attributes, their texts, and whether all that opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def attributes(self, name: str) -> Iterator[str]:
        for _, attributes in self.elements:
            value = attributes.get(name)
            if value is not None:
                yield value


def report_of(results: Results, probes: ProbeResults | None = None) -> Report:
    return Report(title="WorkBench", runs=(results,), results=results, probes=probes)


@pytest.fixture(scope="module")
def text() -> str:
    return to_html(report_of(sample_results(), sample_probes()))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def sample_probes(model: str = "uwe-mini") -> ProbeResults:
    cases = {
        f"c{i}": ProbeCase(
            id=f"c{i}", category="lexical", query="writes Rust services",
            wanted=("Rust (language)",), traps=("remove rust",), origin=origin,
        )
        for i, origin in enumerate(["hand-read"] * 3 + ["by rule"] * 9)
    }  # fmt: skip
    outcomes = tuple(
        ProbeOutcome(model, "pooled", case, case == "c0", "Rust (language)", 9, 0.4, "remove rust",
                     1, 0.7)
        for case in cases
    )  # fmt: skip
    return ProbeResults(
        created="2026-03-04T10:00:00Z", uwe="0.2.0", space="ESCO 1.2.0 skills", targets=13939,
        seconds=9.5, models={model: sample_results().models["uwe-mini"]}, cases=cases,
        outcomes=outcomes,
    )  # fmt: skip


def test_page_is_one_whole_file(page: Page, text: str) -> None:
    assert page.open == []
    assert {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe"} == set()
    assert [value for value in page.attributes("href") if not value.startswith("#")] == []
    assert list(page.attributes("src")) == []
    assert "url(" not in text.replace("url(#", "")
    assert "@import" not in text
    assert not re.search(r"https?://", text)


def test_every_reference_has_its_one_element(page: Page) -> None:
    ids = list(page.attributes("id"))
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for value in page.attributes("href")}
    wanted |= {i for value in page.attributes("aria-labelledby") for i in value.split()}
    wanted |= {value[5:-1] for value in page.attributes("clip-path")}
    assert wanted <= set(ids)


def test_plots_take_the_colours_of_the_page(text: str) -> None:
    plots = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(plots) > 15
    for plot in plots:
        assert re.findall(r"#[0-9a-f]{6}", plot) == []
        assert "var(--" in plot or 'href="#swatch-' in plot
        assert "<title" in plot or 'aria-hidden="true"' in plot
        assert "font-family" not in plot
    assert text.count("<title") == 1 + sum('role="img"' in plot for plot in plots)
    css = text[: text.index("</style>")]
    for variable in set(re.findall(r"var\((--[\w-]+)\)", text)) - {"--share"}:
        # Once for light, once for dark.
        assert css.count(f"{variable}:") == 2, variable


def test_same_results_give_the_same_bytes(text: str) -> None:
    assert to_html(report_of(sample_results(), sample_probes())) == text


def test_every_figure_of_the_headline_says_its_regime(page: Page, text: str) -> None:
    table = text[text.index('<table class="headline">') :]
    cells = re.findall(r"<td.*?</td>", table[: table.index("</table>")], flags=re.DOTALL)
    assert len(cells) == 9
    for cell in cells:
        assert cell.count('class="figure') == 2
        assert re.search(r'class="regime (clean|held-out|seen)"', cell)
    assert text.count("sample of 120 of 13,492") > 6


def test_figures_of_a_card_are_named_where_the_first_is_missing() -> None:
    whole = sample_results()
    text = to_html(report_of(replace(whole, entries=whole.entries[1:])))
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", text.split("</table>")[0], re.DOTALL)
    assert any("not measured" in row for row in rows)
    assert [row.count('class="named"') for row in rows] == [1] * len(rows)


def test_bars_show_the_metrics_that_there_are() -> None:
    whole = sample_results()
    entries = tuple(
        replace(entry, metrics={n: i for n, i in entry.metrics.items() if n != "RP@10"})
        for entry in whole.entries
    )
    alone = to_html(report_of(replace(whole, entries=entries)))
    bars = alone[alone.index('id="bars"') : alone.index('id="long-tail"')]
    assert ">MAP<" in bars
    assert ">RP@10<" not in bars


def test_a_split_in_one_group_is_not_drawn(text: str) -> None:
    section = text[text.index('<section id="labels">') : text.index('<section id="length">')]
    assert "not drawn, as all is in one group: jobnorm/val" in " ".join(section.split()).lower()
    assert "MAP by number of answers on jobnorm/val" not in section
    assert "MAP by number of answers on job2skill/test" in section


def test_hardest_queries_show_words_where_there_are_any(page: Page, text: str) -> None:
    section = text[text.index('<section id="hardest">') : text.index('<section id="probes">')]
    assert "<q>" in section
    assert 'class="word" style="--share: ' in section
    assert section.count("<q>") == 3 * 3 * 3


def test_probes_are_counted_and_failures_listed(text: str) -> None:
    section = text[text.index('<section id="probes">') : text.index('<section id="tasks">')]
    assert "33.3" in section  # one of three that a person read
    assert "hand-read: 2 failed" in section
    assert "by rule: 9 failed" in section
    assert "4 more are in the file" in section  # of a rule's, five are listed
    assert section.count("remove rust") == 2 + 5


def test_probes_alone_make_a_page(tmp_path: Path) -> None:
    sample_probes().save(tmp_path / "probes.json")
    found = Page(to_html(read_report([tmp_path / "probes.json"])))
    ids = set(found.attributes("id"))
    assert "probes" in ids
    assert "headline" not in ids


def test_hostile_texts_are_shown_as_they_are() -> None:
    results = sample_results()
    one = results.entries[0]
    hard = {
        "id": HOSTILE, "query": HOSTILE, "AP": 0.1,
        "relevant": [{"label": HOSTILE, "rank": 3}],
        "ranked": [{"label": HOSTILE, "score": 1.0, "relevant": False, "words": [[HOSTILE, 0.5]]}],
    }  # fmt: skip
    regime = replace(one.regime, name='x" onload="y', reason=HOSTILE)
    entry = replace(one, model=HOSTILE, scorer=HOSTILE, regime=regime, hardest=(hard,))
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
        tasks={one.task: record},
        entries=(entry,),
    )
    text = to_html(Report(title=HOSTILE, runs=(hostile,), results=hostile))
    assert re.search(r"<text[^>]*>[^<]*\$a_b\$", text)  # in a plot, and no formula
    found = Page(text)
    assert found.open == []
    assert {tag for tag, _ in found.elements} & {"script"} == set()
    assert list(found.attributes("onload")) == []
    assert f"{HOSTILE}" in found.texts
    assert not any("49" in line for line in found.texts if "alert" in line)


def test_no_matplotlib_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"uwe\[bench\]"):
        swatch(looks(["a"])["a"], "k")


# Files -------------------------------------------------------------------------------------------


def test_results_of_several_files_are_joined(tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, model in zip(paths, ("uwe-mini", "bm25"), strict=True):
        sample_results(models=(model,)).save(path)
    found = read_report(paths)
    assert found.shown == ["uwe-mini soft:0.5", "uwe-mini pooled", "bm25"]
    assert [len(run.entries) for run in found.runs] == [6, 3]


def test_same_figures_twice_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    sample_results().save(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"a\.json: .* is in two results"):
        read_report([tmp_path / "a.json", tmp_path / "a.json"])


def test_two_versions_of_a_task_are_an_error(tmp_path: Path) -> None:
    other = sample_results(models=("bm25",))
    key = "jobnorm/val"
    other.tasks[key] = replace(other.tasks[key], seals={"targets.jsonl.gz": "99" * 32})
    sample_results(models=("uwe-mini",)).save(tmp_path / "a.json")
    other.save(tmp_path / "b.json")
    with pytest.raises(InputError, match=r"b\.json: jobnorm/val: .* two versions"):
        read_report([tmp_path / "a.json", tmp_path / "b.json"])


def test_probes_of_other_cases_or_twice_are_an_error(tmp_path: Path) -> None:
    sample_probes().save(tmp_path / "a.json")
    replace(sample_probes("bm25"), targets=5).save(tmp_path / "b.json")
    with pytest.raises(InputError, match="two results"):
        read_report([tmp_path / "a.json", tmp_path / "a.json"])
    with pytest.raises(InputError, match="same cases"):
        read_report([tmp_path / "a.json", tmp_path / "b.json"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda e: replace(e, ranks=e.ranks[1:]), "damaged"),
        (lambda e: replace(e, frequencies=((), *e.frequencies[1:])), "damaged"),
        (lambda e: replace(e, hardest=({"query": "q"},)), "damaged"),
        (lambda e: replace(e, hardest=({**e.hardest[0], "ranked": [3]},)), "damaged"),
    ],
)
def test_damaged_figures_are_an_error(tmp_path: Path, damage: object, message: str) -> None:
    results = sample_results()
    assert callable(damage)
    entries = (damage(results.entries[0]), *results.entries[1:])
    replace(results, entries=entries).save(tmp_path / "a.json")
    with pytest.raises(DataError, match=message) as found:
        read_report([tmp_path / "a.json"])
    assert found.value.path == tmp_path / "a.json"


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format":"uwe-probes"}', "\x00"])
def test_other_files_are_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DataError):
        read_report([path])


def test_a_result_without_figures_is_an_error(tmp_path: Path) -> None:
    sample_results(entries=()).save(tmp_path / "a.json")
    with pytest.raises(InputError, match="with figures"):
        read_report([tmp_path / "a.json"])
