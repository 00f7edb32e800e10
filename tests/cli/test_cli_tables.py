"""`uwe rank` and `uwe extract` from table to table: columns kept, killed and resumed, in order."""

from __future__ import annotations

import csv
import datetime as dt
import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from cli_shell import Shell
from tiny_xlsx import write_xlsx
from uwe.cli import extract, ranking

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

WORDS = ["baker", "data engineer", "spark", "data spark", "baker baker spark"]
TITLES = [WORDS[i % 5] + " data" * (i % 3) for i in range(300)]
TABLE = pa.table(
    {
        "title": TITLES,
        "id": list(range(300)),
        "day": pa.array([dt.date(2026, 1, 1 + i % 28) if i % 7 else None for i in range(300)]),
        "tags": [["a", "b"][: i % 3] for i in range(300)],
        "other": ["x" * 100] * 300,
    }
)
COLUMNS = [
    "line", "text_id", "query", "rank", "label", "score", "confidence", "id", "alias", "read_as",
]  # fmt: skip


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_PART", 64)
    monkeypatch.setattr(extract, "_PART", 8)


def rows_of(path: str) -> list[dict[str, Any]]:
    if path.endswith(".parquet"):
        return list(pq.read_table(path).to_pylist())
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


RANK = ("rank", "-t", "roles.uwe", "-k", "2", "--field", "title")


def test_parquet_in_parquet_out(shell: Shell) -> None:
    pq.write_table(TABLE, "q.parquet", row_group_size=50)
    done = shell(*RANK, "-i", "q.parquet", "-o", "r.parquet", "--keep", "day", "--keep", "tags")
    assert done.stderr.startswith("uwe: 300 texts, ")
    assert done.stderr.rstrip().endswith(" a second")
    table = pq.read_table("r.parquet")
    assert table.column_names == [*COLUMNS, "input.day", "input.tags"]
    assert table.schema.field("input.day").type == pa.date32()
    wanted = uwe.rank_many(TITLES, uwe.TargetCache.open("roles.uwe"), k=2)
    flat = [(i, n, m) for i, of in enumerate(wanted) for n, m in enumerate(of, 1)]
    source = TABLE.to_pylist()
    for row, (i, rank, match) in zip(table.to_pylist(), flat, strict=True):
        assert (row["line"], row["text_id"], row["query"]) == (i + 1, str(i), TITLES[i])
        assert (row["rank"], row["label"], row["score"]) == (rank, match.label, match.score)
        assert (row["id"], row["alias"], row["read_as"]) == (match.id, match.alias, match.read_as)
        assert (row["input.day"], row["input.tags"]) == (source[i]["day"], source[i]["tags"])


def test_all_forms_say_the_same(shell: Shell) -> None:
    pq.write_table(TABLE, "q.parquet")
    rows = TABLE.drop_columns(["tags", "day"]).to_pylist()
    Path("q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Path("q.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="|")
        writer.writeheader()
        writer.writerows(rows)
    cells: dict[str, str | float] = {"A1": "title", "B1": "id"}
    for i, row in enumerate(rows, 2):
        cells |= {f"A{i}": row["title"], f"B{i}": row["id"]}
    write_xlsx(Path("q.xlsx"), cells)
    found = []
    for source in ("q.parquet", "q.jsonl", "q.csv", "q.xlsx"):
        more = ("--delimiter", "|") if source == "q.csv" else ()
        for out in ("r.parquet", "r.csv", "r.tsv", "r.jsonl"):
            shell(*RANK, "-i", source, "-o", out, "--keep", "id", *more)
        found.append(
            [
                (r["text_id"], r["query"], int(r["rank"]), r["label"], float(r["score"]),
                 str(r["input.id"]))
                for r in rows_of("r.parquet")
            ]
        )  # fmt: skip
        for out, mark in (("r.csv", ","), ("r.tsv", "\t")):
            with Path(out).open(newline="") as file:
                written = list(csv.DictReader(file, delimiter=mark))
            scores = [float(row["score"]) for row in written]
            assert scores == pytest.approx([row[4] for row in found[0]], rel=1e-8)
            assert [(r["text_id"], r["label"], r["input.id"]) for r in written] == [
                (row[0], row[3], row[5]) for row in found[0]
            ]
        entries = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
        assert [str(entry["input"]["id"]) for entry in entries] == [str(i) for i in range(300)]
        assert [m["label"] for e in entries for m in e["matches"]] == [row[3] for row in found[0]]
    assert all(one == found[0] for one in found)


def test_what_is_kept_is_printed_too(shell: Shell) -> None:
    Path("q.csv").write_text("title,city\nbaker,Leeds\n")
    done = shell(*RANK, "-i", "q.csv", "--keep", "city")
    assert [line.split("\t")[-1] for line in done.stdout.splitlines()] == ["Leeds", "Leeds"]
    (entry,) = shell.lines(*RANK, "-i", "q.csv", "--keep", "city")
    assert entry["input"] == {"city": "Leeds"}


