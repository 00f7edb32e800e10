"""`uwe bench report`: what it writes, and what it refuses before it writes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.sample_results import sample_results
from uwe.cli.app import app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for model in ("uwe-mini", "bm25"):
        sample_results(models=(model,)).save(tmp_path / f"{model}.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["bench", "report", *arguments], prog_name="uwe")
    assert done.exit_code == code, done.output
    return done


def error(*arguments: str) -> str:
    return run(*arguments, code=1).stderr


def test_writes_both_files(folder: Path) -> None:
    done = run("uwe-mini.json", "bm25.json", "-o", "r.html", "--markdown", "r.md", "--title", "A&B")
    assert done.stdout == "r.html\nr.md\n"
    assert "<h1>A&amp;B</h1>" in (folder / "r.html").read_text()
    assert (folder / "r.md").read_text().startswith("# A&amp;B\n")
    assert sorted(p.name for p in folder.iterdir()) == [
        "bm25.json",
        "r.html",
        "r.md",
        "uwe-mini.json",
    ]


def test_markdown_needs_no_plots(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    run("bm25.json", "--markdown", "r.md")
    assert "pip install 'uwe[bench]'" in error("bm25.json", "-o", "r.html")
    assert not (folder / "r.html").exists()


def test_a_failure_leaves_what_was_there(folder: Path) -> None:
    (folder / "r.html").write_text("old")
    assert "two results" in error("bm25.json", "bm25.json", "-o", "r.html")
    assert (folder / "r.html").read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bm25.json", "-o", "none/r.html"], "expected a folder to write into"),
        (["bm25.json", "-o", "bm25.json"], "expected a file of its own"),
        (["bm25.json", "-o", "r.html", "--markdown", "r.html"], "expected a file of its own"),
        (["missing.json", "-o", "r.html"], "missing.json: No such file"),
    ],
)
def test_bad_arguments(folder: Path, arguments: list[str], message: str) -> None:
    assert message in error(*arguments)
    assert not (folder / "r.html").exists()


def test_nothing_to_write_is_wrong_usage(folder: Path) -> None:
    assert "nothing to write" in run("bm25.json", code=2).stderr
    run(code=2)
