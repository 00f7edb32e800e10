"""Runs and judgements on disk: what is written is read back, and every reader has our order."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import uwe
from conftest import HashEncoder
from uwe.bench.trec import RunWriter, _strictly_descending, write_qrels
from uwe.corpus import RankingTask, read_task
from uwe.data.layout import write_task
from uwe.errors import InputError

TARGETS = ["skill/1", "50% of a, b", "tab\there", "Ω\u2028x", "%20"]
INDICES = np.array([[2, 0, 1], [4, 3, 0]])
SCORES = np.array([[1.5, 1.5, -0.25], [0.1, 0.0, 0.0]], dtype=np.float32)


def read_run(path: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for query, target, score in ir_measures.read_trec_run(str(path)):
        found.setdefault(unquote(query), {})[unquote(target)] = score
    return found


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for query, target, grade, *_ in ir_measures.read_trec_qrels(str(path)):
        found.setdefault(unquote(query), {})[unquote(target)] = grade
    return found


def write(folder: Path, name: str = "job2skill.test.uwe-mini soft:0.5") -> Path:
    with RunWriter(folder, name) as run:
        run.add(["q 1"], INDICES[:1], SCORES[:1], TARGETS)
        run.add(["q2"], INDICES[1:], SCORES[1:], TARGETS)
    return folder / "job2skill.test.uwe-mini+soft:0.5.run"


def test_a_run_is_read_back_with_its_ids_in_our_order(tmp_path: Path) -> None:
    run = read_run(write(tmp_path / "runs"))
    assert {q: list(row) for q, row in run.items()} == {
        "q 1": ["tab\there", "skill/1", "50% of a, b"],
        "q2": ["%20", "Ω\u2028x", "skill/1"],
    }
    assert run["q 1"]["tab\there"] == 1.5
    assert [np.float32(s) for s in run["q2"].values()][:2] == [np.float32(0.1), 0]


def test_lines_have_the_columns_that_trec_eval_wants(tmp_path: Path) -> None:
    lines = write(tmp_path).read_text(encoding="utf-8").split("\n")
    assert lines[0] == "q%201 Q0 tab%09here 1 1.5 job2skill.test.uwe-mini+soft:0.5"
    assert lines[1] == "q%201 Q0 skill/1 2 1.49999988 job2skill.test.uwe-mini+soft:0.5"
    assert all(len(line.split()) == 6 for line in lines[:-1])
    assert lines[6:] == [""]


def test_json_lines_keep_scores_and_ids_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path).with_suffix(".run.jsonl")
    first, second = map(json.loads, path.read_text(encoding="utf-8").split("\n")[:2])
    assert first == {
        "query": "q 1",
        "ranking": [["tab\there", 1.5], ["skill/1", 1.5], ["50% of a, b", -0.25]],
    }
    assert second["ranking"][1:] == [["Ω\u2028x", 0.0], ["skill/1", 0.0]]


def test_qrels_are_read_back_and_queries_without_any_stay_in_the_json(tmp_path: Path) -> None:
    write_qrels(tmp_path, "t.val", ["q 1", "none", "q3"], [[1, 2], [], [4]], TARGETS)
    assert read_qrels(tmp_path / "t.val.qrels") == {
        "q 1": {"50% of a, b": 1, "tab\there": 1},
        "q3": {"%20": 1},
    }
    lines = (tmp_path / "t.val.qrels.jsonl").read_text(encoding="utf-8").split("\n")
    assert json.loads(lines[1]) == {"query": "none", "relevant": []}
    assert (tmp_path / "t.val.qrels").read_text().splitlines()[0] == "q%201 0 50%25%20of%20a,%20b 1"


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.one_of(
            st.sampled_from([0.0, -0.0, 1.0, 1e-40, -1e-45, 1.1754944e-38]),
            st.floats(-(2.0**100), 2.0**100, width=32),
        ),
    )
)
def test_written_scores_descend_strictly_and_barely_move(scores: Any) -> None:
    scores = -np.sort(-scores, axis=1)
    written = _strictly_descending(scores)
    read = np.array([[float(f"{s:.9g}") for s in row] for row in written.astype(np.float64)])
    assert (np.diff(read, axis=1) < 0).all()  # for readers of float64
    assert (np.diff(read.astype(np.float32), axis=1) < 0).all()  # and for trec_eval
    assert (written <= scores).all()
    assert np.allclose(written, scores, rtol=1e-5, atol=1e-36)
    kept = np.diff(scores, axis=1) < -1e-5 * np.abs(scores).max(initial=1)
    assert (written[:, 1:][kept] == scores[:, 1:][kept]).all()


def test_a_thousand_equal_scores_stay_apart() -> None:
    written = _strictly_descending(np.zeros((1, 1000), dtype=np.float32))
    assert (np.diff(written) < 0).all()
    assert written.min() > -1e-30
    # Readers that take what is below the normal numbers for 0 keep them apart, too.
    assert np.abs(written[:, 1:]).min() >= np.finfo(np.float32).tiny


def test_an_error_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    before = write(tmp_path).read_bytes()
    names = sorted(path.name for path in tmp_path.iterdir())
    run = RunWriter(tmp_path, "job2skill.test.uwe-mini soft:0.5")
    with pytest.raises(InputError, match="id"), run:  # noqa: PT012  one block more
        run.add(["q"], INDICES[:1], SCORES[:1], TARGETS)
        run.add([""], INDICES[:1], SCORES[:1], TARGETS)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert write(tmp_path).read_bytes() == before


def test_a_name_can_not_leave_the_folder(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "runs", "../x y+z"):
        pass
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == [
        "..%2Fx+y%2Bz.run",
        "..%2Fx+y%2Bz.run.jsonl",
    ]
    with pytest.raises(InputError, match="name"):
        RunWriter(tmp_path, " ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.array([[1, 2, 3]], dtype=np.float32)}, "best targets first"),
        ({"scores": np.array([[1, np.nan, 0]], dtype=np.float32)}, "finite scores"),
        ({"scores": np.array([[1, 0]], dtype=np.float32)}, r"\(1, k\)"),
        ({"query_ids": ["a", "b"]}, r"\(2, k\)"),
        ({"query_ids": [""]}, "id"),
        ({"indices": np.array([[0, 1, 5]])}, "to 5"),
        ({"indices": np.array([[0, 1, -1]])}, "-1"),
        ({"scores": np.full((1, 3), np.finfo(np.float32).min)}, "lower end"),
    ],
)
def test_wrong_blocks_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    block: dict[str, Any] = {"query_ids": ["q"], "indices": INDICES[:1], "scores": SCORES[:1]}
    with pytest.raises(InputError, match=message), RunWriter(tmp_path, "x") as run:
        run.add(**(block | change), target_ids=TARGETS)
    assert not list(tmp_path.iterdir())


def test_runs_and_judgements_of_an_evaluation_have_the_same_queries(tmp_path: Path) -> None:
    task = RankingTask(
        ["t 1", "t2"], ["a b", "c"], ["q 1", "q2", "q3"], ["x", "y", "z"], [[0], [], [1]]
    )
    write_task(tmp_path / "mine", {"test": task})
    uwe.evaluate(HashEncoder(), tasks=[tmp_path / "mine"], scorer="pooled", runs=tmp_path / "runs")
    (run,) = (tmp_path / "runs").glob("*.run")
    (qrels,) = (tmp_path / "runs").glob("*.qrels")
    assert list(read_run(run)) == list(read_qrels(qrels)) == ["q 1", "q3"]
    lines = run.with_name(f"{run.name}.jsonl").read_text().splitlines()
    assert [json.loads(line)["query"] for line in lines] == ["q 1", "q2", "q3"]
    # What was written is read as the judgements of a task, too.
    (tmp_path / "mine/test.qrels.tsv.gz").write_bytes(gzip.compress(qrels.read_bytes()))
    assert read_task(tmp_path / "mine") == task
