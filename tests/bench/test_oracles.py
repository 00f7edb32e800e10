"""Our metrics are those of ir-measures and ranx on the same runs; their rules for ties differ."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ir_measures import AP, RR, P, R, Success, nDCG
from numpy.typing import NDArray

import uwe
from uwe import _core
from uwe.bench.results import METRICS
from uwe.bench.trec import new_run, write_qrels
from uwe.corpus import RankingTask
from uwe.data.layout import read_split

IR_MEASURES = {
    "MAP": AP, "MRR": RR, "nDCG@10": nDCG @ 10, "nDCG@100": nDCG @ 100, "recall@100": R @ 100,
    "hit@1": Success @ 1, "hit@5": Success @ 5, "hit@10": Success @ 10,
    "RP@1": P @ 1, "RP@5": P @ 5, "RP@10": P @ 10,
}  # fmt: skip
RANX = {
    "MAP": "map", "MRR": "mrr", "nDCG@10": "ndcg@10", "nDCG@100": "ndcg@100",
    "recall@100": "recall@100", "hit@1": "hit_rate@1", "hit@5": "hit_rate@5",
    "hit@10": "hit_rate@10", "RP@1": "precision@1", "RP@5": "precision@5", "RP@10": "precision@10",
}  # fmt: skip
Scored = tuple[NDArray[np.float32], Sequence[Sequence[int]], list[str], list[str]]


def write(folder: Path, scored: Scored) -> tuple[Path, Path]:
    """A run of full depth and its qrels, in blocks as an evaluation writes them."""
    scores, relevant, query_ids, target_ids = scored
    order = np.argsort(-scores, axis=1, kind="stable")
    task = RankingTask(target_ids, target_ids, query_ids, query_ids, list(map(list, relevant)))
    rows = list(range(len(scores)))
    with new_run(folder, "x", task) as add:
        for start in range(0, len(scores), 64):
            block = slice(start, start + 64)
            best = np.take_along_axis(scores[block], order[block], axis=1)
            add(rows[block], order[block], best)
    write_qrels(folder, "x", task, rows)
    return folder / "x.run", folder / "x.qrels"


def assert_equal_to(oracle: dict[str, dict[str, float]], scored: Scored) -> None:
    """Ours are the oracle's of each query; RP@k is its P@k, over what the first k could hold."""
    scores, relevant, query_ids, _ = scored
    ours = uwe.score_metrics(scores, relevant, metrics=METRICS)
    assert set(oracle) == set(METRICS)
    for name, values in zip(METRICS, ours.values, strict=True):
        for i, query in enumerate(query_ids):
            if not relevant[i]:
                assert query not in oracle[name]
                continue
            expected = oracle[name][query]
            if name.startswith("RP@"):
                k = int(name.removeprefix("RP@"))
                expected *= k / min(k, len(relevant[i]))
            assert values[i] == pytest.approx(expected, rel=0, abs=1e-9), (name, query)


def by_ir_measures(run: Path, qrels: Path) -> dict[str, dict[str, float]]:
    """Each metric of each query, from the files as ir-measures reads them; ids stay escaped."""
    found: dict[str, dict[str, float]] = {name: {} for name in METRICS}
    names = {str(measure): name for name, measure in IR_MEASURES.items()}
    for metric in ir_measures.iter_calc(
        list(IR_MEASURES.values()),
        ir_measures.read_trec_qrels(str(qrels)),
        ir_measures.read_trec_run(str(run)),
    ):
        found[names[str(metric.measure)]][metric.query_id] = metric.value
    return found


def by_ranx(run: Path, qrels: Path) -> dict[str, dict[str, float]]:
    """Each metric of each query that has a relevant target, by ranx."""
    ranx = pytest.importorskip("ranx")
    judged = ranx.Qrels.from_file(str(qrels), kind="trec")
    answers = ranx.Run.from_file(str(run), kind="trec")
    ranx.evaluate(judged, answers, list(RANX.values()))
    return {name: dict(answers.scores[metric]) for name, metric in RANX.items()}


