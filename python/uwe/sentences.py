"""Long texts, such as vacancies, to sentences that fit a model."""

from __future__ import annotations

import re

from uwe.errors import InputError

__all__ = ["split_sentences"]

# A full stop after one of these ends no sentence.
_ABBREVIATION = re.compile(
    r"approx|ca|cf|dept|dr|e\.g|eg|esp|est|excl|fig|i\.e|ie|incl|max|min|mr|mrs|ms|no|nr|pos|prof|"
    r"ref|resp|st|tel|viz|vs"
)
_BULLET = re.compile(r"^(?:[-–—*+•·●○▪▫■◦‣⁃✓✔➢►→]+\s*|(?:\d{1,3}|[a-zA-Z])[.)]\s+|o\s+)+")
# Only where a row of marks begins: to try each of its marks takes the square of its length.
_END = re.compile(r"(?<![.!?…])[.!?…]+[)\]\"'”’»]*(?=\s)|[。！？]+")
_NEXT = re.compile(r"\s*(\S?)")
_INITIALS = re.compile(r"(?:^|[\s(])(?:[A-Za-z]\.)*[A-Za-z]$")


def split_sentences(text: str) -> list[str]:
    """Sentences of an English text, in their order, without bullets and surrounding space.

    A line break always ends a sentence, as vacancies are lists of lines. Within a line, `!`, `?`
    and a full stop before white space do, unless the full stop belongs to an abbreviation or an
    initial, or a lower-case letter follows. Parts without a letter or digit are left out, so the
    list may be empty.

    Raises:
        InputError: If `text` is no str.
    """
    if not isinstance(text, str):
        raise InputError(f"expected a text, got {type(text).__name__}: pass one str at a time")
    sentences = (s for line in text.splitlines() for s in _split_line(line))
    return [s for s in sentences if any(c.isalnum() for c in s)]


def _split_line(line: str) -> list[str]:
    line = _BULLET.sub("", line.strip(), count=1)
    parts = []
    start = seen = 0
    for end in _END.finditer(line):
        after = _NEXT.match(line, end.end())
        # What is before the last mark is not looked at again: white space follows that mark.
        if _is_boundary(line[seen : end.start()], end.group(), after[1] if after else ""):
            parts.append(line[start : end.end()].strip())
            start = end.end()
        seen = end.end()
    parts.append(line[start:].strip())
    return parts


def _is_boundary(before: str, mark: str, after: str) -> bool:
    """Whether a mark ends a sentence, by what is before it, and the character after it."""
    if not mark.startswith("."):
        return True
    if after.islower():
        return False
    if mark.startswith(".."):
        return True
    words = before.rsplit(maxsplit=1)
    last = words[-1].lstrip("([\"'“‘").lower() if words else ""
    return not _ABBREVIATION.fullmatch(last) and not _INITIALS.search(before)
