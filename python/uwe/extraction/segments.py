"""Segments of an advert or a CV: what is asked about on its own, and where it stands.

A line that an editor wrapped is joined with the next. A line is cut into cells and sentences. What
a sentence lists ("Label: a, b, c", "a; b and c") is a segment of its own beside the sentence.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from uwe.extraction.sentences import sentence_spans
from uwe.extraction.source import PlainText, plain_text

# Bullets: dots, arrows, boxes, ticks, stars and emoji, and the private letters of Word's fonts.
_SYMBOLS = "•‣⁃∙⋅←-⇿■-➿⤀-⥿⬀-⯿\ue000-\uf8ff\ufe0f\U0001f300-\U0001faff"
_BULLET = re.compile(
    rf"(?:[{_SYMBOLS}·]+[ \t]*|[-–—*+>]+(?:[ \t]+|(?=[^\W\d_]))"
    r"|(?:\d{1,3}|[a-zA-Z])[.)][ \t]+|o[ \t]+|\[[ xX]\][ \t]+)+"
)
_HEADING_MARK = re.compile(r"#{1,6}[ \t]+")
_UNDERLINE = re.compile(r"[-=_|: ]{3,}")
_ROW = re.compile(r"[^\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")
_ALNUM = re.compile(r"[^\W_]")
_LETTER = re.compile(r"[^\W\d_]")

# What cuts a line: inline bullets, tabs and wide gaps. "(m|f|d)" is no row of a table.
_CUT = re.compile(r"[•●▪■◆❖◦○▫‣⁃∙✓✔✗➢➤►\ue000-\uf8ff]|\t|\s{3,}|(?<!\S)[|·]|[|·](?!\S)")
_TABLE_CUT = re.compile(r"[|\t]")
_LABEL = re.compile(r"[^\W\d_][^:;.!?]{0,40}?\s?:(?:\s+(?=\S)|(?=[^\W\d_]))")

# A line that ends so goes on in the next, the first even if that begins with a capital.
_OPEN = re.compile(r"(?:(?:^|\s)(?:a|an|the|and|or|of|our|your|&)|[^\W\d_]-)$")
_UNFINISHED = re.compile(
    r"(?:,|\s(?:to|in|on|for|with|by|at|from|as|is|are|be|their|its|his|her|that|which|will))$"
)

# Words that name a part of an advert or a CV.
_KIND = (
    r"(?:key|main|your|our|the|essential|desirable|desired|preferred|minimum|basic|job|role|core|"
    r"technical|professional|personal|soft|other|additional|work|relevant|required|further)"
)
_PART = (
    r"(?:requirements?|responsibilities|duties|tasks|qualifications?|skills|experience|education|"
    r"(?:employment|work) history|benefits|perks|profile|summary|objective|overview|description|"
    r"competenc(?:es|ies)|certifications?|training|languages|references|referees|interests|"
    r"about (?:us|you|me|the (?:role|job|team|company|position))|who (?:we|you) are|"
    r"what (?:we|you)(?:'ll|’ll| will)? (?:do|need|get|give|offer|bring)(?: you)?|how to apply|"
    r"the (?:role|job|position|team|company)|must haves?|nice to haves?|we offer|you have|"
    r"contact(?: details)?)"
)
_PARTS = rf"(?:{_KIND}\s){{0,3}}{_PART}"
_HEADING = re.compile(rf"{_PARTS}(?:\s?(?:and|&|/|,)\s?{_PARTS}){{0,2}}\s?[:?]?", re.IGNORECASE)
# Text of a page whose tags were dropped: "What you needA full licence".
_GLUED_HEADING = re.compile(rf"(?i:{_PART})(?=[A-Z][a-z\s])")

# What a list is cut at, the coarsest first; the last reaches into brackets.
_WITH = r"(?:and/or|and|or|&|as well as|including|includes?|such as|plus)(?=\s)"
_LISTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r";|(?<=\s)[-–—](?=\s)|:(?=\s)",
        rf",(?!\d)(?:\s{_WITH})?",
        rf"(?<=\s){_WITH}|(?<=\s)/(?=\s)|(?<=\w\w\w)/(?=\w\w\w)",
        rf"[()\[\];]|,(?!\d)|(?<=\s){_WITH}",
    )
)
_WHOLE = re.compile(r"(?<=\w)\([^()\s]*\)|(?:https?://|www\.)\S+")  # "401(k)", addresses
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
# What is no part of a segment at its edges; a sentence keeps its full stop, ".NET" its own.
_BLANK = re.compile(r"\s")
_EDGE = rf"\s,;|<>/=_~*\\–—{_SYMBOLS}·-"
_SENTENCE_EDGE = re.compile(f"[{_EDGE}]")
_ITEM_LEFT = re.compile(rf"[:()\[\]{_EDGE}]")
_ITEM_RIGHT = re.compile(rf"[.:(\[{_EDGE}]")

_WORD = re.compile(r"\S+")
_HYPHEN = re.compile(r"[^\W\d_]-$")
_SHORTEST_WRAP, _LONGEST_WRAP = 40, 130
_SLACK = 4  # columns: the longest row may be shorter than the text's width


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a text that is ranked as one query."""

    text: str  # what is ranked: without bullet, with one blank where a line was wrapped
    start: int  # where it begins in the source
    end: int  # where it ends in the source, exclusive
    line: int  # number of the line it stands in, from 0, wrapped lines counted as one
    kind: str  # `heading`, `sentence`, or `item`, which is one of those that a sentence lists
    parent: int | None = None  # for an item, the index of its sentence among all segments
    offset: int = 0  # for an item, where its text begins in that of the sentence; otherwise 0
    # Where each character of its text stands in the plain text.
    characters: Sequence[int] = field(default=(), repr=False, compare=False)


