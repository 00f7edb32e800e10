"""The check of the README is no rubber stamp: it sees what differs and only that."""

from __future__ import annotations

from pathlib import Path

import pytest

from readme import Block, blocks, differ, run_python


@pytest.mark.parametrize(
    ("shown", "came", "wanted"),
    [
        ("[1, 2]", "[1,\n 2]", False),
        ("score 0.5001", "score 0.5002", False),
        ("score 0.50", "score 0.51", True),
        ("score 0.5", "score -0.5", True),
        ("Apache Spark 0.5", "pastry baking 0.5", True),
        ("0.5", "0.5 0.5", True),
        ("", "something", True),
    ],
)
def test_differ(shown: str, came: str, wanted: bool) -> None:
    assert differ(shown, came) is wanted


def test_blocks_know_language_and_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# T\n```python\n1 + 1\n```\ntext\n```text\n2\n```\n", encoding="utf-8")
    assert blocks(page) == [Block("python", "1 + 1", 3), Block("text", "2", 7)]


def test_a_block_shows_prints_its_last_value_and_errors() -> None:
    names: dict[str, object] = {}
    assert run_python(Block("python", "x = 2\nprint('a')\nx + 1", 1), names) == "a\n3\n"
    assert run_python(Block("python", "x", 1), names) == "2\n"
    assert run_python(Block("python", "None", 1), names) == ""
    assert run_python(Block("python", "int('z')", 1), names).startswith("builtins.ValueError: inv")
