"""Texts and targets from Parquet."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from cli_shell import Shell
from uwe.corpus import read_queries, read_targets
from uwe.errors import DataError, InputError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def written(path: Path, **columns: list[Any]) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def test_rows_are_entries_in_their_order(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(1000)]
    path = written(tmp_path / "a.parquet", text=texts, id=list(range(1000)))
    found = list(read_queries(path))
    assert [(record.line, record.text) for record in found] == list(enumerate(texts, 1))
    assert found[7].fields == {"text": "text 7", "id": 7}
    assert [
        r.text
        for r in read_queries(written(tmp_path / "b", body=["x"]), format="parquet", field="body")
    ] == ["x"]
    assert (
        list(read_queries(written(tmp_path / "none.parquet", text=pa.array([], pa.string())))) == []
    )


def test_targets_come_from_parquet_too(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", label=["a", "b"], aliases=[["x", "y"], []], level=[1, 2])
    table = read_targets(path)
    assert (table.labels, table.aliases, table.metadata) == (
        ["a", "b"], [["x", "y"], []], {"level": [1, 2]},
    )  # fmt: skip


def test_an_invalid_row_stops_with_its_number_or_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", text=["a", None, " ", "b"])
    with pytest.raises(DataError, match=r"a\.parquet:2: "):
        list(read_queries(path))
    errors: list[DataError] = []
    assert [record.line for record in read_queries(path, on_invalid=errors.append)] == [1, 4]
    assert [error.line for error in errors] == [2, 3]


def test_a_row_that_is_no_utf_8_is_passed_over(tmp_path: Path) -> None:
    texts = pa.array([b"baker", b"\xe9\xe8", b"cook"], pa.binary()).view(pa.string())
    parquet.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    found = read_queries(tmp_path / "a.parquet")
    assert next(found).text == "baker"
    with pytest.raises(DataError, match=r"a\.parquet:2: expected UTF-8"):
        next(found)
    errors: list[DataError] = []
    read = read_queries(tmp_path / "a.parquet", on_invalid=errors.append)
    assert [(record.line, record.text) for record in read] == [(1, "baker"), (3, "cook")]
    assert [error.line for error in errors] == [2]


def test_ids_may_be_numbers(tmp_path: Path) -> None:
    for numbers in ([7, None], [7.0, None]):
        path = written(tmp_path / "a.parquet", label=["a", "b"], id=numbers)
        assert read_targets(path).ids == ["7", None]
    for wrong in (7.5, float("nan"), True):
        path = written(tmp_path / "a.parquet", label=["a"], id=[wrong])
        with pytest.raises(DataError, match="as text"):
            read_targets(path)


def test_what_is_no_parquet_is_told(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.parquet", text=["a" * 99] * 9).read_bytes()
    for name, data in (
        ("text", b"a text"),
        ("empty", b""),
        ("cut", whole[:-20]),
        ("hole", whole[:8] + bytes(40) + whole[48:]),
    ):
        (path := tmp_path / f"{name}.parquet").write_bytes(data)
        with pytest.raises(DataError, match=f"{name}.*Parquet"):
            list(read_queries(path))
    with pytest.raises(DataError, match=r"'text'.*'body'"):
        list(read_queries(written(tmp_path / "b.parquet", body=["a"])))
    with pytest.raises(FileNotFoundError):
        list(read_queries(tmp_path / "missing.parquet"))
    with pytest.raises(InputError, match="file"):
        list(read_queries([whole], format="parquet"))


def test_what_json_has_no_type_for_is_a_text(shell: Shell) -> None:
    written(Path("a.parquet"), text=["baker"], id=[dt.date(2026, 1, 2)])
    (found,) = shell.lines("rank", "-i", "a.parquet", "-t", "roles.uwe", "-k", "1")
    assert found["id"] == "2026-01-02"
