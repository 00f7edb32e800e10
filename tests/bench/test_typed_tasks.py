"""What people type, evaluated: both variants of each set, and what is printed of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import uwe
from bench.sample_task import some_task
from conftest import HashEncoder
from tiny_typed import LABELS, use_space, write_typed
from uwe.bench import space
from uwe.bench.model import ScoringModel
from uwe.bench.tasks import chosen_tasks
from uwe.bench.typed_tasks import TYPED_TASKS
from uwe.cli.app import app
from uwe.data.layout import write_task
from uwe.errors import DataError, InputError


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A data folder with the six sets; not for tests of the provided ones."""
    if "data_folder" not in request.fixturenames:
        use_space(monkeypatch)
        monkeypatch.setenv("UWE_DATA", str(tmp_path))
    write_typed(tmp_path)
    return tmp_path


def test_names_are_ranked_in_one_variant_alone(encoder: HashEncoder) -> None:
    names = ["typed_titles", "typed_titles_names"]
    found = uwe.evaluate(encoder, tasks=names, scorer=["max", "soft:0.5", "soft:0.5/pooled"])
    plain, named = (found.tasks[f"{name}/val"] for name in names)
    assert (plain.aliases, named.aliases) == (0, 3)
    assert (plain.queries, plain.left_out, plain.pairs) == (3, 1, 4)
    assert plain.seals == named.seals
    both = {entry.task: entry for entry in found.entries if entry.scorer == "max"}
    assert [len(ranks) for ranks in both["typed_titles/val"].ranks] == [3, 0, 1]
    scored = uwe.evaluate(encoder, tasks="typed_titles", scorer="max", aliases=True)
    assert scored.entries[0].ranks == both["typed_titles_names/val"].ranks
    assert scored.entries[0].hardest == both["typed_titles_names/val"].hardest


def test_the_names_variant_asks_one_function(
    encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []

    def backwards(queries: list[str], cache: uwe.TargetCache, scorer: uwe.Scorer, k: int) -> object:
        asked.append(k)
        order = np.tile(np.arange(len(cache))[::-1], (len(queries), 1))[:, :k]
        return np.ascontiguousarray(order), order.astype(np.float32)

    monkeypatch.setattr(space, "ranked_by_names", backwards)
    tasks = ["typed_titles_names", "typed_keywords"]
    found = uwe.evaluate(encoder, tasks=tasks, scorer="max", runs=tmp_path / "runs", depth=2)
    entry = found.entries[0]
    assert entry.ranks == ((2, 3, 4), (), (2,))
    assert [case["label"] for case in entry.hardest[0]["ranked"]] == list(LABELS[::-1])
    assert asked == [4, 2, 5]  # ranks, runs, the hardest queries


def test_a_reader_is_told_how_many_queries_are_names(
    encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(name: str) -> str:
        (record,) = uwe.evaluate(encoder, tasks=name, scorer="max").tasks.values()
        return next((note for note in record.notes if "a name of the space" in note), "")

    assert note("typed_titles_names").startswith(
        "1 of 3 queries are, but for case, a name of the space, 1 of these a name of an accepted"
    )
    assert note("typed_keywords_names").startswith("0 of 1 queries are")
    assert not note("typed_titles")
    use_space(monkeypatch, None)
    assert note("typed_advert_titles_names").startswith("2 of 2 queries are")
    (record,) = uwe.evaluate(encoder, tasks="typed_titles_names", scorer="max").tasks.values()
    assert "its targets have no aliases: labels alone were scored" in record.notes


def test_a_model_that_scores_by_itself_gets_the_names_as_texts() -> None:
    model = ScoringModel(
        name="same", kind="callable",
        prepare=lambda texts: lambda queries: np.array(
            [[float(t.casefold() == q.casefold()) for t in texts] for q in queries],
            dtype=np.float32,
        ),
    )  # fmt: skip
    found = uwe.evaluate(model, tasks=["typed_titles", "typed_titles_names"])
    assert [entry.ranks[2] for entry in found.entries] == [(3,), (1,)]


def test_typed_means_all_that_are_there(data: Path) -> None:
    assert [task for task, _ in chosen_tasks("typed", data)] == list(TYPED_TASKS)
    assert len(TYPED_TASKS) == 12
    (data / "typed/titles.tsv").unlink()
    assert len(chosen_tasks(["typed", "typed_titles"][:1], data)) == 10
    with pytest.raises(DataError, match="typed_titles"):
        chosen_tasks("typed_titles", data)
    with pytest.raises(DataError, match="typed/"):
        chosen_tasks("typed", data / "typed")
    with pytest.raises(InputError, match="different"):
        chosen_tasks(["typed", "typed_keywords"], data)
    with pytest.raises(InputError, match="split"):
        uwe.evaluate("uwe-mini", tasks="typed", splits="test")


def test_all_stays_workbench(data: Path) -> None:
    with pytest.raises(DataError, match="WorkBench"):
        chosen_tasks("all", data)
    write_task(data / "workbench/job2skill", {"test": some_task()})
    assert [task.name for task, _ in chosen_tasks("all", data)] == ["job2skill"]
    assert len(chosen_tasks(["all", "typed"], data)) == 13


def test_hits_are_printed_and_queries_without_an_answer_counted(data: Path) -> None:
    pytest.importorskip("bm25s")
    write_task(data / "workbench/job2skill", {"test": some_task()})

    def printed(*arguments: str) -> list[str]:
        found = CliRunner().invoke(app, ["bench", "run", "-m", "bm25", "--quiet", *arguments])
        assert found.exit_code == 0, found.output
        return found.stdout.splitlines()

    lines = printed("--task", "typed_titles")
    assert lines[0].split()[-3:] == ["hit@1", "hit@5", "hit@10"]
    assert lines[1].startswith("typed_titles/val")
    assert any("1 queries have no relevant target: no mean counts them" in line for line in lines)
    lines = printed("--task", "job2skill", "--task", "typed_titles")
    assert lines[0].split()[-2:] == ["MAP", "RP@10"]
    assert lines[3].split()[-3:] == ["hit@1", "hit@5", "hit@10"]
    assert printed("--task", "typed_titles", "--metric", "hit@1")[0].split()[-2:] == [
        "MAP",
        "hit@1",
    ]


def test_typed_tasks_are_listed() -> None:
    found = CliRunner().invoke(app, ["bench", "tasks"])
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("typed_titles_names ")]
    assert line.split() == ["typed_titles_names", "-", "val", "3", "x", "4"]
    assert max(map(len, lines)) <= 100


def test_the_provided_titles(data_folder: Path, encoder: HashEncoder) -> None:
    tasks = ["typed_titles", "typed_titles_names"]
    found = uwe.evaluate(encoder, tasks=tasks, data=data_folder, scorer="pooled")
    for record in found.tasks.values():
        assert (record.queries, record.left_out, record.targets) == (248, 30, 3039)
    for entry in found.entries:
        assert entry.metrics["hit@1"].mean <= entry.metrics["hit@10"].mean > 0