def split_sentences(text: str) -> list[str]:
    """Headings and sentences of an English advert or CV, in their order, without their bullets.

    The text may be plain, Markdown or HTML. Lines, cells of a table and inline bullets are cut
    apart, lines that were wrapped are joined. A sentence ends with `!`, `?` and a full stop, unless
    that belongs to an abbreviation or an initial, or a lower-case letter follows. Parts without a
    letter or digit are left out, so the list may be empty.

    Raises:
        InputError: If `text` is no str.
    """
    return [line[start:end] for _, line, _, start, end, _ in _sentences(plain_text(text))]


def segments(plain: PlainText) -> list[Segment]:
    """All segments of a text, in its order; what a sentence lists follows it."""
    found: list[Segment] = []
    for number, line, places, start, end, kind in _sentences(plain):
        text, own = line[start:end], places[start:end]
        first, last = plain.source_span(own[0], own[-1] + 1)
        parent = len(found)
        found.append(Segment(text, first, last, number, kind, characters=own))
        for a, b in _items(text) if kind == "sentence" else ():
            first, last = plain.source_span(own[a], own[b - 1] + 1)
            item = text[a:b]
            found.append(Segment(item, first, last, number, "item", parent, a, own[a:b]))
    return found


def _sentences(plain: PlainText) -> Iterator[tuple[int, str, Sequence[int], int, int, str]]:
    """Number, text and places of a line, and start, end and kind of each sentence of it."""
    lines = _lines(plain.text)
    for number, line in enumerate(lines):
        text, places = _joined(plain.text, line)
        for part in _parts(text, heading=_is_heading(plain.text, lines, number)):
            yield number, text, places, *part


@dataclass(slots=True)
class _Row:
    """A row of the plain text, without its mark and the blanks around it."""

    start: int
    end: int
    indent: int  # of the row
    column: int  # where its text begins, after the mark
    width: int
    mark: str  # its bullet, number or hashes
    heading: bool  # whether it is marked as one
    after_blank: bool
    closed: bool = False  # whether its paragraph ends as a sentence does


