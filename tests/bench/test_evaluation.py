"""Evaluation: the figures of a full matrix of scores, without it; nothing is left out unsaid."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import uwe
from bench.sample_task import some_folder, some_task
from conftest import HashEncoder
from tiny_model import write_model
from uwe.bench.model import ALL_SCORINGS, Scoring, ScoringModel
from uwe.bench.report import REGIMES
from uwe.bench.results import METRICS, Results
from uwe.corpus import RankingTask, read_task
from uwe.data.layout import write_task
from uwe.encoder.tokens import TokenVectors
from uwe.errors import DataError, InputError

# For calls that a type checker would refuse.
WRONGLY: Any = uwe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return some_folder(tmp_path)


def expected(encoder: HashEncoder, task: RankingTask, scoring: Scoring) -> uwe.QueryMetrics:
    targets = encoder.encode(task.targets)
    if scoring.tokens == "pooled":
        targets = TokenVectors.from_list([rows.mean(axis=0, keepdims=True) for rows in targets])
    queries = encoder.encode(task.queries)
    scores = [
        uwe.late_interaction(rows, targets.values, targets.offsets, scorer=scoring.scorer)
        for rows in queries
    ]
    return uwe.score_metrics(np.stack(scores), task.relevant, metrics=METRICS)


def test_every_scoring_gives_the_figures_of_the_full_matrix(
    folder: Path, encoder: HashEncoder
) -> None:
    found = uwe.evaluate(encoder, tasks=str(folder), splits="test", scorer="all")
    assert [entry.scorer for entry in found.entries] == list(map(str, ALL_SCORINGS))
    for entry, scoring in zip(found.entries, ALL_SCORINGS, strict=True):
        wanted = expected(encoder, some_task(), scoring)
        np.testing.assert_allclose(entry.values(METRICS), wanted.values, rtol=0, atol=1e-12)
        means = {name: interval.mean for name, interval in entry.metrics.items()}
        assert means == pytest.approx(wanted.means(), abs=1e-12)
        assert all(i.low <= i.mean <= i.high for i in entry.metrics.values())
    record = found.tasks["mine/test"]
    assert record.left_out == sum(not row for row in some_task().relevant) > 0
    assert (record.queries, record.targets) == (40, 30)


def test_a_callable_is_told_how_far_it_is(folder: Path, encoder: HashEncoder) -> None:
    told: list[tuple[int, int]] = []
    uwe.evaluate(
        encoder, tasks=str(folder), scorer=["pooled", "max"],
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert {total for _, total in told} == {told[-1][0]}
    with pytest.raises(InputError, match="progress"):
        WRONGLY.evaluate(encoder, tasks=str(folder), progress="yes")


class Counting(HashEncoder):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        self.texts += texts
        return super().encode(texts)


def test_targets_are_encoded_once_for_all_splits_and_scorers(folder: Path) -> None:
    encoder = Counting()
    found = uwe.evaluate(encoder, tasks=str(folder), scorer=["pooled", "max", "soft:0.5/pooled"])
    assert set(found.tasks) == {"mine/test", "mine/val"}
    # The hardest queries are encoded again, to say what was ranked in their place.
    for target in some_task().targets:
        assert encoder.texts.count(target) == 1
    assert len(found.entries) == 6


def test_a_model_that_scores_by_itself(folder: Path) -> None:
    task = some_task()
    matrix = np.random.default_rng(3).standard_normal((40, 30)).astype(np.float32)
    rows = dict(zip(task.queries, matrix, strict=True))

    def prepare(targets: Sequence[str]) -> Any:
        assert list(targets) == task.targets
        return lambda queries: np.stack([rows[query] for query in queries])

    model = ScoringModel(name="mine", kind="callable", prepare=prepare, block=7)
    found = uwe.evaluate(model, tasks=str(folder), splits="test")
    wanted = uwe.score_metrics(matrix, task.relevant, metrics=METRICS)
    np.testing.assert_allclose(found.entries[0].values(METRICS), wanted.values, atol=1e-12)
    assert found.entries[0].scorer == ""
    with pytest.raises(InputError, match="scores by itself"):
        uwe.evaluate(model, tasks=str(folder), scorer="pooled")


def test_queries_that_order_alone_ranks_are_counted(folder: Path) -> None:
    """All targets score the same for every third query."""
    number = {query: i for i, query in enumerate(some_task().queries)}

    def score(queries: Sequence[str]) -> NDArray[np.float32]:
        rows = [np.zeros(30) if number[query] % 3 == 0 else np.arange(30) for query in queries]
        return np.stack(rows).astype(np.float32)

    model = ScoringModel(name="mine", kind="callable", prepare=lambda _: score, block=7)
    (entry,) = uwe.evaluate(model, tasks=str(folder), splits="test").entries
    assert entry.tied == 14


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (lambda queries: np.zeros((len(queries), 3)), "30"),
        (lambda queries: np.full((len(queries), 30), np.nan), "nan"),
        (lambda queries: np.full((len(queries), 30), -np.inf), "-inf"),
        (lambda queries: [["a"] * 30 for _ in queries], "mine"),
    ],
)
def test_scores_that_can_not_be_ranked_are_refused(folder: Path, scores: Any, message: str) -> None:
    model = ScoringModel(name="mine", kind="callable", prepare=lambda _: scores, block=7)
    with pytest.raises(InputError, match=message):
        uwe.evaluate(model, tasks=str(folder))


def test_a_limit_is_a_sample_that_the_seed_fixes(folder: Path, encoder: HashEncoder) -> None:
    found = [
        uwe.evaluate(encoder, tasks=str(folder), splits="test", scorer="max", limit=9, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert found[0].entries[0].ranks == found[1].entries[0].ranks
    assert found[0].entries[0].ranks != found[2].entries[0].ranks
    record = found[0].tasks["mine/test"]
    assert (record.queries, record.available) == (9, 40)
    assert "a sample of 9 of 40 queries (seed 0)" in record.notes
    for word in ("metrics", "ranks", "hardest"):
        assert getattr(found[0].entries[0], word) == getattr(found[1].entries[0], word)


def test_a_sample_without_a_relevant_target_is_refused(
    tmp_path: Path, encoder: HashEncoder
) -> None:
    task = RankingTask(["a"], ["one"], ["p", "q"], ["uno", "eins"], [[0], []])
    write_task(tmp_path / "t", {"test": task})
    drawn = {int(np.random.default_rng(seed).choice(2, 1)[0]): seed for seed in range(20)}
    with pytest.raises(InputError, match="raise the limit"):
        uwe.evaluate(encoder, tasks=str(tmp_path / "t"), limit=1, seed=drawn[1])
    uwe.evaluate(encoder, tasks=str(tmp_path / "t"), limit=1, seed=drawn[0])


def test_aliases_score_only_when_asked_for(tmp_path: Path, encoder: HashEncoder) -> None:
    task = RankingTask(["a", "b", "c"], ["one", "two", "three"], ["q"], ["uno"], [[2]])
    write_task(tmp_path / "t", {"test": task}, aliases=[[], ["dos"], ["uno", "tres"]])
    plain = uwe.evaluate(encoder, tasks=str(tmp_path / "t"), scorer="max")
    scored = uwe.evaluate(encoder, tasks=str(tmp_path / "t"), scorer="max", aliases=True)
    assert scored.entries[0].ranks == ((1,),) != plain.entries[0].ranks
    assert scored.tasks["t/test"].aliases == 3
    notes = scored.tasks["t/test"].notes
    assert any("aliases were scored" in note for note in notes)
    assert any(note.endswith("which makes it a lookup: 1") for note in notes)
    assert plain.tasks["t/test"].aliases == 0
    model = ScoringModel(
        name="same", kind="callable",
        prepare=lambda texts: lambda queries: np.array(
            [[float(text == query) for text in texts] for query in queries], dtype=np.float32
        ),
    )  # fmt: skip
    assert uwe.evaluate(model, tasks=str(tmp_path / "t"), aliases=True).entries[0].ranks == ((1,),)


def test_the_hardest_queries_say_what_was_ranked_instead(
    folder: Path, encoder: HashEncoder
) -> None:
    entry = uwe.evaluate(encoder, tasks=str(folder), splits="test", scorer="max").entries[0]
    precision = entry.values(["MAP"])[0]
    assert len(entry.hardest) == 10
    assert [case["AP"] for case in entry.hardest] == sorted(precision[np.isfinite(precision)])[:10]
    task = some_task()
    for case in entry.hardest:
        row = task.query_ids.index(case["id"])
        assert case["query"] == task.queries[row]
        best = min(entry.ranks[row])
        assert case["relevant"][0]["rank"] == best
        first_relevant = next(
            (i for i, t in enumerate(case["ranked"], 1) if t["relevant"]), math.inf
        )
        assert first_relevant == (best if best <= 5 else math.inf)


def test_results_are_handed_over_as_they_come(folder: Path, encoder: HashEncoder) -> None:
    other = some_task(seed=2)
    write_task(folder.with_name("other"), {"test": other})
    came: list[Results] = []
    tasks = [folder, folder.with_name("other")]
    found = uwe.evaluate(encoder, tasks=tasks, scorer="max", metrics="RP@5", keep=came.append)
    assert [list(results.tasks) for results in came] == [
        ["mine/test", "mine/val"],
        ["mine/test", "mine/val", "other/test"],
    ]
    assert came[-1].entries == found.entries
    assert list(found.entries[0].metrics) == ["MAP", "RP@5"]


def test_only_counted_queries_are_cut_and_nothing_warns(tmp_path: Path) -> None:
    """The hardest queries and those of runs are encoded again: no second count, no warning."""
    long = " ".join(["data"] * 30)
    task = replace(some_task(), queries=[f"{long} {i}" for i in range(40)])
    write_task(tmp_path / "t", {"test": task, "val": task})
    model = uwe.load(write_model(tmp_path / "model"))
    found = uwe.evaluate(model, tasks=tmp_path / "t", runs=tmp_path / "runs")
    assert [entry.truncated for entry in found.entries] == [40, 40]


def test_runs_hold_what_was_ranked(folder: Path, encoder: HashEncoder, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    found = uwe.evaluate(encoder, tasks=str(folder), scorer="max", runs=out, depth=4)
    assert len(list(out.iterdir())) == 8
    (run,) = [p for p in out.glob("*.run.jsonl") if "test" in p.name]
    lines = [json.loads(line) for line in run.read_text().splitlines()]
    assert len(lines) == 40
    task = some_task()
    entry = next(e for e in found.entries if e.task == "mine/test")
    for row, line in enumerate(lines):
        ids = [target for target, _ in line["ranking"]]
        assert len(ids) == 4
        hits = [i for i, t in enumerate(ids, 1) if int(t[1:]) in task.relevant[row]]
        assert hits == [rank for rank in entry.ranks[row] if rank <= 4]


def test_frequencies_count_the_queries_of_each_target(folder: Path, encoder: HashEncoder) -> None:
    task = some_task()
    entry = uwe.evaluate(encoder, tasks=str(folder), splits="test", scorer="max").entries[0]
    counts = np.bincount([t for row in task.relevant for t in row], minlength=30)
    for row, found in zip(task.relevant, entry.frequencies, strict=True):
        assert sorted(found) == sorted(counts[row].tolist())


def test_wrong_arguments(folder: Path, encoder: HashEncoder, tmp_path: Path) -> None:
    name = str(folder)
    with pytest.raises(InputError, match="limit"):
        uwe.evaluate(encoder, tasks=name, limit=0)
    with pytest.raises(InputError, match="seed"):
        uwe.evaluate(encoder, tasks=name, seed=-1)
    with pytest.raises(InputError, match="depth"):
        uwe.evaluate(encoder, tasks=name, depth=0)
    with pytest.raises(InputError, match="metric"):
        uwe.evaluate(encoder, tasks=name, metrics=["MAPP"])
    with pytest.raises(InputError, match=r"soft:0\.5/pooled"):
        uwe.evaluate(encoder, tasks=name, scorer="soft:0.5/all")
    with pytest.raises(InputError, match="different scorers"):
        uwe.evaluate(encoder, tasks=name, scorer=["max", "max"])
    with pytest.raises(InputError, match="scorer"):
        uwe.evaluate(encoder, tasks=name, scorer=[])
    with pytest.raises(InputError, match="task folder"):
        uwe.evaluate(encoder, tasks=str(tmp_path / "none"), data=tmp_path)
    with pytest.raises(DataError, match="train"):
        uwe.evaluate(encoder, tasks=name, splits="train")
    with pytest.raises(DataError, match="WorkBench"):
        uwe.evaluate(encoder, data=tmp_path)
    with pytest.raises(DataError, match="job2skill"):
        uwe.evaluate(encoder, tasks="job2skill", data=tmp_path)
    with pytest.raises(InputError, match="model"):
        WRONGLY.evaluate(7, tasks=name)


def test_no_data_folder_says_how_to_get_one(
    encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("UWE_DATA", raising=False)
    with pytest.raises(InputError, match="UWE_DATA"):
        uwe.evaluate(encoder)
    monkeypatch.setenv("UWE_DATA", str(tmp_path / "none"))
    with pytest.raises(InputError, match="UWE_DATA"):
        uwe.evaluate(encoder)


def pack(path: Path, text: str) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(text)


@pytest.mark.parametrize(
    ("file", "text", "line", "message"),
    [
        ("test.qrels.tsv.gz", "q0\t0\tnobody\t1\n", 1, "nobody"),
        ("test.qrels.tsv.gz", "q0\t0\tt1\t1\nq0 0 t1\n", 2, "tabs"),
        ("test.qrels.tsv.gz", "", None, "at least one judgement"),
        ("test.qrels.tsv.gz", "q0\t0\tt1\t0\n", None, "at least one judgement"),
        ("test.queries.jsonl.gz", '{"id": "q0"}\n', 1, "'text'"),
        ("test.queries.jsonl.gz", '{"id": "q0", "text": " "}\n', 1, "blank"),
        ("test.queries.jsonl.gz", "", None, "at least one entry"),
        (
            "targets.jsonl.gz",
            '{"id": "t1", "text": "a"}\n{"id": "t1", "text": "b"}\n',
            2,
            "a second time",
        ),
        ("targets.jsonl.gz", '{"id": "t1", "text": "a", "aliases": "b"}\n', 1, "aliases"),
    ],
)
def test_a_malformed_task_names_file_and_line(
    folder: Path, encoder: HashEncoder, file: str, text: str, line: int | None, message: str
) -> None:
    if file == "targets.jsonl.gz":
        pack(folder / "test.qrels.tsv.gz", "q0\t0\tt1\t1\n")
    if file == "test.queries.jsonl.gz" and not text:
        pack(folder / "test.qrels.tsv.gz", "")
    pack(folder / file, text)
    with pytest.raises(DataError, match=message) as error:
        uwe.evaluate(encoder, tasks=str(folder), splits="test")
    assert error.value.path == folder / file
    assert error.value.line == line


def test_equal_targets_are_told_with_the_result(tmp_path: Path, encoder: HashEncoder) -> None:
    task = RankingTask(["a", "b"], ["same", "same"], ["q"], ["same"], [[1]])
    write_task(tmp_path / "t", {"test": task})
    found = uwe.evaluate(encoder, tasks=str(tmp_path / "t"), scorer="max")
    assert found.entries[0].ranks == ((2,),)
    assert "an earlier one" in found.tasks["t/test"].notes[0]


@pytest.mark.slow  # it looks for the task's answers in all that the model was trained on
def test_the_shipped_model_on_a_real_task(data_folder: Path, tmp_path: Path) -> None:
    found = uwe.evaluate("uwe-mini", tasks="onet_job2tech", splits="val", data=data_folder)
    (entry,) = found.entries
    task = read_task(data_folder / "workbench" / "onet_job2tech", "val")
    cache = uwe.TargetCache.build(uwe.load(), task.targets, path=tmp_path / "t.uwe")
    wanted = uwe.cache_metrics(task.queries, cache, task.relevant, metrics=METRICS)
    np.testing.assert_allclose(entry.values(METRICS), wanted.values, rtol=0, atol=1e-12)
    assert entry.regime.name in REGIMES
    assert all(case["ranked"][0]["words"] for case in entry.hardest)


def test_the_words_of_the_hardest_queries_stand_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UWE_DATA", raising=False)  # to read its graphs takes seconds
    task = RankingTask(
        target_ids=["t0", "t1"], targets=["software developer", "baker"], query_ids=["q0"],
        queries=["Sr. SWE (ML)"], relevant=[[0]],
    )  # fmt: skip
    write_task(tmp_path / "t", {"test": task})
    (entry,) = uwe.evaluate("uwe-mini", tasks=str(tmp_path / "t"), splits="test").entries
    (case,) = entry.hardest
    words = [word for found in case["ranked"] for word in found["words"] or ()]
    assert words
    assert {word for word, _ in words} <= {"[CLS]", "Sr.", "SWE", "(ML)", "[SEP]"}
