"""A workbook of one sheet, as small as Excel's readers take it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def write_xlsx(path: Path, cells: dict[str, str | float]) -> Path:
    """Write a workbook with these cells, by their names, such as `B3`; row by row."""
    rows: dict[str, str] = {}
    for name, value in cells.items():
        text = f"<is><t>{escape(str(value))}</t></is>"
        kind, text = ("inlineStr", text) if isinstance(value, str) else ("n", f"<v>{value}</v>")
        row = name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        rows[row] = rows.get(row, "") + f'<c r="{name}" t="{kind}">{text}</c>'
    sheet = "".join(f'<row r="{number}">{row}</row>' for number, row in rows.items())

    def relation(target: str, kind: str) -> str:
        one = f'<Relationship Id="r" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        return f'<Relationships xmlns="{_RELATIONS}">{one}</Relationships>'

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_CONTENT}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/a.xml" ContentType="{_CONTENT}.worksheet+xml"/>'
            "</Types>",
        )
        archive.writestr("_rels/.rels", relation("xl/workbook.xml", "officeDocument"))
        archive.writestr("xl/_rels/workbook.xml.rels", relation("worksheets/a.xml", "worksheet"))
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
            '<sheets><sheet name="a" sheetId="1" r:id="r"/></sheets></workbook>',
        )
        archive.writestr(
            "xl/worksheets/a.xml",
            f'<worksheet xmlns="{_MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
        )
    return path
