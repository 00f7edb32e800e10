"""Pages of one file: what is escaped, and a policy that fits."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

from uwe.markup import document, escaped


def test_escaped_text_comes_back_but_for_what_html_cannot_hold() -> None:
    text = "<b> & \"c\" 'd'\té\N{ZERO WIDTH JOINER}\N{RIGHT-TO-LEFT MARK}\N{GRINNING FACE}\n"
    assert html.unescape(escaped(text)) == text
    assert not set(escaped(text)) & set("<>\"'")
    assert escaped("a\0b\x1bc\ud800d\x85e") == "a\ufffdb\ufffdc\ufffdd\ufffde"


def test_the_policy_names_the_parts_of_the_page(tmp_path: Path) -> None:
    style, script = tmp_path / "a.css", tmp_path / "a.js"
    style.write_text("p { color: red }\n")
    script.write_text("let a = 1;\n")
    page = document("<t>", style, "<p>a</p>", script=script)
    (policy,) = re.findall('Content-Security-Policy" content="([^"]*)"', page)
    for tag in ("style", "script"):
        (part,) = re.findall(f"<{tag}>(.*)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in document("t", style, "")
    assert "<title>&lt;t&gt;</title>" in page
