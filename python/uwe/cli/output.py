"""Plain tables and JSON on standard output; nothing in them can command a terminal."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from uwe.markup import aligned

# C0 but tabs and line feeds, DEL, C1, separators of lines, and what turns the order of characters.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def safe(text: str) -> str:
    """`text` with control characters, and those that turn its direction, as JSON escapes them."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """`text` with each row of white space, line breaks included, as one blank."""
    return " ".join(text.split())


def print_line(text: str) -> None:
    """One line to standard output."""
    sys.stdout.write(safe(text) + "\n")


def as_json(value: Any, *, indent: int | None = None) -> str:
    """A JSON text, in one line without `indent`, which a terminal shows as it is.

    What JSON has no type for, such as a date in Parquet, is written as a text; NaN and infinite
    numbers, which it has not either, as null.
    """
    write = partial(json.dumps, ensure_ascii=False, indent=indent, default=str, allow_nan=False)
    try:
        return safe(write(value))
    except ValueError:
        return safe(write(_finite(value)))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def print_json(value: Any, *, indent: int | None = None) -> None:
    """One JSON value to standard output, as `as_json` writes it."""
    sys.stdout.write(as_json(value, indent=indent) + "\n")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> None:
    """Aligned columns that are never cut: a narrow terminal wraps lines, a pipe gets all.

    Rows are as wide as the header; line breaks in a cell become blanks. `right` has the numbers,
    from 0, of the columns that are aligned to the right: `"02"`.
    """
    table = [[safe(one_line(text)) for text in row] for row in [header, *rows]]
    print_line(aligned(table, set(map(int, right))))
