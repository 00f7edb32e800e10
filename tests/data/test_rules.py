"""Lists of queries and targets become a task by WorkRB's rules."""

from __future__ import annotations

from collections import Counter

import pytest

from uwe.corpus import RankingTask
from uwe.data.rules import fold_targets, ranking_task
from uwe.errors import InputError


def test_targets_are_stripped_and_folded_into_the_first_of_equal_text() -> None:
    targets = fold_targets(
        ["t1", "t2", "t3", "t4", "t5"],
        [" spark", "bake", "spark ", " \n", "Spark"],
        [["pyspark "], ["bake", " "], ["apache spark", "pyspark"], ["x"], []],
    )
    assert targets.ids == ["t1", "t2", "t5"]
    assert targets.texts == ["spark", "bake", "Spark"]
    assert targets.aliases == [["pyspark", "apache spark"], [], []]
    assert targets.index_of == [0, 1, 0, -1, 2]
    assert targets.left_out == {
        "targets folded into one of equal text": 1,
        "targets without a text": 1,
    }


def test_queries_are_stripped_and_merged_with_the_union_of_their_targets() -> None:
    targets = fold_targets(["t1", "t2", "t3"], ["a", "b", "a "])
    task, left_out = ranking_task(
        "val", [("q ", [1]), ("p", [2, 0]), (" q", [2, 1]), ("none", []), ("", [0])], targets
    )
    assert task == RankingTask(
        target_ids=["t1", "t2"],
        targets=["a", "b"],
        query_ids=["val-0", "val-1", "val-2"],
        queries=["q", "p", "none"],
        relevant=[[0, 1], [0], []],
    )
    assert left_out == {"queries merged into one of equal text": 1, "queries without a text": 1}


def test_nothing_is_counted_where_nothing_is_left_out() -> None:
    targets = fold_targets(["t"], ["a"])
    task, left_out = ranking_task("test", ((f"q{i}", [0]) for i in range(100)), targets)
    assert (targets.left_out, left_out) == (Counter(), Counter())
    assert (task.query_ids[0], task.query_ids[-1]) == ("test-000", "test-099")


def test_a_judgement_of_a_target_without_a_text_is_none() -> None:
    task, _ = ranking_task("test", [("q", [0, 1])], fold_targets(["t1", "t2"], ["", "b"]))
    assert task.relevant == [[0]]
    assert task.target_ids == ["t2"]


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(InputError, match="1 ids"):
        fold_targets(["t"], ["a", "b"])
    with pytest.raises(InputError):
        fold_targets(["t", "u"], ["a", "b"], [[]])
    with pytest.raises(InputError, match="'t'"):
        fold_targets(["t", "t"], ["a", "b"])
