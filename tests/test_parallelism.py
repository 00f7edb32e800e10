"""Threads of a call: set by the caller or by the environment, in the encoder and the core alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import uwe
from tiny_model import write_model
from uwe import _core
from uwe.errors import InputError
from uwe.parallelism import one_blas_thread


@pytest.fixture(autouse=True)
def reset() -> Iterator[None]:
    yield
    uwe.set_threads(None)


def test_threads_are_those_of_encoder_and_core(tmp_path: Path) -> None:
    model = uwe.load(write_model(tmp_path))
    own = uwe.load(tmp_path, threads=2)
    uwe.set_threads(3)
    assert uwe.threads() == model.threads == _core.threads() == 3
    assert own.threads == 2
    before = model.encode(["data", "baker"]).values
    uwe.set_threads(1)
    assert model.threads == _core.threads() == 1
    assert (model.encode(["data", "baker"]).values == before).all()


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True, 10**4, 10**400])
def test_a_wrong_number_changes_nothing(count: Any) -> None:
    uwe.set_threads(2)
    with pytest.raises(InputError):
        uwe.set_threads(count)
    assert uwe.threads() == _core.threads() == 2


def test_the_environment_sets_what_no_call_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UWE_THREADS", "3")
    assert uwe.threads() == 3
    uwe.set_threads(2)
    assert uwe.threads() == 2
    uwe.set_threads(None)
    assert uwe.threads() == _core.threads() == 3


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²", "99999", "9" * 5000])
def test_a_wrong_environment_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UWE_THREADS", text)
    with pytest.raises(InputError, match="UWE_THREADS"):
        uwe.threads()
    monkeypatch.delenv("UWE_THREADS")


def test_the_core_takes_the_environment_from_the_start() -> None:
    program = "from uwe import _core; print(_core.threads())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"UWE_THREADS": "5", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "5\n"


def test_numpy_has_one_thread_as_long_as_any_call_wants_it() -> None:
    def of_numpy() -> set[int]:
        # Other tests load libraries that have a BLAS of their own.
        found = [one for one in threadpool_info() if one["user_api"] == "blas"]
        return {one["num_threads"] for one in found if "numpy" in one["filepath"]}

    with threadpool_limits(limits=3, user_api="blas"):
        assert of_numpy() == {3}
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        assert of_numpy() <= {1}
        first.__exit__(None, None, None)  # not in the order in which they came
        assert of_numpy() <= {1}
        second.__exit__(None, None, None)
        assert of_numpy() == {3}
