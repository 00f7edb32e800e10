"""Texts near a query: what is proposed, and that it is ranked as it is without proposals."""

from __future__ import annotations

import numpy as np
import pytest

import uwe
from conftest import HashEncoder
from uwe.ranking import nearest
from uwe.ranking.nearest import NearestTexts, nearest_texts
from uwe.ranking.rank import ranked_features

WORDS = ["data", "engineer", "welding", "law", "chef", "baker", "nurse", "teacher", "big", "civil"]
LABELS = [f"{a} {b}" for a in WORDS for b in WORDS]
ALIASES = [[f"{label} {i}" for i in range(at % 4)] for at, label in enumerate(LABELS)]
QUERIES = ["data engineer", "civil law teacher", "a nurse who bakes big welding", "chef"]


@pytest.fixture(scope="module")
def targets() -> uwe.TargetCache:
    return uwe.TargetCache.build(
        HashEncoder(), LABELS, aliases=ALIASES, scorer="soft:0.5",
        metadata={"even": [at % 2 == 0 for at in range(len(LABELS))]},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def any_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_FEWEST", 0)


def test_on_all_axes_the_nearest_are_those_of_the_pooled_scorer(
    targets: uwe.TargetCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "_AXES", targets.dim)
    monkeypatch.setattr(nearest, "_TEXTS", 40)
    vectors = HashEncoder().encode(QUERIES)
    named = NearestTexts(targets)(vectors, k=10)
    assert named.offsets.tolist() == [0, 40, 80, 120, 160]
    owners = targets.core.text_targets()
    best = uwe.top_k(vectors, targets, k=10, scorer="pooled")
    for texts, indices in zip(named.texts.reshape(4, 40), best.indices, strict=True):
        assert len(set(texts.tolist())) == 40
        assert set(indices.tolist()) <= set(owners[texts].tolist())


@pytest.mark.parametrize("where", [None, {"even": True}], ids=["whole", "filtered"])
def test_where_all_texts_are_proposed_features_are_those_of_an_exact_ranking(
    targets: uwe.TargetCache,
    where: dict[str, bool] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nearest, "_TEXTS", targets.core.texts)
    exact = ranked_features(QUERIES, targets, where=where)
    quick = ranked_features(QUERIES, targets, where=where, nearest=True)
    for one, other in zip(quick, exact, strict=True):
        assert one.hits.indices.tolist() == other.hits.indices.tolist()
        assert one.texts == other.texts
        np.testing.assert_array_equal(one.features, other.features)


def test_a_filter_leaves_no_other_target(targets: uwe.TargetCache) -> None:
    subset = np.array([3, 50, 51])
    named = NearestTexts(targets)(HashEncoder().encode(QUERIES), k=3, subset=subset)
    owners = targets.core.text_targets()[named.texts]
    assert set(owners.tolist()) == {3, 50, 51}
    for one in ranked_features(QUERIES, targets, where=subset.tolist(), nearest=True):
        assert sorted(one.hits.indices.tolist()) == [3, 50, 51]
        assert len(one.hits.space_scores) == 10


def test_a_target_of_many_names_does_not_take_all_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_TEXTS", 12)
    aliases = [[f"chef number {i}" for i in range(60)], *([[]] * (len(LABELS) - 1))]
    targets = uwe.TargetCache.build(HashEncoder(), LABELS, aliases=aliases, scorer="soft:0.5")
    near, exact = (
        next(iter(ranked_features(["chef number"], targets, nearest=quick)))
        for quick in (True, False)
    )
    assert near.hits.indices.tolist() == exact.hits.indices.tolist()
    assert len(near.hits.indices) == 10


def test_small_and_huge_spaces_are_ranked_exactly(
    targets: uwe.TargetCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nearest_texts(targets) is nearest_texts(targets) is not None
    for name, bound in (("_FEWEST", targets.core.texts + 1), ("_MOST", targets.core.texts - 1)):
        with monkeypatch.context() as patched:
            patched.setattr(nearest, name, bound)
            assert nearest_texts(targets) is None
            assert len(next(iter(ranked_features(["chef"], targets, nearest=True))).texts) == 10
