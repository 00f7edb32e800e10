"""`uwe extract`: one text to a table, JSON or a page; many to JSON lines or Parquet.

What finds is a stand-in: a target whose label stands in the text.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import uwe
from cli_shell import Shell
from uwe.extraction.findings import Extraction, Finding, Place

TEXT = "We look for a baker.\nA data engineer who bakes; a baker\x1b[31m too."


def extract(text: str, targets: uwe.TargetCache, **settings: Any) -> Extraction:
    least = settings["min_confidence"] or 0.0
    mask = targets.mask(settings["where"])
    found = []
    for index, label in enumerate(targets.labels):
        places = tuple(
            Place(m.start(), m.end() + 5, text[m.start() : m.end() + 5], text, 0.5)
            for m in re.finditer(label, text)
        )
        confidence = len(label) / 20
        if places and mask[index] and confidence >= least:
            found.append(Finding(label, targets.ids[index], index, 0.5, confidence, places))
    found.sort(key=lambda finding: -finding.confidence)
    german = "de" if "Bäcker" in text else None
    return Extraction(text, found, left_out=["a line"] if german else [], language=german)


@pytest.fixture
def shell(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    def stream(texts: Iterable[str], targets: Any, **settings: Any) -> Iterator[Extraction]:
        return (extract(text, targets, **settings) for text in texts)

    module = SimpleNamespace(extract=extract, extract_stream=stream)
    monkeypatch.setitem(sys.modules, "uwe.extraction.extract", module)
    Path("advert.txt").write_text(TEXT)
    return shell


def wanted(text: str, **settings: Any) -> dict[str, Any]:
    space = uwe.TargetCache.open("roles.uwe")
    return extract(text, space, **{"min_confidence": None, "where": None, **settings}).to_dict()


# One text ----------------------------------------------------------------------------------------


def test_one_text_prints_a_table(shell: Shell) -> None:
    done = shell("extract", "advert.txt", "-t", "roles.uwe")
    header, *rows = (re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines())
    assert header == ["confidence", "label", "best place", "places"]
    assert rows == [
        ["0.65", "data engineer", "data engineer who", "1"],
        ["0.25", "baker", "baker. A d", "2"],
    ]
    assert "\x1b" not in shell("extract", "-", "-t", "roles.uwe", text="baker\x1b[2J").stdout


def test_one_text_as_json(shell: Shell) -> None:
    assert shell.json("extract", "advert.txt", "-t", "roles.uwe") == wanted(TEXT)
    found = shell.json("extract", "-", "-t", "roles.uwe", text=TEXT)
    (place, _) = found["findings"][1]["places"]
    assert TEXT[place["start"] : place["end"]] == place["text"]


def test_settings_reach_the_extraction(shell: Shell) -> None:
    arguments = ("extract", "advert.txt", "-t", "roles.uwe")
    least = shell.json(*arguments, "--min-confidence", "0.5")
    assert [finding["label"] for finding in least["findings"]] == ["data engineer"]
    food = shell.json(*arguments, "--where", "family=Food")
    assert [finding["label"] for finding in food["findings"]] == ["baker"]


def test_a_page_is_written_beside_the_table(shell: Shell) -> None:
    done = shell("extract", "advert.txt", "-t", "roles.uwe", "--html", "found.html")
    assert "baker" in done.stdout
    page = Path("found.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<button") == 2


def test_what_qualifies_a_table_is_told(shell: Shell) -> None:
    done = shell("extract", "-", "-t", "roles.uwe", text="Bäcker")
    assert done.stdout == ""
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["a", "nothing"]


def test_a_byte_order_mark_and_line_ends_do_not_move_places(shell: Shell) -> None:
    text = "baker\r\na baker"
    found = shell.json("extract", "-", "-t", "roles.uwe", text=b"\xef\xbb\xbf" + text.encode())
    assert found == wanted(text)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"%PDF-1.4 \xe2\xe3\xcf\xd3", "UTF-8"),
        ("bäcker".encode("latin-1"), "UTF-8"),
        ("baker".encode("utf-16"), "UTF-8"),
        (b"", "blank"),
        (b"a" * ((1 << 24) + 1), "MiB"),
    ],
)
def test_what_is_no_text_is_refused(shell: Shell, data: bytes, word: str) -> None:
    Path("a.bin").write_bytes(data)
    error = shell.error("extract", "a.bin", "-t", "roles.uwe", "--html", "a.html")
    assert error.startswith("uwe: error: a.bin: expected")
    assert word in error
    assert word in shell.error("extract", "-", "-t", "roles.uwe", text=data)
    assert not Path("a.html").exists()


def test_a_missing_file_or_a_folder_is_told(shell: Shell) -> None:
    for name in ("none.txt", "roles.uwe"):
        assert name in shell.error("extract", name, "-t", "roles.uwe")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("advert.txt", "-i", "advert.txt"),
        ("advert.txt", "--field", "a"),
        ("advert.txt", "-o", "a.jsonl"),
        ("-i", "advert.txt", "--html", "a.html"),
        ("-i", "advert.txt", "--field", "a"),
    ],
)
def test_options_that_do_not_go_together(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell("extract", *arguments, "-t", "roles.uwe", code=2)


# Many texts --------------------------------------------------------------------------------------

MANY = ["a baker", "nothing", "spark, data engineer, spark"] * 300


def write_many() -> None:
    lines = [json.dumps({"id": f"n{i}", "body": text}) + "\n" for i, text in enumerate(MANY)]
    Path("many.jsonl").write_text("".join(lines))


def test_bulk_keeps_the_order(shell: Shell) -> None:
    write_many()
    arguments = ("extract", "-i", "many.jsonl", "--field", "body", "-t", "roles.uwe")
    done = shell(*arguments)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    expected = [wanted(text) for text in MANY[:3]]
    assert found == [{"line": i + 1, "id": f"n{i}", **expected[i % 3]} for i in range(len(MANY))]
    written = shell(*arguments, "-o", "found.jsonl")
    assert written.stdout == "found.jsonl\n"
    assert re.search(r"uwe: 900 texts, [\d,.]+ a second", written.stderr)
    assert Path("found.jsonl").read_text() == done.stdout


def test_bulk_reads_and_writes_parquet(shell: Shell) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    write_many()
    rows = [json.loads(line) for line in Path("many.jsonl").read_text().splitlines()]
    parquet.write_table(pa.Table.from_pylist(rows), "many.parquet")
    for source in ("many.jsonl", "many.parquet"):
        shell("extract", "-i", source, "--field", "body", "-t", "roles.uwe", "-o", "found.parquet")
        table = parquet.read_table("found.parquet")
        lines = [i + 1 for i, text in enumerate(MANY) for _ in range(3 if "spark" in text else 1)]
        assert table["line"].to_pylist() == lines
        assert table["text_id"].to_pylist() == [f"n{line - 1}" for line in lines]
        assert table["label"].to_pylist()[:5] == ["baker", None, "data engineer", "spark", "spark"]
        spans = zip(
            *(table[name].to_pylist() for name in ("line", "start", "end", "place")), strict=True
        )
        assert all(MANY[n - 1][a:b] == text for n, a, b, text in spans if text is not None)


def test_an_invalid_entry_stops_or_is_skipped(shell: Shell) -> None:
    text = '{"text": "baker"}\n{"text": 3}\n{"text": "spark"}\n'
    arguments = ("extract", "-i", "-", "--format", "jsonl", "-t", "roles.uwe")
    done = shell(*arguments, text=text, code=1)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr.startswith("uwe: error: line 2")
    done = shell(*arguments, "--skip-invalid", text=text)
    assert [json.loads(line)["line"] for line in done.stdout.splitlines()] == [1, 3]
    assert "skipped 1 invalid entry" in done.stderr


@pytest.mark.parametrize("name", ["found.jsonl", "found.jsonl.gz", "found.parquet"])
def test_what_fails_leaves_the_file_as_it_was(shell: Shell, name: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    Path(name).write_text("of days")
    text = '{"text": "baker"}\n{"text": 3}\n'
    before = sorted(Path().iterdir())
    arguments = ("extract", "-i", "-", "--format", "jsonl", "-t", "roles.uwe", "-o", name)
    assert "line 2" in shell.error(*arguments, text=text)
    assert Path(name).read_text() == "of days"
    assert sorted(Path().iterdir()) == before


def test_the_name_of_the_output_tells_its_form(shell: Shell) -> None:
    assert "rename" in shell.error("extract", "-i", "advert.txt", "-t", "roles.uwe", "-o", "a.xml")


def test_parquet_needs_an_extra(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    Path("many.parquet").touch()
    for arguments in (("-i", "many.parquet"), ("-i", "advert.txt", "-o", "a.parquet")):
        assert "'arrow'" in shell.error("extract", *arguments, "-t", "roles.uwe")


def test_nothing_to_read_is_told(shell: Shell) -> None:
    Path("none.txt").touch()
    done = shell("extract", "-i", "none.txt", "-t", "roles.uwe")
    assert (done.stdout, done.stderr[:17]) == ("", "uwe: no text came")
