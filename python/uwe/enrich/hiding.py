"""A key out of texts from outside: endpoints repeat it in errors, and a model may in an answer."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote

HIDDEN = "[key]"
_RUN = 8
"""Characters in a row of a key that are hidden; a shorter key is hidden as a whole word."""


# In ASCII, but for quotation marks and backslashes, which JSON has to escape.
_NUMBERED = re.compile(r"\\u00(?!22|5c)([2-7][0-9a-f])", re.IGNORECASE)


class Hider:
    """Hides one secret in texts.

    Any eight characters of it in a row are hidden, so one that was cut or masked is too: in any
    case, escaped as JSON, URLs and HTML do, and as base64 or hexadecimal digits. The secret is in
    ASCII; an empty one hides nothing.
    """

    def __init__(self, secret: str) -> None:
        self._whole = re.compile(rf"(?<!\w){re.escape(secret)}(?!\w)", re.IGNORECASE)
        self._active = bool(secret)
        self._runs = {
            spelt[i : i + _RUN]
            for spelt in (_spellings(secret) if len(secret) >= _RUN else ())
            for i in range(len(spelt) - _RUN + 1)
        }

    def hide(self, text: str) -> str:
        """The text with `[key]` for each part that spells the secret, or a part of it."""
        if not self._active:
            return text
        # JSON may write each letter as a number: what reads it would spell the secret again.
        text = _NUMBERED.sub(lambda found: chr(int(found[1], 16)), text)
        if not self._runs:
            return self._whole.sub(HIDDEN, text)
        # Letter by letter: lower() of a whole text may be of another length.
        read = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
        hidden = bytearray(len(text))
        for i in range(len(text) - _RUN + 1):
            if read[i : i + _RUN] in self._runs:
                hidden[i : i + _RUN] = b"\1" * _RUN
        parts, done = [], 0
        for part in re.finditer(b"\1+", bytes(hidden)):
            parts += [text[done : part.start()], HIDDEN]
            done = part.end()
        return "".join([*parts, text[done:]])


def _spellings(secret: str) -> set[str]:
    raw = secret.encode("ascii", "replace")
    # In base64 three bytes are four letters: what stands before shifts all. The first and last
    # letters are those of neighbours too.
    shifted = (base64.b64encode(b"\0" * shift + raw).decode() for shift in range(3))
    coded = [text[(4 * shift + 2) // 3 :].rstrip("=")[:-1] for shift, text in enumerate(shifted)]
    escaped = json.dumps(secret)[1:-1]
    spelt = {secret, escaped, json.dumps(escaped)[1:-1], escaped.replace("/", "\\/")}
    spelt |= {quote(secret, safe=""), html.escape(secret), repr(secret)[1:-1], raw.hex(), *coded}
    spelt |= {text.replace("+", "-").replace("/", "_") for text in coded}
    return {text.lower() for text in spelt}
