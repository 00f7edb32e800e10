"""The folders of the Rust core: imports point down only, and no two modules need one another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "rust/src"
FOLDERS = ["error", "tokens", "simd", "metrics", "score", "cache", "python"]

pytestmark = pytest.mark.skipif(not SOURCE.is_dir(), reason="needs the source of the core")


def code(file: Path) -> str:
    """A module without its tests and comments."""
    text = file.read_text(encoding="utf-8").split("#[cfg(test)]\nmod tests {")[0]
    return re.sub(r"//.*", "", text)


def modules() -> list[tuple[str, str, str]]:
    """Room, name within it and code of each module that is no test."""
    found = []
    for file in sorted(SOURCE.rglob("*.rs")):
        folder, *within = file.relative_to(SOURCE).with_suffix("").parts
        if folder != "lib" and "tests" not in within:
            found.append((folder, within[0] if within else "mod", code(file)))
    return found


def test_imports_between_folders_point_down() -> None:
    for folder, name, text in modules():
        for used in set(re.findall(r"\bcrate::(\w+)", text)) & set(FOLDERS):
            assert FOLDERS.index(used) <= FOLDERS.index(folder), f"{folder}/{name} uses {used}"


@pytest.mark.parametrize("folder", ["simd", "score", "cache"])
def test_no_modules_of_a_folder_need_one_another(folder: str) -> None:
    texts: dict[str, str] = {}
    for of, name, text in modules():
        if of == folder and name != "mod":
            texts[name] = texts.get(name, "") + text
    uses = {}
    for name, text in texts.items():
        named = re.findall(rf"\b(?:super|crate::{folder})::(\w+|\{{[^}}]*\}})", text)
        uses[name] = set(re.findall(r"\w+", " ".join(named))) & set(texts) - {name}
    assert any(uses.values())
    reached = {name: set(others) for name, others in uses.items()}
    for _ in uses:
        for others in reached.values():
            others |= {far for near in set(others) for far in reached[near]}
    circles = {
        frozenset({name, other})
        for name in uses
        for other in reached[name]
        if name in reached[other] and name != other
    }
    assert not circles