def test_what_cannot_be_kept_is_told(shell: Shell) -> None:
    Path("q.csv").write_text("title,city\nbaker,Leeds\n")
    pq.write_table(TABLE, "q.parquet")
    for source in ("q.csv", "q.parquet"):
        for out in ("r.parquet", "r.csv"):
            error = shell.error(*RANK, "-i", source, "-o", out, "--keep", "town")
            assert "'town'" in error
            assert "'title'" in error
    Path("q.txt").write_text("baker\n")
    shell("rank", "-t", "roles.uwe", "-i", "q.txt", "--keep", "city", code=2)
    shell("rank", "baker", "-t", "roles.uwe", "--keep", "city", code=2)
    assert not list(Path().glob("r.*"))


def test_a_text_that_is_null_has_its_row(shell: Shell) -> None:
    pq.write_table(pa.table({"title": ["baker", None, "spark"]}), "q.parquet")
    assert "q.parquet:2: " in shell.error(*RANK, "-i", "q.parquet", "-o", "r.parquet")
    done = shell(*RANK, "-i", "q.parquet", "-o", "r.parquet", "--skip-invalid")
    assert "skipped 1 invalid entry" in done.stderr
    assert [row["line"] for row in rows_of("r.parquet")] == [1, 1, 3, 3]


def interrupted(shell: Shell, monkeypatch: pytest.MonkeyPatch, at: int, *arguments: str) -> None:
    """A call that a full disk ends at the text of that number."""
    from uwe.ranking import rank

    stream = rank.rank_stream
    left = at

    def failing(texts: Any, *args: Any, **settings: Any) -> Iterator[Any]:
        nonlocal left
        for found in stream(texts, *args, **settings):
            left -= 1
            if left < 0:
                raise OSError(28, "No space left on device")
            yield found

    with monkeypatch.context() as patch:
        patch.setattr(rank, "rank_stream", failing)
        shell.error(*arguments)


