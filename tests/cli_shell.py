"""`uwe` run in this process, in a folder with a model and a cache."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner, Result

from tiny_model import write_model
from uwe.cli.app import app

ROLES = """id,label,aliases,family,level
R-1,data engineer,data baker|spark engineer,IT,3
R-2,baker,,Food,2
R-3,spark,,IT,4
"""

# The runner makes the parsers of all commands at each call; those of the first one will do.
pytest.MonkeyPatch().setattr("typer.testing._get_command", functools.cache(typer.main.get_command))


class Shell:
    """Runs `uwe` in this process, in a folder with a model and a cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, text: str | bytes | None = None, code: int = 0) -> Result:
        done = CliRunner().invoke(app, arguments, input=text, prog_name="uwe")
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done

    def json(self, *arguments: str, text: str | bytes | None = None) -> Any:
        return json.loads(self(*arguments, "--json", text=text).stdout)

    def lines(self, *arguments: str, text: str | bytes | None = None) -> list[Any]:
        return [json.loads(x) for x in self(*arguments, "--json", text=text).stdout.splitlines()]

    def error(self, *arguments: str, text: str | bytes | None = None) -> str:
        done = self(*arguments, text=text, code=1)
        message = done.stderr.splitlines()[-1]
        assert message.startswith("uwe: error: ")
        return message


@pytest.fixture(scope="session")
def cli_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    write_model(folder / "tiny", max_tokens=64)
    (folder / "roles.csv").write_text(ROLES)
    run = CliRunner().invoke(
        app,
        ["cache", "build", f"{folder}/roles.uwe", "--input", f"{folder}/roles.csv",
         "--model", f"{folder}/tiny"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    return folder


@pytest.fixture
def shell(cli_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").symlink_to(cli_folder / "tiny")
    (tmp_path / "roles.uwe").symlink_to(cli_folder / "roles.uwe")
    monkeypatch.setenv("UWE_CACHE_DIR", str(tmp_path / "caches"))
    return Shell(tmp_path)
