"""Plain tables and JSON on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["as_json", "print_json", "print_line", "print_table"]


def print_line(text: str) -> None:
    """One line to standard output."""
    sys.stdout.write(text + "\n")


def print_json(value: Any, *, indent: int | None = None) -> None:
    """One JSON value; without `indent`, in one line."""
    print_line(as_json(value, indent=indent))


def as_json(value: Any, *, indent: int | None = None) -> str:
    """A JSON text; what JSON has no type for, such as a date in Parquet, is written as a text."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> None:
    """Aligned columns that are never cut: a narrow terminal wraps lines, a pipe gets all.

    Args:
        header: Names of the columns.
        rows: As wide as the header.
        right: The numbers, from 0, of the columns that are aligned to the right: `"02"`.
    """
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    for row in table:
        cells = (
            text.rjust(width) if str(i) in right else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print_line("  ".join(cells).rstrip())
