"""What is installed: one version everywhere, a wheel with all it needs, a base without torch."""

from __future__ import annotations

import os
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
        "all", "ann", "arrow", "bench", "dev", "enrich", "mcp", "ray", "serve", "train", "xlsx",
    }  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built here."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_is_complete_and_small(wheel: Path) -> None:
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
    assert not [name for name in names if name.startswith(("tests/", "benches/", "rust/", "data/"))]


@pytest.mark.slow
def test_the_wheel_works_in_an_environment_of_its_own(wheel: Path) -> None:
    """The wheel and what it asks for, nothing else; this test needs the package index."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(ROOT / "scripts" / "try_wheel.py"), str(wheel)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
