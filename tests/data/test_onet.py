"""O*NET: what is read of the text database and of our tables, and what is refused."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tiny_onet import FOLDER, TABLES, TEST, TRAIN, VAL, write_zip
from uwe.data.onet import held_out, read_onet, write_onet
from uwe.errors import DataError, InputError

QUERIES = "onet_task2dwa/val.queries.jsonl.gz"


@pytest.fixture
def database(tmp_path: Path) -> Any:
    return read_onet(write_zip(tmp_path / "db.zip"))


def test_reads_the_text_database(database: Any) -> None:
    assert database.splits == {TRAIN: "train", TEST: "test", VAL: "val"}
    assert database.tables["alternate_titles"][1] == {
        "O*NET-SOC Code": TRAIN, "Alternate Title": "Chief executives", "Short Title": "",
    }  # fmt: skip
    assert database.tables["task_statements"][0]["Task"] == 'Review "plans" of others.'
    assert database.tables["dwa_reference"][1] == {
        "IWA Title": "Hire personnel.", "DWA ID": "4.A.1.I02.D01", "DWA Title": "Hire personnel.",
    }  # fmt: skip
    rows = database.tables["skill_knowledge_importance"]
    assert [(row["Element ID"], row["Data Value"]) for row in rows] == [
        ("2.A.1", "3.5"), ("2.A.1", "4.0"), ("2.C.1", "3.49"),
    ]  # fmt: skip
    assert list(database.other_titles("train")) == [
        (TRAIN, "Chief Executive Officer"), (TRAIN, "CEO"), (TRAIN, "President"),
    ]  # fmt: skip
    assert database.example_ids("technology_skills") == {
        "Amazon Web Services AWS software": "onet-tech/00000", "Cloud Software": "onet-tech/00001",
        "Microsoft Excel": "onet-tech/00002", "Salesforce CRM": "onet-tech/00003",
    }  # fmt: skip


def test_a_folder_of_the_files_and_our_tables_read_alike(tmp_path: Path, database: Any) -> None:
    for name, lines in TABLES.items():
        (tmp_path / "db" / FOLDER).mkdir(parents=True, exist_ok=True)
        (tmp_path / "db" / FOLDER / name).write_text("\n".join(lines), encoding="utf-8")
    assert read_onet(tmp_path / "db") == database
    write_onet(database, tmp_path / "tables")
    assert read_onet(tmp_path / "tables") == database
    first = {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir()}
    write_onet(database, tmp_path / "tables")
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir()}


def test_a_split_that_is_told_counts(tmp_path: Path, database: Any) -> None:
    write_onet(database, tmp_path / "tables")
    path = tmp_path / "tables" / "occupations.csv.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace(",train\n", ",test\n").encode()))
    assert read_onet(tmp_path / "tables").splits[TRAIN] == "test"
    path.write_bytes(gzip.compress(text.replace(",train\n", ",dev\n").encode()))
    with pytest.raises(DataError, match="dev") as bad:
        read_onet(tmp_path / "tables")
    assert (bad.value.path, bad.value.line) == (path, 2)


def test_variants_of_an_occupation_are_held_out_together() -> None:
    assert {held_out(f"11-2022.0{i}") for i in range(10)} == {"test"}


@pytest.mark.parametrize(
    ("name", "line", "row", "said"),
    [
        ("Occupation Data.txt", 2, f"{TRAIN}\tChief Executives", "3 values"),
        ("Occupation Data.txt", 3, f"{TRAIN}\tTwice\tA second one.", "occurs twice"),
        ("Occupation Data.txt", 2, f"{TRAIN}\t \tDetermine policies.", "expected 'Title'"),
        ("Occupation Data.txt", 1, "O*NET-SOC Code\tName\tDescription", "the column 'Title'"),
        ("Alternate Titles.txt", 4, "99-9999.00\tKing\tn/a\t08", "occupations"),
        ("Task Statements.txt", 3, f"{TRAIN}\t1\tHire.\tCore\tn/a\t1\tA", "'1' occurs twice"),
        ("DWA Reference.txt", 2, "4.A.1\t4.A.1.I09\tx\tReview.", "Reference.txt"),
        ("Tasks to DWAs.txt", 2, f"{TRAIN}\t77\t4.A.1.I01.D01\t1\tA", "'77'"),
        ("Tasks to DWAs.txt", 2, f"{TRAIN}\t1\t4.A.9\t1\tA", "'4.A.9'"),
        ("Skills.txt", 2, f"{TRAIN}\t2.A.1\tWriting\tIM\tn/a\t8\t1", "got 'n/a'"),
        ("Skills.txt", 2, f"{TRAIN}\t2.A.1\tWriting\tIM\tinf\t8\t1", "got 'inf'"),
        ("Knowledge.txt", 2, f"{TRAIN}\t9.Z\tLaw\tIM\t3\t8\t1", "'9.Z'"),
        ("Tools Used.txt", 2, f"{TRAIN}\tLap\udcfftops\t46\tComputers", "expected UTF-8"),
    ],
)
def test_a_malformed_row_is_named(
    tmp_path: Path, name: str, line: int, row: Any, said: str
) -> None:
    lines = list(TABLES[name])
    lines[line - 1] = row
    path = tmp_path / "db.zip"
    tables = {**TABLES, name: lines}
    with_bytes = {n: [x.encode("utf-8", "surrogateescape") for x in ls] for n, ls in tables.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, rows in with_bytes.items():
            archive.writestr(f"{FOLDER}/{member}", b"".join(x + b"\r\n" for x in rows))
    with pytest.raises(DataError, match=said) as caught:
        read_onet(path)
    assert str(caught.value.path) == f"{path}!{FOLDER}/{name}"
    assert caught.value.line == line


@pytest.mark.parametrize("name", [name for name in TABLES if name != "IWA Reference.txt"])
def test_a_missing_or_empty_table_is_named(tmp_path: Path, name: str) -> None:
    rest = {other: lines for other, lines in TABLES.items() if other != name}
    with pytest.raises(DataError, match=name):
        read_onet(write_zip(tmp_path / "db.zip", rest))
    if name not in ("Skills.txt", "Knowledge.txt"):
        with pytest.raises(DataError):
            read_onet(write_zip(tmp_path / "db.zip", {**TABLES, name: TABLES[name][:1]}))


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "db.zip").write_bytes(b"no zip")
    with pytest.raises(DataError):
        read_onet(tmp_path / "db.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        read_onet(tmp_path / "empty")
    path = write_zip(tmp_path / "cut.zip")
    damaged = bytearray(path.read_bytes())
    damaged[60:80] = bytes(20)
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="damaged archive"):
        read_onet(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_any_compression_is_told(tmp_path: Path, method: int) -> None:
    whole = write_zip(tmp_path / "whole.zip")
    with (
        zipfile.ZipFile(whole) as old,
        zipfile.ZipFile(tmp_path / "a.zip", "w", compression=method) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    start = 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
    data[start + 12 : start + 30] = bytes(255 - byte for byte in data[start + 12 : start + 30])
    (tmp_path / "a.zip").write_bytes(data)
    whole.unlink()
    with pytest.raises(DataError, match="damaged archive"):
        read_onet(tmp_path / "a.zip")


@pytest.mark.parametrize(("at", "value"), [(6, b"\xde\x03"), (8, b"\0\x08")])
def test_an_odd_directory_is_told(tmp_path: Path, at: int, value: bytes) -> None:
    """A version that nobody reads; a name in UTF-8 that is none."""
    path = write_zip(tmp_path / "db.zip")
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + at : entry + at + 2] = value
    data[entry + 47] = 0xFF if at == 8 else data[entry + 47]
    path.write_bytes(data)
    with pytest.raises(DataError, match="zip"):
        read_onet(path)


def test_nothing_else_is_replaced(tmp_path: Path, database: Any) -> None:
    (tmp_path / "onet" / FOLDER).mkdir(parents=True)
    with pytest.raises(InputError):
        write_onet(database, tmp_path / "onet")
    assert (tmp_path / "onet" / FOLDER).is_dir()


def test_command(tmp_path: Path, shell: Any) -> None:
    path = write_zip(tmp_path / "db.zip")
    told = shell.json("data", "import", "onet", str(path), "--out", str(tmp_path / "data"))
    assert told["tables"]["occupations"] == 3
    assert told["tasks"]["onet_task2dwa"]["val"] == {"queries": 1, "targets": 2, "judgements": 2}
    printed = shell("data", "import", "onet", str(path), "--out", str(tmp_path / "data")).stdout
    assert "onet_alttitle test: 2 queries x 3 targets, 2 judgements" in printed
    assert "USDOL/ETA" in printed
    queries = gzip.decompress((tmp_path / "data/workbench" / QUERIES).read_bytes()).splitlines()
    assert [json.loads(line)["text"] for line in queries] == ["Review offices."]
    assert (tmp_path / "data/onet/occupations.csv.gz").is_file()
    write_zip(path, {**TABLES, "Skills.txt": [TABLES["Skills.txt"][0], "x"]})
    said = shell.error("data", "import", "onet", str(path), "--out", str(tmp_path / "data"))
    assert "db.zip!db_29_2_text/Skills.txt:2" in said
