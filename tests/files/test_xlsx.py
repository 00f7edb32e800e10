"""Texts and targets from Excel's workbooks."""

from __future__ import annotations

import sys
import zipfile
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


LABEL = '<c r="A1" t="inlineStr"><is><t>text</t></is></c>'
FAR = {
    "small letters": '<row r="2"><c r="xfd1048576"><v>1</v></c></row>',
    "blanks": '<row r="2"><c r = "XFD1048576"><v>1</v></c></row>',
    "another attribute": f'<row r="2"><c foo="{"a" * 300}" r="XFD1048576"><v>1</v></c></row>',
    "a bracket": '<row r="2"><c foo="&gt;>" r="XFD1048576"><v>1</v></c></row>',
    "no names": f'<row r="1048576">{"<c/>" * 16383}<c><v>1</v></c></row>',
    "no such column": '<row r="2"><c r="ZZZZZZZ99999999999"><v>1</v></c></row>',
}


def rewritten(path: Path, sheet: str, name: str = "xl/worksheets/a.xml") -> Path:
    """The workbook with other rows, in a part of another name."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part).decode() for part in archive.namelist()}
    whole = parts.pop("xl/worksheets/a.xml")
    begin, end = whole.index("<sheetData>") + len("<sheetData>"), whole.index("</sheetData>")
    parts[name] = whole[:begin] + sheet + whole[end:]
    relations = parts["xl/_rels/workbook.xml.rels"]
    parts["xl/_rels/workbook.xml.rels"] = relations.replace("worksheets/a.xml", name[3:])
    with zipfile.ZipFile(path, "w") as archive:
        for part, text in parts.items():
            archive.writestr(part, text)
    return path


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("name", ["xl/worksheets/a.xml", "xl/other/sheet"])
def test_a_cell_far_off_is_seen_however_it_is_written(tmp_path: Path, far: str, name: str) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"A1": "text"})
    rewritten(path, f'<row r="1">{LABEL}</row>{FAR[far]}', name)
    with pytest.raises(DataError, match="columns"):
        list(read_queries(path))


def test_cells_without_names_are_read(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"A1": "text"})
    bare = LABEL.replace(' r="A1"', "")
    rewritten(path, f"<row>{bare}</row><row>{bare.replace('text', 'baker')}</row>")
    assert [record.text for record in read_queries(path)] == ["baker"]


@pytest.mark.parametrize("flag", [1, 0x800])  # a password; a name in UTF-8, which it is not
def test_a_workbook_with_odd_flags_is_told(tmp_path: Path, flag: int) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"A1": "text", "A2": "a"})
    data = bytearray(path.read_bytes())
    for mark, flags, name in ((b"PK\1\2", 8, 46), (b"PK\3\4", 6, 30)):
        at = data.index(b"xl/worksheets/a.xml", data.index(mark)) - name
        data[at + flags : at + flags + 2] = flag.to_bytes(2, "little")
        if flag == 0x800:
            data[at + name + 3] = 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match="password"):
        list(read_queries(path))


def test_excel_needs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_xlsx(tmp_path / "a.xlsx", {"A1": "text"})
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtraError, match="'xlsx'"):
        list(read_queries(path))
