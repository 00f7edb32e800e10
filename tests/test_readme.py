"""The README tells the truth: its Python prints what it shows, its commands are complete."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from readme import Block, blocks, differ, run_python

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCKS = blocks(README)
HOME = "/home/you"  # what the page calls the folder that its examples run in


def with_output(language: str) -> list[tuple[Block, str | None]]:
    """Each block of the language, with the text block that follows it, if one does."""
    pairs: list[tuple[Block, str | None]] = []
    for block, after in zip(BLOCKS, [*BLOCKS[1:], None], strict=True):
        if block.language == language:
            shown = after.text if after is not None and after.language == "text" else None
            pairs.append((block, shown))
    return pairs


def test_the_python_blocks_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    pairs = with_output("python")
    assert pairs
    assert sum(shown is not None for _, shown in pairs) >= 3
    for block, shown in pairs:
        came = run_python(block, names).replace(str(tmp_path), HOME)
        if shown is None:
            assert came == "", f"README.md:{block.line} prints what the page does not show:\n{came}"
        else:
            assert not differ(shown, came), (
                f"README.md:{block.line} shows\n{shown}\nbut prints\n{came}"
            )


def test_the_page_shows_three_errors() -> None:
    errors = re.findall(r"^uwe\.errors\.(\w+Error): \S", README.read_text("utf-8"), re.MULTILINE)
    assert len(errors) >= 3
    assert len(set(errors)) >= 2


def test_two_complete_commands_do_the_set_up() -> None:
    commands = BLOCKS[OPENING].text.splitlines()
    assert len(commands) == 2
    for command in commands:
        subprocess.run(["bash", "-n", "-c", command], check=True)
        assert "sudo" not in command
        assert command.startswith("python3 -m venv ")
    assert "torch" not in commands[0]
    assert "dev" not in commands[0]


def run_console(block: Block, folder: Path) -> str:
    """Run the block's commands, one after the other, and give what a terminal would show."""
    environment = dict(os.environ, NO_COLOR="1", COLUMNS="100", LC_ALL="C.UTF-8")
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment.setdefault("UWE_CACHE_DIR", str(folder / "user-cache"))
    environment.pop("UWE_DATA", None)  # the reader of a first page has none
    shown = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            done = subprocess.run(
                ["bash", "-c", line[2:]],
                cwd=folder, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            shown.append(f"{line}\n{done.stdout}{done.stderr}")
    return "".join(shown).replace(str(folder), HOME)


def test_the_console_blocks_print_what_the_page_shows(tmp_path: Path) -> None:
    sessions = [block for block in BLOCKS if block.language == "console"]
    assert sessions
    for block in sessions:
        came = run_console(block, tmp_path)
        assert not differ(block.text, came), (
            f"README.md:{block.line} shows\n{block.text}\nbut prints\n{came}"
        )


OPENING = next(i for i, block in enumerate(BLOCKS) if block.language == "sh")
TABLE = BLOCKS[OPENING + 1]  # what the first command prints


def first_table(folder: Path) -> str:
    """What the README's first command prints once it has installed the package."""
    opening = BLOCKS[OPENING]
    rank = opening.text.splitlines()[0].rpartition("&& ")[2]
    assert shlex.split(rank)[:2] == [".venv/bin/uwe", "rank"]
    # Standard error tells, once, that the target cache is built.
    quiet = f"$ {rank.removeprefix('.venv/bin/')} 2>/dev/null"
    return run_console(Block("console", quiet, opening.line), folder).partition("\n")[2]


@pytest.mark.slow
def test_the_first_command_prints_the_table_that_the_page_shows(tmp_path: Path) -> None:
    came = first_table(tmp_path)
    assert not differ(TABLE.text, came), f"README.md:{TABLE.line} shows\n{TABLE.text}\nnot\n{came}"


def test_every_link_to_a_file_leads_somewhere() -> None:
    folders = (".", "docs", "benches", "data")
    pages = [page for folder in folders for page in (ROOT / folder).glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
