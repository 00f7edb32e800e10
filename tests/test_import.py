"""`import uwe` is light, and its names are all there."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import uwe

HEAVY = (
    "torch", "transformers", "onnxruntime", "tokenizers", "huggingface_hub", "numpy", "rich",
    "hnswlib",
)  # fmt: skip


def modules_after(statement: str) -> list[str]:
    program = f"import json, sys; {statement}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def test_import_loads_neither_a_runtime_nor_numpy() -> None:
    loaded = modules_after("import uwe")
    assert "uwe" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)


def test_ranking_code_loads_no_torch_and_no_runtime_before_a_model_encodes() -> None:
    loaded = modules_after("import uwe; uwe.rank, uwe.TargetCache, uwe.space_cache, uwe.explain")
    assert not set(loaded) & {"torch", "transformers", "onnxruntime", "tokenizers", "hnswlib"}


def test_the_command_line_starts_light() -> None:
    loaded = modules_after("import uwe.cli")
    assert not set(loaded) & {"torch", "onnxruntime", "tokenizers", "uwe._core"}


def test_type_checkers_see_every_public_name() -> None:
    """The imports for type checkers, the table of modules and `__all__` say the same."""
    tree = ast.parse(Path(uwe.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("uwe.")
        for alias in node.names
    }
    assert sorted([*map(str, seen), "__version__"]) == uwe.__all__
    for name, module in seen.items():
        assert getattr(uwe, str(name)) is getattr(importlib.import_module(str(module)), str(name))
        assert name in dir(uwe)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = uwe.nothing  # type: ignore[attr-defined]
