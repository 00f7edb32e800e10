"""`segments`: what an advert or a CV asks for, one by one, and where it stands."""

from __future__ import annotations

import html
import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from uwe.extraction.segments import Segment, segments
from uwe.extraction.source import plain_text


def of(text: str) -> list[Segment]:
    return segments(plain_text(text))


def texts(text: str, kind: str) -> list[str]:
    return [s.text for s in of(text) if s.kind == kind]


ADVERT = """\
DATA ENGINEER (M/F/D) - LEEDS

Bramley Foods makes pies for shops in the north. After a good year we want
to take on an engineer who looks after what comes from our ovens.

What you will do
• Build pipelines in Python, Spark and dbt
• Look after the warehouse; answer questions of the bakers
Requirements:
- SQL (window functions, tuning)
- Git

Languages: English, Polish or Czech

What we give you
Free pies, a pension and twenty-eight days of holiday.
"""
HEADINGS = [
    "DATA ENGINEER (M/F/D) - LEEDS",
    "What you will do",
    "Requirements:",
    "What we give you",
]
SENTENCES = [
    "Bramley Foods makes pies for shops in the north.",
    "After a good year we want to take on an engineer who looks after what comes from our ovens.",
    "Build pipelines in Python, Spark and dbt",
    "Look after the warehouse; answer questions of the bakers",
    "SQL (window functions, tuning)",
    "Git",
    "Languages: English, Polish or Czech",
    "Free pies, a pension and twenty-eight days of holiday.",
]


def test_an_advert_is_cut_into_headings_and_sentences() -> None:
    assert texts(ADVERT, "heading") == HEADINGS
    assert texts(ADVERT, "sentence") == SENTENCES


def as_html(text: str) -> str:
    """The same advert as a page: list items, headings and paragraphs."""
    parts = []
    for block in text.replace(" want\n", " want ").splitlines():
        mark, _, rest = block.partition(" ")
        if mark in ("•", "-"):
            parts.append(f"<li class='x'>\n  {html.escape(rest)}")
        elif block in HEADINGS:
            parts.append(f"<h2><b>{html.escape(block)}</b></h2>")
        else:
            parts.append(f"<p>{html.escape(block)}</p>")
    return "<!DOCTYPE html>\n<html><body>" + "\n".join(parts) + "</body></html>"


@pytest.mark.parametrize(
    "variant",
    [
        ADVERT.replace("\n", "\r\n"),
        ADVERT.replace("\n", "\r"),
        ADVERT.replace("•", "*").replace("- SQL", "  ➢ SQL").replace("- Git", "  2) Git"),
        ADVERT.replace("What you", "## What you").replace("Python", "**Python**"),
        ADVERT.replace("Requirements:\n", "Requirements:\n=============\n"),
        as_html(ADVERT),
        "\n".join(
            row
            for line in ADVERT.replace(" want\n", " want ").splitlines()
            for row in textwrap.wrap(line, 46, break_on_hyphens=False) or [""]
        ),
    ],
    ids=["crlf", "cr", "bullets", "markdown", "underlined", "html", "wrapped"],
)
def test_the_form_of_an_advert_changes_nothing(variant: str) -> None:
    assert [s.text for s in of(variant)] == [s.text for s in of(ADVERT)]
    for segment in of(variant):
        found = html.unescape(variant[segment.start : segment.end]).replace("**", "")
        assert " ".join(found.split()) == segment.text


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (
            "Build pipelines in Python, Spark and dbt",
            ["Build pipelines in Python", "Spark and dbt", "Spark", "dbt"],
        ),
        ("Languages: English", ["English"]),
        ("Tools: Git, C++, C# and .NET.", ["Git", "C++", "C# and .NET", "C#", ".NET"]),
        ("AWS (S3, Glue)", ["AWS", "S3", "Glue"]),
        ("AWS (S3, Glue), Azure", ["AWS (S3, Glue)", "AWS", "S3", "Glue", "Azure"]),
        ("401(k) with match", []),
        (
            "clean rooms; rigging & focusing",
            ["clean rooms", "rigging & focusing", "rigging", "focusing"],
        ),
        ("STERILIZE TOOLS AND TIDY UP", ["STERILIZE TOOLS", "TIDY UP"]),
        ("React/Angular, CI/CD, £1,000", ["React/Angular", "React", "Angular", "CI/CD"]),
        ("A CRM such as Salesforce", ["A CRM", "Salesforce"]),
        ("Nice to have:Java,SQL", ["Java", "SQL"]),
        (
            "See https://example.com/jobs/apply or call",
            ["See https://example.com/jobs/apply", "call"],
        ),
        ("Bake bread", []),
    ],
)
def test_what_a_sentence_lists(text: str, items: list[str]) -> None:
    assert texts(text, "item") == items


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Skills • Java • SQL", ["Skills", "Java", "SQL"]),
        ("Baker | Leeds | Full time (m|f|d)", ["Baker", "Leeds", "Full time (m|f|d)"]),
        ("Location\tLeeds\nBasic math\t\tX", ["Location", "Leeds", "Basic math", "X"]),
        ("| Task | Often |\n|------|---|\n| Bake bread | **Daily** |", ["Bake bread", "Daily"]),
        ("<table><tr><td>Bake bread<td>Daily</table>", ["Bake bread", "Daily"]),
        (
            "plan the work of all\nwrite the reports\nlead",
            ["plan the work of all", "write the reports", "lead"],
        ),
        ("Experience with\nPython", ["Experience with", "Python"]),
        ("Knowledge of\nPython", ["Knowledge of Python"]),
        (
            "- You can take over the planning\n  of a shift\n- Drive",
            ["You can take over the planning of a shift", "Drive"],
        ),
        ("You have statistics\n(Minitab)", ["You have statistics (Minitab)"]),
        ("our person-\ncentred care", ["our person-centred care"]),
        ("\uf0b7 Java\n\uf0b7\tSQL\n✅ Go", ["Java", "SQL", "Go"]),
        ("•\nJava\n•\nSQL", ["Java", "SQL"]),
        ("🚀 Requirements\n✅ Java\n✅ Training\n✅ Go", ["Java", "Training", "Go"]),
        ("- [x] Lead", ["Lead"]),
        ("About us\n\nWe bake.", ["We bake."]),
        ("What you needA full licence.Own van", ["A full licence.", "Own van"]),
    ],
)
def test_sentences_of_lines(text: str, sentences: list[str]) -> None:
    assert texts(text, "sentence") == sentences


