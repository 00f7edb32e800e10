"""The order of equal scores: matches of a label, then those of an alias, then by index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import uwe
from conftest import HashEncoder
from uwe import _core

SCORERS = ["soft:0.5", "soft:0.5:4", "soft_query:0.5", "soft_target:0.5", "max", "pooled"]
# "data" is an alias of the first and the third, and the label of the second and the fifth.
LABELS = ["pastry chef", "data", "contract law", "welding", "data"]
ALIASES = [["data"], [], ["law", "data"], [], ["data science"]]
ORDER = [1, 4, 0, 2]


@pytest.fixture(scope="module", params=["float32", "float16", "int8"])
def space(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> uwe.TargetCache:
    return uwe.TargetCache.build(
        HashEncoder(), LABELS, path=tmp_path_factory.mktemp("order") / "c.uwe", aliases=ALIASES,
        scorer=uwe.Scorer.parse("soft:0.5"), dtype=request.param,
    )  # fmt: skip


@pytest.mark.parametrize("name", SCORERS)
def test_a_label_ranks_before_an_alias_of_the_same_score(space: uwe.TargetCache, name: str) -> None:
    scorer = uwe.Scorer.parse(name)
    found = uwe.rank("data", space, scorer=scorer)
    assert [match.index for match in found[:4]] == ORDER
    assert len({match.score for match in found[:4]}) == 1
    assert [match.alias for match in found[:4]] == [None, None, "data", "data"]
    for k in (1, 2, 3):
        assert uwe.rank("data", space, k=k, scorer=scorer) == found[:k]
    assert [match.index for match in uwe.rank("data", space, where=[0, 2, 4], scorer=scorer)] == [
        4, 0, 2,
    ]  # fmt: skip


@pytest.mark.parametrize("name", SCORERS)
def test_metrics_of_a_cache_count_in_that_order(space: uwe.TargetCache, name: str) -> None:
    found = uwe.cache_metrics(
        ["data"] * 4, space, [[target] for target in (1, 4, 0, 2)], metrics=["MRR", "hit@2"],
        scorer=uwe.Scorer.parse(name),
    )  # fmt: skip
    np.testing.assert_allclose(found.values, [[1, 1 / 2, 1 / 3, 1 / 4], [1, 1, 0, 0]])


def test_ranks_are_the_places_of_the_ranking(space: uwe.TargetCache) -> None:
    queries = ["data", "data law", "chef", "welding of data"]
    vectors = HashEncoder().encode(queries)
    every = np.tile(np.arange(len(LABELS)), len(queries))
    ranks = _core.cache_ranks(
        space.core, vectors.values, vectors.offsets, every,
        np.arange(len(queries) + 1) * len(LABELS), scorer="soft", temperature=0.5,
    ).reshape(len(queries), -1)  # fmt: skip
    for row, matches in zip(ranks, uwe.rank_many(queries, space), strict=True):
        assert [match.index for match in matches] == np.argsort(row).tolist()
        assert sorted(row) == [1, 2, 3, 4, 5]


def test_of_a_targets_own_texts_the_label_wins_a_tie(tmp_path: Path) -> None:
    cache = uwe.TargetCache.build(
        HashEncoder(), ["data law", "chef"], path=tmp_path / "c.uwe",
        aliases=[["data law", "law data"], []], scorer=uwe.Scorer("max"),
    )  # fmt: skip
    best = uwe.rank("data law", cache, k=1)[0]
    assert (best.index, best.alias) == (0, None)


def test_candidates_come_in_that_order_too(space: uwe.TargetCache) -> None:
    pytest.importorskip("hnswlib", reason="the extra 'ann' is not installed")
    found = uwe.rank("data", space, k=4, candidates=4)
    assert [match.index for match in found] == ORDER
