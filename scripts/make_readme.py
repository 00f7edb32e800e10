"""Write again what the README's examples print: after a change of the shipped model, say.

    python scripts/make_readme.py

Prose is left alone: read it again where a figure or a label has changed.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from readme import Block, differ, run_python  # noqa: E402  the path above comes first
from test_readme import BLOCKS, HOME, README, TABLE, first_table, run_console  # noqa: E402


def main() -> None:
    """Run them all, and put what came into their places."""
    lines = README.read_text(encoding="utf-8").splitlines()
    outputs: list[tuple[Block, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        names: dict[str, object] = {"__name__": "readme"}
        for block, after in zip(BLOCKS, [*BLOCKS[1:], None], strict=True):
            if block.language == "python":
                came = run_python(block, names).replace(folder, HOME)
                if after is not None and after.language == "text":
                    outputs.append((after, came))
            elif block.language == "console":
                outputs.append((block, run_console(block, Path(folder))))
        outputs.append((TABLE, first_table(Path(folder))))
    for block, text in sorted(outputs, key=lambda output: -output[0].line):
        if not differ(block.text, text):
            continue  # lines may be broken where a reader wants them
        failed = re.search(r"^[\w.]+(Error|Exception|Warning): .*", text, re.MULTILINE)
        if failed and "Error: " not in block.text:
            raise SystemExit(f"README.md:{block.line}: {failed[0]}")
        start = block.line - 1
        lines[start : start + len(block.text.splitlines())] = text.rstrip("\n").splitlines()
    README.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
