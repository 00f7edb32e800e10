"""Write the tree in CONTRIBUTING.md: one line a file, from the first sentence of its own text.

python scripts/make_tree.py            writes it
python scripts/make_tree.py --check    exits with 1 if it is out of date
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
BLOCK = re.compile(r"(?<=\n## The tree\n\n```text\n).*?(?=\n```\n)", re.DOTALL)

# What has no first sentence of its own. A folder that is named here is one line.
SAID = {
    ".ci/run": "What a change must pass.",
    ".gitignore": "",
    "CHANGELOG.md": "What changes for users.",
    "CONTRIBUTING.md": "This page.",
    "Cargo.lock": "",
    "Cargo.toml": "The crate: version, dependencies, lints.",
    "LICENSE": "Apache-2.0.",
    "Makefile": "`make help` lists what it does.",
    "NOTICE": "What others' work asks to be said.",
    "README.md": "For users.",
    "clippy.toml": "The crate's layers: what may touch files.",
    "constraints.txt": "Exact versions of what tests and checks run with.",
    "pyproject.toml": "The package: dependencies, tools, layers.",
    "python/uwe/assets/spaces": "The built-in target spaces.",
    "models/uwe-mini-clean": "For comparisons: trained without ESCO's relations and aliases.",
    "python/uwe/assets/uwe-mini": "The shipped model.",
    "python/uwe/py.typed": "",
    "rustfmt.toml": "",
}


def first_sentence(path: Path) -> str:
    """Of a module's docstring, a crate's `//!` lines, or a page's title."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in {".py", ".pyi"}:
        found = re.search(r'\A(?:#[^\n]*\n)*\s*"""(.+?)("""|\n\n)', text, re.DOTALL)
    elif path.suffix == ".rs":
        found = re.search(r"\A(?:#!\[[^\n]*\n)*((?://! ?[^\n]+\n)+)", text)
    else:
        found = re.search(r"\A# ([^\n]+)\n", text)
    if found is None:
        raise SystemExit(f"{path}: begins with no sentence that says what it is; add one")
    words = " ".join(re.sub(r"^//! ?", "", found[1], flags=re.MULTILINE).split())
    return re.split(r"(?<=[^.]\.)\s", words)[0]


def described() -> dict[str, str]:
    """Every tracked path that has a line of its own, with that line, in order."""
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines: dict[str, str] = {}
    for name in sorted(listed.stdout.splitlines()):
        folder = next((said for said in SAID if name == said or name.startswith(f"{said}/")), None)
        path = ROOT / name
        if folder is not None:
            lines[folder] = SAID[folder]
        elif path.suffix in {".py", ".pyi", ".rs", ".md"} and path.exists():
            lines[name] = first_sentence(path)
    return lines


def tree(lines: dict[str, str]) -> str:
    """The paths, indented by folder, their sentences in one column."""
    rows: list[tuple[str, str]] = []
    shown: tuple[str, ...] = ()
    files_first = sorted(lines, key=lambda p: [(i < p.count("/"), x) for i, x in _parts(p)])
    for name in files_first:
        *folders, file = name.split("/")
        for depth, folder in enumerate(folders):
            if tuple(folders[: depth + 1]) != shown[: depth + 1]:
                rows.append((f"{'  ' * depth}{folder}/", ""))
        shown = tuple(folders)
        rows.append((f"{'  ' * len(folders)}{file}", lines[name]))
    width = max(len(row[0]) for row in rows) + 2
    return "\n".join(f"{place:<{width}}{text}".rstrip() for place, text in rows)


def _parts(path: str) -> list[tuple[int, str]]:
    return list(enumerate(path.split("/")))


def main() -> int:
    """Write or check the page."""
    page = PAGE.read_text(encoding="utf-8")
    if not BLOCK.search(page):
        raise SystemExit("CONTRIBUTING.md: the block under '## The tree' is missing")
    current = tree(described())
    wanted = BLOCK.sub(lambda _: current, page)
    if "--check" in sys.argv[1:]:
        if wanted != page:
            print("CONTRIBUTING.md: the tree is out of date; run  make tree", file=sys.stderr)
        return int(wanted != page)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