def real_task(folder: Path, name: str, limit: int | None) -> Scored:
    """Scores of the shipped model on the first queries of a validation split."""
    task = read_split(folder / "workbench" / name, "val").task
    model = uwe.load()
    queries, targets = model.encode(task.queries[:limit]), model.encode(task.targets)
    scores = _core.late_interaction(
        queries.values, queries.offsets, targets.values, targets.offsets,
        scorer="soft", temperature=0.5,
    )  # fmt: skip
    return scores, task.relevant[:limit], task.query_ids[:limit], task.target_ids


def test_a_real_task_has_the_figures_of_ir_measures(data_folder: Path, tmp_path: Path) -> None:
    scored = real_task(data_folder, "onet_alttitle", 100)
    assert_equal_to(by_ir_measures(*write(tmp_path, scored)), scored)


@pytest.mark.release
@pytest.mark.filterwarnings("ignore::Warning")  # numba's, about ranx
def test_a_whole_real_task_has_the_figures_of_both(data_folder: Path, tmp_path: Path) -> None:
    scored = real_task(data_folder, "onet_job2tech", None)
    files = write(tmp_path, scored)
    assert_equal_to(by_ir_measures(*files), scored)
    assert_equal_to(by_ranx(*files), scored)


@st.composite
def random_scores(draw: st.DrawFn) -> Scored:
    """Few queries and targets; scores of a few values, so that many are equal."""
    queries, targets = draw(st.integers(1, 4)), draw(st.integers(1, 14))
    shape = (queries, targets)
    values = st.sampled_from([0.0, 0.25, -1.5, 3.0]) | st.floats(-4, 4, width=32)
    scores = draw(hnp.arrays(np.float32, shape, elements=values))
    relevant = [np.flatnonzero(row).tolist() for row in draw(hnp.arrays(np.bool_, shape))]
    # Ids in an order that is not that of the targets.
    ids = draw(st.permutations([f"skill/{i}" for i in range(targets)]))
    return scores, relevant, [f"q{i}" for i in range(queries)], list(ids)


@settings(max_examples=60, deadline=None)
@given(random_scores())
def test_any_run_has_the_figures_of_ir_measures_ties_included(scored: Scored) -> None:
    if not any(scored[1]):
        return
    with tempfile.TemporaryDirectory() as folder:
        assert_equal_to(by_ir_measures(*write(Path(folder), scored)), scored)


def tie() -> tuple[Scored, dict[str, dict[str, float]], dict[str, dict[str, int]]]:
    """Two targets with equal scores, the first of them relevant: for us, and for the others."""
    scores = np.full((1, 2), 0.5, dtype=np.float32)
    scored = (scores, [[0]], ["q"], ["a", "b"])
    return scored, {"q": {"a": 0.5, "b": 0.5}}, {"q": {"a": 1}}


def test_trec_eval_puts_the_last_id_first_and_we_the_first_target(tmp_path: Path) -> None:
    scored, bare, judged = tie()
    ours = uwe.score_metrics(scored[0], scored[1], metrics=["MAP"]).means()
    assert ours == {"MAP": 1}
    assert ir_measures.calc_aggregate([AP], judged, bare) == {AP: 0.5}
    # In our files nothing is equal, so that it has our order.
    run, qrels = write(tmp_path, scored)
    assert ir_measures.calc_aggregate(
        [AP],
        ir_measures.read_trec_qrels(str(qrels)),
        ir_measures.read_trec_run(str(run)),
    ) == {AP: 1}


@pytest.mark.release
@pytest.mark.filterwarnings("ignore::Warning")  # numba's, about ranx
def test_ranx_keeps_the_order_of_its_input(tmp_path: Path) -> None:
    ranx = pytest.importorskip("ranx")
    scored, bare, judged = tie()
    swapped = {"q": dict(reversed(bare["q"].items()))}
    found = [ranx.evaluate(ranx.Qrels(judged), ranx.Run(run), "map") for run in (bare, swapped)]
    assert found == [1, 0.5]
    files: Any = write(tmp_path, scored)
    assert_equal_to(by_ranx(*files), scored)
