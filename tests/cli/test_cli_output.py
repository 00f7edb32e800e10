"""What reaches a terminal: one line stays one, and nothing in a text commands it."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import pytest

import uwe
from cli_shell import Shell
from uwe.cli import guard, output

NASTY = "data\x1b[31m\n\u202ebaker\x07\u2066 \x7f\x9b\r\u2028spark"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def nasty(shell: Shell) -> Shell:
    uwe.TargetCache.build(
        uwe.TextEncoder("tiny"),
        [NASTY, "baker"],
        path="nasty.uwe",
        ids=["a\tb\nc", NASTY],
        aliases=[["x\ny"], ["engineer \x1b]0;title\x07"]],
        metadata={"col\n\x1b[2J": ["v\n\x1b", None]},
    )
    return shell


@pytest.mark.parametrize(
    "command",
    [
        ["rank", NASTY, "-t", "nasty.uwe"],
        ["rank", NASTY, "-t", "nasty.uwe", "--json"],
        ["rank", "-i", "q.jsonl", "-t", "nasty.uwe", "--why"],
        ["rank", "-i", "q.jsonl", "-t", "nasty.uwe", "--json"],
        ["explain", NASTY, "--index", "0", "-t", "nasty.uwe"],
        ["explain", NASTY, "--index", "0", "-t", "nasty.uwe", "--json"],
        ["cache", "info", "nasty.uwe"],
        ["cache", "verify", "nasty.uwe"],
    ],
    ids=" ".join,
)
def test_no_output_has_control_characters(nasty: Shell, command: list[str]) -> None:
    Path("q.jsonl").write_text(json.dumps({"text": NASTY, "id": NASTY}))
    done = nasty(*command)
    assert not UNSAFE.search(done.output)
    if "--json" in command:
        entry = json.loads(done.stdout)
        assert entry["query"] == NASTY
        assert "".join(done.stdout).count(r"\u001b") >= 2


def test_line_breaks_tear_no_table(nasty: Shell) -> None:
    table = nasty("rank", "data", "-t", "nasty.uwe").stdout.splitlines()
    assert [line.split()[0] for line in table] == ["rank", "1", "2"]
    lines = nasty("rank", "-i", "-", "-t", "nasty.uwe", text="data\nspark\n").stdout.splitlines()
    assert [len(line.split("\t")) for line in lines] == [7] * 4
    info = nasty("cache", "info", "nasty.uwe").stdout.splitlines()
    assert len(info) == len(uwe.TargetCache.open("nasty.uwe").info())


@pytest.mark.parametrize("command", ["rank x -t", "cache info", "rank -i", "explain x y -t"])
def test_no_error_has_control_characters(shell: Shell, command: str) -> None:
    message = shell.error(*command.split(), "no\x1b[31m\u202e.uwe")
    assert not UNSAFE.search(message)
    assert r"\u001b[31m\u202e" in message


def test_warnings_and_lines_are_shown_safely(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        guard._show_messages()
        warnings.warn(NASTY, UserWarning, stacklevel=1)
    output.print_table(["a\nb", "c"], [[NASTY, "\x1b"]])
    shown = capsys.readouterr()
    assert not UNSAFE.search(shown.out + shown.err)
    assert len(shown.out.splitlines()) == 2
    assert len(shown.err.splitlines()) == 1
