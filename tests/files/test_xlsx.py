"""Texts and targets from Excel's workbooks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tiny_xlsx import write_xlsx
from uwe.corpus import read_queries, read_targets
from uwe.errors import DataError, InputError, MissingExtraError

pytest.importorskip("python_calamine")


def test_rows_are_entries_that_count_as_excel_has_them(tmp_path: Path) -> None:
    path = write_xlsx(
        tmp_path / "a.xlsx",
        {"B3": "title", "C3": "n", "E3": "x", "B4": "baker", "C4": 7, "D4": "a note", "B6": "R & D",
         "C6": 1.5},
    )  # fmt: skip
    found = list(read_queries(path, field="title"))
    assert [(record.line, record.text) for record in found] == [(4, "baker"), (6, "R & D")]
    assert found[0].fields == {"title": "baker", "n": 7, "x": None}
    assert found[1].fields["n"] == 1.5


def test_targets_come_from_excel_too(tmp_path: Path) -> None:
    cells: dict[str, str | float] = {
        "A1": "label", "B1": "aliases", "C1": "level", "A2": "baker", "B2": "a|b", "A3": "cook",
        "C3": 2,
    }  # fmt: skip
    table = read_targets(write_xlsx(tmp_path / "a.xlsx", cells))
    assert (table.labels, table.aliases) == (["baker", "cook"], [["a", "b"], []])
    assert table.metadata == {"level": [None, 2]}


def test_an_invalid_row_has_its_number(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"A1": "text", "A2": "a", "A4": 5, "A5": "b"})
    errors: list[DataError] = []
    assert [record.text for record in read_queries(path, on_invalid=errors.append)] == ["a", "b"]
    assert [error.line for error in errors] == [4]
    with pytest.raises(DataError, match=r"a\.xlsx:4: "):
        list(read_queries(path))


@pytest.mark.parametrize("cells", [{}, {"A1": "body", "A2": "a"}, {"A1": "text", "B1": "text"}])
def test_a_sheet_without_a_header_for_it_is_told(tmp_path: Path, cells: dict[str, str]) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", cells)
    with pytest.raises(DataError, match=r"a\.xlsx.*expected a header"):
        list(read_queries(path))


def test_what_is_no_workbook_is_told(tmp_path: Path) -> None:
    whole = write_xlsx(tmp_path / "a.xlsx", {"A1": "text", "A2": "a"}).read_bytes()
    hole = whole.index(b"worksheets/a.xml") + 20
    for name, data in (
        ("text", b"a text"),
        ("empty", b""),
        ("cut", whole[:-30]),
        ("hole", whole[:hole] + bytes(20) + whole[hole + 20 :]),
    ):
        (path := tmp_path / f"{name}.xlsx").write_bytes(data)
        with pytest.raises(DataError, match=name):
            list(read_queries(path))
    with pytest.raises(FileNotFoundError):
        list(read_queries(tmp_path / "missing.xlsx"))
    with pytest.raises(InputError, match="file"):
        list(read_queries([whole], format="xlsx"))


def test_a_cell_far_off_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"A1": "text", "A2": "a", "XFD1048576": "x"})
    with pytest.raises(DataError, match="16,384 columns"):
        list(read_queries(path))


def test_excel_needs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"A1": "text"})
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtraError, match="'xlsx'"):
        list(read_queries(path))
