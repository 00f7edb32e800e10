"""The recipes for running the service are what their tools take."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[1] / "deploy"


def test_the_dockerfile_passes_its_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_the_unit_is_one_that_systemd_reads(tmp_path: Path) -> None:
    unit = (DEPLOY / "uwe.service").read_text().replace("/opt/uwe/bin/uwe", sys.executable)
    (tmp_path / "uwe.service").write_text(unit)
    command = ["systemd-analyze", "verify", "--recursive-errors=no", tmp_path / "uwe.service"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "uwe.service" not in done.stderr, done.stderr
