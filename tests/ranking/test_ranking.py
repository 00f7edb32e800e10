"""Ranking: exact, in the documented order, filtered before scoring, blocks that change nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import uwe
from conftest import HashEncoder
from tiny_model import write_model
from uwe import _core
from uwe.encoder.tokens import TokenVectors
from uwe.errors import InputError

# For calls that a type checker would refuse.
WRONGLY: Any = uwe
LABELS = [
    "data engineer", "pastry chef", "contract law", "big data", "welding", "pastry chef",
    "software engineer", "law of contract", "chef", "data",
]  # fmt: skip
ALIASES = [["etl developer"], [], [], ["hadoop", "spark pipelines"], [], [], [], [], ["cook"], []]
FAMILY = ["IT", "Food", "Law", "IT", "Craft", "Food", "IT", "Law", "Food", "IT"]
QUERY = "big data engineer"
ALL = 1_000

SCORERS = [
    uwe.Scorer("soft_target", temperature=0.5),
    uwe.Scorer("soft_query", temperature=0.5),
    uwe.Scorer("soft", temperature=0.1),
    uwe.Scorer("soft", temperature=0.5, pivot=4),
    uwe.Scorer("max"),
    uwe.Scorer("pooled"),
]


@pytest.fixture(scope="module")
def skills(tmp_path_factory: pytest.TempPathFactory) -> uwe.TargetCache:
    return uwe.TargetCache.build(
        HashEncoder(),
        LABELS,
        path=tmp_path_factory.mktemp("ranking") / "skills.uwe",
        ids=[f"S-{i}" for i in range(len(LABELS))],
        aliases=ALIASES,
        metadata={"family": FAMILY, "level": list(range(len(LABELS)))},
        scorer=uwe.Scorer("soft", temperature=0.5),
    )


def definition(query: str, scorer: uwe.Scorer) -> list[tuple[float, str]]:
    """Score and best text of every target, from the float64 definition."""
    encoder = HashEncoder()
    question = encoder.encode([query])
    found = []
    for label, also in zip(LABELS, ALIASES, strict=True):
        texts = [label, *also]
        answers = encoder.encode(texts)
        scores = _core.twin(
            question.values, question.offsets, answers.values, answers.offsets,
            scorer=scorer.name, temperature=scorer.temperature or 1.0, pivot=scorer.pivot,
        )[0]  # fmt: skip
        best = int(scores.argmax())
        found.append((float(scores[best]), texts[best]))
    return found


@pytest.mark.parametrize("scorer", SCORERS, ids=str)
@pytest.mark.parametrize("query", [QUERY, "chef", "spark pipelines", "nothing of the kind"])
def test_equals_the_definition(skills: uwe.TargetCache, scorer: uwe.Scorer, query: str) -> None:
    matches = uwe.rank(query, skills, k=ALL, scorer=scorer)
    wanted = definition(query, scorer)
    assert sorted(m.index for m in matches) == list(range(len(LABELS)))
    assert matches == sorted(matches, key=lambda m: (-m.score, m.alias is not None, m.index))
    for match in matches:
        score, text = wanted[match.index]
        assert match.score == pytest.approx(score, abs=1e-5)
        assert (match.alias or match.label) == text


def test_a_match_carries_what_the_space_says(skills: uwe.TargetCache) -> None:
    (match,) = uwe.rank("spark pipelines", skills, k=1)
    assert match.index == 3
    assert (match.label, match.alias, match.id) == ("big data", "spark pipelines", "S-3")
    assert match.metadata == {"family": "IT", "level": 3}
    assert match.score == pytest.approx(1.0, abs=0.3)
    assert json.loads(json.dumps(match.to_dict())) == {
        "label": "big data", "score": match.score, "index": 3, "id": "S-3",
        "alias": "spark pipelines", "read_as": None, "confidence": None,
        "metadata": {"family": "IT", "level": 3},
    }  # fmt: skip


def test_equal_scores_rank_in_the_order_of_the_targets(skills: uwe.TargetCache) -> None:
    first, second = uwe.rank("pastry chef", skills, k=2)
    assert (first.index, second.index) == (1, 5)
    assert first.score == second.score


def test_the_cache_knows_the_scorer_unless_one_is_given(skills: uwe.TargetCache) -> None:
    own = uwe.rank(QUERY, skills)
    assert own == uwe.rank(QUERY, skills, scorer=uwe.Scorer("soft", temperature=0.5))
    assert own != uwe.rank(QUERY, skills, scorer=uwe.Scorer("pooled"))


@pytest.mark.parametrize("k", [1, 3, len(LABELS), len(LABELS) + 1, 10**9, 10**30, np.int32(4)])
def test_k_takes_the_best_or_all(skills: uwe.TargetCache, k: int) -> None:
    assert uwe.rank(QUERY, skills, k=k) == uwe.rank(QUERY, skills, k=ALL)[: int(k)]


@pytest.mark.parametrize("k", [0, -1, 1.5, 2.0, "3", None, True, np.nan])
def test_any_other_k_is_an_error(skills: uwe.TargetCache, k: Any) -> None:
    with pytest.raises(InputError, match="k to"):
        uwe.rank(QUERY, skills, k=k)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"family": "Food"}, [1, 5, 8]),
        ({"family": ["Law", "Craft"]}, [2, 4, 7]),
        ({"family": "IT", "level": [0, 9, 1]}, [0, 9]),
        ([i % 2 == 0 for i in range(10)], [0, 2, 4, 6, 8]),
        (np.array([7, 1, 7]), [1, 7]),
    ],
)
def test_a_filter_leaves_scores_and_order_alone(
    skills: uwe.TargetCache, where: Any, kept: list[int]
) -> None:
    everything = uwe.rank(QUERY, skills, k=ALL)
    assert uwe.rank(QUERY, skills, k=ALL, where=where) == [
        match for match in everything if match.index in kept
    ]


@pytest.mark.parametrize("where", [{"family": []}, {"level": 77}, [], [False] * 10])
def test_a_filter_that_keeps_nothing_finds_nothing(skills: uwe.TargetCache, where: Any) -> None:
    assert uwe.rank(QUERY, skills, where=where) == []
    assert uwe.rank_many([QUERY, "chef"], skills, where=where) == [[], []]


@pytest.mark.parametrize(
    "where", [{"famly": "IT"}, [True], [10], "IT", {"level": "3"}, {"family": 10**5000}]
)
def test_a_filter_that_fits_nothing_is_an_error(skills: uwe.TargetCache, where: Any) -> None:
    with pytest.raises(InputError):
        uwe.rank(QUERY, skills, where=where)


def test_min_score_is_the_least_that_is_kept(skills: uwe.TargetCache) -> None:
    everything = uwe.rank(QUERY, skills, k=ALL)
    assert uwe.rank(QUERY, skills, k=ALL, min_score=everything[3].score) == everything[:4]
    assert uwe.rank(QUERY, skills, k=2, min_score=-2) == everything[:2]
    assert uwe.rank(QUERY, skills, min_score=1.1) == []
    for of_one in (np.float32(1.1), np.int8(2), Decimal("1.1"), Fraction(11, 10), np.array(1.1)):
        assert uwe.rank(QUERY, skills, min_score=of_one) == []
    for huge in (1e300, 10**400, float("inf")):
        assert uwe.rank(QUERY, skills, min_score=huge) == []
        assert uwe.rank(QUERY, skills, min_score=-huge) == everything[:10]


@pytest.mark.parametrize(
    "bad",
    [float("nan"), "0.5", b"0.5", bytearray(b"0.5"), True, np.True_, np.array(True), np.str_("0.5"),
     np.array("0.5"), [0.5], np.array([0.5]), np.timedelta64(1, "s"), 1j],
)  # fmt: skip
def test_any_other_min_score_is_an_error(skills: uwe.TargetCache, bad: Any) -> None:
    with pytest.raises(InputError, match="min_score"):
        uwe.rank(QUERY, skills, min_score=bad)
    with pytest.raises(InputError, match="min_confidence"):
        uwe.rank(QUERY, skills, min_confidence=bad)


@pytest.mark.parametrize("text", ["soft:0.5:4", "pooled", "max"])
def test_a_scorer_may_be_its_text(skills: uwe.TargetCache, text: str) -> None:
    scorer = uwe.Scorer.parse(text)
    assert uwe.rank("data chef", skills, scorer=text) == uwe.rank(
        "data chef", skills, scorer=scorer
    )
    explained = uwe.explain("data chef", skills, 0, scorer=text)
    assert explained.scorer == scorer
    by_text = uwe.cache_metrics(["data chef"], skills, [[0]], scorer=text)
    assert by_text.means() == uwe.cache_metrics(["data chef"], skills, [[0]], scorer=scorer).means()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: WRONGLY.rank("", s), "empty"),
        (lambda s: WRONGLY.rank(" \n", s), "blank"),
        (lambda s: WRONGLY.rank("caf\ud800", s), "surrogate"),
        (lambda s: WRONGLY.rank(["chef"], s), "rank_many"),
        (lambda s: WRONGLY.rank(None, s), "one query"),
        (lambda s: WRONGLY.rank_many("chef", s), "pass a list"),
        (lambda s: WRONGLY.rank_many(7, s), "iterable"),
        (lambda s: WRONGLY.rank_many({"chef": 1}, s), "iterable"),
        (lambda s: WRONGLY.rank_many(np.array("chef"), s), "iterable"),
        (lambda s: WRONGLY.rank_stream(np.array("chef"), s), "iterable"),
        (lambda s: WRONGLY.rank_many(["chef", 7], s), "query 1"),
        (lambda s: WRONGLY.rank_many([*["chef"] * 100, " "], s), "query 100"),
        (lambda s: WRONGLY.rank("chef", str(s.path)), "uwe.TargetCache.open"),
        (lambda s: WRONGLY.rank("chef", s, scorer=7), "Scorer"),
        (lambda s: WRONGLY.rank("chef", s, candidates=0), "expected candidates"),
        (lambda s: WRONGLY.rank_stream(["chef"], s, block=0), "expected block"),
        (lambda s: WRONGLY.rank_many(["chef"], s, progress=7), "progress"),
        (lambda s: WRONGLY.rank("chef", s, scorer="soft"), "temperature"),
    ],
)
def test_wrong_arguments_say_what_is_right(
    skills: uwe.TargetCache, call: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        call(skills)


def test_many_queries_rank_as_each_alone(skills: uwe.TargetCache) -> None:
    queries = [f"{a} {b}" for a in LABELS for b in LABELS][:70]
    alone = [uwe.rank(query, skills, k=3) for query in queries]
    assert uwe.rank_many(queries, skills, k=3) == alone
    assert uwe.rank_many(iter(queries), skills, k=3) == alone
    for block in (1, 7, 1000, 10**30):
        assert list(uwe.rank_stream(queries, skills, k=3, block=block)) == alone
    assert uwe.rank_many([], skills) == []


def test_an_emptied_space_has_no_matches(small_cache: uwe.TargetCache) -> None:
    empty = small_cache.remove([0, 1, 2, 3])
    assert uwe.rank_many(["chef", "law"], empty, k=10**30) == [[], []]
    assert uwe.rank("chef", empty, where={"level": 1}) == []


def test_equal_matches_hash_alike(skills: uwe.TargetCache) -> None:
    first, second = uwe.rank(QUERY, skills, k=3), uwe.rank(QUERY, skills, k=3)
    assert set(first) == set(second)
    assert len(set(first + second)) == 3


def test_long_queries_are_warned_of_once_by_their_number(tmp_path: Path) -> None:
    model = uwe.TextEncoder(write_model(tmp_path / "model"))
    cache = uwe.TargetCache.build(model, ["data", "baker"], path=tmp_path / "c.uwe")
    queries = ["data"] * 70 + ["data " * 20, "baker"] * 40
    calls: list[Callable[[], object]] = [
        lambda: uwe.rank_many(queries, cache),
        lambda: uwe.cache_metrics(queries * 2, cache, [[0]] * 300),
    ]
    for call, more in zip(calls, (39, 79), strict=True):
        with pytest.warns(uwe.TruncationWarning) as caught:
            call()
        (warning,) = caught
        assert str(warning.message).startswith(f"text 70 ('{('data ' * 8)[:37]}...') and {more} ")
        assert "uwe.split_sentences" in str(warning.message)
        assert warning.filename == __file__
    with pytest.warns(uwe.TruncationWarning, match="^text 70 ") as caught:
        uwe.TargetCache.build(
            model,
            queries,
            path=tmp_path / "d.uwe",
            block=np.int64(7),  # type: ignore[arg-type]
        )
    assert len(caught) == 1
    assert "aliases" in str(caught[0].message)
    with pytest.warns(uwe.TruncationWarning, match="^text 70 ") as caught:
        assert len(list(uwe.rank_stream(queries, cache, block=1))) == 150
    assert len(caught) == 1


def test_readings_that_are_cut_are_not_told(tmp_path: Path) -> None:
    model = uwe.TextEncoder(write_model(tmp_path / "model"))
    cache = uwe.TargetCache.build(model, ["data", "baker"])
    queries = ["Mgr " + "data " * 20, "baker"] * 64 + ["data " * 30]
    with pytest.warns(uwe.TruncationWarning, match="^text 0 .* and 64 more") as caught:
        uwe.rank_many(queries, cache, abbreviations={"Mgr": "baker"})
    assert len(caught) == 1
    with pytest.warns(uwe.TruncationWarning, match="^text 0 ") as caught:
        uwe.rank(queries[0], cache, abbreviations={"Mgr": "baker"})
    assert "more" not in str(caught[0].message)
    told = str(caught[0].message)
    with pytest.warns(uwe.TruncationWarning) as caught:
        uwe.explain(queries[0], cache, "baker", abbreviations={"Mgr": "baker"})
    assert [str(warning.message) for warning in caught] == [told]


def test_progress_counts_to_the_end(skills: uwe.TargetCache) -> None:
    seen: list[int] = []
    uwe.rank_many(["chef"] * 130, skills, progress=lambda done, _: seen.append(done))
    assert seen == [64, 128, 130]


def test_a_stream_takes_a_block_at_a_time_and_checks_at_once(skills: uwe.TargetCache) -> None:
    taken = 0

    def queries() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "chef"

    stream = uwe.rank_stream(queries(), skills, block=5)
    assert taken == 0
    next(stream)
    assert taken == 5
    with pytest.raises(InputError, match="expected k"):
        uwe.rank_stream(queries(), skills, k=0)


def test_a_model_whose_vectors_do_not_fit_is_named(tmp_path: Path) -> None:
    class Changing(HashEncoder):
        def encode(self, texts: Sequence[str], /) -> TokenVectors:
            vectors = super().encode(texts)
            return TokenVectors(vectors.values[:, : self.dim], vectors.offsets)

    encoder = Changing()
    cache = uwe.TargetCache.build(
        encoder, ["a", "b"], path=tmp_path / "c.uwe", scorer=uwe.Scorer("max")
    )
    encoder.dim = 4
    with pytest.raises(InputError, match="got 4"):
        uwe.rank("a", cache)


def test_a_model_that_returns_something_else_is_named(tmp_path: Path) -> None:
    class Listing(HashEncoder):
        lists = False

        def encode(self, texts: Sequence[str], /) -> TokenVectors:
            vectors = super().encode(texts)
            if not self.lists:
                return vectors
            wrong: Any = [*vectors]
            return wrong  # type: ignore[no-any-return]

    encoder = Listing()
    cache = uwe.TargetCache.build(
        encoder, ["a", "b"], path=tmp_path / "c.uwe", scorer=uwe.Scorer("max")
    )
    encoder.lists = True
    with pytest.raises(InputError, match="TokenVectors"):
        uwe.rank("a", cache)


ARRAYS = st.integers(1, 6).flatmap(
    lambda dim: st.tuples(
        st.just(dim),
        st.integers(1, 5),
        st.lists(st.integers(1, 4), min_size=1, max_size=6),
        st.integers(0, 2**31),
    )
)


@given(ARRAYS, st.sampled_from(SCORERS))
@settings(max_examples=60, deadline=None)
def test_late_interaction_equals_the_definition(
    shape: tuple[int, int, list[int], int], scorer: uwe.Scorer
) -> None:
    dim, tokens, lengths, seed = shape
    random = np.random.default_rng(seed)
    query = random.standard_normal((tokens, dim))
    values = random.standard_normal((sum(lengths), dim))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    scores = uwe.late_interaction(query, values.tolist(), offsets.tolist(), scorer=scorer)
    wanted = _core.twin(
        query.astype(np.float32), np.array([0, tokens]),
        values.astype(np.float32), offsets,
        scorer=scorer.name, temperature=scorer.temperature or 1.0, pivot=scorer.pivot,
    )[0]  # fmt: skip
    assert scores.shape == (len(lengths),)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, wanted, atol=2e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((2, 3)), np.ones((4, 2)), [0, 4]), "width"),
        ((np.ones(3), np.ones((4, 3)), [0, 4]), "query_vectors"),
        ((1.0, np.ones((4, 3)), [0, 4]), r"\(\)"),
        ((np.ones((2, 3)), np.ones((4, 3)), [[0], [1, 4]]), "integers"),
        ((np.ones((2, 3)), np.ones((4, 3)), [0, 1.7, 4]), "integer"),
        ((np.ones((2, 3)), np.ones((4, 3)), [0, 5]), "offsets"),
        ((np.ones((2, 3)), np.ones((4, 3)), [0, 2, 2, 4]), "token"),
        ((np.ones((2, 3)), np.ones((4, 3)), [0.0, 4.0]), "integer offsets"),
        ((np.ones((2, 3)), np.zeros((4, 3)), [0, 4]), "length"),
        ((np.full((2, 3), np.nan), np.ones((4, 3)), [0, 4]), "length"),
        (([["a"]], np.ones((4, 3)), [0, 4]), "array of numbers"),
        (([["1"]], np.ones((4, 1)), [0, 4]), "array of numbers"),
        ((np.ones((2, 3)), [[1.0], [1.0, 2.0]], [0, 2]), "array"),
        ((np.full((2, 3), 1e300), np.ones((4, 3)), [0, 4]), "length"),
    ],
)
def test_bare_arrays_that_do_not_fit(arguments: tuple[Any, Any, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        uwe.late_interaction(*arguments, scorer=uwe.Scorer("max"))


def test_bare_arrays_need_a_scorer() -> None:
    for wrong in ("soft", None):
        with pytest.raises(InputError, match="soft"):
            WRONGLY.late_interaction(np.ones((2, 3)), np.ones((4, 3)), [0, 4], scorer=wrong)
