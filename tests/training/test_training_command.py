"""`uwe train` as it is typed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from bench.sample_task import some_task
from cli_shell import Shell
from tiny_run import write_data, write_recipe
from tiny_written import write_texts
from uwe.data.layout import write_task
from uwe.extraction.skill_head import SkillHead


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    write_data(folder / "data")
    write_recipe(folder)
    return folder


def test_a_recipe_is_trained_resumed_and_drawn(shell: Shell, folder: Path) -> None:
    recipe, run = str(folder / "tiny.toml"), str(folder / "run")
    changes = ("--set", "validation.tasks=[]", "--data", str(folder / "data"), "--cpu")
    done = shell("train", recipe, "--out", run, *changes)
    assert "run/model: step 12 of 12" in done.stdout
    assert "step 12 of 12: loss" in done.stderr
    message = shell.error("train", recipe, "--out", run, *changes)
    assert "go on with --resume" in message
    again = shell.json("train", "run", recipe, "--out", run, "--resume", "--quiet", *changes)
    assert (again["step"], again["steps"]) == (12, 12)
    for suffix in ("svg", "png"):
        picture = folder / f"curves.{suffix}"
        assert shell("train", "report", run, "-o", str(picture)).stderr == ""
        assert picture.stat().st_size > 10_000
    assert "Loss of each graph" in (folder / "curves.svg").read_text()
    assert "expected a file ending with .svg, .png, .pdf" in shell.error(
        "train", "report", run, "-o", "a.gif"
    )
    assert "Curves of run" in (folder / "curves.svg").read_text()
    assert "found no step" in shell.error("train", "report", str(folder))


def test_validation_reads_val_splits_alone(shell: Shell, folder: Path) -> None:
    task = folder / "data" / "held" / "mine"
    task.mkdir(parents=True)

    def write(name: str, lines: list[str]) -> None:
        with gzip.open(task / name, "wt", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    write("targets.jsonl.gz", [json.dumps({"id": t, "text": t}) for t in ("spark", "care")])
    for split in ("val", "test"):
        write(f"{split}.queries.jsonl.gz", [json.dumps({"id": "q", "text": "nurse"})])
    write("val.qrels.tsv.gz", ["q\t0\tcare\t1"])
    write("test.qrels.tsv.gz", ["this would not be read as judgements"])
    found = shell.json(
        "train", str(folder / "tiny.toml"), "--out", str(folder / "held-run"), "--quiet", "--cpu",
        "--data", str(folder / "data"), "--set", 'validation.tasks=["held/mine"]',
        "--set", "optimizer.steps=4",
    )  # fmt: skip
    assert set(found["validation"]) == {"held/mine"}
    assert set(found["validation"]["held/mine"]) == {"MAP", "RP@10"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('validation.tasks=["skilnorm"]', "skillnorm"),
        ('validation.tasks=["held/none"]', "held/none"),
        ('validation.tasks=["all"]', "stands for several"),
        ('validation.tasks=["a/mine", "b/mine"]', "validation tasks of different names"),
        ('validation.metrics=["PR@10"]', "PR@10"),
    ],
)
def test_a_validation_that_can_not_be_is_refused_at_the_start(
    shell: Shell, folder: Path, change: str, words: str
) -> None:
    out = folder / "refused-run"
    for name in ("jobnorm", "skillnorm"):
        write_task(folder / "data/workbench" / name, {"val": some_task(8, 8)})
    message = shell.error(
        "train", str(folder / "tiny.toml"), "--out", str(out), "--cpu",
        "--data", str(folder / "data"), "--set", "validation.tasks=[]", "--set", change,
    )  # fmt: skip
    assert words in message
    assert not out.exists()


def test_a_recipe_that_is_not_there_is_named(shell: Shell, folder: Path) -> None:
    message = shell.error("train", "nowhere.toml", "--data", str(folder / "data"))
    assert "nowhere.toml: No such file or directory: correct the path" in message


def test_a_skill_head_is_trained_and_evaluated(shell: Shell, tmp_path: Path) -> None:
    data = write_texts(tmp_path / "data")
    lines = [
        {"doc": str(i // 4), "text": text, "skills": spans, "knowledge": []}
        for i, (text, spans) in enumerate(
            [("Spark engineer", [[0, 5]]), ("baker", []), ("data, Spark", [[6, 11]])] * 8
        )
    ]
    packed = gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode())
    (data / "skillspan").mkdir()
    for split in ("train", "dev"):
        (data / "skillspan" / f"{split}.jsonl.gz").write_bytes(packed)
    silent = data / "written" / "no_skill_lines.txt.gz"
    silent.write_bytes(gzip.compress(b"25 days of holiday\n"))

    options = ("train", "skill-head", "--model", "tiny", "--data", str(data))
    found = shell.json(*options, "--out", "head.npz", "--quiet")
    assert (found["lines"], found["asking"]) == (24, 16)
    assert {"alone", "in_context", "threshold", "token_f1", "strict_f1", "loose_f1"} < set(found)
    SkillHead(tmp_path / "head.npz", dim=3)
    done = shell(*options, "--out", "new/head.npz", "--seed", "0")
    assert f"token_f1: {found['token_f1']:.3f}" in done.stdout
    assert (tmp_path / "new" / "head.npz").read_bytes() == (tmp_path / "head.npz").read_bytes()
    silent.unlink()
    assert "no_skill_lines.txt.gz" in shell.error(*options, "--out", "head.npz", "--quiet")


def test_the_skill_head_command_explains_itself(shell: Shell) -> None:
    text = shell("train", "skill-head", "--help").stdout
    assert all(option in text for option in ("--out", "--model", "--data", "--seed", "--json"))
