"""HTML pages that are one file, need no network, and run nothing but their own script."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

__all__ = ["document", "escaped"]

# Characters that HTML cannot hold: controls but tab and line ends, half characters, noncharacters.
_UNFIT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def escaped(text: str) -> str:
    """`text` as HTML shows it, with a replacement character for what HTML cannot hold."""
    return html.escape(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", text))


def document(
    title: str,
    style: Path,
    body: str,
    *,
    script: Path | None = None,
    style_attributes: bool = False,
) -> str:
    """A page in the colours of the reader's system, whose policy allows its own parts alone.

    Args:
        title: Not escaped yet.
        style: A file of CSS, read after that of all pages.
        body: HTML, in which every text is escaped.
        script: A file of JavaScript that runs at the end.
        style_attributes: Whether elements of the body may have a `style`.
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
