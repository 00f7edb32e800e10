"""A cache that another process built again since it was opened: nothing of two models is mixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import HashEncoder
from uwe.cache.own_calibration import calibration_path
from uwe.cache.target_cache import TargetCache
from uwe.errors import CacheError, CacheMismatchError, InputError
from uwe.scorer import Scorer

SOFT = Scorer("soft", temperature=0.5)


class Named(HashEncoder):
    """A model with a fingerprint; all have one width."""

    source = ""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint


@pytest.fixture
def opened(tmp_path: Path) -> TargetCache:
    return TargetCache.build(Named("aaaa"), ["one", "two"], path=tmp_path / "c", scorer=SOFT)


def test_append_refuses_another_models_cache(opened: TargetCache) -> None:
    other = TargetCache.build(Named("bbbb"), ["three"], path=opened.path, scorer=SOFT)
    with pytest.raises(CacheMismatchError, match="another") as caught:
        opened.append(["four"])
    assert (caught.value.expected, caught.value.found) == ("aaaa", "bbbb")
    now = TargetCache.open(opened.path)
    assert now.seal == other.seal
    assert list(other.append(["four"]).labels) == ["three", "four"], "the lock is free again"


def test_append_refuses_other_columns(opened: TargetCache) -> None:
    other = TargetCache.build(
        Named("aaaa"), ["three"], path=opened.path, metadata={"kind": ["x"]}, scorer=SOFT
    )
    with pytest.raises(CacheError, match="open it again"):
        opened.append(["four"])
    assert TargetCache.open(opened.path).seal == other.seal


def test_a_calibration_is_of_the_targets_that_were_opened(opened: TargetCache) -> None:
    other = TargetCache.build(Named("bbbb"), ["three"], path=opened.path, scorer=SOFT)
    with pytest.raises(CacheMismatchError, match="open it again"):
        opened.calibrated({})
    same = TargetCache.build(Named("aaaa"), ["one", "three"], path=opened.path, scorer=SOFT)
    for old in (opened, other):
        with pytest.raises(CacheError, match="open it again"):
            old.calibrated({})
    longer = same.append(["four"])
    with pytest.raises(CacheError, match="open it again"):
        same.calibrated({})
    assert not calibration_path(opened.path).exists()
    assert longer.calibrated({}).seal == longer.seal
    assert calibration_path(opened.path).exists()
    assert len(longer.append(["five"])) == 4, "the lock is free again"


def test_a_column_keeps_one_kind_whoever_appends(tmp_path: Path) -> None:
    one = TargetCache.build(
        Named("aaaa"), ["a"], path=tmp_path / "c", metadata={"x": [None]}, scorer=SOFT
    )
    one.append(["b"], metadata={"x": [1]})
    with pytest.raises(InputError, match="one kind"):
        one.append(["c"], metadata={"x": [None]}, ids=["1"]).append(["d"], metadata={"x": ["t"]})
    with pytest.raises(InputError, match="one kind"):
        one.append(["d"], metadata={"x": ["t"]})
    assert TargetCache.open(one.path).metadata[2] == {"x": None}


def test_an_id_that_another_process_removed_is_free(tmp_path: Path) -> None:
    one = TargetCache.build(
        Named("aaaa"), ["a", "b"], path=tmp_path / "c", ids=["1", "2"], scorer=SOFT
    )
    TargetCache.open(one.path).remove(ids=["2"])
    assert list(one.append(["c"], ids=["2"]).labels) == ["a", "c"]


def test_a_cache_that_comes_back_has_its_own_model(opened: TargetCache) -> None:
    assert opened.compact().model is opened.model
    TargetCache.build(Named("bbbb"), ["three"], path=opened.path, scorer=SOFT)
    other = opened.compact()
    assert other.fingerprint == "bbbb"
    with pytest.raises(InputError, match=r"TargetCache\.open\(path, model="):
        _ = other.model
