"""Sections of text and tables, and how they are written as Markdown and as HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uwe.markup import aligned, cell, document, escaped

if TYPE_CHECKING:
    from uwe.bench.results import Interval


@dataclass(frozen=True)
class Figure:
    """A mean with its interval; prints as `12.3 (11.0–13.5)`, in per cent."""

    interval: Interval | None  # fractions of 1; None prints as a dash
    best: bool = False  # of those that it is compared with

    def __str__(self) -> str:
        if self.interval is None or not math.isfinite(self.interval.mean):
            return "–"
        mean, low, high = (f"{100 * value:.1f}" for value in vars(self.interval).values())
        return f"{mean} ({low}–{high})"


Cell = str | Figure


@dataclass(frozen=True)
class Table:
    """Rows as wide as their header; the columns from `numbers` on are aligned to the right."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: int = 99

    def __str__(self) -> str:
        """Aligned columns, as a terminal shows them."""
        return aligned(
            [self.header, *([str(cell) for cell in row] for row in self.rows)], self._right
        )

    def _repr_html_(self) -> str:
        head, *rows = (
            "".join(
                cell(escaped(str(content)), right=i in self._right, tag=tag)
                for i, content in enumerate(row)
            )
            for row, tag in [(self.header, "th"), *((row, "td") for row in self.rows)]
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    @property
    def _right(self) -> range:
        return range(self.numbers, len(self.header))


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[str | list[str] | Table | Section, ...]  # texts are paragraphs, lists are lists
    folded: bool = False  # whether a page shows the heading alone until it is clicked


def to_markdown(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The text of a Markdown file; the same sections give the same text."""
    lines = [f"# {_safe(title)}", "", _safe(lead), ""]
    for section in sections:
        lines += _markdown(section, 2)
    return "\n".join(lines).rstrip() + "\n"


def _markdown(block: str | list[str] | Table | Section, level: int) -> Iterator[str]:
    if isinstance(block, Section):
        yield from (f"{'#' * level} {_safe(block.title)}", "")
        for inner in block.blocks:
            yield from _markdown(inner, level + 1)
        return
    if isinstance(block, Table):
        yield from markdown_rows(block)
    elif isinstance(block, list):
        yield from (f"- {_safe(item)}" for item in block)
    else:
        yield _safe(block)
    yield ""


def markdown_rows(table: Table) -> Iterator[str]:
    """The lines of a table in Markdown."""
    marks = ["--:" if i >= table.numbers else "---" for i in range(len(table.header))]
    yield f"| {' | '.join(map(_safe, table.header))} |"
    yield f"|{'|'.join(marks)}|"
    for row in table.rows:
        texts = (
            f"**{cell}**" if isinstance(cell, Figure) and cell.best else _safe(str(cell))
            for cell in row
        )
        yield f"| {' | '.join(texts)} |"


def _safe(text: str) -> str:
    """`text` as Markdown that shows it as it is."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An underscore within a word marks nothing.
    return re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """One HTML file without scripts that needs no network; every text in it is escaped."""
    links = "".join(f'<a href="#s{i}">{escaped(s.title)}</a>\n' for i, s in enumerate(sections))
    body = "\n".join(
        f'<section id="s{i}">\n<h2>{escaped(section.title)}</h2>\n'
        + "\n".join(map(_block, section.blocks))
        + "\n</section>"
        for i, section in enumerate(sections)
    )
    whole = f"""<header>
<h1>{escaped(title)}</h1>
<p>{escaped(lead)}</p>
<nav aria-label="Sections">
{links}</nav>
</header>
<main>
{body}
</main>"""
    return document(title, Path(__file__).parent / "page.css", whole, style_attributes=True)


def _block(block: str | list[str] | Table | Section) -> str:
    if isinstance(block, Section):
        inner = "\n".join(map(_block, block.blocks))
        if block.folded:
            return f"<details>\n<summary>{escaped(block.title)}</summary>\n{inner}\n</details>"
        return f"<h3>{escaped(block.title)}</h3>\n{inner}"
    if isinstance(block, list):
        return "<ul>\n" + "\n".join(f"<li>{escaped(item)}</li>" for item in block) + "\n</ul>"
    if isinstance(block, str):
        return f"<p>{escaped(block)}</p>"
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in block.header)
    rows = "\n".join(
        f"<tr>{''.join(_cell(cell, i >= block.numbers) for i, cell in enumerate(row))}</tr>"
        for row in block.rows
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table">\n<table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _cell(cell: Cell, number: bool) -> str:
    """Below a figure lies a bar as long as its mean, with its interval marked."""
    kind = ' class="n"' if number else ""
    if isinstance(cell, str) or cell.interval is None:
        return f"<td{kind}>{escaped(str(cell))}</td>"
    mean, low, high = (f"{100 * value:.1f}%" for value in vars(cell.interval).values())
    first, _, rest = str(cell).partition(" ")
    kind = ' class="n best"' if cell.best else kind
    return (
        f"<td{kind}><b>{first}</b> <small>{rest}</small>"
        f'<i style="--mean:{mean};--low:{low};--high:{high}"></i></td>'
    )