ALPHABET = st.sampled_from(
    [
        *"aAbZ09 \n\t.,;:|•-/()&é\r\x00\ud800。😀½",
        *(
            "and ",
            " or ",
            ". ",
            "\n- ",
            "\n\n",
            "Skills: ",
            "SQL",
            "a lower line\n",
            "the\n",
            "# ",
            "1. ",
        ),
    ]
)
TEXTS = st.lists(ALPHABET, max_size=40).map("".join) | st.text(max_size=60)
MARKUP = st.sampled_from(
    ["<p>", "</p>", "<li>", "<td>", "&amp;", "**", "`", "<br>", "<h2>", "[", "]("]
)


@given(st.lists(ALPHABET | MARKUP, max_size=40).map("".join) | st.text())
def test_segments_come_in_order_and_items_stand_in_their_sentences(source: str) -> None:
    found = of(source)
    previous = 0
    for index, segment in enumerate(found):
        assert previous <= segment.start < segment.end <= len(source)
        previous = segment.start
        assert any(c.isalnum() for c in segment.text)
        if segment.kind == "item":
            assert segment.parent is not None
            assert segment.parent < index
            parent = found[segment.parent]
            assert parent.kind == "sentence"
            assert parent.start <= segment.start < segment.end <= parent.end
            assert parent.text[segment.offset :].startswith(segment.text)
        else:
            assert (segment.parent, segment.offset) == (None, 0)


NUMBERING = re.compile(r"(?:[\W_]|(?:\d{1,3}|[a-zA-Z])[.)]\s|o\s)*")


@given(TEXTS)
def test_no_word_of_a_text_is_lost(text: str) -> None:
    """Each letter and digit stands in a segment, but for the numbers of a list."""
    plain = plain_text(text)
    assume(plain.text == text)  # no Markdown
    covered = bytearray(len(text))
    for segment in segments(plain):
        place = text[segment.start : segment.end]
        assert "".join(segment.text.split()) == "".join(place.split())
        covered[segment.start : segment.end] = b"\1" * len(place)
    start = 0
    for row in text.splitlines(keepends=True):
        numbering = NUMBERING.match(row)
        for index, character in enumerate(row):
            if character.isalnum() and (not numbering or index >= numbering.end()):
                assert covered[start + index]
        start += len(row)


def test_the_marked_places_of_adverts_stand_in_a_segment_each(data_folder: Path) -> None:
    """Twelve adverts and CVs; in each, what asks for a skill is marked."""
    best = total = 0
    for path in sorted((data_folder / "typed" / "adverts").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        found = of(text)
        for line in path.with_suffix(".tsv").read_text(encoding="utf-8").splitlines():
            start = text.index(place := line.split("\t")[0])
            end = start + len(place)
            assert any(s.start <= start and end <= s.end for s in found), place
            shared = [max(0, min(end, s.end) - max(start, s.start)) for s in found]
            union = [max(end, s.end) - min(start, s.start) for s in found]
            best += max(a / b for a, b in zip(shared, union, strict=True)) >= 0.5
            total += 1
    assert total
    assert best / total > 0.9


def test_a_page_whose_tags_are_written_as_entities_is_a_page() -> None:
    page = "<p>Forklift licence &amp; <b>HGV</b></p><ul><li>SQL</li></ul>"
    source = page.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    found = of(source)
    assert [segment.text for segment in found] == [segment.text for segment in of(page)]
    for word in ("Forklift", "HGV", "SQL"):
        (segment,) = (one for one in found if word in one.text and one.kind != "item")
        assert word in source[segment.start : segment.end]
