"""An extraction as a page: the text with its places marked, and the findings beside it."""

from __future__ import annotations

import re
import textwrap
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from uwe.checks import text_of
from uwe.extraction.source import PlainText, plain_text
from uwe.markup import document, escaped

if TYPE_CHECKING:
    from uwe.extraction.findings import Extraction, Finding, Place, Word


_FOLDER = Path(__file__).parent
_HEADING = re.compile(r"#{1,6} +")
_ITEM = re.compile(r"[-*•] ")
_LONGEST_TITLE = 100


class _Line(NamedTuple):
    """A line of the plain text, without the mark of a heading and the blanks at its end."""

    start: int
    end: int
    classes: str


class _Span(NamedTuple):
    """A part of the plain text that belongs to a finding: a place, or a word that earned."""

    start: int
    end: int
    finding: int
    word: bool


class _Piece(NamedTuple):
    """A part of the plain text within which nothing begins or ends, and what it belongs to."""

    start: int
    end: int
    findings: list[int]
    earning: list[int]


def to_html(extraction: Extraction, title: str | None = None) -> str:
    """One HTML file that needs no network; every text in it is escaped.

    `title` is the heading; a page without one is named by the text's first line.
    """
    plain = plain_text(extraction.text)
    lines = list(_lines(plain.text))
    spans = list(_spans(extraction, plain))
    text, marks = _text(plain.text, lines, spans)
    # The first line stands in the text already.
    heading = ""
    if title is not None:
        heading = f'<h1 dir="auto">{escaped(text_of("title", title))}</h1>'
    else:
        title = plain.text[lines[0].start : lines[0].end] if lines else ""
        title = textwrap.shorten(title, _LONGEST_TITLE, placeholder="…")
    notes = list(extraction.left_out)
    if extraction.language is not None:
        notes.append(
            f"The text seems to be in another language than English: {extraction.language}"
        )
    said = "\n".join(f'<p class="note" dir="auto">{escaped(note)}</p>' for note in notes)
    found = "\n".join(_item(i, finding, marks.get(i)) for i, finding in enumerate(extraction))
    # A keyboard would come to the findings after every place.
    skip = '<a class="skip" href="#f0">Skip to the findings</a>' if extraction else ""
    body = f"""<header>
{skip}
{heading}
{said}
</header>
<main>
<article lang="{escaped(extraction.language or "en")}">
{text}
</article>
<aside aria-label="Findings">
<h2>{len(extraction)} {"finding" if len(extraction) == 1 else "findings"}</h2>
<ol>
{found}
</ol>
</aside>
</main>"""
    return document(title, _FOLDER / "page.css", body, script=_FOLDER / "page.js")


def _lines(text: str) -> Iterator[_Line]:
    at = 0
    gap = ""
    for line in text.splitlines(keepends=True):
        mark = _HEADING.match(line)
        start, end = at + (mark.end() if mark else 0), at + len(line.rstrip())
        at += len(line)
        if start < end:
            kind = "heading" if mark else "item" if _ITEM.match(line) else ""
            yield _Line(start, end, f"{kind} {gap}".strip())
        gap = "" if start < end else "gap"


def _spans(extraction: Extraction, plain: PlainText) -> Iterator[_Span]:
    """Places and words in the plain text; what has no character there is left out."""
    for number, finding in enumerate(extraction):
        for place in finding.places:
            parts: list[Place | Word] = [place, *place.words]
            for part in parts:
                start = bisect_right(plain.ends, part.start)
                end = bisect_left(plain.starts, part.end)
                if start < end:
                    yield _Span(start, end, number, part is not place)


def _pieces(lines: list[_Line], spans: list[_Span]) -> Iterator[_Piece]:
    """The text cut wherever a line, a place or a word begins or ends."""
    opening = defaultdict[int, list[tuple[int, bool]]](list)
    closing = defaultdict[int, list[tuple[int, bool]]](list)
    for start, end, finding, word in spans:
        opening[start].append((finding, word))
        closing[end].append((finding, word))
    cuts = {*opening, *closing, *(at for line in lines for at in (line.start, line.end))}
    open_ = Counter[tuple[int, bool]]()
    for start, end in pairwise(sorted(cuts)):
        open_.update(opening[start])
        open_.subtract(closing[start])
        open_ = +open_  # without what is closed
        findings = sorted({finding for finding, _ in open_})
        yield _Piece(start, end, findings, sorted(finding for finding, word in open_ if word))


def _text(text: str, lines: list[_Line], spans: list[_Span]) -> tuple[str, dict[int, int]]:
    """The lines as paragraphs; and of each finding the number of the first mark of its best place.

    Where a place begins, a mark can be focused.
    """
    begins = {span.start for span in spans if not span.word}
    best: dict[int, _Span] = {}
    for span in spans:
        best.setdefault(span.finding, span)
    pieces = list(_pieces(lines, spans))
    html: list[str] = []
    first_marks: dict[int, int] = {}
    count = 0
    for line in lines:
        html.append(f'<p dir="auto" class="{line.classes}">')
        within = (
            bisect_left(pieces, at, key=lambda piece: piece.start) for at in (line.start, line.end)
        )
        for start, end, findings, earning in pieces[slice(*within)]:
            if not findings:
                html.append(escaped(text[start:end]))
                continue
            focus = ' tabindex="0"' if start in begins else ""
            html.append(
                f'<mark aria-describedby="{_names(findings)}" data-earning="{_names(earning)}"'
                f"{focus}>{escaped(text[start:end])}</mark>"
            )
            for finding in findings:
                if best[finding].start <= start < best[finding].end:
                    first_marks.setdefault(finding, count)
            count += 1
        html.append("</p>\n")
    return "".join(html), first_marks


def _names(findings: list[int]) -> str:
    return " ".join(f"f{finding}" for finding in findings)


def _item(number: int, finding: Finding, mark: int | None) -> str:
    """A finding of the list: the label, a bar as long as the confidence, the id and the rest."""
    sure = f"{100 * finding.confidence:.0f}"
    places = len(finding.places)
    facts = [
        f"<bdi>{escaped(fact)}</bdi>"
        for fact in (
            finding.id or "",
            "" if finding.alias is None else f"by the name {finding.alias}",
            f"{places} places" if places > 1 else "",
        )
        if fact
    ]
    at = "" if mark is None else f' data-mark="{mark}"'
    return (
        f'<li><button type="button" id="f{number}"{at}><bdi>{escaped(finding.label)}</bdi> '
        f"<b>{sure} %</b>"
        f'<svg aria-hidden="true"><rect width="{sure}%" height="100%"/></svg>'
        f"<small>{' · '.join(facts)}</small></button></li>"
    )
