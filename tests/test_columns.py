"""Columns of Arrow, pandas and polars where texts, ids, aliases and metadata are taken."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import uwe
from conftest import Speller
from uwe.errors import InputError, MissingExtraError

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")


class Stream:
    """Arrow data of another library, of which the interface alone is known."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __arrow_c_stream__(self, schema: Any = None) -> Any:
        return self._data.__arrow_c_stream__(schema)


class Array:
    """An array of another library."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __arrow_c_array__(self, schema: Any = None) -> Any:
        return self._data.__arrow_c_array__(schema)


COLUMNS: list[Callable[[list[Any]], Any]] = [
    pa.array,
    lambda values: pa.chunked_array([values[:1], values[1:]]),
    lambda values: pa.array(values).dictionary_encode(),
    lambda values: Stream(pa.chunked_array([values])),
    lambda values: Array(pa.array(values)),
    pl.Series,
    lambda values: pl.Series(values, dtype=pl.Categorical),
    pd.Series,
    pd.Index,
    lambda values: pd.Series(values, dtype=object),
    lambda values: pd.Series(values, dtype="category"),
    lambda values: pd.Series(values, index=range(len(values), 0, -1)),
]
TEXTS = ["spark", "baker"]


@pytest.fixture(scope="module")
def cache() -> uwe.TargetCache:
    return uwe.TargetCache.build(Speller(), ["Apache Spark", "baking"], scorer="pooled")


@pytest.mark.parametrize("column", [*COLUMNS, np.array, lambda x: np.array(x, dtype=object)])
def test_texts_come_from_columns(
    cache: uwe.TargetCache, column: Callable[[list[Any]], Any]
) -> None:
    wanted = uwe.rank_many(TEXTS, cache)
    assert uwe.rank_many(column(TEXTS), cache) == wanted
    assert list(uwe.rank_stream(column(TEXTS), cache)) == wanted
    assert [ranking.query for ranking in uwe.rank_many(column(TEXTS), cache)] == TEXTS
    assert np.array_equal(uwe.scores(column(TEXTS), cache), uwe.scores(TEXTS, cache))


@pytest.mark.parametrize("column", [*COLUMNS, np.array, lambda x: np.array(x, dtype=object)])
def test_targets_and_filters_come_from_columns(column: Callable[[list[Any]], Any]) -> None:
    assert uwe.rank("data", column(TEXTS)) == uwe.rank("data", TEXTS)
    cache = uwe.TargetCache.build(
        Speller(), column([*TEXTS, "law"]), scorer="pooled", metadata={"kind": ["a", "b", "c"]}
    )
    assert cache.mask({"kind": column(["a", "c"])}).tolist() == [True, False, True]
    if column is not COLUMNS[6]:  # categories of polars are texts
        assert cache.mask(column([2, 0])).tolist() == [True, False, True]
        assert cache.mask(column([True, False, True])).tolist() == [True, False, True]
    with pytest.raises(InputError, match="one column"):
        cache.mask({"kind": pd.DataFrame({"x": ["a"]})})
    with pytest.raises(InputError, match="where"):
        cache.mask(iter([0]))


def test_what_a_mask_hides_is_none() -> None:
    targets = uwe.TargetCache.build(
        Speller(), ["a", "b", "c"], scorer="pooled", metadata={"level": [1, 2, None]}
    )
    hidden = np.ma.array([1, 2], mask=[0, 1])
    assert targets.mask({"level": hidden}).tolist() == [True, False, True]
    with pytest.raises(InputError, match="mask of booleans"):
        targets.mask(hidden)
    with pytest.raises(InputError, match="mask"):
        uwe.score_metrics(np.ma.array([[9.0, 1, 2]], mask=[[1, 0, 0]]), [[0]])
    with pytest.raises(InputError, match="relevant"):
        uwe.cache_metrics(["x"], targets, [hidden])


@pytest.mark.parametrize("column", [pa.array, pl.Series, pd.Series])
def test_right_targets_come_from_columns(
    cache: uwe.TargetCache, column: Callable[[list[Any]], Any]
) -> None:
    rows = [[1], [0, 1]]
    found = uwe.cache_metrics(TEXTS, cache, column(rows))
    assert np.array_equal(found.values, uwe.cache_metrics(TEXTS, cache, rows).values)


def test_a_value_of_pandas_is_no_column(cache: uwe.TargetCache) -> None:
    for value in (pd.NA, pd.NaT, pd.Timestamp(0)):
        for call in (uwe.rank_many, uwe.top_k):
            with pytest.raises(InputError, match="queries"):
                call(value, cache)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_text_that_is_missing_has_its_row(
    cache: uwe.TargetCache, column: Callable[[list[Any]], Any]
) -> None:
    for call in (uwe.rank_many, uwe.scores):
        with pytest.raises(InputError, match=r"query 1 .*None"):
            call(column(["spark", None]), cache)


@pytest.mark.parametrize("missing", [float("nan"), np.nan, pd.NA, pd.NaT, None, np.float64(3)])
def test_what_is_no_text_has_its_row(cache: uwe.TargetCache, missing: Any) -> None:
    for queries in (["spark", missing], np.array(["spark", missing], dtype=object)):
        with pytest.raises(InputError, match="query 1 "):
            uwe.rank_many(queries, cache)
    with pytest.raises(InputError, match="label 1 "):
        uwe.TargetCache.build(Speller(), pd.Series(["a", missing], dtype=object))


def test_adverts_come_from_columns_too() -> None:
    cache = uwe.TargetCache.build(uwe.load(), ["SQL"])
    for column in COLUMNS:
        (found,) = uwe.extract_many(column(["We need SQL."]), cache)
        assert found.text == "We need SQL."
    with pytest.raises(InputError, match=r"text 1 .*None"):
        uwe.extract_many(pa.array(["We need SQL.", None]), cache)


TABLE = {"kind": ["tool", None], "level": [1, 2], "core": [True, None]}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    "table",
    [pa.table, pd.DataFrame, pl.DataFrame, lambda of: Stream(pa.table(of)), dict],
    ids=["arrow", "pandas", "polars", "stream", "dict"],
)
def test_targets_come_from_columns(
    column: Callable[[list[Any]], Any], table: Callable[[dict[str, list[Any]]], Any]
) -> None:
    cache = uwe.TargetCache.build(
        Speller(),
        column(["Apache Spark", "baking"]),
        ids=column(["S", None]),
        metadata=table(TABLE),
        scorer="pooled",
    )
    more = table({"kind": ["skill"], "level": [3], "core": [False]})
    cache = cache.append(column(["cook"]), ids=column(["C"]), metadata=more)
    assert list(cache.labels) == ["Apache Spark", "baking", "cook"]
    assert list(cache.ids) == ["S", None, "C"]
    assert list(cache.metadata) == [
        {"kind": "tool", "level": 1, "core": True},
        {"kind": None, "level": 2, "core": None},
        {"kind": "skill", "level": 3, "core": False},
    ]


@pytest.mark.parametrize("column", [pa.array, pl.Series, pd.Series, lambda x: Array(pa.array(x))])
def test_aliases_are_a_column_of_lists(column: Callable[[list[Any]], Any]) -> None:
    aliases = [["Spark", "PySpark"], None, []]
    cache = uwe.TargetCache.build(
        Speller(), ["Apache Spark", "a", "b"], aliases=column(aliases), scorer="pooled"
    )
    assert list(cache.aliases) == [["Spark", "PySpark"], [], []]


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": ["x"]}),
        pa.table({"a": ["x"]}).to_batches()[0],
        pd.DataFrame({"a": ["x"]}),
        pl.DataFrame({"a": ["x"]}),
        Stream(pa.table({"a": ["x"]})),
        pa.table({"a": ["x"]}).to_reader(),
        pd.MultiIndex.from_tuples([("x", "y")]),
    ],
)
def test_a_table_is_no_column(cache: uwe.TargetCache, table: Any) -> None:
    with pytest.raises(InputError, match="one column, got a table"):
        uwe.rank_many(table, cache)
    with pytest.raises(InputError, match="one column, got a table"):
        uwe.TargetCache.build(Speller(), ["x"], ids=table)


def test_metadata_that_is_no_table_is_told() -> None:
    twice = pa.table([["x"], ["y"]], names=["a", "a"])
    for metadata, word in (
        (pl.Series(["x"]), "Series"),
        (pa.array(["x"]), "Array"),
        (pl.LazyFrame({"a": ["x"]}), "LazyFrame"),
        (twice, "different names"),
        (pd.DataFrame([["x", "y"]], columns=["a", "a"]), "different names"),
        (pd.DataFrame([["x"]]), "got 0"),
        (pa.table({"a": [[1]]}), "'a', target 0"),
        (pl.DataFrame({"a": [float("nan")]}), "'a', target 0"),
    ):
        with pytest.raises(InputError, match=word):
            uwe.TargetCache.build(Speller(), ["x"], metadata=metadata)


def test_without_pyarrow_pandas_and_polars_are_taken(
    cache: uwe.TargetCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    wanted = uwe.rank_many(TEXTS, cache)
    for column in (pd.Series(TEXTS, dtype=object), pl.Series(TEXTS)):
        assert uwe.rank_many(column, cache) == wanted
    with pytest.raises(MissingExtraError, match="'arrow'"):
        uwe.rank_many(Array(None), cache)
