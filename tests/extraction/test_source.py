"""`plain_text`: tags, entities and Markdown's marks go, and every character knows its place."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uwe.errors import InputError
from uwe.extraction.source import plain_text


def lines(source: str) -> list[str]:
    return [line for line in plain_text(source).text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    "text",
    [
        "A List<T> and a Map<K, V>",
        "a < b, c > d and 3<4",
        "Write to <jobs@example.com> or <https://example.com/a>",
        "at <ORGANIZATION> in <LOCATION>",
        "C* and 5 * 3 and snake_case_name",
        "Salary: £30,000 & R&D; AT&T",
        "a\tb\r\nc\x00\x1b\ud800",
        "",
    ],
)
def test_plain_text_stays_as_it_is(text: str) -> None:
    plain = plain_text(text)
    assert plain.text == text.replace("C*", "C")  # as if it were a footnote's star
    assert not text or plain.source_span(0, len(plain.text)) == (0, len(text))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>One<p>two <b>bold</b>", ["One", "two bold"]),
        ("<ul>\n<li>Java\n<li>SQL &amp; R\n</ul>", ["• Java ", "• SQL & R "]),
        ("<h2>Skills</h2>Java<br>SQL", ["# Skills", "Java", "SQL"]),
        ("<table><tr><td>a<td>b<tr><td>c</table>", ["\ta\tb", "\tc"]),
        ("<p>of the\n   same   line</p>", ["of the same line"]),
        ("<p>one\n\ntwo</p>", ["one", "two"]),
        ("<pre>one\ntwo</pre>", ["one", "two"]),
        ("Java<br/>\n- <b>SQL</b>\n- R", ["Java", "- SQL", "- R"]),
        ("<p>a<script>if (a < b) {}</script>b<style>p {}</style>c", ["abc"]),
        ("<head><title>Jobs</title><body>Baker</p>", ["Baker"]),
        ("<p>kept <!-- not <p> this --> too", ["kept  too"]),
        ("<p>kept <!-- not this", ["kept "]),
        ("<p>kept <script>not this", ["kept "]),
        ("<![CDATA[<p>R&#68; &eacute;t&eacute;&nbsp;x</p>]]>", ["RD été x"]),
        ("<p>AT&T &copy &#x43;", ["AT&T © C"]),
        ('<p title="a > b">c</p><a href=x onclick=\'f("<p>")\'>d</a>', ["c", "d"]),
        ("<p>a < b <jobs@example.com> c</p", ["a < b <jobs@example.com> c</p"]),
        ("**Bold** and *italic*, `code`, __so__", ["Bold and italic, code, so"]),
        ("[x](not now", ["[x](not now"]),
        ("see [our page](https://example.com/a_b) now", ["see our page now"]),
        ("\\- C\\+\\+ \\# x", ["- C++ # x"]),
        ("R&amp;D, caf&eacute;", ["R&D, café"]),
        ("per\u00adson \ufeffand\u200b so", ["person and so"]),
        ("# Title\n- item\n| a | b |", ["# Title", "- item", "| a | b |"]),
    ],
)
def test_markup_goes(source: str, expected: list[str]) -> None:
    assert lines(source) == expected


# Pieces that meet in broken pages.
PIECES = st.sampled_from(
    [
        *"<>/!-='\"&;abZ0 \n\t#*[](_`\\\x00é\ud800",
        *(
            "<p>",
            "</p>",
            "<br>",
            "<li>",
            "<!--",
            "-->",
            "<script>",
            "</script",
            "<a href='",
            "&amp;",
        ),
        *("<![CDATA[", "]]>", "&#", "&#0;", "&eacute", "<td>", "<pre>", "](", "**", "\r\n"),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text())
def test_places_rise_and_point_to_what_the_text_has(source: str) -> None:
    plain = plain_text(source)
    assert len(plain.starts) == len(plain.ends) == len(plain.text)
    at = 0
    for character, start, end in zip(plain.text, plain.starts, plain.ends, strict=True):
        assert at <= start <= end <= len(source)
        at = start
        if character.isalnum():
            assert character in source[start:end] or source[start] == "&"


@pytest.mark.parametrize("source", [None, b"<p>a", ["a"]])
def test_what_is_no_text_is_refused(source: Any) -> None:
    with pytest.raises(InputError, match="text"):
        plain_text(source)


def test_a_tag_may_have_hundreds_of_attributes() -> None:
    attributes = " ".join(f'data-{i}="a > b"' for i in range(500))
    assert plain_text(f"<p {attributes}>bake bread</p>").text.strip() == "bake bread"


def test_a_tag_without_end_is_bounded() -> None:
    tracemalloc.start()
    plain_text("<p " + "=" * 300_000 + ">x</p>")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000  # 6 MB; 164 if the matcher remembers every part


UNITS = [
    "<",
    "<!-- ",
    '<a x="',
    "<a '",
    "</a ",
    "<script ",
    "<p>",
    "<p><b>",
    "&a",
    "[a](",
    "*a",
    " ",
]


@pytest.mark.parametrize("unit", UNITS)
def test_a_broken_page_is_read_in_time(unit: str) -> None:
    """In less than a second; what goes over the rest at each mark takes minutes."""
    page = "<p>" + (unit * 60_000)[:60_000]
    before = time.process_time()
    plain_text(page)
    assert time.process_time() - before < 1.0
