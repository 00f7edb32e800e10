"""Plain tables, JSON, and progress bars on terminals."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["counting", "print_json", "print_line", "print_table"]


def print_line(text: str) -> None:
    """One line to standard output."""
    sys.stdout.write(text + "\n")


def print_json(value: Any, *, indent: int | None = None) -> None:
    """One JSON value; without `indent`, in one line."""
    print_line(json.dumps(value, ensure_ascii=False, indent=indent))


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


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], object]]:
    """A bar on standard error that counts; silent unless that alone is a terminal.

    Where standard output is one, what is printed meanwhile shows how far it is.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed} {task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done: bar.update(task, completed=done)
