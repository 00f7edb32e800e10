"""A secret out of texts from outside, however it is spelt there, and also where it is cut."""

from __future__ import annotations

import base64
import re
from html.entities import html5
from itertools import chain

__all__ = ["Hider"]

HIDDEN = "[key]"

# One character as JSON, Python, URLs and HTML spell it, escaped once or several times.
_CHARACTER = re.compile(
    r"\\+u(?P<u>[0-9a-f]{4})|\\+x(?P<x>[0-9a-f]{2})|%(?:25)*(?P<percent>[0-9a-f]{2})"
    r"|&(?:amp;)*#x(?P<hex>[0-9a-f]{1,6});|&(?:amp;)*#(?P<decimal>[0-9]{1,7});"
    r"|&(?:amp;)*(?P<name>[a-z]{2,8};)|\\+(?=[\"'/\\])|.",
    re.IGNORECASE | re.DOTALL,
)
_RUN = 8
"""Characters in a row of a secret that are hidden; fewer of one that is short."""
_SHORT = 8
"""Below, a secret is hidden as a whole alone: its parts stand in every text."""


class Hider:
    """Hides one secret in texts.

    Any eight characters of it in a row are hidden (half of a short one, at least four), so one that
    was cut is too; in any case, escaped, quoted as in URLs or HTML, and as base64 or hexadecimal
    digits.

    Args:
        secret: In ASCII; an empty text hides nothing.
    """

    def __init__(self, secret: str) -> None:
        self._runs: dict[int, set[str]] = {}
        self._whole: re.Pattern[str] | None = None
        if len(secret) >= _SHORT:
            for spelt in _spellings(secret):
                length = min(_RUN, max(4, len(spelt) // 2))
                runs = (spelt[i : i + length] for i in range(len(spelt) - length + 1))
                self._runs.setdefault(length, set()).update(runs)
        elif secret:
            self._whole = re.compile(
                rf"(?<![0-9a-z]){re.escape(secret)}(?![0-9a-z])", re.IGNORECASE
            )

    def hide(self, text: str) -> str:
        """The text with `[key]` for each part that spells the secret, or a part of it."""
        if self._whole is not None:
            return self._whole.sub(HIDDEN, text)
        if not self._runs:
            return text
        spans: list[tuple[int, int]] = []
        letters: list[str] = []
        for found in _CHARACTER.finditer(text):
            for letter in _letters(found):
                letters.append(letter)
                spans.append(found.span())
        read = "".join(letters)
        hidden = bytearray(len(read))
        for length, runs in self._runs.items():
            for i in range(len(read) - length + 1):
                if read[i : i + length] in runs:
                    hidden[i : i + length] = b"\1" * length
        parts = []
        done = 0
        for part in re.finditer(b"\1+", bytes(hidden)):
            start, end = spans[part.start()][0], spans[part.end() - 1][1]
            parts += [text[done:start], HIDDEN]
            done = end
        return "".join([*parts, text[done:]])


def _letters(found: re.Match[str]) -> str:
    """What a spelling stands for, in small letters; nothing for the mark before another one."""
    kind = found.lastgroup
    if kind is None:
        letter = "" if len(found[0]) > 1 else found[0]
    elif kind == "name":
        letter = html5.get(found[kind], found[0])
    else:
        code = int(found[kind], 10 if kind == "decimal" else 16)
        letter = chr(code) if code <= 0x10FFFF else found[0]
    return letter.lower().replace("\\", "")


def _spellings(secret: str) -> set[str]:
    """The secret, and what it is in base64 and hexadecimal digits, as `_letters` gives them."""
    raw = secret.encode("ascii", "replace")
    # In base64 three bytes are four letters: what stands before shifts all. The first and last
    # letters are those of neighbours too.
    shifted = (base64.b64encode(b"\0" * shift + raw).decode() for shift in range(3))
    coded = [text[(4 * shift + 2) // 3 :].rstrip("=")[:-1] for shift, text in enumerate(shifted)]
    urls = [text.replace("+", "-").replace("/", "_") for text in coded]
    spelt = (t.lower().replace("\\", "") for t in chain([secret, raw.hex()], coded, urls))
    return {text for text in spelt if len(text) >= 4}
