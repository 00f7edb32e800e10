"""Target caches from Python: what goes in comes out, and changes do what they say."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import uwe.loading
from conftest import HashEncoder
from uwe import _core
from uwe.cache import TargetCache
from uwe.config import Scorer
from uwe.errors import (
    CacheCorruptError,
    CacheError,
    CacheFormatError,
    CacheMismatchError,
    CacheNotFoundError,
    InputError,
    ModelError,
)
from uwe.tokens import TokenVectors

SOFT = Scorer("soft", temperature=0.5)
LABELS = ["Apache Spark", "pastry baking", "contract law", "Apache Spark"]


class NamedEncoder(HashEncoder):
    """An encoder that can be loaded by name, as ours can."""

    source = "some/model"
    config = SimpleNamespace(scorer=Scorer("pooled"))

    def __init__(self, fingerprint: str = "f00d") -> None:
        self.fingerprint = fingerprint


@pytest.fixture
def cache(encoder: HashEncoder, tmp_path: Path) -> TargetCache:
    return TargetCache.build(
        encoder,
        LABELS,
        path=tmp_path / "space.uwe",
        ids=["a", None, "c", "d"],
        aliases=[["Spark", "pyspark 3"], [], ["law of contracts"], []],
        metadata={
            "kind": ["tool", "skill", None, "tool"],
            "level": [1, 2.5, 3, 1.0],
            "core": [True, False, True, None],
            "note": [None, None, None, None],
        },
        scorer=SOFT,
    )


def units_and_norms(encoder: HashEncoder, text: str) -> tuple[np.ndarray, np.ndarray]:
    values = encoder.encode([text]).values.astype(np.float64)
    norms = np.linalg.norm(values, axis=1)
    return values / norms[:, None], norms


def test_a_cache_shows_what_was_built(cache: TargetCache, encoder: HashEncoder) -> None:
    assert len(cache) == 4
    assert list(cache.labels) == LABELS
    assert list(cache.ids) == ["a", None, "c", "d"]
    assert [cache.aliases(i) for i in range(4)] == [
        ["Spark", "pyspark 3"],
        [],
        ["law of contracts"],
        [],
    ]
    assert cache.columns == ["kind", "level", "core", "note"]
    assert cache.metadata(1) == {"kind": "skill", "level": 2.5, "core": False, "note": None}
    assert type(cache.metadata(0)["level"]) is int
    assert (cache.dim, cache.scorer, cache.fingerprint) == (8, SOFT, "")
    assert cache.model is encoder
    assert cache.find("Apache Spark") == [0, 3]
    assert cache.find("apache spark") == []
    cache.verify()


def test_vectors_are_units_and_norms_of_the_encoders(
    cache: TargetCache, encoder: HashEncoder
) -> None:
    texts = [[label, *cache.aliases(i)] for i, label in enumerate(LABELS)]
    pooled = []
    for i, of_target in enumerate(texts):
        for j, text in enumerate(of_target):
            units, norms = units_and_norms(encoder, text)
            got_units, got_norms = cache.core.token_vectors(i, j)
            np.testing.assert_allclose(got_units, units, atol=1e-7)
            np.testing.assert_allclose(got_norms, norms, rtol=1e-7)
            mean = encoder.encode([text]).values.mean(axis=0)
            pooled.append(mean / np.linalg.norm(mean))
    np.testing.assert_allclose(cache.core.pooled(), pooled, atol=1e-6)
    assert cache.core.text_targets().tolist() == [0, 0, 0, 1, 2, 2, 3]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("tokens", ["all", "pooled"])
def test_every_form_holds_its_rows(
    encoder: HashEncoder, tmp_path: Path, dtype: str, tokens: str
) -> None:
    cache = TargetCache.build(
        encoder, LABELS, path=tmp_path / "c", dtype=dtype, tokens=tokens, scorer=SOFT
    )
    info = cache.info()
    assert (info["dtype"], info["tokens"]) == (dtype, tokens)
    assert info["token_vectors"] == (8 if tokens == "all" else 4)
    units, _ = cache.core.token_vectors(1, 0)
    if tokens == "pooled":
        want = encoder.encode([LABELS[1]]).values.mean(axis=0)
        np.testing.assert_array_equal(units, cache.core.pooled()[1:2])
    else:
        want = units_and_norms(encoder, LABELS[1])[0][0]
    atol = 1e-6 if dtype == "float32" else 5e-4
    np.testing.assert_allclose(units[0], want / np.linalg.norm(want), atol=atol)


def test_labels_and_ids_read_like_lists(cache: TargetCache) -> None:
    assert cache.labels[1] == "pastry baking"
    assert cache.labels[-1] == "Apache Spark"
    assert cache.labels[1:3] == LABELS[1:3]
    assert cache.ids[::-1] == ["d", "c", None, "a"]
    assert "contract law" in cache.labels
    assert repr(cache.labels) == "['Apache Spark', 'pastry baking', 'contract law', ...] (4)"
    with pytest.raises(IndexError):
        cache.labels[4]


@pytest.mark.parametrize("index", [-1, 4, 2**40])
def test_a_target_that_is_not_there_is_an_input_error(cache: TargetCache, index: int) -> None:
    for ask in (cache.aliases, cache.metadata, lambda i: cache.core.token_vectors(i, 0)):
        with pytest.raises(InputError, match=f"below 4, got {index}"):
            ask(index)
    with pytest.raises(InputError, match="has 3 texts"):
        cache.core.token_vectors(0, 3)


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
def test_mask(cache: TargetCache, where: Any, kept: list[int]) -> None:
    mask = cache.mask(where)
    assert mask.dtype == np.bool_
    assert mask.shape == (4,)
    assert np.flatnonzero(mask).tolist() == kept


@pytest.mark.parametrize(
    ("where", "part"),
    [
        ({"colour": "red"}, r"no metadata column 'colour'; columns are: 'kind', 'level'"),
        ({"kind": 3}, "holds None and text values, got 3, which is number"),
        ({"level": True}, "which is boolean"),
        ({"core": 1}, "which is number"),
        ({"level": float("nan")}, "got nan"),
        ({"kind": {"a": 1}}, "got {'a': 1}"),
        ([True, False], "mask of 4 booleans"),
        ([0, 4], "below 4, got 4"),
        ([-1], "got -1"),
        ([0.5], "integer indices"),
        ([[0, 1]], "one-dimensional"),
        ([[0], [1, 2]], "one-dimensional"),
        ("kind", "got str"),
        (3, "got int"),
    ],
)
def test_a_wrong_filter_is_an_input_error(cache: TargetCache, where: Any, part: str) -> None:
    with pytest.raises(InputError, match=part):
        cache.mask(where)


def test_append_returns_a_cache_with_more(cache: TargetCache, encoder: HashEncoder) -> None:
    metadata = {"note": ["x"], "kind": [None], "level": [7], "core": [False]}
    more = cache.append(["welding"], ids=["e"], aliases=[["to weld"]], metadata=metadata)
    assert list(more.labels) == [*LABELS, "welding"]
    assert more.metadata(4) == {"kind": None, "level": 7, "core": False, "note": "x"}
    assert more.aliases(4) == ["to weld"]
    assert more.mask({"note": "x"}).tolist() == [False] * 4 + [True]
    assert len(cache) == 4
    assert list(cache.labels) == LABELS
    assert more.model is encoder


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"labels": []}, "at least one text"),
        ({"labels": ["x"]}, r"cache's columns \['kind', 'level', 'core', 'note'\], got \[\]"),
        ({"labels": ["x"], "ids": ["c"]}, "'c', which target 2 of the cache has"),
        ({"labels": ["x", " "]}, "text 1 is blank"),
    ],
)
def test_a_wrong_append_changes_nothing(
    cache: TargetCache, arguments: dict[str, Any], part: str
) -> None:
    if "ids" in arguments:
        arguments["metadata"] = {name: [None] for name in cache.columns}
    with pytest.raises(InputError, match=part):
        cache.append(**arguments)
    assert TargetCache.open(cache.path).seal == cache.seal


def test_remove_by_index_id_label_or_filter(cache: TargetCache) -> None:
    assert list(cache.remove([1]).labels) == [LABELS[0], *LABELS[2:]]
    assert list(TargetCache.open(cache.path).remove(ids=["a", "c"]).ids) == ["d"]
    last = TargetCache.open(cache.path)
    assert len(last.remove({"kind": "tool"})) == 0
    assert len(cache) == 4


def test_remove_takes_every_target_of_a_label(cache: TargetCache) -> None:
    assert list(cache.remove(labels=["Apache Spark"]).labels) == LABELS[1:3]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({}, "exactly one"),
        ({"ids": ["a"], "labels": ["pastry baking"]}, "exactly one"),
        ({"ids": ["a", "z"]}, "id 'z'"),
        ({"labels": ["nothing"]}, "label 'nothing'"),
        ({"labels": "pastry baking"}, r"pass \[label\]"),
        ({"where": [9]}, "got 9"),
    ],
)
def test_a_wrong_removal_changes_nothing(
    cache: TargetCache, arguments: dict[str, Any], part: str
) -> None:
    with pytest.raises(InputError, match=part):
        cache.remove(**arguments)
    assert TargetCache.open(cache.path).seal == cache.seal


def test_compact_gives_space_back(cache: TargetCache) -> None:
    columns = {name: [None] for name in cache.columns}
    changed = cache.remove([0]).append(["x"], metadata=columns)
    before = changed.info()
    compacted = changed.compact()
    after = compacted.info()
    assert (before["data_files"], after["data_files"]) == (2, 1)
    assert (before["removed"], after["removed"]) == (1, 0)
    assert after["bytes"] < before["bytes"]
    assert list(compacted.labels) == list(changed.labels)
    assert [compacted.metadata(i) for i in range(4)] == [changed.metadata(i) for i in range(4)]
    np.testing.assert_array_equal(compacted.core.pooled(), changed.core.pooled())
    with pytest.raises(CacheError, match="open it again"):
        cache.remove([1])
    assert list(cache.labels) == LABELS


def test_info_is_json_and_the_repr_says_the_most(cache: TargetCache) -> None:
    info = json.loads(json.dumps(cache.info()))
    assert info["targets"] == 4
    assert info["texts"] == 7
    assert info["token_vectors"] == 14
    assert info["bytes"] == sum(f.stat().st_size for f in cache.path.glob("segment-*"))
    assert "targets=4, dim=8, dtype='float32', scorer='soft:0.5'" in repr(cache)


def test_a_build_over_a_cache_replaces_it(cache: TargetCache, encoder: HashEncoder) -> None:
    TargetCache.build(encoder, ["one"], path=cache.path, scorer=Scorer("max"))
    assert list(TargetCache.open(cache.path).labels) == ["one"]
    assert list(cache.labels) == LABELS, "readers keep what they opened"
    assert len(list(cache.path.iterdir())) == 3


def test_a_pickle_holds_the_path(cache: TargetCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cache.path.parent)
    opened = TargetCache.open("space.uwe")
    monkeypatch.chdir("/")
    again = pickle.loads(pickle.dumps(opened))
    assert again.path == cache.path
    assert list(again.labels) == LABELS


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_blocks_change_nothing_and_bound_what_is_encoded(
    cache: TargetCache, tmp_path: Path, block: int
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
    np.testing.assert_array_equal(other.core.pooled(), cache.core.pooled())


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"labels": []}, "labels: expected at least one text"),
        ({"labels": "abc"}, "labels: expected a list"),
        ({"labels": ["a", ""]}, "labels: text 1 is empty"),
        ({"labels": ["a", "\ud800"]}, "labels: text 1: .*surrogate"),
        ({"labels": ["a", 3]}, "labels: text 1: expected a str, got int"),
        ({"ids": ["x"]}, "ids: expected one for each of 2 targets, got 1"),
        ({"ids": ["x", "x"]}, "ids: targets 0 and 1 both have 'x'"),
        ({"ids": ["x", ""]}, "ids: target 1: expected a text that is not empty"),
        ({"ids": ["x", 1]}, "ids: target 1: .*got 1"),
        ({"ids": ["x", "\udfff"]}, "ids: target 1: has a lone surrogate"),
        ({"aliases": [["x"]]}, "aliases: expected one for each of 2"),
        ({"aliases": [["x"], "y"]}, "aliases of target 1: expected a list of texts, got 'y'"),
        ({"aliases": [["x"], ["y", " "]]}, "aliases of target 1: text 1 is blank"),
        ({"metadata": [1, 2]}, "metadata: expected {column"),
        ({"metadata": {"k": [1]}}, "metadata column 'k': expected one for each of 2"),
        ({"metadata": {"k": "ab"}}, "metadata column 'k': expected a list, got str"),
        ({"metadata": {"": [1, 2]}}, "the name of a metadata column"),
        ({"metadata": {"k": [1, float("inf")]}}, "column 'k', target 1: .*got inf"),
        ({"metadata": {"k": [1, [2]]}}, r"column 'k', target 1: .*got \[2\]"),
        ({"metadata": {"k": ["", "\ud800"]}}, "column 'k', target 1: has a lone surrogate"),
        ({"dtype": "float64"}, 'dtype "float32" or "float16", got "float64"'),
        ({"dtype": "int8"}, 'got "int8"'),
        ({"tokens": "some"}, 'tokens "all" or "pooled", got "some"'),
        ({"block": 0}, "block to be an integer >= 1, got 0"),
        ({"progress": "yes"}, "progress to be a boolean or a callable"),
        ({"scorer": "soft"}, "expected a uwe.Scorer, got 'soft'"),
        ({"scorer": None}, "names no scorer"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(
    encoder: HashEncoder, tmp_path: Path, arguments: dict[str, Any], part: str
) -> None:
    path = tmp_path / "space.uwe"
    arguments = {"labels": ["a", "b"], "scorer": SOFT, **arguments}
    with pytest.raises(InputError, match=part):
        TargetCache.build(encoder, path=path, **arguments)
    with pytest.raises(CacheNotFoundError, match=r"TargetCache\.build"):
        TargetCache.open(path)


@pytest.mark.parametrize(
    ("encode", "part"),
    [
        (lambda texts: [[1.0]], "return uwe.TokenVectors, got list"),
        (lambda texts: TokenVectors.from_list([np.ones((1, 3))]), "2 texts, got those of 1"),
        (
            lambda texts: TokenVectors.from_list([np.ones((1, 3)), np.zeros((1, 3))]),
            "token 0 of text 1",
        ),
        (
            lambda texts: TokenVectors.from_list([np.ones((1, 3)), np.full((1, 3), np.nan)]),
            "token 0 of text 1",
        ),
    ],
)
def test_an_encoder_that_gives_nonsense_is_refused(tmp_path: Path, encode: Any, part: str) -> None:
    with pytest.raises(InputError, match=part):
        TargetCache.build(
            SimpleNamespace(encode=encode), ["a", "b"], path=tmp_path / "c", scorer=SOFT
        )


def test_a_mean_of_zero_can_not_be_stored_alone(tmp_path: Path) -> None:
    model = SimpleNamespace(
        encode=lambda texts: TokenVectors.from_list([np.array([[1.0, 0], [-1, 0]])] * len(texts))
    )
    with pytest.raises(InputError, match='"x y" have a mean of zero'):
        TargetCache.build(model, ["x y"], path=tmp_path / "c", tokens="pooled", scorer=SOFT)
    cache = TargetCache.build(model, ["x y"], path=tmp_path / "c", scorer=SOFT)
    np.testing.assert_array_equal(cache.core.pooled(), [[0, 0]])


def test_the_model_is_checked_by_its_fingerprint(
    tmp_path: Path, encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "space.uwe"
    built = TargetCache.build(NamedEncoder(), ["a"], path=path)
    assert built.scorer == Scorer("pooled")
    assert TargetCache.open(path, model=NamedEncoder()).fingerprint == "f00d"
    for other in (NamedEncoder("beef"), encoder):
        with pytest.raises(CacheMismatchError, match="f00d") as caught:
            TargetCache.open(path, model=other)
        assert caught.value.expected == "f00d"
        assert caught.value.found == getattr(other, "fingerprint", "")

    loaded: list[str] = []

    def load(source: str) -> NamedEncoder:
        loaded.append(source)
        return NamedEncoder(fingerprint)

    monkeypatch.setattr(uwe.loading, "load", load)
    fingerprint = "f00d"
    cache = TargetCache.open(path)
    assert loaded == []
    assert cache.model is cache.model
    assert list(cache.append(["b"]).labels) == ["a", "b"]
    assert loaded == ["some/model"]
    fingerprint = "beef"
    with pytest.raises(CacheMismatchError, match="beef"):
        TargetCache.open(path).append(["c"])


def test_a_model_that_can_not_be_loaded_is_named(cache: TargetCache, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"TargetCache.open\(path, model="):
        _ = TargetCache.open(cache.path).model

    class Gone(NamedEncoder):
        source = str(tmp_path / "gone")

    TargetCache.build(Gone(), ["a"], path=tmp_path / "other")
    with pytest.raises(ModelError, match=r"gone.*TargetCache.open\(path, model="):
        _ = TargetCache.open(tmp_path / "other").model


def test_a_newer_format_says_what_to_do(cache: TargetCache) -> None:
    manifest = cache.path / "manifest.json"
    text = manifest.read_text().replace('"version":[1,0]', '"version":[2,3]')
    manifest.write_text(text.replace('"readable_from":"0.1.0"', '"readable_from":"9.1"'))
    with pytest.raises(CacheFormatError, match=r"format 2\.3.*needs uwe 9\.1.*pip install"):
        TargetCache.open(cache.path)


def test_threads_share_a_cache(cache: TargetCache) -> None:
    def use(_: int) -> None:
        for _ in range(300):
            assert list(cache.labels) == LABELS
            assert cache.mask({"kind": "tool"}).sum() == 2
            assert cache.core.token_vectors(2, 1)[0].shape == (3, 8)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: bool(text.strip())
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
    cache = TargetCache.build(HashEncoder(), start, path=path, metadata=meta, scorer=SOFT)
    want = list(zip(start, meta["n"], strict=True))
    for verb, argument in steps:
        if verb == "append":
            numbers = [100 + i for i in range(len(argument))]
            cache = cache.append(argument, metadata={"n": numbers})
            want += zip(argument, numbers, strict=True)
        elif verb == "remove":
            gone = {i for i in argument if i < len(want)}
            cache = cache.remove(sorted(gone))
            want = [pair for i, pair in enumerate(want) if i not in gone]
        else:
            cache = cache.compact()
        got = [(label, cache.metadata(i)["n"]) for i, label in enumerate(cache.labels)]
        assert got == want
    cache.verify()


def test_compiled_functions_refuse_wrong_arrays(cache: TargetCache) -> None:
    writer = _core.CacheWriter.append(str(cache.path))
    with pytest.raises(InputError, match="C-contiguous"):
        writer.add(np.ones((4, 6), dtype=np.float32)[:, ::2], np.array([0, 4]), [["a"]], [None], [])
    with pytest.raises(TypeError):
        writer.add(np.ones((1, 8)), np.array([0, 1]), [["a"]], [None], [])
    writer.abort()
    for after in (
        writer.commit,
        lambda: writer.add(np.ones((1, 8), np.float32), np.array([0, 1]), [["a"]], [None], []),
    ):
        with pytest.raises(InputError, match="has ended"):
            after()


def test_a_column_of_damaged_json_is_corrupt(
    cache: TargetCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for damage in ("[1,2", "[1,2,3]", "[[1],2,3,4]", "[" * 100_000, '{"a":1}'):
        core = SimpleNamespace(column_json=lambda name, text=damage: text)
        opened = TargetCache.open(cache.path)
        monkeypatch.setattr(opened, "_core", core)
        monkeypatch.setattr(type(opened), "__len__", lambda self: 4)
        with pytest.raises(CacheCorruptError, match="rebuild"):
            opened.mask({"kind": "tool"})
