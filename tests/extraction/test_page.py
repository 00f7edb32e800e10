"""The page of an extraction: what is marked and named, and that nothing gets out of its text."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser

import pytest

from uwe.errors import InputError
from uwe.extraction.findings import Extraction, Finding, Place, Word

HOSTILE = "<script>alert(1)</script>\"' onload=x &amp; \0\x1b[31m\u202e\u200f \N{GRINNING FACE}"
VOID = {"meta", "rect"}


class Page(HTMLParser):
    """Elements of a page, and which findings each character of the text belongs to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str]]] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.characters: list[tuple[str, set[str], set[str]]] = []
        self.marks: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = tag, {name: value or "" for name, value in attrs}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag
        if tag == "p":
            self.characters.append(("\n", set(), set()))

    def handle_data(self, data: str) -> None:
        if not self.open:
            return
        tag, attributes = self.open[-1]
        self.texts.append((tag, data))
        if "article" not in [name for name, _ in self.open] or tag == "article":
            return
        if tag == "mark":
            self.marks.append(data)
        found, earning = (
            set(attributes.get(name, "").split()) for name in ("aria-describedby", "data-earning")
        )
        self.characters += [(character, found, earning) for character in data]

    def text(self) -> str:
        return "".join(character for character, _, _ in self.characters)

    def marked(self, finding: int) -> str:
        return "".join(c if f"f{finding}" in found else "|" for c, found, _ in self.characters)

    def earned(self, finding: int) -> list[str]:
        row = "".join(c if f"f{finding}" in e else "|" for c, _, e in self.characters)
        return [word for word in row.split("|") if word]

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def place(text: str, start: int, end: int, *words: tuple[int, int]) -> Place:
    found = tuple(Word(text[a:b], a, b, 0.5) for a, b in words)
    return Place(start, end, text[start:end], text, 0.5, found)


def finding(*places: Place, label: str = "a", **more: str) -> Finding:
    return Finding(label, more.get("id"), 0, 0.5, 0.5, places, more.get("alias"))


def page(text: str, *findings: Finding) -> Page:
    return Page(Extraction(text, findings).to_html())


def test_places_may_overlap_and_nest() -> None:
    text = "build data pipelines in Python"
    found = page(
        text,
        finding(place(text, 0, 20, (6, 10), (11, 20))),
        finding(place(text, 11, 30)),
        finding(place(text, 24, 30, (24, 30)), place(text, 0, 30)),
        finding(place(text, 11, 30)),
    )
    assert found.text() == f"{text}\n"
    assert found.marked(0) == "build data pipelines" + "|" * 11
    assert found.marked(1) == found.marked(3) == "|" * 11 + "pipelines in Python|"
    assert found.marked(2) == f"{text}|"
    assert [found.earned(number) for number in range(4)] == [
        ["data", "pipelines"],
        [],
        ["Python"],
        [],
    ]


def test_a_finding_leads_to_its_best_place() -> None:
    text = "SQL and Python.\nPython"
    found = page(
        text,
        finding(place(text, 16, 22), place(text, 8, 14)),
        finding(place(text, 0, 14)),
        finding(place(text, 15, 16)),  # the line end alone, which no mark can show
    )
    buttons = found.all("button")
    assert [button["id"] for button in buttons] == ["f0", "f1", "f2"]
    assert found.marks == ["SQL and ", "Python", "Python"]
    assert [button.get("data-mark") for button in buttons] == ["2", "0", None]
    assert [mark.get("tabindex") for mark in found.all("mark")] == ["0", "0", "0"]


def slow(text: str, findings: list[Finding]) -> Iterator[tuple[str, set[str], set[str]]]:
    """The definition, character by character."""
    for at, character in enumerate(text):
        spans = [(f"f{n}", p) for n, finding in enumerate(findings) for p in finding.places]
        earning = {n for n, p in spans for w in p.words if w.start <= at < w.end}
        yield character, {n for n, p in spans if p.start <= at < p.end} | earning, earning


@pytest.mark.parametrize("seed", range(20))
def test_marks_are_those_of_the_definition(seed: int) -> None:
    dice = random.Random(seed)
    text = "".join(dice.choices("abc def\n", k=60)).strip()
    text = re.sub(r"\s*\n\s*", "\n", text)

    def part() -> tuple[int, int]:
        start = dice.randrange(len(text))
        return start, dice.randrange(start + 1, len(text) + 1)

    findings = [
        finding(*(place(text, *part(), *(part() for _ in range(2))) for _ in range(2)))
        for _ in range(6)
    ]
    wanted = [item for item in slow(text, findings) if item[0] != "\n"]
    found = page(text, *findings)
    assert [item for item in found.characters if item[0] != "\n"] == wanted
    assert found.text() == f"{text}\n"


def test_html_is_shown_as_a_reader_sees_it() -> None:
    text = "<h1>R&amp;D</h1><ul><li>You know <b>Py</b>thon &amp; SQL</li></ul><script>x</script>"
    start, end = text.index("<b>"), text.index(" &amp; SQL")
    found = page(text, finding(place(text, start, end, (start + 3, end))))
    assert found.text() == "R&D\n• You know Python & SQL\n"
    assert found.marked(0).strip("|") == "Python"
    assert found.earned(0) == ["Python"]


def with_all_of(text: str) -> str:
    """A page on which a text stands wherever one can."""
    found = finding(place(text, 0, len(text)), label=text, id=text, alias=text)
    return Extraction(text, [found], left_out=[text], language=text).to_html(text)


def test_nothing_gets_out_of_its_text() -> None:
    html = with_all_of(HOSTILE)
    html.encode("utf-8")
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f]", html)
    found = Page(html)
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in Page(with_all_of("a")).elements]
    for _, attributes in found.elements:
        assert not [n for n in attributes if n.startswith("on") or n in ("style", "src")]
        assert attributes.get("href", "#").startswith("#")
    shown = {tag for tag, text in found.texts if "<script>alert(1)</script>" in text}
    assert shown == {"title", "h1", "mark", "bdi", "p"}


def test_a_page_needs_nothing_else() -> None:
    html = Extraction("https://example.org/a.png @import url(x)").to_html()
    assert "default-src 'none'" in html
    outside = re.sub("<article.*</article>|<title>.*</title>", "", html, flags=re.DOTALL)
    assert not re.search(r"https?:|//\w|url\(|@import", outside.replace("// ", ""))


def test_a_title_heads_the_page() -> None:
    extraction = Extraction("first\nsecond")
    assert ("title", "first") in Page(extraction.to_html()).texts
    assert {("title", "mine"), ("h1", "mine")} <= set(Page(extraction.to_html("mine")).texts)
    with pytest.raises(InputError):
        extraction.to_html(3)


def test_a_text_without_findings_is_shown() -> None:
    found = page("nothing\nhere")
    assert found.text() == "nothing\nhere\n"
    assert not found.marks


def test_what_qualifies_the_findings_is_said() -> None:
    said = [
        text
        for _, text in Page(Extraction("a", left_out=["2 lines"], language="de").to_html()).texts
    ]
    assert "2 lines" in said
    assert any(text.endswith("de") for text in said)


def test_a_notebook_shows_the_page_in_a_frame() -> None:
    extraction = Extraction('a "b" <i>', [finding(place('a "b" <i>', 0, 5))])
    frame = extraction._repr_html_()
    (attributes,) = Page(frame).all("iframe")
    assert attributes["srcdoc"] == extraction.to_html()
    assert attributes["sandbox"] == "allow-scripts"
    assert unescape(unescape(frame)).count("<script") == 1
