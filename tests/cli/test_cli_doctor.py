"""`uwe doctor` on installations that work and on those that do not."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from cli_shell import Shell
from uwe import installation
from uwe.encoder.loading import load
from uwe.parallelism import threads
from uwe.ranking import queries


def test_a_sound_installation(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UWE_LLM_KEY", "hunter2")
    found = shell.json("doctor")
    assert found["problems"] == []
    assert found["uwe"] == metadata.version("uwe")
    assert found["packages"]["numpy"] == metadata.version("numpy")
    assert found["threads"] == threads()
    assert found["model"] == {"name": "uwe-mini", "fingerprint": load().fingerprint}
    assert 0 < found["query_ms"]["next"] < found["query_ms"]["first"]
    assert found["environment"]["UWE_LLM_KEY"] == "(set)"
    assert found["cache"]["folder"] == os.environ["UWE_CACHE_DIR"]
    assert not Path(os.environ["UWE_CACHE_DIR"]).exists()  # looking makes nothing
    shown = shell("doctor").stdout
    assert "hunter2" not in shown
    assert metadata.version("onnxruntime") in shown


def test_caches_are_counted(shell: Shell, tmp_path: Path) -> None:
    cache = tmp_path / "caches" / "some.uwe"
    cache.mkdir(parents=True)
    (cache / "data").write_bytes(b"x" * 1000)
    found = shell.json("doctor")["cache"]
    assert found["caches"] == ["some.uwe"]
    assert found["bytes"] == 1000
    assert found["writable"]
    assert found["free_bytes"] > 0


def test_a_folder_that_cannot_be_written(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    shown = shell("doctor", code=1).stdout
    assert "UWE_CACHE_DIR" in shown.splitlines()[-1]
    (Path(os.environ["UWE_CACHE_DIR"]) / "some.uwe").mkdir(parents=True)
    found = shell.json("doctor")  # caches that are there can be used
    assert not found["cache"]["writable"]
    assert found["problems"] == []


def test_an_environment_variable_that_stops_ranking(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uwe.parallelism._chosen", None)
    monkeypatch.setenv("UWE_THREADS", "many")
    assert (
        "problem: expected the environment variable UWE_THREADS" in shell("doctor", code=1).stdout
    )


def test_a_version_that_is_too_old_and_a_missing_extra(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: dict[str, str | None] = {"numpy": "1.26.4", "onnxruntime": None}
    version = installation._version
    monkeypatch.setattr(installation, "_version", lambda name: installed.get(name, version(name)))
    monkeypatch.setattr(
        metadata,
        "requires",
        lambda _: [
            "numpy>=2.0", "onnxruntime>=1.20", "tokenizers>=0.21",
            "nowhere-to-be-found>=3; extra == 'some'",
            "numpy; extra == 'other'",
            "never; python_version < '3' and extra == 'other'",
            "uwe[other,some]; extra == 'all'",
        ],
    )  # fmt: skip
    done = shell("doctor", code=1)
    problems = [line for line in done.stdout.splitlines() if line.startswith("problem: ")]
    assert len(problems) == 2
    assert "pip install 'numpy>=2.0'" in problems[0]
    assert "pip install 'onnxruntime>=1.20'" in problems[1]
    found = installation.examine()
    assert found["extras"] == {"other": [], "some": ["nowhere-to-be-found>=3"]}
    assert found["query_ms"] is None


@pytest.mark.parametrize("lacking", ["onnxruntime", "tokenizers", "uwe._core"])
def test_a_package_that_cannot_be_imported(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    monkeypatch.setitem(sys.modules, lacking, None)
    monkeypatch.setattr(queries, "_shipped_model", load)  # as in a new process: none is loaded
    problems = [
        line for line in shell("doctor", code=1).stdout.splitlines() if line.startswith("problem: ")
    ]
    assert any(lacking in problem and "pip install" in problem for problem in problems)


def test_without_what_every_command_needs() -> None:
    program = "import sys; sys.modules['numpy'] = None; from uwe.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "rank", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "onnxruntime" in done.stderr  # the report
    assert "numpy" in done.stderr.splitlines()[-1]
