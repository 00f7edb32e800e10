"""Intervals and p against plain loops, scipy, exact enumeration and the normal approximation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from uwe.bench.results import Interval
from uwe.bench.statistics import bootstrap, bootstrap_mean, bootstrap_sums, sign_flip
from uwe.errors import InputError

NAN = math.nan


def _plain(values: np.ndarray, seed: int, samples: int = 10_000) -> np.ndarray:
    """Low and high of each metric, (2, metrics), every query drawn by itself."""
    rng = np.random.default_rng(seed)
    size = values.shape[1]
    means = [values[:, rng.integers(size, size=size)].mean(axis=1) for _ in range(samples)]
    return np.asarray(np.percentile(means, [2.5, 97.5], axis=0))


def _mixed(queries: int, seed: int = 3) -> np.ndarray:
    """Reciprocal rank, hit and AP-like values: many equal columns, and some of their own."""
    rng = np.random.default_rng(seed)
    ranks = rng.geometric(0.4, size=queries)
    own = np.where(rng.random(queries) < 0.2, rng.random(queries), 1 / ranks)
    return np.stack([1 / ranks, (ranks == 1).astype(float), own])


@pytest.mark.parametrize("queries", [7, 60, 700])
def test_interval_is_that_of_a_plain_loop(queries: int) -> None:
    values = _mixed(queries)
    found = bootstrap(values, seed=0)
    low, high = _plain(values, seed=1)
    # Both draw: quantiles of 10,000 means spread by about 3 % of the interval's width.
    for interval, mean, its_low, its_high in zip(
        found, values.mean(axis=1), low, high, strict=True
    ):
        assert interval.mean == pytest.approx(mean, abs=1e-12)
        spread = 0.05 * (its_high - its_low) + 1.001 / queries  # hits come in whole steps
        assert interval.low == pytest.approx(its_low, abs=spread)
        assert interval.high == pytest.approx(its_high, abs=spread)


@pytest.mark.parametrize("equal", [False, True])
def test_interval_of_many_queries_is_the_normal_one(equal: bool) -> None:
    rng = np.random.default_rng(5)
    column = rng.beta(0.5, 0.8, size=4_000)
    values = np.round(column, 1)[None] if equal else column[None]
    (found,) = bootstrap(values, seed=11)
    spread = 1.959964 * values.std() / math.sqrt(values.size)
    assert found.low == pytest.approx(values.mean() - spread, abs=0.06 * spread)
    assert found.high == pytest.approx(values.mean() + spread, abs=0.06 * spread)


def test_interval_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = _mixed(150)[2:]
    theirs = stats.bootstrap(
        (values[0],), np.mean, n_resamples=10_000, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    (ours,) = bootstrap(values, seed=0)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.004)


def test_metrics_of_a_draw_share_its_queries() -> None:
    values = _mixed(90)
    together = bootstrap(np.stack([values[0], 1 - values[0]]), seed=2)
    # Had they other queries, the ends would mirror each other only by chance.
    assert together[0].low == pytest.approx(1 - together[1].high, abs=1e-12)
    assert together[0].high == pytest.approx(1 - together[1].low, abs=1e-12)


def test_seed_decides_and_order_of_queries_does_not() -> None:
    values = _mixed(300)
    assert bootstrap(values, seed=4) == bootstrap(values, seed=4)
    assert bootstrap(values, seed=4) != bootstrap(values, seed=5)
    turned = bootstrap(values[:, ::-1], seed=4)
    for ours, its in zip(bootstrap(values, seed=4), turned, strict=True):
        assert (ours.low, ours.high) == pytest.approx((its.low, its.high), abs=0.01)


def test_queries_left_out_change_nothing() -> None:
    values = _mixed(50)
    gaps = np.insert(values, [0, 17, 50], NAN, axis=1)
    assert bootstrap(gaps, seed=1) == bootstrap(values, seed=1)


@pytest.mark.parametrize("queries", [1, 2, 15, 16, 33])
@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1.0])
def test_equal_values_have_no_spread(queries: int, value: float) -> None:
    (found,) = bootstrap(np.full((1, queries), value), seed=0, samples=50)
    assert (found.low, found.mean, found.high) == (value, value, value)


def test_any_number_of_draws() -> None:
    values = _mixed(20)
    for samples in (1, 31, 32, 33):
        assert len(bootstrap(values, seed=0, samples=samples)) == 3
    assert bootstrap(values[:1], seed=0, samples=1)[0].low == bootstrap(
        values[:1], seed=0, samples=1
    )[0].high  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[NAN, NAN]], "expected a query with a relevant target, got none"),
        (np.zeros((2, 0)), "expected a query with a relevant target, got none"),
        ([[NAN, 0.5], [0.1, 0.5]], "all metrics of a query or none"),
        ([[math.inf, 0.5]], "finite"),
        ([0.5, 0.5], r"\(metrics, queries\), got shape \(2,\)"),
    ],
)
def test_values_that_have_no_interval(values: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bootstrap(values, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"samples": 0}, {"samples": 1.5}])
def test_options_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="samples"):
        bootstrap([[0.5]], seed=0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 2, 5, 9, 12])
def test_p_is_that_of_all_signs(size: int) -> None:
    differences = np.random.default_rng(size).normal(0.4, 1, size=size)
    means = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=size)]
    exact = np.mean(np.array(means) >= abs(differences.sum()) - 1e-9)
    found = sign_flip(differences, seed=0)
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 10_000) + 1e-3)


def test_p_agrees_with_scipy_and_with_a_normal_distribution() -> None:
    stats = pytest.importorskip("scipy.stats")
    differences = np.random.default_rng(8).normal(0.05, 1, size=900)
    found = sign_flip(differences, seed=0)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=5_000, vectorized=True,
        rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    z = abs(differences.sum()) / math.sqrt((differences**2).sum())
    assert found == pytest.approx(theirs, abs=0.03)
    assert found == pytest.approx(2 * stats.norm.sf(z), abs=0.02)


def test_p_at_its_ends() -> None:
    assert sign_flip([0.0, 0.0, NAN], seed=0) == 1.0
    assert sign_flip([0.3], seed=0) == 1.0
    assert sign_flip(np.full(200, 0.01), seed=0) == pytest.approx(1 / 10_001)
    assert sign_flip(np.full(200, -0.01), seed=0, samples=99) == pytest.approx(1 / 100)


@pytest.mark.parametrize("step", [0.1, 0.7, 1 / 3])
def test_p_counts_equal_means_that_rounding_tells_apart(step: float) -> None:
    # At least seven of ten signs alike: 2 * (120 + 45 + 10 + 1) of 1,024, summed in any order.
    differences = step * np.repeat([1.0, -1.0], [7, 3])
    assert sign_flip(differences, seed=0) == pytest.approx(0.34375, abs=0.02)


def test_p_is_symmetric_and_deterministic() -> None:
    differences = np.random.default_rng(2).normal(0.1, 1, size=70)
    assert sign_flip(differences, seed=3) == sign_flip(-differences, seed=3)
    assert sign_flip(np.append(differences, [NAN, 0.0]), seed=3) == sign_flip(differences, seed=3)
    assert sign_flip(differences, seed=3) != sign_flip(differences, seed=4)


def test_p_of_chance_is_uniform() -> None:
    rng = np.random.default_rng(6)
    found = np.array([sign_flip(rng.normal(size=40), seed=0, samples=199) for _ in range(300)])
    assert np.mean(found < 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(found < 0.5) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("differences", "message"),
    [([NAN], "got none"), ([], "got none"), ([[0.1]], "shape"), ([math.inf], "finite")],
)
def test_differences_that_have_no_p(differences: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sign_flip(differences, seed=0)


def test_a_mean_over_tasks_is_that_of_independent_draws() -> None:
    rng = np.random.default_rng(0)
    tasks = [rng.normal(1, 1, 50), rng.normal(3, 2, 400)]
    tasks[0][3] = np.nan
    found = bootstrap_mean(tasks, seed=1)
    assert found.mean == pytest.approx((np.nanmean(tasks[0]) + tasks[1].mean()) / 2)
    error = np.hypot(np.nanstd(tasks[0]) / 7, tasks[1].std() / 20) / 2
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert bootstrap_mean(tasks, seed=1) == found
    assert bootstrap_mean([[2.0, 2.0], [4.0]], seed=0) == Interval(3.0, 3.0, 3.0)
    with pytest.raises(InputError, match="at least one task"):
        bootstrap_mean([], seed=0)
    with pytest.raises(InputError, match="expected a query"):
        bootstrap_mean([[1.0], [np.nan]], seed=0)


def test_interval_of_sums_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(2)
    counts = np.stack([found := rng.integers(1, 9, size=40), rng.binomial(found, 0.6)], axis=1)
    (interval,) = bootstrap_sums(counts, lambda sums: sums[:, 1:] / sums[:, :1], seed=0)
    rows = rng.integers(40, size=(10_000, 40))
    low, high = np.quantile(
        counts[rows].sum(axis=1) @ [[0], [1]] / counts[rows].sum(axis=1)[:, :1], [0.025, 0.975]
    )
    assert interval.mean == pytest.approx(counts[:, 1].sum() / counts[:, 0].sum())
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.005)


@pytest.mark.parametrize("counts", [np.zeros((0, 2)), [1.0, 2.0], [[1.0, NAN]]])
def test_sums_of_no_counts_are_refused(counts: object) -> None:
    with pytest.raises(InputError):
        bootstrap_sums(counts, lambda sums: sums, seed=0)