def _rows(text: str) -> list[_Row]:
    """Rows that have a letter or digit beside their mark."""
    rows: list[_Row] = []
    last = 0
    blank = True
    for found in _ROW.finditer(text):
        begin, end = found.span()
        blank = blank or begin - last > (2 if text.startswith("\r\n", last) else 1)
        last = end
        start, end = _trimmed(text, begin, end, _BLANK, _BLANK)
        indent = start - begin
        heading, bullet = _HEADING_MARK.match(text, start, end), _BULLET.match(text, start, end)
        mark = ""
        if before := heading or bullet:
            mark, start = before.group().rstrip(), before.end()
        if _ALNUM.search(text, start, end):
            sizes = indent, start - begin, end - begin
            rows.append(_Row(start, end, *sizes, mark, heading is not None, blank))
            blank = False
            continue
        if rows and not blank and not rows[-1].mark and _UNDERLINE.fullmatch(text, begin, last):
            rows[-1].heading = True
        blank = True
    return rows


def _lines(text: str) -> list[list[_Row]]:
    """Lines of the text, each of one row, or of several if it was wrapped."""
    rows = _rows(text)
    closed = apart = False
    for row in reversed(rows):
        ends = text[row.end - 1] in ".!?;"
        row.closed = ends or (closed and not apart)
        closed, apart = row.closed, row.after_blank or bool(row.mark)
    width = _wrap_width(text, rows)
    lines: list[list[_Row]] = []
    for row in rows:
        if lines and _continues(text, lines[-1], row, width):
            lines[-1].append(row)
        else:
            lines.append([row])
    return lines


def _wrap_width(text: str, rows: list[_Row]) -> int:
    """The column at which the text was wrapped, or 0.

    Most rows that go on with a lower-case letter must be so long that its word had no room.
    """
    pairs = [
        (before.width, _first_word(text, row))
        for before, row in pairwise(rows)
        if _may_continue(text, before, row) and text[row.start].islower()
        if _SHORTEST_WRAP <= before.width <= _LONGEST_WRAP
    ]
    width = max((width for width, _ in pairs), default=0)
    full = sum(width < before + word + _SLACK for before, word in pairs)
    return width if 2 * full >= len(pairs) else 0


def _first_word(text: str, row: _Row) -> int:
    found = _WORD.match(text, row.start, row.end)
    return len(found.group()) if found else 0


def _may_continue(text: str, before: _Row, row: _Row) -> bool:
    return not (
        row.after_blank
        or row.mark
        or row.heading
        or before.heading
        or text[before.end - 1] in ".!?:…|"
        or text[row.start] == "|"
        or text.find("\t", before.start, before.end) >= 0
        or text.find("\t", row.start, row.end) >= 0
    )


def _continues(text: str, line: list[_Row], row: _Row, width: int) -> bool:
    """Whether a row goes on with the line before it."""
    before = line[-1]
    if not _may_continue(text, before, row):
        return False
    opened = text.rfind("(", before.start, before.end) > text.rfind(")", before.start, before.end)
    if opened or text[row.start] == "(":
        return True
    room = width - before.width
    full = -_SLACK <= room < _first_word(text, row) + _SLACK if width else False
    if text[before.end - 1] == ";":
        return full
    tail = text[max(before.start, before.end - 10) : before.end]
    if not text[row.start].islower():
        named = text[row.end - 1] == ":" or _HEADING.fullmatch(text, row.start, row.end)
        begins = named or _LABEL.match(text, row.start, row.end)
        return not begins and (full or bool(_OPEN.search(tail)))
    return bool(
        full
        or (row.closed and (len(line) > 1 or before.width >= _SHORTEST_WRAP))
        or (line[0].mark and row.indent >= line[0].column)
        or _OPEN.search(tail)
        or _UNFINISHED.search(tail)
    )


