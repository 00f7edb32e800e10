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
_END = re.compile(r"[.!?…]+[)\]\"'”’»]*(?=\s)|[。！？]+")
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
    start = 0
    for end in _END.finditer(line):
        if _is_boundary(line[start : end.start()], end.group(), line[end.end() :].lstrip()):
            parts.append(line[start : end.end()].strip())
            start = end.end()
    parts.append(line[start:].strip())
    return parts


def _is_boundary(before: str, mark: str, after: str) -> bool:
    if not mark.startswith("."):
        return True
    if after[:1].islower():
        return False
    if mark.startswith(".."):
        return True
    words = before.split()
    last = words[-1].lstrip("([\"'“‘").lower() if words else ""
    return not _ABBREVIATION.fullmatch(last) and not _INITIALS.search(before)
