"""docs/tables.md tells the truth: its recipes print what it shows, and its commands run."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cli_shell import Shell
from readme import blocks, differ, run_python
from tiny_xlsx import write_xlsx

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
PAGE = Path(__file__).parents[1] / "docs" / "tables.md"
BLOCKS = blocks(PAGE)


def test_the_recipes_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pandas", "polars"):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    recipes = [(block, after) for block, after in pairwise(BLOCKS) if block.language == "python"]
    assert len(recipes) == 4
    for block, after in recipes:
        came = run_python(block, names)
        assert not differ(after.text, came), f"line {block.line} shows\n{after.text}\nnot\n{came}"


def test_the_commands_run(shell: Shell) -> None:
    pq.write_table(pa.table({"title": ["baker", "data"], "id": [1, 2]}), "titles.parquet")
    Path("adverts.csv").write_text("description,id,city\nWe need SQL.,1,Leeds\n")
    write_xlsx(Path("roles.xlsx"), {"A1": "title", "A2": "baker"})
    (commands,) = (block.text.splitlines() for block in BLOCKS if block.language == "sh")
    Path("skills.txt").write_text("SQL\nbake goods\n")
    shell("cache", "build", "skills.uwe", "--input", "skills.txt")
    assert len(commands) == 3
    for command in commands:
        _, *arguments = shlex.split(command)
        if arguments[0] != "cache":
            arguments += ["--targets", "skills.uwe"]
        shell(*arguments)
    assert pq.read_table("ranked.parquet")["input.id"].to_pylist() == [1, 1, 2, 2]
    assert pq.read_table("found.parquet")["input.city"].to_pylist() == ["Leeds"]