def _is_heading(text: str, lines: list[list[_Row]], number: int) -> bool:
    """Whether a line names what follows it; lines are told by their form and their neighbours."""
    row, *more = lines[number]
    piece = text[row.start : row.end]
    words = piece.split(maxsplit=15)
    if row.heading:
        return len(words) <= 15
    if more or len(words) > 8 or _CUT.search(piece):
        return False
    around = *lines[max(0, number - 1) : number], *lines[number + 1 : number + 2]
    listed = row.mark and any(line[0].mark == row.mark for line in around)
    if piece.endswith(":") or (not listed and _HEADING.fullmatch(piece)):
        return True
    if row.mark or piece[-1] in ".;,!" or "," in piece or len(words) > 6 or _LABEL.match(piece):
        return False
    if number + 1 == len(lines) or piece[0].islower():
        return False
    following = lines[number + 1]
    if following[0].mark and not following[0].heading:
        return True
    if not row.after_blank or following[0].mark:
        return False
    after = text[following[0].start : following[-1].end]
    if piece.isupper():
        return not after.isupper()
    return not following[0].after_blank and len(after) >= max(40, 2 * len(piece))


def _joined(text: str, line: list[_Row]) -> tuple[str, Sequence[int]]:
    """Text of a line and the place of each of its characters."""
    first, *more = line
    if not more:
        return text[first.start : first.end], range(first.start, first.end)
    pieces = [text[first.start : first.end]]
    places = array("q", range(first.start, first.end))
    for row in more:
        if not _HYPHEN.search(pieces[-1][-2:]):
            pieces.append(" ")
            places.append(places[-1])
        pieces.append(text[row.start : row.end])
        places.extend(range(row.start, row.end))
    return "".join(pieces), places


def _parts(text: str, *, heading: bool) -> Iterator[tuple[int, int, str]]:
    """Sentences of a line: those of each of its cells, and a heading that was glued to one."""
    at = 0
    cut = _TABLE_CUT if text.startswith("|") else _CUT
    parts = []
    for first, last in [*(m.span() for m in cut.finditer(text)), (len(text), len(text))]:
        if glued := _GLUED_HEADING.match(text, at, first):
            parts.append((at, glued.end(), "heading"))
            at = glued.end()
        kind = "heading" if heading else "sentence"
        parts += [(at + a, at + b, kind) for a, b in sentence_spans(text[at:first])]
        at = last
    for start, end, kind in parts:
        start, end = _trimmed(text, start, end, _SENTENCE_EDGE, _SENTENCE_EDGE)
        if _ALNUM.search(text, start, end):
            yield start, end, kind


def _items(sentence: str) -> Iterator[tuple[int, int]]:
    """What a sentence lists, as spans of it."""
    label = _LABEL.match(sentence)
    begin = label.end() if label else 0
    start, end = _trimmed(sentence, begin, len(sentence), _ITEM_LEFT, _ITEM_RIGHT)
    with_brackets = _WHOLE.sub(_masked, sentence)
    without = _BRACKETS.sub(_masked, with_brackets)
    listed = list(_listed((without, without, without, with_brackets), start, end, 0))
    alone = label and _ALNUM.search(sentence, start, end)
    yield from listed or ([(start, end)] if alone else [])


def _masked(found: re.Match[str]) -> str:
    return "x" * len(found.group())


def _listed(texts: Sequence[str], start: int, end: int, level: int) -> Iterator[tuple[int, int]]:
    """Spans of what is listed, and of what that lists; `texts` are what each level cuts."""
    for number in range(level, len(_LISTS)):
        text = texts[number]
        cuts = [mark.span() for mark in _LISTS[number].finditer(text, start, end)]
        if not cuts:
            continue
        firsts, lasts = (start, *(b for _, b in cuts)), (*(a for a, _ in cuts), end)
        pieces = [
            (a, b)
            for first, last in zip(firsts, lasts, strict=True)
            for a, b in (_trimmed(text, first, last, _ITEM_LEFT, _ITEM_RIGHT),)
            if _LETTER.search(texts[-1], a, b)
        ]
        if len(pieces) > 1:
            for a, b in pieces:
                yield a, b
                yield from _listed(texts, a, b, number + 1)
            return


def _trimmed(
    text: str, start: int, end: int, left: re.Pattern[str], right: re.Pattern[str]
) -> tuple[int, int]:
    while start < end and left.match(text, start):
        start += 1
    while start < end and right.match(text, end - 1):
        end -= 1
    return start, end
