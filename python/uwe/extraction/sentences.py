"""Where the sentences of one line begin and end."""

from __future__ import annotations

import re

# A full stop after one of these ends no sentence.
_ABBREVIATION = re.compile(
    r"approx|ca|cf|co|dept|dr|e\.g|eg|esp|est|excl|fig|i\.e|ie|incl|max|min|mr|mrs|ms|no|nr|pos|prof|"
    r"ref|resp|st|tel|viz|vs"
)
# Only where a row of marks begins: to try each of its marks takes the square of its length. The
# last alternative is a full stop without the blank after it ("licence.Must drive"), not "Node.Js".
_END = re.compile(
    r"(?<![.!?…])[.!?…]+[)\]\"'”’»]*(?=\s)|[。！？]+"
    r"|(?:(?<=[^\W_A-Z\d])|(?<=[\])])|(?<=[\w%])(?=.[A-Z][a-z\s]))(?<!\b[A-Z])[.!?](?=[A-Z])"
    r"(?!(?i:ai|com|io|js|net|org|pdf|php)\b)"
)
_NEXT = re.compile(r"\s*(\S?)")
_INITIALS = re.compile(r"(?:^|[\s(])(?:[A-Za-z]\.)*[A-Za-z]$")


def sentence_spans(line: str) -> list[tuple[int, int]]:
    """Where the sentences of one line begin and end; together with blanks they are the line.

    A sentence ends with `!`, `?` and a full stop before white space, unless the full stop belongs
    to an abbreviation or an initial, or a lower-case letter follows.
    """
    spans = []
    start = seen = 0
    for end in _END.finditer(line):
        after = _NEXT.match(line, end.end())
        # What is before the last mark is not looked at again: white space follows that mark.
        if _is_boundary(line[seen : end.start()], end.group(), after[1] if after else ""):
            spans.append((start, end.end()))
            start = after.start(1) if after else end.end()
        seen = end.end()
    if start < len(line):
        spans.append((start, len(line)))
    return spans


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
