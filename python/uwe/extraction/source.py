"""Plain text of HTML or Markdown, and where each of its characters stands in the source.

The tags are found by one pattern and not by html.parser: before the Python releases of late 2025,
its time grows with the square of a page of unclosed comments or tags.
"""

from __future__ import annotations

import html
import re
from array import array
from collections.abc import Sequence

from uwe.errors import InputError

# What begins and ends a paragraph. `br` and `tr` begin a line alone.
_BLOCK = re.compile(
    r"address|article|aside|blockquote|body|caption|center|d[dlt]|details|div|fieldset|figcaption|"
    r"figure|footer|form|h[1-6r]|head|header|html|li|main|nav|noscript|ol|option|p|pre|section|"
    r"summary|table|tbody|textarea|tfoot|thead|ul"
)
_MARKS = {"li": "• ", "td": "\t", "th": "\t"} | {f"h{i}": "# " for i in range(1, 7)}

# A tag that is closed, or whose end may be left out. `List<T>` and `<name@example.com>` are none.
_IS_HTML = re.compile(
    r"<!doctype\s+html|<br\s*/?>|</(?:a|b|body|div|em|font|h[1-6]|html|i|li|ol|p|pre|section|span"
    r"|strong|table|t[dhr]|u|ul)\s*>|(?<!\w)<(?:p|li|tr|td|hr|h[1-6])(?:\s[^<>]*)?>",
    re.IGNORECASE,
)
_HAS_BLOCKS = re.compile(r"<(?:p|div|li|t[dr]|h[1-6]|body)[\s>]", re.IGNORECASE)

# Each alternative ends where another begins at the latest, so that nothing is read twice. A tag has
# so many parts at most, since the matcher remembers each of them.
_TAG = (
    r"(?P<hidden><!--.*?(?:-->|\Z)|<(?P<raw>script|style|title)\b.*?(?:</(?P=raw)[^<>]*>?|\Z)"
    r"|<!\[CDATA\[|\]\]>|<[!?][^<>]*>)"
    r"|<(?P<close>/?)(?P<tag>[a-z][a-z\d:-]*)(?=[\s/>])"
    r"""(?:[^<>=]+|=\s*(?:"[^"]*"|'[^']*')?){0,2000}(?P<tag_end>>?)"""
    r"|(?P<blank>[^\S ]\s*|[ ]\s+)|(?P<entity>&(?:#?[a-z\d]{1,32});?)"
)
_MARKUP = (
    r"|(?P<mark>\*\*+|~~+|(?<!\w)(?:__?|`+)(?=\w)|(?<=\S)(?:__?|`+|\*)(?!\w)"
    r"|(?<=[^\w\s*])\*(?=\w)|(?<=[^\S\n\r])\*(?=\w)"
    r"|!?\[(?=[^\[\]\n]*\]\([^()\s]*(?:[ ]\"[^\"\n]*\")?\))|\]\([^()\s]*(?:[ ]\"[^\"\n]*\")?\)"
    r"|\\(?=[-*_.#+()\[\]|!&>~`])|[\u00ad\u200b\ufeff])"
)
_HTML_TOKEN = re.compile(_TAG + _MARKUP, re.IGNORECASE | re.DOTALL)
_TEXT_TOKEN = re.compile(r"(?P<entity>&(?:#?[a-z\d]{1,32});)" + _MARKUP, re.IGNORECASE)
_NEW_LINES = re.compile(r"\r\n|[\n\r\x0b\x0c]")


class PlainText:
    """A text, and for each of its characters the place in the source that it came from."""

    def __init__(self, text: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        self.text = text  # a line of it is a line, an item, a heading or a row of the source
        self.starts = starts  # of each character, index of the first source character it stands for
        self.ends = ends  # of each character, one past the last source character it stands for

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]`, which is not empty, stands in the source."""
        return self.starts[start], self.ends[end - 1]


def plain_text(source: str) -> PlainText:
    """`source` without HTML tags, entities and the marks of Markdown within a line.

    Marks that begin a line (`#`, `-`, `|`) stay, and HTML's headings, items and cells get them.
    """
    if not isinstance(source, str):
        raise InputError(f"expected a text, got {type(source).__name__}: pass one str at a time")
    if _IS_HTML.search(source):
        return _page(source)
    if _TEXT_TOKEN.search(source):
        found = _plain(source, _TEXT_TOKEN, lines=True)
        if not _IS_HTML.search(found.text):
            return found
        # Feeds of jobs have pages whose tags are written as entities.
        page = _page(found.text)
        starts = [found.starts[at] for at in page.starts]
        return PlainText(page.text, starts, [found.ends[at - 1] for at in page.ends])
    return PlainText(source, range(len(source)), range(1, len(source) + 1))


def _page(source: str) -> PlainText:
    return _plain(source, _HTML_TOKEN, lines=not _HAS_BLOCKS.search(source))


def _plain(source: str, token: re.Pattern[str], *, lines: bool) -> PlainText:
    """HTML or Markdown without its tokens, which are left out or replaced.

    `lines` says whether a line break in the source is one, as it is without tags that make lines.
    """
    pieces: list[str] = []
    starts, ends = array("q"), array("q")
    kept = 0  # from here on, the source is copied
    preformatted = False

    def put(text: str, first: int, last: int) -> None:
        pieces.append(text)
        starts.extend([first] * len(text))
        ends.extend([last] * len(text))

    def copy(last: int) -> None:
        if kept < last:
            pieces.append(source[kept:last])
            starts.extend(range(kept, last))
            ends.extend(range(kept + 1, last + 1))

    for found in token.finditer(source):
        first, last = found.span()
        kind, text = found.lastgroup, ""
        if kind == "entity":
            text = html.unescape(found.group())
            if text == found.group():
                continue
            text = " " if text == "\xa0" else text
        elif kind == "blank":
            breaks = len(_NEW_LINES.findall(found.group()))
            if breaks and (lines or preformatted):
                text = "\n" * breaks
            else:
                text = "\n\n" if breaks > 1 else " "
        elif kind == "tag_end":
            if not found["tag_end"]:
                continue
            tag = found["tag"].lower()
            if tag == "pre":
                preformatted = not found["close"]
            mark = "" if found["close"] else _MARKS.get(tag, "")
            text = ("\n\n" if _BLOCK.fullmatch(tag) else "\n" if tag in ("br", "tr") else "") + mark
        copy(first)
        put(text, first, last)
        kept = last
    copy(len(source))
    return PlainText("".join(pieces), starts, ends)
