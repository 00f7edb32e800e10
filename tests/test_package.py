"""What is installed: one version everywhere, a light import, a wheel with all it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import uwe

ROOT = Path(__file__).parents[1]
WHEEL_LIMIT = 60_000_000


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `statement`."""
    program = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_loads_nothing_heavy() -> None:
    heavy = {"torch", "transformers", "onnxruntime", "tokenizers", "huggingface_hub", "hnswlib"}
    loaded = loaded_by("import uwe")
    assert "uwe" in loaded
    assert not loaded & heavy


def test_reading_the_version_from_the_command_line_loads_nothing_heavy() -> None:
    assert not loaded_by("import uwe.cli") & {"torch", "transformers", "onnxruntime"}


def test_one_version_everywhere() -> None:
    cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', cargo, re.MULTILINE)
    assert found is not None
    assert uwe.__version__ == metadata.version("uwe") == found[1]


def test_every_public_name_is_there_and_documented() -> None:
    assert sorted(uwe.__all__) == list(uwe.__all__)
    for name in uwe.__all__:
        public = getattr(uwe, name)
        assert name == "__version__" or public.__doc__, name


def test_extras_are_those_that_errors_name() -> None:
    assert set(metadata.metadata("uwe").get_all("Provides-Extra") or []) == {
        "all", "ann", "bench", "dev", "train",
    }  # fmt: skip


@pytest.mark.slow
def test_the_wheel_is_complete_and_small(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert "-cp310-abi3-" in wheel.name
    assert wheel.stat().st_size < WHEEL_LIMIT
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        r"uwe/_core\.abi3\.so",
        r"uwe/_core\.pyi",
        r"uwe/py\.typed",
        r"uwe/.*\.onnx",
        r"uwe/.*uwe\.json",
        r"uwe/.*tokenizer\.json",
        r"uwe/.*esco-skills.*",
        r"uwe/.*esco-occupations.*",
        r".*dist-info/.*LICENSE",
        r".*dist-info/.*NOTICE",
    ):
        assert any(re.fullmatch(wanted, name) for name in names), f"the wheel lacks {wanted}"
    assert not [name for name in names if name.startswith(("tests/", "benches/", "rust/"))]
