"""Tables for terminals and notebooks; pages of one file that run nothing but their own script."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Container, Iterable
from pathlib import Path

# Characters that HTML cannot hold: controls but tab and line ends, half characters, noncharacters.
_UNFIT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def escaped(text: str) -> str:
    """`text` as HTML shows it, with a replacement character for what HTML cannot hold."""
    return html.escape(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", text))


def aligned(rows: Iterable[Iterable[str]], right: Container[int]) -> str:
    """Columns two blanks apart, as a terminal shows them; white space in a cell is one blank.

    The rows have equal lengths; `right` has the numbers, from 0, of the columns that are aligned to
    the right.
    """
    table = [[" ".join(text.split()) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if i in right else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )


def cell(html: str, *, right: bool = False, tag: str = "td", more: str = "") -> str:
    """A cell of a table in a notebook, which aligns columns in ways of its own unless told.

    `html` is escaped already; `more` is CSS.
    """
    side = "right" if right else "left"
    return f'<{tag} style="text-align: {side}; {more}">{html}</{tag}>'


def document(
    title: str,
    style: Path,
    body: str,
    *,
    script: Path | None = None,
    style_attributes: bool = False,
) -> str:
    """A page in the colours of the reader's system, whose policy allows its own parts alone.

    `title` is not escaped yet; every text in `body` is. The CSS in `style` comes after that of all
    pages, the JavaScript in `script` runs at the end. With `style_attributes`, elements of the body
    may have a `style`.
    """
    base = Path(__file__).with_suffix(".css")
    css = "\n" + "".join(path.read_text(encoding="utf-8") for path in (base, style))
    code = "\n" + script.read_text(encoding="utf-8") if script else ""
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src {_hash(css)}"
        + (f"; script-src {_hash(code)}" if code else "")
        + ("; style-src-attr 'unsafe-inline'" if style_attributes else "")
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escaped(title)}</title>
<style>{css}</style>
</head>
<body>
{body}
{f"<script>{code}</script>" if code else ""}
</body>
</html>
"""


def _hash(part: str) -> str:
    """How a policy names a part of the page that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
