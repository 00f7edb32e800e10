"""The compiled door: exactness, wrong arrays, threads, forks, signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from uwe import _core
from uwe.errors import InputError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "scores.json").read_text())["cases"]
SCORERS = ("soft_target", "soft_query", "soft", "max", "pooled")
Ragged = tuple[NDArray[np.float32], NDArray[np.int64]]


def ragged(rng: np.random.Generator, lengths: list[int], dim: int, scale: float = 1.0) -> Ragged:
    values = rng.normal(size=(sum(lengths), dim)).astype(np.float32) * np.float32(scale)
    return values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def allowed(query: Ragged, targets: Ragged, temperature: float) -> float:
    """The documented tolerance of a kernel, for the largest logit of all pairs."""
    largest = float(np.abs(query[0].astype(np.float64) @ targets[0].astype(np.float64).T).max())
    return 1e-5 * max(1.0, largest / (16 * temperature))


@pytest.mark.parametrize(
    "case", GOLDEN, ids=lambda case: f"{case['scorer']}-{case['pivot']}-{case['dim']}"
)
def test_scores_equal_the_golden_ones(case: dict[str, object]) -> None:
    dim = case["dim"]
    query = np.array(case["query"], np.float32).reshape(-1, dim)  # type: ignore[call-overload]
    targets = np.array(case["targets"], np.float32).reshape(-1, dim)  # type: ignore[call-overload]
    spaces = (query, np.array([0, len(query)])), (targets, np.array(case["offsets"]))
    options = {key: case[key] for key in ("scorer", "temperature", "pivot")}
    exact = _core.twin(*spaces[0], *spaces[1], **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(exact[0], case["scores"], atol=1e-12)
    got = _core.late_interaction(*spaces[0], *spaces[1], **options)  # type: ignore[arg-type]
    tolerance = allowed(*spaces, temperature=float(str(case["temperature"])))
    np.testing.assert_allclose(got[0], case["scores"], atol=tolerance)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    scorer=st.sampled_from(SCORERS),
    pivot=st.none() | st.floats(0, 1e3),
    dim=st.integers(1, 40),
    queries=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    targets=st.lists(st.integers(1, 20), min_size=1, max_size=8),
    temperature=st.floats(1e-3, 1e3),
    scale=st.floats(1e-3, 1e3),
)
def test_late_interaction_equals_the_twin(
    seed: int,
    scorer: str,
    pivot: float | None,
    dim: int,
    queries: list[int],
    targets: list[int],
    temperature: float,
    scale: float,
) -> None:
    rng = np.random.default_rng(seed)
    left, right = ragged(rng, queries, dim, scale), ragged(rng, targets, dim)
    how = {"temperature": temperature, "pivot": pivot if scorer == "soft" else None}
    got = _core.late_interaction(*left, *right, scorer=scorer, **how)
    exact = _core.twin(*left, *right, scorer=scorer, **how)
    assert got.shape == exact.shape == (len(queries), len(targets))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, exact, atol=allowed(left, right, temperature))
    subset = np.flatnonzero(rng.random(len(targets)) < 0.5)
    part = _core.late_interaction(*left, *right, scorer=scorer, subset=subset, **how)
    np.testing.assert_array_equal(part, got[:, subset])


def test_the_twin_is_the_formula() -> None:
    """The definition once more, in NumPy, as the design page writes it."""
    rng = np.random.default_rng(3)
    (q, q_offsets), (y, y_offsets) = ragged(rng, [5], 6), ragged(rng, [4], 6)
    a = q.astype(np.float64) @ y.astype(np.float64).T
    c = a / np.outer(np.linalg.norm(q, axis=1), np.linalg.norm(y, axis=1))
    over_targets, over_query = (
        np.exp(a / 0.7) / np.exp(a / 0.7).sum(axis, keepdims=True) for axis in (1, 0)
    )
    means = q.mean(0), y.mean(0)
    expected = {
        "soft_target": (over_targets * c).sum(1).mean(),
        "soft_query": (over_query * c).sum(0).mean(),
        "max": c.max(1).mean(),
        "pooled": means[0] @ means[1] / np.linalg.norm(means[0]) / np.linalg.norm(means[1]),
    }
    expected["soft"] = (expected["soft_target"] + expected["soft_query"]) / 2
    for scorer, value in expected.items():
        got = _core.twin(q, q_offsets, y, y_offsets, scorer=scorer, temperature=0.7)
        assert got[0, 0] == pytest.approx(value, abs=1e-6), scorer
    for pivot, weight in ((0.0, 1.0), (5.0, 0.5), (20.0, 0.2)):
        value = weight * expected["soft_query"] + (1 - weight) * expected["soft_target"]
        got = _core.twin(q, q_offsets, y, y_offsets, scorer="soft", temperature=0.7, pivot=pivot)
        assert got[0, 0] == pytest.approx(value, abs=1e-6), pivot


def good() -> dict[str, object]:
    rng = np.random.default_rng(4)
    (query, query_offsets), (target, target_offsets) = (
        ragged(rng, [2, 3], 4),
        ragged(rng, [1, 2], 4),
    )
    return {
        "query_values": query,
        "query_offsets": query_offsets,
        "target_values": target,
        "target_offsets": target_offsets,
        "scorer": "soft",
        "temperature": 0.5,
    }


NAN = np.array([[1.0, 2, 3, np.nan]], np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scorer": "maxsim"}, "soft_target"),
        ({"temperature": 0.0}, "temperature above zero"),
        ({"temperature": float("nan")}, "temperature above zero"),
        ({"pivot": -1.0}, "pivot"),
        ({"pivot": float("nan")}, "pivot"),
        ({"pivot": float("inf")}, "pivot"),
        ({"pivot": 4.0, "scorer": "max"}, "pivot"),
        ({"query_offsets": np.array([0, 2, 4])}, "number of tokens"),
        ({"query_offsets": np.array([0, 2, 2, 5])}, "text 1"),
        ({"query_offsets": np.array([], np.int64)}, "start"),
        ({"target_values": NAN, "target_offsets": np.array([0, 1])}, "token 0"),
        ({"target_values": NAN * 0, "target_offsets": np.array([0, 1])}, "length"),
        ({"target_values": np.ones((3, 5), np.float32)}, "4 dimensions"),
        ({"query_values": np.ones((10, 4), np.float32)[::2]}, "ascontiguousarray"),
        ({"query_values": np.asfortranarray(np.ones((5, 4), np.float32))}, "C-contiguous"),
        ({"scorer": "pooled", "query_values": np.eye(5, 4, -1, np.float32)}, "length"),
        ({"subset": np.array([1, 0])}, "strictly increasing"),
        ({"subset": np.array([-1])}, "negative"),
        ({"subset": np.array([2])}, "target 2"),
    ],
)
def test_wrong_arrays_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _core.late_interaction(**(good() | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"query_values": np.ones((5, 4))},
        {"query_values": np.ones(20, np.float32)},
        {"query_offsets": np.array([0, 2, 5], np.int32)},
        {"query_values": [[1.0]]},
        {"temperature": "warm"},
    ],
)
def test_a_wrong_dtype_or_rank_is_a_type_error(change: dict[str, object]) -> None:
    """The Python package converts; the compiled module takes exact arrays only."""
    with pytest.raises(TypeError):
        _core.late_interaction(**(good() | change))  # type: ignore[arg-type]


def test_top_k_ranks_and_metrics_fit_together() -> None:
    scores = np.array([[0.1, 0.9, 0.9, -1.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
    indices, values = _core.top_k(scores, 3)
    assert indices.tolist() == [[1, 2, 0], [0, 1, 2]]
    np.testing.assert_array_equal(values[0], scores[0, [1, 2, 0]])
    assert _core.top_k(scores, 99)[0].shape == (2, 4)
    assert _core.top_k(np.array([[-0.0, 0.0]], np.float32), 2)[0].tolist() == [[0, 1]]
    with pytest.raises(InputError, match="C-contiguous"):
        _core.top_k(np.asfortranarray(scores), 2)
    relevant, offsets = np.array([2, 3, 3]), np.array([0, 2, 3])
    ranks = _core.ranks(scores, relevant, offsets)
    assert ranks.tolist() == [2, 4, 4]
    measured = _core.metrics(ranks, offsets, ["MAP", "hit@2"])
    np.testing.assert_allclose(measured, [[(1 / 2 + 2 / 4) / 2, 1 / 4], [1, 0]])
    for bad in (0, -1):
        with pytest.raises((InputError, OverflowError)):
            _core.top_k(scores, bad)
    with pytest.raises(InputError, match="MAP"):
        _core.metrics(ranks, offsets, ["map"])


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("level", _core.simd_levels())
def test_a_level_can_be_forced(level: str) -> None:
    done = run("from uwe import _core; print(_core.simd_level())", UWE_SIMD=level)
    assert done.stdout.strip() == level, done.stderr


def test_an_unavailable_level_is_a_clear_error() -> None:
    done = run("from uwe import _core; _core.simd_level()", UWE_SIMD="avx1024")
    assert done.returncode == 1
    assert "InputError: UWE_SIMD=avx1024" in done.stderr
    assert "scalar" in done.stderr


def large(texts: int = 3000) -> dict[str, object]:
    rng = np.random.default_rng(5)
    queries, targets = ragged(rng, [8] * 40, 32), ragged(rng, [6] * texts, 32)
    return {
        "query_values": queries[0],
        "query_offsets": queries[1],
        "target_values": targets[0],
        "target_offsets": targets[1],
        "scorer": "soft",
        "temperature": 0.5,
    }


def test_threads_do_not_change_a_bit_and_many_callers_share_the_pool() -> None:
    arguments = large(600)
    before = _core.threads()
    try:
        results = []
        for count in (1, 2, 7):
            _core.set_threads(count)
            assert _core.threads() == count
            results.append(_core.late_interaction(**arguments))  # type: ignore[arg-type]
        assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(_core.late_interaction, **arguments) for _ in range(64)]  # type: ignore[arg-type]
            assert all(call.result().tobytes() == results[0].tobytes() for call in calls)
    finally:
        _core.set_threads(0)
    assert _core.threads() == before


def test_a_call_releases_the_interpreter() -> None:
    """While one thread scores, another runs Python code."""
    arguments = large(20_000)
    ticks, done = 0, threading.Event()

    def score() -> None:
        _core.late_interaction(**arguments)  # type: ignore[arg-type]
        done.set()

    worker = threading.Thread(target=score)
    worker.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.0005)
    worker.join()
    assert ticks > 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_scores_serially_and_equally() -> None:
    arguments = large(600)
    _core.set_threads(2)
    expected = _core.late_interaction(**arguments).tobytes()  # type: ignore[arg-type]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            same = _core.late_interaction(**arguments).tobytes() == expected  # type: ignore[arg-type]
            status = 0 if same and _core.threads() == 1 else 2
        finally:
            os._exit(status)
    _core.set_threads(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_ctrl_c_ends_a_long_call() -> None:
    code = """
import numpy as np, os, signal, sys, threading, time
from uwe import _core
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background ignores it
rng = np.random.default_rng(0)
values = rng.normal(size=(60_000, 64)).astype(np.float32)
offsets = np.arange(0, 60_001, 6)
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    while True:
        start = time.perf_counter()
        _core.late_interaction(values, offsets, values, offsets, scorer="soft", temperature=1.0)
except KeyboardInterrupt:
    print("stopped", time.perf_counter() - start)
"""
    start = time.monotonic()
    done = run(code, PYTHONUNBUFFERED="1")
    assert done.stdout.startswith("stopped"), done.stderr
    assert time.monotonic() - start < 50
    assert done.returncode == 0
