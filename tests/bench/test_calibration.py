"""Calibrations against plain loops, scikit-learn, MAPIE, and data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from uwe.bench.calibration import (
    JudgedMatches,
    Reliability,
    conformal_threshold,
    cross_validated,
    expected_calibration_error,
    fit,
    judged,
    rescaled,
    risk_threshold,
)
from uwe.bench.calibrator import RISKS
from uwe.bench.statistics import roc_auc
from uwe.calibration import Calibration
from uwe.errors import InputError


def matches_of(
    features: NDArray[np.float64], right: NDArray[np.bool_], each: int = 1
) -> JudgedMatches:
    """Matches, `each` of one query after the other, in five folds."""
    queries = len(right) // each
    return JudgedMatches(
        features,
        right,
        np.repeat(np.arange(queries), each),
        right.reshape(queries, each).any(axis=1),
        np.arange(queries) % 5,
        np.ones(queries),
    )


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / (1 + np.exp(-x))
    return found


def simulated(
    random: np.random.Generator, queries: int
) -> tuple[JudgedMatches, NDArray[np.float64]]:
    """Queries with three matches each, and a confidence that is too high."""
    odds = random.normal(size=(queries, 3)) * 2 - np.arange(3)
    right = random.random(odds.shape) < sigmoid(odds)
    return matches_of(odds.reshape(-1, 1), right.ravel(), 3), sigmoid(odds + 1).ravel()


def wrong_first(
    matches: JudgedMatches, confidence: NDArray[np.float64], bound: float
) -> NDArray[np.bool_]:
    """(queries,): whether the first match that a bound keeps is wrong."""
    kept, right = confidence.reshape(-1, 3) >= bound, matches.right.reshape(-1, 3)
    first = kept.argmax(axis=1)[:, None]
    wrong: NDArray[np.bool_] = kept.any(axis=1) & ~np.take_along_axis(right, first, axis=1)[:, 0]
    return wrong


@pytest.mark.parametrize("size", [0, 1, 500])
def test_the_calibration_error_is_that_of_its_definition(size: int) -> None:
    random = np.random.default_rng(size)
    confidence = np.concatenate([random.random(size), [0.0, 0.1, 0.5, 1.0]])
    right = random.random(size + 4) < confidence**2
    error = 0.0
    for low in range(10):
        inside = [
            i for i, one in enumerate(confidence)
            if low <= one * 10 < low + 1 or (low == 9 and one == 1)
        ]  # fmt: skip
        if inside:
            distance = np.mean([confidence[i] for i in inside]) - np.mean(
                [right[i] for i in inside]
            )
            error += abs(distance) * len(inside) / len(right)
    assert expected_calibration_error(confidence, right) == pytest.approx(error)


def test_the_area_under_the_curve_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(3)
    scores = random.integers(0, 20, 300) / 20  # many ties
    answered = random.random(300) < scores
    assert roc_auc(scores, answered) == pytest.approx(roc_auc_score(answered, scores))
    assert roc_auc(scores, np.ones(300, dtype=bool)) is None


@pytest.mark.parametrize("seed", range(20))
def test_the_conformal_threshold_is_that_of_mapie(seed: int) -> None:
    from mapie.risk_control.methods import find_best_predict_param, get_r_hat_plus

    random = np.random.default_rng(seed)
    queries, thresholds = 80, np.sort(random.random(30))
    losses = np.sort(random.random((queries, 30)), axis=1)[:, ::-1] * random.random((queries, 1))
    losses *= np.linspace(1, 0, 30)
    for risk in (0.05, 0.1, 0.2, 0.9):
        _, bound = get_r_hat_plus(losses, thresholds, "crc", None, None, None)
        (theirs,) = find_best_predict_param(thresholds, bound, np.array([risk]))
        assert conformal_threshold(losses.sum(axis=0), queries, thresholds, risk) == theirs
    assert conformal_threshold(losses.sum(axis=0), queries, thresholds, 0.01) == np.inf


@pytest.mark.parametrize("risk", RISKS)
def test_a_bound_for_a_risk_is_that_of_every_bound_tried(risk: float) -> None:
    for seed in range(10):
        matches, confidence = simulated(np.random.default_rng(seed), 60)
        bounds = sorted({0.0, *np.nextafter(confidence, 2)})
        losses = np.array([wrong_first(matches, confidence, bound) for bound in bounds])
        # A loss may not grow with the bound: who is wrong at a higher one counts as wrong.
        losses = np.maximum.accumulate(losses[::-1])[::-1]
        allowed = (losses.sum(axis=1) + 1) / 61 <= risk
        wanted = bounds[int(np.argmax(allowed))] if allowed.any() else np.inf
        assert risk_threshold(matches, confidence, risk) == wanted


@pytest.mark.parametrize("risk", RISKS)
def test_the_next_queries_are_wrong_as_often_as_was_asked_for(risk: float) -> None:
    random = np.random.default_rng(17)
    losses = []
    for _ in range(400):
        bound = risk_threshold(*simulated(random, 100), risk)
        losses.append(wrong_first(*simulated(random, 200), bound).mean())
    assert np.mean(losses) <= risk + 3 * np.std(losses) / 20
    assert np.mean(losses) > risk - 0.04, "no bound is higher than it has to be"


def test_a_risk_that_no_bound_keeps_has_none() -> None:
    few, confidence = simulated(np.random.default_rng(0), 15)
    assert risk_threshold(few, confidence, 0.05) == np.inf
    sure = matches_of(np.zeros((90, 1)), np.zeros(90, dtype=bool))
    assert risk_threshold(sure, np.ones(90), 0.1) == np.inf
    for wrong in (0, 1, -0.1, "half", None):
        with pytest.raises(InputError, match="risk"):
            risk_threshold(few, confidence, wrong)  # type: ignore[arg-type]


def test_rescaling_makes_a_wrong_scale_right() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=(4000, 1)) * 2
    matches = matches_of(x, random.random(4000) < sigmoid(x[:, 0]))
    one, zero = np.ones(1), np.zeros(1)
    wrong = Calibration(("x",), zero, one, 3 * one, 2.0, "pooled", "numbers of chance")
    right = rescaled(wrong, matches, fitted_on="others")
    assert [right.weights[0], right.bias] == pytest.approx([1, 0], abs=0.1)
    before, after = (Reliability.of(matches, one.probabilities(x)).error for one in (wrong, right))
    assert before > 0.1 > 0.03 > after


def test_a_fit_finds_the_odds_of_its_data() -> None:
    random = np.random.default_rng(6)
    x = random.normal(size=(5000, 2)) * (1, 20) + (0, 7)
    odds = 1.5 * x[:, 0] - 0.1 * x[:, 1] + 0.4
    found = fit(
        matches_of(x, random.random(5000) < sigmoid(odds)),
        scorer="pooled", fitted_on="chance", features=("a", "b"),
    )  # fmt: skip
    assert found.weights / found.scale == pytest.approx([1.5, -0.1], rel=0.1)
    assert (found.scorer, found.fitted_on, found.features) == ("pooled", "chance", ("a", "b"))


def test_no_query_is_judged_by_what_was_fitted_on_it() -> None:
    random = np.random.default_rng(7)
    queries = 60
    right = random.random(2 * queries) < 0.5
    # A feature for each query, which says what is right of it and nothing of the others.
    features = np.zeros((2 * queries, queries))
    features[np.arange(2 * queries), np.arange(2 * queries) // 2] = np.where(right, 1, -1)
    matches = matches_of(features, right, 2)
    names = [str(i) for i in range(queries)]
    seen = fit(matches, scorer="", fitted_on="", features=names).probabilities(features)
    assert ((seen > 0.5) == right).mean() > 0.9
    unseen = cross_validated(matches)
    for fold in range(5):
        assert np.ptp(unseen[matches.fold[matches.query] == fold]) < 1e-9
    with pytest.raises(InputError, match="right and wrong"):
        cross_validated(matches, only=np.arange(queries) == 0)


@pytest.mark.parametrize("value", [True, False])
def test_one_sort_of_matches_is_not_fitted_on(value: bool) -> None:
    matches = matches_of(np.random.default_rng(0).random((60, 1)), np.full(60, value))
    with pytest.raises(InputError, match="right and wrong"):
        fit(matches, scorer="", fitted_on="", features=("x",))
    one = np.ones(1)
    with pytest.raises(InputError, match="right and wrong"):
        rescaled(Calibration(("x",), one, one, one, 0.0, "", ""), matches, fitted_on="")


def test_matches_are_held_against_the_accepted_targets() -> None:
    found = [
        (np.array([4, 2]), np.ones((2, 13))),
        (np.array([], dtype=np.int64), np.ones((0, 13))),
        (np.array([7]), np.zeros((1, 13))),
    ]
    matches = judged(["a", "b", "A"], [{2, 9}, {1}, []], found, weight=0.5)
    assert matches.right.tolist() == [False, True, False]
    assert matches.query.tolist() == [0, 0, 2]
    assert matches.best.tolist() == [True, False, True]
    assert matches.answered.tolist() == [True, True, False]
    assert matches.fold[0] == matches.fold[2]
    part = matches.part(np.array([False, True, True]))
    assert (part.query.tolist(), part.right.tolist()) == ([1], [False])
    both = JudgedMatches.joined([part, matches])
    assert both.query.tolist() == [1, 2, 2, 4]