@pytest.mark.parametrize("name", ["r.parquet", "r.csv", "r.jsonl.gz"])
@pytest.mark.parametrize("at", [0, 63, 64, 200, 299])
def test_resumed_is_as_uninterrupted(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    invalid = [None if i in (5, 70, 290) else title for i, title in enumerate(TITLES)]
    pq.write_table(TABLE.set_column(0, "title", pa.array(invalid)), "q.parquet", row_group_size=7)
    call = (*RANK, "-i", "q.parquet", "-o", name, "--keep", "day", "--skip-invalid")
    shell(*call)
    wanted = Path(name).read_bytes()
    Path(name).unlink()
    interrupted(shell, monkeypatch, min(at, 296), *call)
    assert not Path(name).exists()
    parts = min(at, 296) // 64
    assert Path(f"{name}.parts").exists() is (parts > 0)
    done = shell(*call, "--resume")
    assert f"uwe: {297 - 64 * parts} texts, " in done.stderr
    assert "skipped 3 invalid" in done.stderr
    assert Path(name).read_bytes() == wanted
    assert not Path(f"{name}.parts").exists()


def test_a_disk_that_is_full_at_the_end_costs_no_part(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("q.txt").write_text("data\nspark\n")
    call = ("rank", "-t", "roles.uwe", "-i", "q.txt", "-o", "r.csv")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr("uwe.files.parts.shutil.copyfileobj", full)
        done = shell(*call, code=1)
    hint, error = done.stderr.splitlines()
    assert "--resume" in hint
    assert "r.csv: " in error
    assert shell(*call, "--resume").stderr.startswith("uwe: parts that are done: 1;")
    assert Path("r.csv").exists()


def test_parts_of_another_call_are_refused(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(TABLE, "q.parquet")
    call = (*RANK, "-i", "q.parquet", "-o", "r.parquet")
    interrupted(shell, monkeypatch, 100, *call)
    assert "--resume" in shell.error(*call)
    assert "k was 2, not 3" in shell.error(*call[:4], "3", *call[5:], "--resume")
    assert "keep was" in shell.error(*call, "--resume", "--keep", "id")
    pq.write_table(TABLE.slice(1), "p.parquet")
    assert "--input" in shell.error(*RANK, "-i", "p.parquet", "-o", "r.parquet", "--resume")
    Path("roles.uwe").unlink()
    uwe.TargetCache.build(uwe.TextEncoder("tiny"), ["baker", "spark"], path="roles.uwe")
    assert "--targets" in shell.error(*call, "--resume")
    Path("q.txt").write_text("baker\n")
    shell("rank", "-t", "roles.uwe", "-i", "q.txt", "--resume", code=2)
    shell("rank", "-t", "roles.uwe", "-i", "-", "-o", "r.csv", "--resume", text="a", code=2)


def test_an_invalid_entry_far_down_costs_what_is_before_it_nothing(shell: Shell) -> None:
    rows = [{"title": title} for title in TITLES]
    rows[250] = {}  # type: ignore[assignment]
    Path("q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    call = (*RANK, "-i", "q.jsonl", "-o", "r.jsonl")
    assert "q.jsonl:251: " in shell.error(*call)
    done = shell(*call, "--resume", "--skip-invalid")
    assert "uwe: parts that are done: 3;" in done.stderr
    lines = [json.loads(line)["line"] for line in Path("r.jsonl").read_text().splitlines()]
    assert lines == [i for i in range(1, 301) if i != 251]


def test_adverts_from_table_to_table(shell: Shell) -> None:
    uwe.TargetCache.build(uwe.load(), ["SQL", "bake goods"], ids=["S", None], path="skills.uwe")
    adverts = ["We need SQL.", "free fruit", "You bake goods.\nYou know SQL."] * 7
    pq.write_table(pa.table({"text": adverts, "id": list(range(21))}), "a.parquet")
    call = ("extract", "-i", "a.parquet", "-t", "skills.uwe", "--keep", "id")
    for name in ("f.parquet", "f.csv"):
        shell(*call, "-o", name)
    wanted = uwe.extract_many(adverts, uwe.TargetCache.open("skills.uwe")).to_arrow().to_pylist()
    assert any(row["label"] for row in wanted)
    for row, read, one in zip(rows_of("f.parquet"), rows_of("f.csv"), wanted, strict=True):
        number = one.pop("text")
        assert row == {
            "line": number + 1, "text_id": str(number), **one, "input.id": number,
            "confidence": pytest.approx(one["confidence"]),
            "place_confidence": pytest.approx(one["place_confidence"]),
        }  # fmt: skip
        assert read["start"] == ("" if one["start"] is None else str(one["start"]))
        assert read["label"] == (one["label"] or "")


@pytest.mark.parametrize("name", ["skill_head.npz", "calibration.json"])
def test_parts_by_another_head_or_calibration_are_refused(shell: Shell, name: str) -> None:
    shutil.copytree(uwe.load().folder, "mine")
    uwe.TargetCache.build(uwe.load("./mine"), ["SQL", "bake goods"], path="skills.uwe")
    Path("a.jsonl").write_text('{"text": "We need SQL."}\n' * 9 + '{"text": null}\n')
    call = ("extract", "-i", "a.jsonl", "-t", "skills.uwe", "-o", "f.jsonl")
    assert "a.jsonl:10: " in shell.error(*call)
    kept = Path(f"mine/{name}").read_bytes()
    if name == "skill_head.npz":
        arrays = dict(np.load(f"mine/{name}"))
        np.savez(f"mine/{name}", **{**arrays, "out.bias": arrays["out.bias"] + 1})
    else:
        Path(f"mine/{name}").write_text(re.sub(r'"bias": -?', '"bias": 9', kept.decode()))
    assert "a call as this one" in shell.error(*call, "--resume", "--skip-invalid")
    Path(f"mine/{name}").write_bytes(kept)
    assert "parts that are done: 1;" in shell(*call, "--resume", "--skip-invalid").stderr


# As a process ------------------------------------------------------------------------------------

# Small parts, and the most memory that it took, in MiB.
PROGRAM = """
import pathlib, re, sys
from uwe.cli import ranking
from uwe.cli.app import app
ranking._PART = 512
app(sys.argv[1:], standalone_mode=False)
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) // 1024)
"""
UWE = [sys.executable, "-c", PROGRAM]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["r.parquet", "r.csv"])
def test_killed_again_and_again_it_ends_as_uninterrupted(shell: Shell, name: str) -> None:
    titles = [f"{WORDS[i % 5]} {i}" for i in range(8000)]
    pq.write_table(pa.table({"title": titles}), "q.parquet", row_group_size=1000)
    call = [*UWE, *RANK, "-i", "q.parquet", "-o", name]
    subprocess.run(call, check=True, capture_output=True)
    wanted = Path(name).read_bytes()
    Path(name).unlink()
    parts = Path(f"{name}.parts")
    for whole in (0, 1, 3, 6):
        with subprocess.Popen([*call, "--resume"], stderr=subprocess.DEVNULL) as process:
            while len(list(parts.glob("0*"))) < whole or not parts.exists():
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not Path(name).exists()
    done = subprocess.run([*call, "--resume"], check=True, capture_output=True, text=True)
    assert "parts that are done" in done.stderr
    assert Path(name).read_bytes() == wanted
    assert not parts.exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="units of memory")
@pytest.mark.parametrize("row_group", [100, 1_000_000])
def test_memory_does_not_grow_with_the_input(shell: Shell, row_group: int) -> None:
    def peak(rows: int) -> int:
        """MiB for so many rows, of 16 KiB each."""
        notes = [random.Random(i).randbytes(8000).hex() for i in range(rows)]
        table = pa.table({"title": [WORDS[i % 5] for i in range(rows)], "note": notes})
        pq.write_table(table, "q.parquet", row_group_size=row_group)
        call = [*UWE, *RANK, "-i", "q.parquet", "-o", "r.parquet", "--keep", "note"]
        done = subprocess.run(call, check=True, capture_output=True, text=True)
        return int(done.stdout.split()[-1])

    assert peak(10_000) < peak(1000) + 40
