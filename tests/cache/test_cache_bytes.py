"""Caches of bytes: near to float32, exact for what is stored, changed and kept as others are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from conftest import HashEncoder
from uwe import _core
from uwe.explanation import cells

WORDS = ["data", "engineer", "pastry", "chef", "law", "big", "welding", "spark", "audit", "tax"]
LABELS = [f"{a} {b}" for a in WORDS for b in WORDS]
ALIASES = [[f"{label} trade"] if i % 4 == 0 else [] for i, label in enumerate(LABELS)]
QUERIES = [
    "big data", "chef of pastry and more of it", "law", "nothing of the kind", "audit welding",
]  # fmt: skip
SCORERS = [
    uwe.Scorer.parse(text)
    for text in ("soft_target:0.5", "soft_query:0.5", "soft:0.5", "soft:0.5:4", "max", "pooled")
]
SOFT = uwe.Scorer.parse("soft:0.5:4")


def build(path: Path, dtype: Any = "int8", **more: Any) -> uwe.TargetCache:
    given = {"aliases": ALIASES, "scorer": SOFT, **more}
    return uwe.TargetCache.build(HashEncoder(), LABELS, path=path, dtype=dtype, **given)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> uwe.TargetCache:
    return build(tmp_path_factory.mktemp("bytes") / "int8.uwe")


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> uwe.TargetCache:
    return build(tmp_path_factory.mktemp("bytes") / "float32.uwe", "float32")


def scores(query: str, cache: uwe.TargetCache, scorer: uwe.Scorer) -> dict[int, float]:
    found = uwe.rank(query, cache, k=1000, scorer=scorer, abbreviations=False)
    return {match.index: match.score for match in found}


def test_it_says_what_it_is_and_is_smaller(small: uwe.TargetCache, wide: uwe.TargetCache) -> None:
    info = small.info()
    assert (info["dtype"], info["format"], info["scorer"]) == ("int8", "1.2", "soft:0.5:4")
    assert "dtype='int8'" in repr(small)
    assert info["bytes"] < 0.8 * wide.info()["bytes"]
    again = uwe.TargetCache.open(small.path, model=HashEncoder())
    again.verify()
    assert again.scorer == SOFT
    assert again.seal == small.seal
    assert list(again.labels) == LABELS


def test_units_are_whole_steps_of_one_scale(small: uwe.TargetCache, wide: uwe.TargetCache) -> None:
    for index, text in ((0, 0), (0, 1), (57, 0)):
        units, norms = small.core.token_vectors(index, text)
        exact, exact_norms = wide.core.token_vectors(index, text)
        np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1.0, atol=1e-6)
        np.testing.assert_array_equal(norms, exact_norms)
        np.testing.assert_allclose(units, exact, atol=1 / 127)
        steps = 127 * units / np.abs(units).max(axis=1, keepdims=True)
        np.testing.assert_allclose(steps, steps.round(), atol=1e-4)
        assert (units != exact).any()


@pytest.mark.parametrize("scorer", SCORERS, ids=str)
@pytest.mark.parametrize("query", QUERIES)
def test_scores_are_near_to_float32(
    small: uwe.TargetCache, wide: uwe.TargetCache, scorer: uwe.Scorer, query: str
) -> None:
    near, exact = scores(query, small, scorer), scores(query, wide, scorer)
    assert near.keys() == exact.keys()
    worst = max(abs(near[index] - exact[index]) for index in exact)
    assert 0 < worst < 0.01


@pytest.mark.parametrize("scorer", SCORERS[:-1], ids=str)
def test_what_is_stored_is_ranked_exactly(small: uwe.TargetCache, scorer: uwe.Scorer) -> None:
    for query in QUERIES:
        vectors = HashEncoder().encode([query])[0].astype(np.float64)
        found = scores(query, small, scorer)
        for index in range(0, len(LABELS), 7):
            texts = [
                small.core.token_vectors(index, text) for text in range(1 + len(ALIASES[index]))
            ]
            wanted = max(
                cells(vectors, *(a.astype(np.float64) for a in pair), scorer=scorer).sum()
                for pair in texts
            )
            assert found[index] == pytest.approx(wanted, abs=2e-6)


def test_pooled_vectors_are_bytes_of_their_own(tmp_path: Path, small: uwe.TargetCache) -> None:
    pooled = uwe.Scorer("pooled")
    alone = build(tmp_path / "p.uwe", tokens="pooled", scorer=pooled)
    assert (alone.info()["dtype"], alone.info()["tokens"]) == ("int8", "pooled")
    query = HashEncoder().encode(QUERIES[:1])[0].astype(np.float64).mean(axis=0)
    query /= np.linalg.norm(query)
    wanted = small.core.pooled().astype(np.float64) @ query
    best = np.full(len(LABELS), -np.inf)
    np.maximum.at(best, small.core.text_targets(), wanted)
    for cache in (small, alone):
        found = scores(QUERIES[0], cache, pooled)
        np.testing.assert_allclose([found[i] for i in range(len(LABELS))], best, atol=2e-6)


def test_changes_keep_bytes_and_scores(tmp_path: Path, small: uwe.TargetCache) -> None:
    before = scores("big data", small, SOFT)
    part = uwe.TargetCache.build(
        HashEncoder(), LABELS[:60], path=tmp_path / "c.uwe", dtype="int8", aliases=ALIASES[:60],
        scorer=SOFT,
    )  # fmt: skip
    grown = part.append(LABELS[60:], aliases=ALIASES[60:])
    assert (grown.info()["dtype"], grown.info()["data_files"]) == ("int8", 2)
    assert scores("big data", grown, SOFT) == before
    less = grown.remove(labels=[LABELS[0], LABELS[70]])
    kept = [i for i in range(len(LABELS)) if i not in (0, 70)]
    assert scores("big data", less, SOFT) == {n: before[i] for n, i in enumerate(kept)}
    compact = less.compact()
    assert (compact.info()["dtype"], compact.info()["data_files"]) == ("int8", 1)
    compact.verify()
    assert compact.scorer == SOFT
    assert uwe.rank_many(QUERIES, compact) == uwe.rank_many(QUERIES, less)
    for index in (0, 58, 97):
        for left, right in zip(
            less.core.token_vectors(index, 0), compact.core.token_vectors(index, 0), strict=True
        ):
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("scorer", SCORERS, ids=str)
def test_bounds_leave_out_none_of_the_best(tmp_path: Path, scorer: uwe.Scorer) -> None:
    """Enough texts for a screen: the best k are those of all scores."""
    words = [f"{a}{b}" for a in "abcdefghijk" for b in "uvwxyz"]

    class Wide(HashEncoder):
        dim = 32

        def _word(self, word: str) -> np.ndarray:
            seed = [ord(letter) for letter in word]
            return np.random.default_rng(seed).standard_normal(self.dim).astype(np.float32)

    labels = [f"{a} {b}" for a in words[:50] for b in words]
    cache = uwe.TargetCache.build(
        Wide(), labels, path=tmp_path / "w.uwe", dtype="int8", scorer=scorer,
        aliases=[[label[::-1]] if i % 9 == 0 else [] for i, label in enumerate(labels)],
    )  # fmt: skip
    vectors = Wide().encode(["au bv cw", "kz", "eu eu fu gz hu iu"])
    arguments = {"temperature": 0.5, "pivot": scorer.pivot, "scorer": scorer.name}
    all_scores = _core.cache_scores(cache.core, vectors.values, vectors.offsets, **arguments)
    indices, best, *_ = _core.cache_rank(
        cache.core, vectors.values, vectors.offsets, k=20, **arguments
    )
    for row, places, values in zip(all_scores, indices, best, strict=True):
        np.testing.assert_array_equal(values, np.sort(row)[::-1][:20])
        np.testing.assert_array_equal(row[places], values)


def test_candidates_of_bytes_are_ranked_exactly(tmp_path: Path) -> None:
    pytest.importorskip("hnswlib", reason="the extra 'ann' is not installed")
    cache = build(tmp_path / "c.uwe")
    exact = {match.index: match for match in uwe.rank(QUERIES[0], cache, k=1000)}
    found = uwe.rank(QUERIES[0], cache, k=5, candidates=30)
    assert len(found) == 5
    assert all(match == exact[match.index] for match in found)
    assert found[0] == uwe.rank(QUERIES[0], cache, k=1)[0]
