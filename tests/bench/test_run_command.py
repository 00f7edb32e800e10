"""`uwe bench run` and `uwe bench tasks`: what is refused early, what an interruption leaves."""

from __future__ import annotations

import json
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

    monkeypatch.setitem(resolve._LEXICAL, "tfidf", lambda: replace(whole, prepare=prepare))
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
        (["-o", "workbench"], "got a folder"),
        (["-o", "none/r.json"], "make it first"),
        (["-m", "bm25", "-m", "bm25"], "bm25, bm25"),
        (["--runs", "taken"], "folder for runs"),
        (["--seed", "-1"], "seed"),
        (["--metric", "XP"], "XP"),
        (["--split", "dev"], "dev"),
        (["--task", "job2skil"], "job2skill?"),
        (["--task", "./none"], "./none"),
        (["--task", "mine"], "targets.jsonl.gz"),
        (["--task", "MELO"], "uwe data import workrb --task MELO"),
        (["-m", "uwe-mini", "-m", "bm25", "-s", "sofft"], "sofft"),
        (["-m", "tfidf", "-m", "bm25", "-s", "max"], "--scorer"),
        (["-m", "uwe-mini", "-s", "max:3"], "temperature"),
        (["-o", "pipe"], "pipe"),
        (["--task", "job2skill", "--task", "mine/job2skill"], "rename"),
        (["--task", "job2skill", "--split", "val"], "split val"),
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


def test_tasks_are_listed_with_what_is_there(folder: Path) -> None:
    assert "skill2job" in run("tasks").stdout
    found = {task["name"]: task for task in json.loads(run("tasks", "--json").stdout)}
    assert [split["split"] for split in found["skill2job"]["splits"]] == ["test", "val"]
    assert (found["skill2job"]["splits"][0]["queries"], found["MELO"]["splits"]) == (40, [])


def test_each_figure_is_told_as_it_comes(folder: Path) -> None:
    pytest.importorskip("bm25s")
    found = run("run", "-m", "bm25", "-m", "tfidf", "--metric", "hit@1")
    told = [line for line in found.stderr.splitlines() if "hit@1" in line]
    assert [line.split()[1].strip(",") for line in told] == ["bm25"] * 3 + ["tfidf"] * 3
