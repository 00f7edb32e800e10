"""Caches and models are let go when nobody refers to them, without the garbage collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import uwe
from conftest import Speller
from tiny_model import write_model
from uwe.corpus import RankingTask
from uwe.data.layout import write_task
from uwe.errors import InputError


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def build(path: Path) -> None:
    uwe.TargetCache.build(
        Speller(), ["Apache Spark", "pastry baking"], path=path, ids=["a", "b"],
        metadata={"kind": ["x", None]}, scorer=uwe.Scorer("soft", temperature=0.5),
    )  # fmt: skip


def partly(cache: uwe.TargetCache) -> None:
    stream = uwe.rank_stream(["a"] * 200, cache, block=1)
    next(stream)


def refused(cache: uwe.TargetCache) -> None:
    with pytest.raises(InputError):
        uwe.rank("a", cache, where={"kind": 3})


USES: dict[str, Callable[[uwe.TargetCache], Any]] = {
    "nothing": lambda cache: None,
    "labels": lambda cache: (list(cache.labels), cache.find("pastry baking"), cache.info()),
    "filter": lambda cache: cache.mask({"kind": "x"}),
    "metadata": lambda cache: cache.metadata[0],
    "rank": lambda cache: uwe.rank("spark SWE", cache, where={"kind": "x"}),
    "rank_many": lambda cache: uwe.rank_many(["a", "b"], cache),
    "partly": partly,
    "refused": refused,
    "explain": lambda cache: uwe.explain("SWE spark", cache, 0),
    "metrics": lambda cache: uwe.cache_metrics(["a"], cache, [[0]]),
    "append": lambda cache: cache.append(["x"], ids=["x"], metadata={"kind": [None]}),
    "remove": lambda cache: cache.remove(ids=["a"]),
    "compact": lambda cache: cache.compact(),
}


def maps_of(folder: Path) -> int:
    maps = Path("/proc/self/maps")
    return maps.read_text().count(str(folder)) if maps.exists() else 0


@pytest.mark.parametrize("use", USES)
def test_a_cache_goes_with_its_last_reference(tmp_path: Path, use: str) -> None:
    build(tmp_path / "c.uwe")
    cache = uwe.TargetCache.open(tmp_path / "c.uwe", model=Speller())
    left = weakref.ref(cache)
    USES[use](cache)
    del cache
    assert left() is None
    assert maps_of(tmp_path) == 0


def test_many_updates_hold_one_map(tmp_path: Path) -> None:
    build(tmp_path / "c.uwe")
    cache = uwe.TargetCache.open(tmp_path / "c.uwe", model=Speller())
    for number in range(10):
        cache = cache.append([f"n{number}"], metadata={"kind": ["y"]})
        cache.mask({"kind": "y"})
        cache = cache.compact()
    assert maps_of(tmp_path) <= 3


def test_a_model_goes_with_its_last_reference(tmp_path: Path) -> None:
    model = uwe.load(write_model(tmp_path), threads=2)
    model.encode(["data", "data baker", "spark"] * 50)
    assert model.fingerprint
    left = weakref.ref(model)
    sessions = [weakref.ref(session) for _, session in model._session._made.values()]
    assert sessions
    del model
    assert left() is None
    assert all(session() is None for session in sessions)


def test_an_evaluation_leaves_no_cache_open(tmp_path: Path) -> None:
    task = RankingTask(["1", "2"], ["a", "b"], ["x", "y"], ["a", "c"], [[0], [1]])
    write_task(tmp_path / "task", {"test": task})
    before = maps_of(Path("/tmp"))
    uwe.evaluate(Speller(), tasks=[tmp_path / "task"], scorer="all")
    assert maps_of(Path("/tmp")) == before
