"""Reading Markdown: its fenced blocks, and whether what a block printed is what the page shows."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Scores differ in the last digits between instruction sets; a page must not depend on them.
SCORE_TOLERANCE = 2e-3
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and the line of the page where it starts."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a Markdown page, in order."""
    found: list[Block] = []
    language: str | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if language is None and line.startswith("```"):
            language, lines = line[3:].strip(), []
        elif line == "```" and language is not None:
            found.append(Block(language, "\n".join(lines), number - len(lines)))
            language = None
        else:
            lines.append(line)
    return found


def run_python(block: Block, names: dict[str, Any]) -> str:
    """What the block prints, and the repr of its last expression, as an interpreter shows it.

    An exception ends the block and is shown as the last line of its traceback.
    """
    body = ast.parse(block.text).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(ast.Module(body, []), "<README>", "exec"), names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "<README>", "eval"), names)
                if value is not None:
                    print(repr(value))
        except Exception as error:  # noqa: BLE001  the page shows errors, too
            print(f"{type(error).__module__}.{type(error).__qualname__}: {error}")
    return printed.getvalue()


def differ(shown: str, came: str, *, tolerance: float = SCORE_TOLERANCE) -> bool:
    """Do two outputs differ by more than white space and the last digits of scores?

    Numbers above 1, such as per cents, may differ by a share of them.
    """
    numbers = [[float(x) for x in _NUMBER.findall(text)] for text in (shown, came)]
    words = ["".join(_NUMBER.sub("0", text).split()) for text in (shown, came)]
    return (
        words[0] != words[1]
        or len(numbers[0]) != len(numbers[1])
        or any(abs(a - b) > tolerance * max(1.0, abs(a)) for a, b in zip(*numbers, strict=True))
    )
