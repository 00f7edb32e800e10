"""What a target cache refuses, and how it says so."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import uwe
import uwe.encoder.loading
from conftest import HashEncoder
from uwe import _core
from uwe.cache.columns import read_column
from uwe.cache.target_cache import TargetCache
from uwe.encoder.tokens import TokenVectors
from uwe.errors import (
    CacheCorruptError,
    CacheFormatError,
    CacheMismatchError,
    CacheNotFoundError,
    InputError,
    ModelError,
)
from uwe.scorer import Scorer

SOFT = Scorer("soft", temperature=0.5)


class NamedEncoder(HashEncoder):
    """An encoder that can be loaded by name, as ours can."""

    source = "some/model"
    config = SimpleNamespace(scorer=Scorer("pooled"))

    def __init__(self, fingerprint: str = "f00d") -> None:
        self.fingerprint = fingerprint


@pytest.mark.parametrize("index", [-5, 4, 2**40])
def test_a_target_that_is_not_there_is_an_error(small_cache: TargetCache, index: int) -> None:
    for values in (
        small_cache.labels, small_cache.ids, small_cache.aliases, small_cache.metadata,
    ):  # fmt: skip
        with pytest.raises(IndexError):
            values[index]
    with pytest.raises(InputError, match=f"below 4, got {index}"):
        small_cache.core.token_vectors(index, 0)
    with pytest.raises(InputError, match="has 3 texts"):
        small_cache.core.token_vectors(0, 3)


@pytest.mark.parametrize(
    ("where", "part"),
    [
        ({"colour": "red"}, "'colour'"),
        ({"kind": 3}, "got 3"),
        ({"level": True}, "which is boolean"),
        ({"core": 1}, "which is number"),
        ({"level": float("nan")}, "got nan"),
        ({"kind": {"a": 1}}, "got {'a': 1}"),
        ([True, False], "mask"),
        (np.zeros(0, dtype=bool), "mask"),
        ([True, False, 1, 1], "got both"),
        ([0, np.True_], "got both"),
        ([0, 4], "got 4"),
        ([-1], "got -1"),
        ([0.5], "integer indices"),
        ([[0, 1]], "one-dimensional"),
        ([[0], [1, 2]], "one-dimensional"),
        ("kind", "got str"),
        (3, "got int"),
    ],
)
def test_a_wrong_filter_is_an_input_error(small_cache: TargetCache, where: Any, part: str) -> None:
    with pytest.raises(InputError, match=part):
        small_cache.mask(where)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"labels": []}, "one text"),
        ({"labels": ["x"]}, "columns"),
        ({"labels": ["x"], "ids": ["c"]}, "'c'"),
        ({"labels": ["x", " "]}, "label 1"),
    ],
)
def test_a_wrong_append_changes_nothing(
    small_cache: TargetCache, arguments: dict[str, Any], part: str
) -> None:
    if "ids" in arguments:
        arguments["metadata"] = {name: [None] for name in small_cache.columns}
    with pytest.raises(InputError, match=part):
        small_cache.append(**arguments)
    assert TargetCache.open(small_cache.path).seal == small_cache.seal


@pytest.mark.parametrize(
    ("metadata", "part"),
    [
        ({"level": [None, "three"]}, "'level'"),
        ({"level": [True, None]}, "boolean"),
        ({"kind": ["tool", 3]}, "'kind'"),
        ({"core": [0, 1]}, "got 0"),
        ({"note": ["new", 7]}, "got 7"),
        ({"level": [1, 10**5000]}, "a float can hold"),
    ],
)
def test_an_append_has_the_kinds_of_the_cache(
    small_cache: TargetCache, metadata: dict[str, Any], part: str
) -> None:
    columns = {name: [None, None] for name in small_cache.columns}
    with pytest.raises(InputError, match=part):
        small_cache.append(["x", "y"], metadata={**columns, **metadata})
    assert TargetCache.open(small_cache.path).seal == small_cache.seal


def test_whole_and_broken_numbers_are_one_kind_and_nothing_fits_all(
    small_cache: TargetCache,
) -> None:
    fitting = {"kind": [None], "level": [np.float32(7.5)], "core": [np.True_], "note": ["first"]}
    grown = small_cache.append(["x"], metadata=fitting)
    assert grown.metadata[4] == {"kind": None, "level": 7.5, "core": True, "note": "first"}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({}, "exactly one"),
        ({"ids": ["a"], "labels": ["pastry baking"]}, "exactly one"),
        ({"ids": ["a", "z"]}, "id 'z'"),
        ({"labels": ["nothing"]}, "label 'nothing'"),
        ({"labels": "pastry baking"}, "list"),
        ({"where": [9]}, "got 9"),
        ({"where": {}}, "every"),
    ],
)
def test_a_wrong_removal_changes_nothing(
    small_cache: TargetCache, arguments: dict[str, Any], part: str
) -> None:
    with pytest.raises(InputError, match=part):
        small_cache.remove(**arguments)
    assert TargetCache.open(small_cache.path).seal == small_cache.seal


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"labels": []}, "labels"),
        ({"labels": "abc"}, "labels"),
        ({"labels": ["a", ""]}, "label 1"),
        ({"labels": ["a", "\ud800"]}, "surrogate"),
        ({"labels": ["a", 3]}, "got 3"),
        ({"ids": ["x"]}, "ids"),
        ({"ids": ["x", "x"]}, "both have"),
        ({"ids": ["x", ""]}, "not empty"),
        ({"ids": ["x", 1]}, "target 1"),
        ({"ids": ["x", "\udfff"]}, "surrogate"),
        ({"aliases": [["x"]]}, "aliases"),
        ({"aliases": [["x"], "y"]}, "got 'y'"),
        ({"aliases": [["x"], ["y", " "]]}, "blank"),
        ({"metadata": [1, 2]}, "metadata: expected {column"),
        ({"metadata": {"k": [1]}}, "'k'"),
        ({"metadata": {"k": "ab"}}, "list"),
        ({"metadata": {"": [1, 2]}}, "name"),
        ({"metadata": {"k": [1, float("inf")]}}, "got inf"),
        ({"metadata": {"k": [1, [2]]}}, r"got \[2\]"),
        ({"metadata": {"k": ["", "\ud800"]}}, "surrogate"),
        (
            {"metadata": {"k": ["x", 3]}},
            "got 3",
        ),
        ({"metadata": {"k": [1, True]}}, "boolean"),
        ({"metadata": {"k": [False, "no"]}}, 'got "no"'),
        ({"dtype": "float64"}, "'float64'"),
        ({"dtype": "int4"}, "got 'int4'"),
        ({"dtype": None}, "dtype"),
        ({"tokens": "some"}, "got 'some'"),
        ({"tokens": None}, "tokens"),
        ({"tokens": ["all"]}, "tokens"),
        ({"block": 0}, "block"),
        ({"block": None}, "block"),
        ({"progress": "yes"}, "progress"),
        ({"scorer": "soft"}, "needs a temperature"),
        ({"scorer": 7}, "Scorer"),
        ({"scorer": None}, "scorer"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(
    encoder: HashEncoder, tmp_path: Path, arguments: dict[str, Any], part: str
) -> None:
    path = tmp_path / "space.uwe"
    arguments = {"labels": ["a", "b"], "scorer": SOFT, **arguments}
    with pytest.raises(InputError, match=part):
        TargetCache.build(encoder, path=path, **arguments)
    assert not path.exists()
    with pytest.raises(CacheNotFoundError, match=r"TargetCache\.build"):
        TargetCache.open(path)


@pytest.mark.parametrize("path", [None, 3, b"space.uwe"])
def test_a_path_is_a_text_or_a_path(encoder: HashEncoder, path: Any) -> None:
    if path is not None:
        with pytest.raises(InputError, match="path"):
            TargetCache.build(encoder, ["a"], path=path, scorer=SOFT)
    with pytest.raises(InputError, match="path"):
        TargetCache.open(path)


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ("uwe-mini", r"uwe\.load\('uwe-mini'\)"),
        (Path("a") / "model", r"pass uwe\.load\('a.+model'\)"),
        (3, r"uwe\.load\(\)"),
    ],
)
def test_a_name_is_no_model(
    small_cache: TargetCache, tmp_path: Path, model: Any, part: str
) -> None:
    with pytest.raises(InputError, match=part):
        TargetCache.build(model, ["a"], path=tmp_path / "c", scorer=SOFT)
    with pytest.raises(InputError, match=part):
        TargetCache.open(small_cache.path, model=model)
    with pytest.raises(InputError, match=part):
        uwe.space_cache("esco-skills", model=model)


@pytest.mark.parametrize(
    ("encode", "part"),
    [
        (lambda texts: [[1.0]], "TokenVectors"),
        (lambda texts: TokenVectors.from_list([np.ones((1, 3))]), "those of 1"),
        (
            lambda texts: TokenVectors.from_list([np.ones((1, 3)), np.zeros((1, 3))]),
            "text 1",
        ),
        (
            lambda texts: TokenVectors.from_list([np.ones((1, 3)), np.full((1, 3), np.nan)]),
            "text 1",
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
    with pytest.raises(InputError, match='"x y"'):
        TargetCache.build(model, ["x y"], path=tmp_path / "c", tokens="pooled", scorer=SOFT)
    small_cache = TargetCache.build(model, ["x y"], path=tmp_path / "c", scorer=SOFT)
    np.testing.assert_array_equal(small_cache.core.pooled(), [[0, 0]])


def test_the_model_is_checked_by_its_fingerprint(
    tmp_path: Path, encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "space.uwe"
    built = TargetCache.build(NamedEncoder(), ["a"], path=path)
    assert built.scorer == Scorer("pooled")
    assert TargetCache.open(path, model=NamedEncoder()).fingerprint == "f00d"
    wanted = ("got another some/model", "got HashEncoder, not some/model")
    for other, message in zip((NamedEncoder("beef"), encoder), wanted, strict=True):
        with pytest.raises(CacheMismatchError, match="f00d") as caught:
            TargetCache.open(path, model=other)
        assert caught.value.expected == "f00d"
        assert caught.value.found == getattr(other, "fingerprint", "")
        assert message in str(caught.value)

    loaded: list[str] = []

    def load(source: str) -> NamedEncoder:
        loaded.append(source)
        return NamedEncoder(fingerprint)

    monkeypatch.setattr("uwe.cache.target_cache.load", load)
    fingerprint = "f00d"
    small_cache = TargetCache.open(path)
    assert loaded == []
    assert small_cache.model is small_cache.model
    assert list(small_cache.append(["b"]).labels) == ["a", "b"]
    assert loaded == ["some/model"]
    fingerprint = "beef"
    with pytest.raises(CacheMismatchError, match="beef"):
        TargetCache.open(path).append(["c"])


def test_a_model_that_can_not_be_loaded_is_named(small_cache: TargetCache, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"TargetCache.open\(path, model="):
        _ = TargetCache.open(small_cache.path).model

    class Gone(NamedEncoder):
        source = str(tmp_path / "gone")

    TargetCache.build(Gone(), ["a"], path=tmp_path / "other")
    with pytest.raises(ModelError, match=r"gone.*TargetCache.open\(path, model="):
        _ = TargetCache.open(tmp_path / "other").model


def test_a_newer_format_says_what_to_do(small_cache: TargetCache) -> None:
    manifest = small_cache.path / "manifest.json"
    text = manifest.read_text()
    assert '"version":[1,2]' in text
    text = text.replace('"version":[1,2]', '"version":[2,3]')
    manifest.write_text(text.replace('"readable_from":"0.1.0"', '"readable_from":"9.1"'))
    with pytest.raises(CacheFormatError, match=r"9\.1"):
        TargetCache.open(small_cache.path)


def test_a_scorer_without_a_temperature_has_none(tmp_path: Path) -> None:
    """As another writer of the format may leave it out."""
    cache = TargetCache.build(HashEncoder(), ["a"], path=tmp_path / "a.uwe", scorer="pooled")
    manifest = cache.path / "manifest.json"
    head, _, body = manifest.read_text().partition(",\n")
    changed = body.replace(',"temperature":null', "")
    assert changed != body
    manifest.write_text(f'{head[:11]}{hashlib.sha256(changed.encode()).hexdigest()}",\n{changed}')
    assert TargetCache.open(cache.path, model=HashEncoder()).scorer == cache.scorer


def test_compiled_functions_refuse_wrong_arrays(small_cache: TargetCache) -> None:
    writer = _core.CacheWriter.append(str(small_cache.path))
    with pytest.raises(InputError, match="C-contiguous"):
        writer.add(np.ones((4, 6), dtype=np.float32)[:, ::2], np.array([0, 4]), [["a"]], [None], [])
    with pytest.raises(TypeError):
        writer.add(np.ones((1, 8)), np.array([0, 1]), [["a"]], [None], [])  # type: ignore[arg-type]
    writer.abort()
    for after in (
        writer.commit,
        lambda: writer.add(np.ones((1, 8), np.float32), np.array([0, 1]), [["a"]], [None], []),
    ):
        with pytest.raises(InputError, match="has ended"):
            after()


def test_a_column_of_damaged_json_is_corrupt(tmp_path: Path) -> None:
    class Core:
        def __init__(self, text: str) -> None:
            self.column_json = lambda _: text

        def __len__(self) -> int:
            return 4

    for damage in ("[1,2", "[1,2,3]", "[[1],2,3,4]", "[" * 100_000, '{"a":1}'):
        with pytest.raises(CacheCorruptError, match="rebuild"):
            read_column(Core(damage), tmp_path, "kind")  # type: ignore[arg-type]
