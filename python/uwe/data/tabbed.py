"""Files of lines whose values are separated by tabs, with or without a header, packed or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from uwe.errors import DataError
from uwe.files.records import checked, decoded, lines_of

__all__ = ["MORE", "tabbed_rows"]

MORE = " ..."
"""Ends the name of a last column that stands for one value or several."""


def tabbed_rows(
    path: Path, columns: Sequence[str], *, header: bool = True, optional: Collection[str] = ()
) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped values of each line that is not blank.

    Args:
        path: The file; one that ends in .gz is unpacked.
        columns: Their names. If the last ends in `MORE`, a line may have several values there.
        header: Whether the file begins with the names.
        optional: Names of columns that may be blank.

    Raises:
        DataError: If the header or the number of values is another, a value is blank, or a line is
            no UTF-8; with the path and the line. Also if the file is damaged.
        OSError: If it cannot be read.
    """
    width, listed = len(columns), ", ".join(columns)
    more = columns[-1].endswith(MORE)
    with lines_of(path) as lines:
        for number, raw in decoded(lines):
            if not raw.strip(" \r\n"):
                continue
            values = raw.rstrip("\r\n").split("\t")
            checked({"": values}, path, number)
            if header and number == 1:
                if values != list(columns):
                    raise DataError(
                        f"expected the columns {listed}, separated by tabs, got "
                        f"{', '.join(values)}: mend the header",
                        path=path,
                        line=number,
                    )
                continue
            if len(values) < width or (len(values) > width and not more):
                raise DataError(
                    f"expected {width} values {'or more ' if more else ''}({listed}), separated by "
                    f"tabs, got {len(values)}: mend the line",
                    path=path,
                    line=number,
                )
            values = [value.strip() for value in values]
            for i, value in enumerate(values):
                if not value and (column := columns[min(i, width - 1)]) not in optional:
                    raise DataError(
                        f"expected a text in {column.removesuffix(MORE)}, got a blank value: mend "
                        "the line, or leave it out",
                        path=path,
                        line=number,
                    )
            yield number, values
