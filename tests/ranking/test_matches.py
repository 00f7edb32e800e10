"""Rankings as lists, as tables, in notebooks; scores and best targets as arrays."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from conftest import HashEncoder
from uwe.errors import CacheNotFoundError, InputError

WRONGLY: Any = uwe  # calls that a type checker would refuse

LABELS = ["data analysis", "baker", "data spark", "chef"]
QUERIES = ["data chef", "spark", "baker baker", "analysis"] * 20


@pytest.fixture
def skills() -> uwe.TargetCache:
    return built()


def built() -> uwe.TargetCache:
    return uwe.TargetCache.build(
        HashEncoder(),
        LABELS,
        ids=["a", "b", None, "d"],
        aliases=[["analysis of data"], [], [], ["head chef"]],
        metadata={"level": [1, 2, 3, None]},
        scorer="soft:0.5",
    )


def test_the_best_targets_as_arrays_are_those_of_the_matches(skills: uwe.TargetCache) -> None:
    best = uwe.top_k(QUERIES, skills, k=3)
    assert best.indices.shape == best.scores.shape == best.texts.shape == (80, 3)
    ranked = uwe.rank_many(QUERIES, skills, k=3, abbreviations=False)
    assert best.indices.tolist() == [[match.index for match in matches] for matches in ranked]
    assert best.scores.tolist() == [[match.score for match in matches] for matches in ranked]
    aliases = [
        [skills.aliases[i][text - 1] if text else None for i, text in zip(*row, strict=True)]
        for row in zip(best.indices.tolist(), best.texts.tolist(), strict=True)
    ]
    assert aliases == [[match.alias for match in matches] for matches in ranked]


def test_scores_are_those_of_the_ranking(skills: uwe.TargetCache) -> None:
    block = uwe.scores(QUERIES, skills)
    assert block.shape == (80, 4)
    assert block.dtype == np.float32
    best = uwe.top_k(QUERIES, skills, k=4)
    np.testing.assert_array_equal(np.take_along_axis(block, best.indices, axis=1), best.scores)
    np.testing.assert_array_equal(uwe.scores(QUERIES, skills, where=[3, 1]), block[:, [1, 3]])
    assert (uwe.scores(QUERIES, skills, scorer="pooled") != block).any()


def test_queries_may_be_token_vectors(skills: uwe.TargetCache) -> None:
    vectors = skills.model.encode(QUERIES)
    np.testing.assert_array_equal(uwe.scores(vectors, skills), uwe.scores(QUERIES, skills))
    for mine, theirs in zip(uwe.top_k(vectors, skills), uwe.top_k(QUERIES, skills), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    narrow = uwe.TokenVectors.from_list([np.ones((2, 3))])
    for call in (uwe.scores, uwe.top_k):
        with pytest.raises(InputError, match="width"):
            call(narrow, skills)
    with pytest.raises(InputError, match="width"):
        uwe.cache_metrics(narrow, skills, [[0]])


def test_arrays_of_nothing_have_a_shape(skills: uwe.TargetCache) -> None:
    assert uwe.scores([], skills).shape == (0, 4)
    assert uwe.scores(["chef"], skills, where=[]).shape == (1, 0)
    assert uwe.top_k([], skills, k=2).indices.shape == (0, 2)
    assert uwe.top_k(["chef"], skills, where={"level": [1, 2]}).indices.shape == (1, 2)
    assert uwe.top_k(["chef"], skills, where=[]).scores.shape == (1, 0)


@pytest.mark.parametrize("call", [uwe.scores, uwe.top_k])
def test_a_result_that_does_not_fit_into_memory_is_refused(
    skills: uwe.TargetCache, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(np, "zeros", full)
    with pytest.raises(InputError, match="fewer queries at a time"):
        call(QUERIES, skills)


@pytest.mark.parametrize("call", [uwe.scores, uwe.top_k])
@pytest.mark.parametrize("queries", ["chef", b"chef", 7, None, [" "], [3]])
def test_wrong_queries_are_refused(skills: uwe.TargetCache, call: Any, queries: Any) -> None:
    with pytest.raises(InputError):
        call(queries, skills)


def test_a_ranking_is_a_table(skills: uwe.TargetCache) -> None:
    rankings = uwe.rank_many(["data chef", "spark"], skills, k=3)
    table = rankings.to_arrow()
    assert table.column_names == [
        "query", "query_text", "rank", "label", "score", "confidence", "index", "id", "alias",
        "read_as", "metadata.level",
    ]  # fmt: skip
    frame = table.to_pandas()
    assert frame["rank"].tolist() == [1, 2, 3] * 2
    assert frame["query_text"].tolist() == ["data chef"] * 3 + ["spark"] * 3
    flat = [match for matches in rankings for match in matches]
    assert table["label"].to_pylist() == [match.label for match in flat]
    assert table["score"].to_pylist() == [match.score for match in flat]
    assert table["metadata.level"].to_pylist() == [match.metadata["level"] for match in flat]
    assert rankings[1].to_arrow()["index"].to_pylist() == [match.index for match in rankings[1]]
    assert uwe.rank_many([], skills).to_arrow().num_rows == 0


@pytest.mark.parametrize("numbers", [[2**53 + 1, 1.5], [2**64 - 1, -1], [2**63, None]])
def test_a_table_has_numbers_of_any_size(skills: uwe.TargetCache, numbers: list[Any]) -> None:
    pa = pytest.importorskip("pyarrow")
    space = uwe.TargetCache.build(
        skills.model, ["a", "b"], scorer="soft:0.5", metadata={"n": numbers}
    )
    column = uwe.rank("a", space).to_arrow()["metadata.n"]
    assert pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    assert sorted(column.drop_null().to_pylist()) == sorted(
        n if pa.types.is_integer(column.type) else float(n) for n in numbers if n is not None
    )


def test_a_query_without_a_match_is_a_row_of_the_table(skills: uwe.TargetCache) -> None:
    found, nothing = uwe.rank("spark", skills, k=2), uwe.rank("data chef", skills, min_score=9)
    assert not nothing
    table = uwe.Rankings([nothing, found, nothing]).to_arrow()
    assert table["query"].to_pylist() == [0, 1, 1, 2]
    assert table["query_text"].to_pylist() == ["data chef", "spark", "spark", "data chef"]
    assert table["rank"].to_pylist() == [None, 1, 2, None]
    first, *_, last = table.select(table.column_names[2:]).to_pylist()
    assert set(first.values()) == set(last.values()) == {None}
    assert table["metadata.level"].to_pylist()[1] == found[0].metadata["level"]
    assert nothing.to_arrow()["rank"].to_pylist() == [None]
    for of_nothing in (nothing, uwe.rank_many([], skills), uwe.Rankings([nothing])):
        assert of_nothing.to_arrow().column_names == table.column_names
    assert pickle.loads(pickle.dumps(nothing)).to_arrow().column_names == table.column_names
    rest = uwe.rank("spark", uwe.TargetCache.build(HashEncoder(), ["spark"], scorer="max"))
    both = uwe.Rankings([rest, found]).to_arrow()
    assert both["metadata.level"].to_pylist() == [None, *(m.metadata["level"] for m in found)]


def test_a_notebook_shows_a_ranking_and_an_explanation(skills: uwe.TargetCache) -> None:
    space = skills.append(["<b>data</b> & more"], metadata={"level": [None]})
    rankings = uwe.rank_many(["<script> data", "chef"], space, k=9)
    html = rankings._repr_html_()
    assert html.count("<tbody>") == 2
    assert "&lt;b&gt;data&lt;/b&gt; &amp; more" in html
    assert "<script>" not in html
    assert "<script>" not in rankings[0]._repr_html_()
    assert "<b>" not in uwe.explain("<script> data", space, rankings[0][0])._repr_html_()
    assert "no match" in uwe.rank("chef", space, min_score=9)._repr_html_()


def test_a_notebook_shows_the_first_rows_of_many(skills: uwe.TargetCache) -> None:
    few = uwe.rank_many(QUERIES[:25], skills, k=4)
    assert few._repr_html_().count("<tr>") == 101
    assert "first" not in few._repr_html_()
    many = uwe.rank_many(QUERIES, skills, k=3)
    for rankings in (many, uwe.Ranking("all", many[0] * 80)):
        html = rankings._repr_html_()
        assert html.count("<tr>") == 101
        assert "100 of 240 rows" in html
    empty = uwe.rank_many(QUERIES * 2, skills, min_score=9)._repr_html_()
    assert empty.count("no match") == 100


def test_a_ranking_is_a_list_that_survives_a_pickle(skills: uwe.TargetCache) -> None:
    rankings = uwe.rank_many(["data chef", "spark"], skills, k=2)
    again = pickle.loads(pickle.dumps(rankings))
    assert again == rankings == [list(ranking) for ranking in rankings]
    assert [ranking.query for ranking in again] == ["data chef", "spark"]
    assert type(again[0]) is uwe.Ranking


def test_labels_are_ranked_by_the_shipped_model(tmp_path: Path) -> None:
    labels = ["Apache Spark", "pastry baking", "forklift driving"]
    matches = uwe.rank("data engineer", labels)
    cache = uwe.TargetCache.build(uwe.load(), labels, path=tmp_path / "c.uwe")
    assert matches == uwe.rank("data engineer", cache)
    assert uwe.rank_many(["baker"], tuple(labels), k=1)[0][0].label == "pastry baking"
    assert uwe.explain("baker", labels, "pastry baking").label == "pastry baking"
    np.testing.assert_array_equal(uwe.scores(["baker"], labels), uwe.scores(["baker"], cache))


@pytest.mark.parametrize("targets", ["skills.uwe", [], ["a", " "], [1], None, b"x"])
def test_targets_are_a_cache_or_labels(targets: Any) -> None:
    with pytest.raises(InputError):
        uwe.rank("chef", targets)


def test_a_cache_without_a_path_goes_with_its_last_user() -> None:
    skills = built()
    folder = skills.path
    assert folder.is_dir()
    grown = skills.append(["law"], metadata={"level": [9]})
    core = grown.remove(labels=["baker"]).compact()
    assert list(core.labels) == ["data analysis", "data spark", "chef", "law"]
    before = uwe.rank("chef", core)
    del skills, grown
    gc.collect()
    assert folder.is_dir()
    assert uwe.rank("chef", core) == before
    del core
    gc.collect()
    assert not folder.exists()


def test_a_build_that_fails_leaves_no_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    class Broken:
        def encode(self, texts: Any, /) -> Any:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        uwe.TargetCache.build(Broken(), ["a"], scorer="pooled")
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_a_forked_child_leaves_the_folder_of_its_parent(skills: uwe.TargetCache) -> None:
    holder = [skills]

    def child() -> None:
        holder.clear()
        gc.collect()
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=child)
    del skills
    process.start()
    process.join()
    assert process.exitcode == 0
    assert holder[0].path.is_dir()


def test_a_cache_of_vectors_is_that_of_their_model(skills: uwe.TargetCache, tmp_path: Path) -> None:
    model = HashEncoder()
    texts = [t for i, label in enumerate(LABELS) for t in (label, *skills.aliases[i])]
    settings: dict[str, Any] = {
        "ids": ["a", "b", None, "d"],
        "aliases": [["analysis of data"], [], [], ["head chef"]],
        "metadata": {"level": [1, 2, 3, None]},
        "scorer": "soft:0.5",
    }
    cache = uwe.TargetCache.from_vectors(model.encode(texts), LABELS, model=model, **settings)
    assert uwe.rank_many(QUERIES, cache) == uwe.rank_many(QUERIES, skills)
    path = tmp_path / "c.uwe"
    bare = uwe.TargetCache.from_vectors(model.encode(texts), LABELS, path=path, **settings)
    queries = model.encode(QUERIES)
    np.testing.assert_array_equal(uwe.scores(queries, bare), uwe.scores(queries, skills))
    assert uwe.TargetCache.open(path).labels == LABELS
    with pytest.raises(InputError, match="token vectors"):
        uwe.rank("chef", bare)


@pytest.mark.parametrize(
    ("vectors", "changes"),
    [
        (3, {}),
        (np.ones((2, 4)), {}),
        (uwe.TokenVectors.from_list([np.ones((1, 4))]), {}),
        (uwe.TokenVectors.from_list([np.ones((1, 4))] * 2), {"aliases": [["x"], []]}),
        (uwe.TokenVectors.from_list([np.zeros((1, 4))] * 2), {}),
        (uwe.TokenVectors.from_list([np.ones((1, 4))] * 2), {"scorer": None}),
        (uwe.TokenVectors.from_list([np.ones((1, 4))] * 2), {"model": "uwe-mini"}),
    ],
)
def test_wrong_vectors_are_refused_and_leave_nothing(
    tmp_path: Path, vectors: Any, changes: Any
) -> None:
    path = tmp_path / "c.uwe"
    with pytest.raises(InputError):
        uwe.TargetCache.from_vectors(
            vectors, ["a", "b"], path=path, **{"scorer": "pooled", **changes}
        )
    with pytest.raises(CacheNotFoundError):
        uwe.TargetCache.open(path)
