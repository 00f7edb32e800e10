"""Target caches from Python: what goes in comes out, and changes do what they say."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import HashEncoder
from uwe.cache.target_cache import TargetCache
from uwe.checks import is_blank
from uwe.encoder.tokens import TokenVectors
from uwe.errors import CacheError, InputError
from uwe.scorer import Scorer

SOFT = Scorer("soft", temperature=0.5)
LABELS = ["Apache Spark", "pastry baking", "contract law", "Apache Spark"]


def units_and_norms(encoder: HashEncoder, text: str) -> tuple[np.ndarray, np.ndarray]:
    values = encoder.encode([text]).values.astype(np.float64)
    norms = np.linalg.norm(values, axis=1)
    return values / norms[:, None], norms


def test_a_cache_shows_what_was_built(small_cache: TargetCache, encoder: HashEncoder) -> None:
    assert len(small_cache) == 4
    assert list(small_cache.labels) == LABELS
    assert list(small_cache.ids) == ["a", None, "c", "d"]
    assert [small_cache.aliases[i] for i in range(4)] == [
        ["Spark", "pyspark 3"],
        [],
        ["law of contracts"],
        [],
    ]
    assert small_cache.columns == ["kind", "level", "core", "note"]
    assert small_cache.metadata[1] == {"kind": "skill", "level": 2.5, "core": False, "note": None}
    assert type(small_cache.metadata[0]["level"]) is int
    assert (small_cache.dim, small_cache.scorer, small_cache.fingerprint) == (8, SOFT, "")
    assert small_cache.model is encoder
    assert small_cache.find("Apache Spark") == [0, 3]
    assert small_cache.find("apache spark") == []
    small_cache.verify()


def test_vectors_are_units_and_norms_of_the_encoders(
    small_cache: TargetCache, encoder: HashEncoder
) -> None:
    texts = [[label, *small_cache.aliases[i]] for i, label in enumerate(LABELS)]
    pooled = []
    for i, of_target in enumerate(texts):
        for j, text in enumerate(of_target):
            units, norms = units_and_norms(encoder, text)
            got_units, got_norms = small_cache.core.token_vectors(i, j)
            np.testing.assert_allclose(got_units, units, atol=1e-7)
            np.testing.assert_allclose(got_norms, norms, rtol=1e-7)
            mean = encoder.encode([text]).values.mean(axis=0)
            pooled.append(mean / np.linalg.norm(mean))
    np.testing.assert_allclose(small_cache.core.pooled(), pooled, atol=1e-6)
    assert small_cache.core.text_targets().tolist() == [0, 0, 0, 1, 2, 2, 3]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("tokens", ["all", "pooled"])
def test_every_form_holds_its_rows(
    encoder: HashEncoder, tmp_path: Path, dtype: str, tokens: str
) -> None:
    small_cache = TargetCache.build(
        encoder, LABELS, path=tmp_path / "c", dtype=dtype, tokens=tokens, scorer=SOFT
    )
    info = small_cache.info()
    assert (info["dtype"], info["tokens"]) == (dtype, tokens)
    assert info["token_vectors"] == (8 if tokens == "all" else 4)
    units, _ = small_cache.core.token_vectors(1, 0)
    if tokens == "pooled":
        want = encoder.encode([LABELS[1]]).values.mean(axis=0)
        np.testing.assert_array_equal(units, small_cache.core.pooled()[1:2])
    else:
        want = units_and_norms(encoder, LABELS[1])[0][0]
    atol = 1e-6 if dtype == "float32" else 5e-4
    np.testing.assert_allclose(units[0], want / np.linalg.norm(want), atol=atol)


def test_labels_and_ids_read_like_lists(small_cache: TargetCache) -> None:
    assert small_cache.labels[1] == "pastry baking"
    assert small_cache.labels[-1] == "Apache Spark"
    assert small_cache.labels[1:3] == LABELS[1:3]
    assert small_cache.ids[::-1] == ["d", "c", None, "a"]
    assert "contract law" in small_cache.labels
    assert small_cache.labels == LABELS
    assert small_cache.labels == LABELS
    assert small_cache.labels == TargetCache.open(small_cache.path).labels
    for other in (LABELS[:3], [*LABELS[:3], "x"], tuple(LABELS), "Apache Spark"):
        assert small_cache.labels != other
    assert repr(small_cache.labels) == "['Apache Spark', 'pastry baking', 'contract law', ...] (4)"
    with pytest.raises(IndexError):
        small_cache.labels[4]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        (None, [0, 1, 2, 3]),
        ({}, [0, 1, 2, 3]),
        ({"kind": "tool"}, [0, 3]),
        ({"kind": ["skill", None]}, [1, 2]),
        ({"kind": "unheard of"}, []),
        ({"kind": []}, []),
        ({"level": 1}, [0, 3]),
        ({"level": np.array([2.5, 3.0])}, [1, 2]),
        ({"core": True}, [0, 2]),
        ({"core": None}, [3]),
        ({"kind": "tool", "core": {True, False}}, [0]),
        ({"note": "anything"}, []),
        ([True, False, False, True], [0, 3]),
        (np.array([False, True, False, False]), [1]),
        ([3, 1, 3], [1, 3]),
        (np.array([2], dtype=np.uint8), [2]),
        ((), []),
    ],
)
def test_mask(small_cache: TargetCache, where: Any, kept: list[int]) -> None:
    mask = small_cache.mask(where)
    assert mask.dtype == np.bool_
    assert mask.shape == (4,)
    assert np.flatnonzero(mask).tolist() == kept


def test_append_returns_a_cache_with_more(small_cache: TargetCache, encoder: HashEncoder) -> None:
    metadata: dict[str, list[Any]] = {"note": ["x"], "kind": [None], "level": [7], "core": [False]}
    more = small_cache.append(["welding"], ids=["e"], aliases=[["to weld"]], metadata=metadata)
    assert list(more.labels) == [*LABELS, "welding"]
    assert more.metadata[4] == {"kind": None, "level": 7, "core": False, "note": "x"}
    assert more.aliases[4] == ["to weld"]
    assert more.mask({"note": "x"}).tolist() == [False] * 4 + [True]
    assert len(small_cache) == 4
    assert list(small_cache.labels) == LABELS
    assert more.model is encoder


def test_remove_by_index_id_label_or_filter(small_cache: TargetCache) -> None:
    assert list(small_cache.remove([1]).labels) == [LABELS[0], *LABELS[2:]]
    assert list(TargetCache.open(small_cache.path).remove(ids=["a", "c"]).ids) == ["d"]
    last = TargetCache.open(small_cache.path)
    assert len(last.remove({"kind": "tool"})) == 0
    assert len(small_cache) == 4


def test_remove_takes_every_target_of_a_label(small_cache: TargetCache) -> None:
    assert list(small_cache.remove(labels=["Apache Spark"]).labels) == LABELS[1:3]


def test_compact_gives_space_back(small_cache: TargetCache) -> None:
    columns = {name: [None] for name in small_cache.columns}
    changed = small_cache.remove([0]).append(["x"], metadata=columns)
    before = changed.info()
    compacted = changed.compact()
    after = compacted.info()
    assert (before["data_files"], after["data_files"]) == (2, 1)
    assert (before["removed"], after["removed"]) == (1, 0)
    assert after["bytes"] < before["bytes"]
    assert list(compacted.labels) == list(changed.labels)
    assert [compacted.metadata[i] for i in range(4)] == [changed.metadata[i] for i in range(4)]
    np.testing.assert_array_equal(compacted.core.pooled(), changed.core.pooled())
    with pytest.raises(CacheError, match="open it again"):
        small_cache.remove([1])
    assert list(small_cache.labels) == LABELS


def test_info_is_json_and_the_repr_says_the_most(small_cache: TargetCache) -> None:
    info = json.loads(json.dumps(small_cache.info()))
    assert info["targets"] == 4
    assert info["texts"] == 7
    assert info["token_vectors"] == 14
    assert info["bytes"] == sum(f.stat().st_size for f in small_cache.path.glob("segment-*"))
    assert "targets=4, dim=8, dtype='float32', scorer='soft:0.5'" in repr(small_cache)


def test_a_build_over_a_cache_replaces_it(small_cache: TargetCache, encoder: HashEncoder) -> None:
    TargetCache.build(encoder, ["one"], path=small_cache.path, scorer=Scorer("max"))
    assert list(TargetCache.open(small_cache.path).labels) == ["one"]
    assert list(small_cache.labels) == LABELS, "readers keep what they opened"
    assert len(list(small_cache.path.iterdir())) == 3


def test_a_copy_is_the_cache_itself(encoder: HashEncoder) -> None:
    cache = TargetCache.build(encoder, ["a"], scorer="pooled")
    assert copy.copy(cache) is cache
    assert copy.deepcopy({"space": cache})["space"] is cache


def test_a_path_of_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.uwe").touch()
    (entry,) = os.scandir(os.fsencode(tmp_path))
    with pytest.raises(InputError, match="path"):
        TargetCache.open(entry)


def test_a_pickle_of_a_column_is_a_list(small_cache: TargetCache) -> None:
    for column in (small_cache.labels, small_cache.ids, small_cache.aliases, small_cache.metadata):
        for again in (pickle.loads(pickle.dumps(column)), copy.deepcopy(column)):
            assert isinstance(again, list)
            assert again == column


def test_a_pickle_holds_the_path(small_cache: TargetCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small_cache.path.parent)
    opened = TargetCache.open("space.uwe")
    monkeypatch.chdir("/")
    again = pickle.loads(pickle.dumps(opened))
    assert again.path == small_cache.path
    assert list(again.labels) == LABELS


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_blocks_change_nothing_and_bound_what_is_encoded(
    small_cache: TargetCache, tmp_path: Path, block: int
) -> None:
    asked: list[int] = []

    class Counting(HashEncoder):
        def encode(self, texts: Sequence[str], /) -> TokenVectors:
            asked.append(len(texts))
            return super().encode(texts)

    reports: list[tuple[int, int]] = []
    other = TargetCache.build(
        Counting(),
        LABELS,
        path=tmp_path / "other",
        aliases=[["Spark", "pyspark 3"], [], ["law of contracts"], []],
        block=block,
        scorer=SOFT,
        progress=lambda done, total: reports.append((done, total)),
    )
    assert sum(asked) == 7
    # Targets stay whole: one with more texts than a block is a block of its own.
    assert max(asked) <= max(block, 3)
    assert reports[-1] == (7, 7)
    assert [done for done, _ in reports] == np.cumsum(asked).tolist()
    np.testing.assert_array_equal(other.core.pooled(), small_cache.core.pooled())


def test_threads_share_a_cache(small_cache: TargetCache) -> None:
    def use(_: int) -> None:
        for _ in range(300):
            assert list(small_cache.labels) == LABELS
            assert small_cache.mask({"kind": "tool"}).sum() == 2
            assert small_cache.core.token_vectors(2, 1)[0].shape == (3, 8)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: not is_blank(text)
)


@settings(max_examples=30, deadline=None)
@given(
    start=st.lists(texts, min_size=1, max_size=5),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.lists(texts, min_size=1, max_size=3)),
            st.tuples(st.just("remove"), st.lists(st.integers(0, 20), max_size=3)),
            st.tuples(st.just("compact"), st.none()),
        ),
        max_size=6,
    ),
)
def test_any_changes_equal_those_of_a_list(
    tmp_path_factory: pytest.TempPathFactory, start: list[str], steps: list[tuple[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("caches") / "c"
    meta = {"n": list(range(len(start)))}
    small_cache = TargetCache.build(HashEncoder(), start, path=path, metadata=meta, scorer=SOFT)
    want = list(zip(start, meta["n"], strict=True))
    for verb, argument in steps:
        if verb == "append":
            numbers = [100 + i for i in range(len(argument))]
            small_cache = small_cache.append(argument, metadata={"n": numbers})
            want += zip(argument, numbers, strict=True)
        elif verb == "remove":
            gone = {i for i in argument if i < len(want)}
            small_cache = small_cache.remove(sorted(gone))
            want = [pair for i, pair in enumerate(want) if i not in gone]
        else:
            small_cache = small_cache.compact()
        got = [(label, small_cache.metadata[i]["n"]) for i, label in enumerate(small_cache.labels)]
        assert got == want
    small_cache.verify()
