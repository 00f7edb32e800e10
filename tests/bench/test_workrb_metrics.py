"""Our metrics are WorkRB's own functions where no ties matter; where ties are, ours has a rule."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import uwe
from uwe import _core
from uwe.corpus import read_task

if find_spec("workrb") is None:
    pytest.skip("needs the extra 'bench'", allow_module_level=True)
pytestmark = pytest.mark.slow  # WorkRB and what it imports take ten seconds of a processor

CUTS = (1, 3, 10, 100)
NAMES = {"map": "MAP", "mrr": "MRR"} | {
    f"{theirs}@{k}": f"{ours}@{k}"
    for theirs, ours in (("rp", "RP"), ("ndcg", "nDCG"), ("recall", "recall"), ("hit", "hit"))
    for k in CUTS
}


def library() -> Any:
    return import_module("workrb.metrics.ranking")


def theirs(scores: NDArray[np.float32], relevant: list[list[int]]) -> dict[str, float]:
    found = library().calculate_ranking_metrics(scores, relevant, list(NAMES))
    return {NAMES[name]: value for name, value in found.items()}


def ours(scores: NDArray[np.float32], relevant: list[list[int]]) -> dict[str, float]:
    return uwe.score_metrics(scores, relevant, metrics=list(NAMES.values())).means()


@given(
    queries=st.integers(1, 12),
    targets=st.integers(1, 300),
    share=st.sampled_from([0.01, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=80, deadline=None)
def test_equal_on_scores_without_ties(queries: int, targets: int, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    # Different numbers a query, near and far, below and above zero.
    levels = np.arange(targets) - targets // 3
    scores = np.stack([random.permutation(levels) for _ in range(queries)]).astype(np.float32)
    scores *= np.float32(random.choice([1e-6, 0.37, 1e6]))
    relevant = [np.flatnonzero(random.random(targets) < share).tolist() for _ in range(queries)]
    relevant[0] = relevant[0] or [int(random.integers(targets))]
    assert ours(scores, relevant) == pytest.approx(theirs(scores, relevant), abs=1e-9)


def test_queries_without_a_relevant_target_are_left_out_by_both() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]], dtype=np.float32)
    assert theirs(scores, [[2], []]) == pytest.approx(ours(scores, [[2], []]), abs=1e-9)
    assert ours(scores, [[2], []])["MAP"] == 0.5


def test_ties_are_ranked_by_index_here_and_by_no_rule_there() -> None:
    """The one difference: WorkRB sorts with `np.argsort`, which leaves equals as they fall.

    Scores of two values, 500 targets: among equals ours puts the lower index first. What NumPy's
    sort does depends on its version and the processor, and so do WorkRB's figures.
    """
    random = np.random.default_rng(1)
    scores = random.integers(0, 2, (20, 500)).astype(np.float32)
    relevant = [[i] for i in range(20)]
    found = ours(scores, relevant)
    reciprocal = []
    for row, (target,) in zip(scores, relevant, strict=True):
        before = (row > row[target]).sum() + (row[:target] == row[target]).sum()
        reciprocal.append(1 / (1 + before))
    assert found["MRR"] == pytest.approx(np.mean(reciprocal), abs=1e-9)
    assert abs(theirs(scores, relevant)["MRR"] - found["MRR"]) > 0.01

    # Its functions give our figures once the places of our order stand for the scores.
    order = np.argsort(-scores, axis=1, kind="stable")
    places = -np.argsort(order, axis=1).astype(np.float32)
    assert theirs(places, relevant) == pytest.approx(found, abs=1e-9)


def test_what_a_turned_tie_costs() -> None:
    """Two equal scores, the first relevant: an order by index gives 1, the other one half."""
    scores = np.array([[0.5, 0.5]], dtype=np.float32)
    assert ours(scores, [[0]])["MAP"] == 1
    assert library()._calculate_map(np.array([[0, 1]]), [[0]]) == 1
    assert library()._calculate_map(np.array([[1, 0]]), [[0]]) == 0.5


def test_equal_with_the_shipped_model_on_a_real_task(data_folder: Path) -> None:
    task = read_task(data_folder / "workbench" / "onet_alttitle", "val")
    queries, relevant = task.queries[:300], task.relevant[:300]
    model = uwe.load()
    vectors, targets = model.encode(queries), model.encode(task.targets)
    for scorer in (uwe.Scorer("pooled"), uwe.Scorer("soft", temperature=0.5)):
        scores = _core.late_interaction(
            vectors.values, vectors.offsets, targets.values, targets.offsets,
            scorer=scorer.name, temperature=scorer.temperature or 1.0,
        )  # fmt: skip
        found = ours(scores, relevant)
        assert found == pytest.approx(theirs(scores, relevant), abs=1e-9)
        assert 0.3 < found["MAP"] < 0.9
