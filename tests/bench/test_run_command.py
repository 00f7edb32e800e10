"""`uwe bench run` and `uwe bench tasks`: what is refused early, what an interruption leaves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import uwe
from bench.sample_task import some_task
from uwe.bench.adapters import resolve
from uwe.bench.model import ScoringModel
from uwe.bench.results import read_results
from uwe.cli.app import app
from uwe.data.layout import write_task


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two tasks whose targets differ."""
    task = some_task()
    other = replace(task, targets=[f"{text} too" for text in task.targets])
    write_task(tmp_path / "workbench/job2skill", {"test": task})
    write_task(tmp_path / "workbench/skill2job", {"test": other, "val": other})
    monkeypatch.setenv("UWE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = 0) -> Result:
    found = CliRunner().invoke(app, ["bench", *arguments])
    assert found.exit_code == code, found.output
    return found


def test_a_result_is_written_and_printed(folder: Path) -> None:
    pytest.importorskip("bm25s")
    found = run("run", "-m", "bm25", "-m", "tfidf", "-o", "r.json", "--quiet")
    results = read_results("r.json")
    assert set(results.models) == {"bm25", "tfidf"}
    assert list(results.tasks) == ["job2skill/test", "skill2job/test", "skill2job/val"]
    assert len(results.entries) == 6
    assert "bm25 is clean on job2skill/test" in found.stdout
    assert not Path("r.partial.json").exists()


def test_an_interruption_leaves_what_was_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bm25s")
    whole = resolve.bench_model("tfidf")
    assert isinstance(whole, ScoringModel)

    def prepare(texts: Any) -> Any:
        if texts[0].endswith(" too"):
            raise KeyboardInterrupt
        return whole.prepare(texts)

    monkeypatch.setitem(resolve._LEXICAL, "tfidf", lambda _: replace(whole, prepare=prepare))
    Path("r.json").write_text("what was there")
    found = run("run", "-m", "bm25", "-m", "tfidf", "-o", "r.json", "--quiet", code=130)
    assert "r.partial.json has what was measured until then: 4 figures of MAP" in found.stderr
    assert Path("r.json").read_text() == "what was there"
    left = [(entry.model, entry.task) for entry in read_results("r.partial.json").entries]
    assert left == [
        ("bm25", "job2skill/test"),
        ("bm25", "skill2job/test"),
        ("bm25", "skill2job/val"),
        ("tfidf", "job2skill/test"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "workbench"], "expected a file for the result, got a folder"),
        (["-o", "none/r.json"], "make it first"),
        (["-m", "bm25", "-m", "bm25"], "models of different names, got bm25, bm25"),
        (["--runs", "taken"], "expected a folder for runs, got a file"),
        (["--seed", "-1"], "expected seed to be an integer >= 0"),
        (["--metric", "XP"], "XP"),
        (["--split", "dev"], "expected a split that a task has, val or test with most, got dev"),
        (["--task", "job2skil"], "did you mean job2skill?"),
        (["--task", "./none"], "./none: expected a task folder, found none"),
        (["--task", "mine"], "mine: expected a task folder with targets.jsonl.gz, found job2skill"),
        (["--task", "MELO"], "make it with uwe data import workrb --task MELO"),
        (["-m", "uwe-mini", "-m", "bm25", "-s", "sofft"], "sofft"),
        (["-m", "tfidf", "-m", "bm25", "-s", "max"], "every model here has a way of scoring"),
        (["-m", "uwe-mini", "-s", "max:3"], "scorer 'max' takes no temperature"),
        (["-o", "pipe"], "pipe: expected a file for the result, got no regular one"),
        (["--task", "job2skill", "--task", "mine/job2skill"], "rename a folder of yours"),
        (["--task", "job2skill", "--split", "val"], "job2skill to have the split val, found test"),
    ],
)
def test_mistakes_are_told_before_the_work(
    folder: Path, arguments: list[str], message: str
) -> None:
    pytest.importorskip("bm25s")
    (folder / "taken").write_text("")
    os.mkfifo(folder / "pipe")
    write_task(folder / "mine/job2skill", {"test": some_task()})
    model = [] if "-m" in arguments else ["-m", "bm25"]
    assert message in run("run", *model, *arguments, code=1).stderr


def test_all_may_be_named_and_a_name_beats_a_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bm25s")
    run("run", "-m", "bm25", "--task", "all", "--split", "val", "-o", "all.json", "--quiet")
    assert list(read_results("all.json").tasks) == ["skill2job/val"]
    monkeypatch.chdir(folder / "workbench")
    run("run", "-m", "bm25", "--task", "job2skill", "-o", "one.json", "--quiet")
    assert read_results("one.json").tasks["job2skill/test"].paper == "job2skill"
    whole = uwe.evaluate("bm25", tasks=("all",), splits=["val", "all"])
    assert len(whole.tasks) == 3
    (own,) = uwe.evaluate("bm25", tasks=Path("job2skill")).tasks.values()
    assert own.paper == ""


def test_a_scorer_that_is_not_for_a_model_is_told(folder: Path) -> None:
    pytest.importorskip("bm25s")
    (folder / "uwe-mini").mkdir()  # the name of the shipped model, which wins
    found = run(
        "run", "-m", "uwe-mini", "-m", "bm25", "-s", "max", "--task", "job2skill", "--quiet"
    )
    assert "uwe-mini is the shipped model; the folder here is ./uwe-mini" in found.stderr
    assert "bm25 has a way of scoring of its own: --scorer is for the other" in found.stderr
    assert "uwe-mini  max" in found.stdout


def test_a_wrong_data_folder_is_told_apart_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UWE_DATA", "nowhere")
    assert "nowhere: expected UWE_DATA to name a folder" in run("tasks", code=1).output
    monkeypatch.delenv("UWE_DATA")
    assert "no data folder: set UWE_DATA" in run("tasks").output


def test_tasks_are_listed_in_a_narrow_table(folder: Path) -> None:
    lines = run("tasks").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    start = next(i for i, line in enumerate(lines) if line.startswith("skill2job"))
    assert lines[start].split() == ["skill2job", "skill2job", "test", "40", "x", "30"]
    assert lines[start + 1].split() == ["val", "40", "x", "30"]
    assert "  - has a test split only" in lines
