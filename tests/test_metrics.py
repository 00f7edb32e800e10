"""Metrics: by hand, against ir-measures, and streamed over a cache as from a block of scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import uwe
from conftest import HashEncoder
from uwe import _core
from uwe.corpus import read_task
from uwe.errors import InputError

# For calls that a type checker would refuse.
WRONGLY: Any = uwe
ALL = ("MAP", "MRR", "RP@3", "RP@10", "nDCG@5", "recall@4", "hit@2")


def test_a_query_without_a_hit_has_a_gain_of_plain_zero() -> None:
    found = uwe.score_metrics(np.array([[3.0, 1.0, 2.0]]), [[1]], metrics=["nDCG@1"])
    assert not np.signbit(found.values).any()


def test_by_hand() -> None:
    scores = [[0.9, 0.1, 0.5, 0.7], [0.1, 0.2, 0.2, 0.2], [1.0, 2.0, 3.0, 4.0]]
    found = uwe.score_metrics(
        scores, [[2, 3], [3], []], metrics=["MAP", "RP@2", "MRR", "recall@2", "hit@1", "nDCG@3"]
    )
    # Order 0 3 2 1: relevant at 2 and 3. Order 1 2 3 0, ties by index: relevant at 3.
    np.testing.assert_allclose(found.values[:, 0], [
        (1 / 2 + 2 / 3) / 2, 1 / 2, 1 / 2, 1 / 2, 0,
        (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3)),
    ])  # fmt: skip
    np.testing.assert_allclose(found.values[:, 1], [1 / 3, 0, 1 / 3, 0, 0, 1 / 2])
    assert np.isnan(found.values[:, 2]).all()
    assert (found.counted, found.left_out) == (2, 1)
    assert found.means()["MAP"] == pytest.approx((7 / 12 + 1 / 3) / 2)
    assert list(found.means()) == list(found.names)


def test_without_a_judged_query_the_mean_is_not_a_number() -> None:
    found = uwe.score_metrics([[1.0, 2.0]], [[]])
    assert (found.counted, found.left_out) == (0, 1)
    assert all(math.isnan(value) for value in found.means().values())
    assert found.names == ("MAP", "RP@10", "MRR")


def oracle(scores: NDArray[np.float32], relevant: list[list[int]]) -> NDArray[np.float64]:
    """(MAP, MRR, RP@3, RP@10, nDCG@5, recall@4, hit@2) of each query from ir-measures.

    It breaks ties by name; a place in our order stands for each score, so that none are left.
    """
    import ir_measures
    from ir_measures import AP, RR, P, R, Success, nDCG

    measures = [AP, RR, P @ 3, P @ 10, nDCG @ 5, R @ 4, Success @ 2]
    order = np.argsort(-scores, axis=1, kind="stable")
    places = np.argsort(order, axis=1)
    run = {
        str(q): {str(t): float(-place) for t, place in enumerate(row.tolist())}
        for q, row in enumerate(places)
    }
    qrels = {str(q): {str(t): 1 for t in row} for q, row in enumerate(relevant) if row}
    values = np.full((len(measures), len(scores)), np.nan)
    for metric in ir_measures.iter_calc(measures, qrels, run):
        values[measures.index(metric.measure), int(metric.query_id)] = metric.value
    for row, k in ((2, 3), (3, 10)):
        # R-precision at k is precision at k over the best that is possible.
        values[row] *= [k / min(k, len(r)) if r else math.nan for r in relevant]
    return values


CASES = st.tuples(
    st.integers(1, 6), st.integers(1, 25), st.integers(0, 2**31), st.sampled_from([3, 1000])
)


@given(CASES)
@settings(max_examples=40, deadline=None)
def test_equal_ir_measures(case: tuple[int, int, int, int]) -> None:
    queries, targets, seed, levels = case
    random = np.random.default_rng(seed)
    scores = (random.integers(0, levels, (queries, targets)) / levels).astype(np.float32)
    relevant = [np.flatnonzero(random.random(targets) < 0.3).tolist() for _ in range(queries)]
    found = uwe.score_metrics(scores, relevant, metrics=ALL)
    np.testing.assert_allclose(found.values, oracle(scores, relevant), atol=1e-9)


WORDS = ["data", "engineer", "pastry", "chef", "contract", "law", "big", "welding", "spark"]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> uwe.TargetCache:
    labels = [f"{a} {b}" for a in WORDS for b in WORDS]
    return uwe.TargetCache.build(
        HashEncoder(),
        labels,
        path=tmp_path_factory.mktemp("metrics") / "space.uwe",
        aliases=[[label.upper()] if len(label) % 3 == 0 else [] for label in labels],
        scorer=uwe.Scorer("soft", temperature=0.5),
    )


@pytest.mark.parametrize(
    "scorer", [None, *map(uwe.Scorer.parse, ("soft:0.5:4", "pooled", "max"))], ids=str
)
def test_streamed_over_a_cache_as_from_all_scores(
    space: uwe.TargetCache, scorer: uwe.Scorer | None
) -> None:
    random = np.random.default_rng(5)
    queries = [" ".join(random.choice(WORDS, 3)) for _ in range(600)]
    relevant = [np.flatnonzero(random.random(len(space)) < 0.05).tolist() for _ in queries]
    vectors = HashEncoder().encode(queries)
    used = scorer or space.scorer
    scores = _core.cache_scores(
        space.core, vectors.values, vectors.offsets,
        scorer=used.name, temperature=used.temperature or 1.0, pivot=used.pivot,
    )  # fmt: skip
    wanted = uwe.score_metrics(scores, relevant, metrics=ALL)
    seen: list[int] = []
    streamed = uwe.cache_metrics(
        queries,
        space,
        relevant,
        metrics=ALL,
        scorer=scorer,
        progress=lambda done, _: seen.append(done),
    )
    np.testing.assert_array_equal(streamed.values, wanted.values)
    assert seen == [256, 512, 600]
    encoded = uwe.cache_metrics(vectors, space, relevant, metrics=ALL, scorer=scorer)
    np.testing.assert_array_equal(encoded.values, wanted.values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: WRONGLY.score_metrics([1.0], [[0]]), r"\(queries, targets\)"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[0], [0]]), "got 2"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[1]]), "got 1"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[-1]]), "got -1"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[0, 0]]), "listed twice"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[0.5]]), "target indices"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [0]), "target indices"),
        (lambda s: WRONGLY.score_metrics([[math.nan]], [[0]]), "NaN"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[0]], metrics=["map"]), "map"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[0]], metrics=["RP@0"]), "RP@0"),
        (lambda s: WRONGLY.score_metrics([[1.0]], None), "NoneType"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[[0], [1, 2]]]), "target indices"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[0]], metrics="map"), "map"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[0]], metrics=[]), "metric"),
        (lambda s: WRONGLY.score_metrics([[1.0]], [[0]], metrics=[5]), "metric"),
        (
            lambda s: WRONGLY.score_metrics([[1.0]], [[0]], metrics=None),
            "got None",
        ),
        (lambda s: WRONGLY.cache_metrics("chef", s, [[0]] * 4), "queries"),
        (lambda s: WRONGLY.cache_metrics(["chef"], s, [[0]], scorer="soft"), "temperature"),
        (lambda s: WRONGLY.cache_metrics(["chef"], s, [[0]], progress=7), "progress"),
        (lambda s: WRONGLY.cache_metrics(["chef"], s, []), "got 0"),
        (lambda s: WRONGLY.cache_metrics(["chef", " "], s, [[0], [1]]), "query 1"),
        (lambda s: WRONGLY.cache_metrics(["chef"], s.path, [[0]]), "uwe.TargetCache"),
    ],
)
def test_wrong_arguments_say_what_is_right(
    space: uwe.TargetCache, call: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        call(space)


def test_names_are_checked_before_anything_is_ranked(space: uwe.TargetCache) -> None:
    seen: list[int] = []
    with pytest.raises(InputError, match="map"):
        uwe.cache_metrics(
            ["chef"], space, [[0]], metrics=["map"], progress=lambda done, _: seen.append(done)
        )
    assert seen == []


@pytest.mark.release
def test_job2skill_equals_ir_measures(data_folder: Path, tmp_path: Path) -> None:
    """The shipped model over all of WorkBench's job2skill, streamed, against ir-measures."""
    task = read_task(data_folder / "workbench" / "job2skill")
    labels = uwe.target_space("esco-skills").labels
    assert list(labels) == task.targets
    model = uwe.load()
    space = uwe.TargetCache.build(model, labels, path=tmp_path / "labels.uwe", dtype="int8")
    vectors = model.encode(task.queries)
    streamed = uwe.cache_metrics(vectors, space, task.relevant, metrics=["MAP", "RP@10"])
    means = streamed.means()
    print(f"\njob2skill MAP {100 * means['MAP']:.2f}, RP@10 {100 * means['RP@10']:.2f}")
    scorer, step = model.config.scorer, 100
    for start in range(0, len(vectors), step):
        rows = slice(start, start + step)
        first, last = vectors.offsets[start], vectors.offsets[min(start + step, len(vectors))]
        scores = _core.cache_scores(
            space.core,
            vectors.values[first:last],
            vectors.offsets[start : start + step + 1] - first,
            scorer=scorer.name,
            temperature=scorer.temperature or 1.0,
            pivot=scorer.pivot,
        )
        wanted = oracle(scores, task.relevant[rows])
        np.testing.assert_allclose(streamed.values[:, rows], wanted[[0, 3]], atol=1e-9)
