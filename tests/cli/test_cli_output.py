"""What reaches a terminal: one line stays one, and nothing in a text commands it."""

from __future__ import annotations

import csv
import gzip
import io
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
    assert [len(line.split("\t")) for line in lines] == [8] * 4
    info = nasty("cache", "info", "nasty.uwe").stdout.splitlines()
    assert len(info) == len(uwe.TargetCache.open("nasty.uwe").info())


@pytest.mark.parametrize(
    "command", ["rank x -t", "cache info", "rank -t roles.uwe -i", "explain x y -t"]
)
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


# --output


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.tsv", "R.CSV", "r.jsonl.gz", "r.tsv.gz"])
def test_rankings_are_written_as_the_suffix_says(nasty: Shell, name: str) -> None:
    queries = ["data", NASTY.replace("\n", " ").replace("\r", " "), "baker"]
    Path(name).write_text("old")
    ask = ["rank", "-i", "-", "-t", "nasty.uwe", "--min-score", "0.5"]
    text = "\n".join(queries)
    assert nasty(*ask, "-o", name, text=text).stdout == f"{name}\n"
    wanted = nasty.lines(*ask, text=text)
    data = Path(name).read_bytes()
    lines = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
    if "jsonl" in name:
        assert [json.loads(line) for line in lines.splitlines()] == wanted
        return
    rows = list(
        csv.DictReader(
            io.StringIO(lines, newline=""), delimiter="," if "csv" in name.lower() else "\t"
        )
    )
    flat = [(w["query"], m) for w in wanted for m in w["matches"] or [None]]
    assert [row["query"] for row in rows] == [query for query, _ in flat]
    for row, (_, match) in zip(rows, flat, strict=True):
        for column in ("rank", "label", "id", "alias", "read_as", "confidence"):
            assert row[column] == str((match and match[column]) or "")
        assert (
            row["score"] == ""
            if match is None
            else float(row["score"]) == pytest.approx(match["score"], rel=1e-8)
        )


def test_one_query_is_written_too(shell: Shell) -> None:
    shell("rank", "data", "-t", "roles.uwe", "-k", "2", "-o", "r.csv")
    assert len(Path("r.csv").read_text().splitlines()) == 3
    shell("rank", "data", "-t", "roles.uwe", "-k", "2", "--why", "-o", "r.jsonl")
    (entry,) = map(json.loads, Path("r.jsonl").read_text().splitlines())
    assert [*entry] == ["query", "matches"]
    assert all(match["why"] for match in entry["matches"])
    shell("rank", "data", "-t", "roles.uwe", "--min-score", "9", "-o", "r.tsv", "--why")
    assert Path("r.tsv").read_text().splitlines()[1].split("\t") == ["data", *[""] * 8]


def test_nothing_is_written_by_halves_or_in_the_wrong_place(shell: Shell) -> None:
    Path("r.csv").write_text("old")
    ask = ("rank", "-i", "-", "-t", "roles.uwe", "-o", "r.csv")
    shell.error(*ask, text=b"data\n\xff\n")
    assert Path("r.csv").read_text() == "old"
    for wrong in ("r.xlsx", "r", "r.gz", "missing/r.csv", "tiny", "roles.csv/x.csv"):
        assert wrong in shell.error(*ask[:-1], wrong, text="data\n")
    Path("q.csv").write_text("text\ndata\n")
    assert "q.csv" in shell.error("rank", "-i", "q.csv", "-t", "roles.uwe", "-o", "./q.csv")
    assert Path("q.csv").read_text() == "text\ndata\n"
    assert "--json" in shell(*ask, "--json", code=2).stderr
    assert sorted(p.name for p in Path.cwd().iterdir()) == ["q.csv", "r.csv", "roles.uwe", "tiny"]
