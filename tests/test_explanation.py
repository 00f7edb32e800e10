"""Explanations: cells add up to the score, words are sums of their pieces."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import uwe
from conftest import HashEncoder, Speller
from tiny_model import write_model
from uwe import _core
from uwe.encoder.text_encoder import TextEncoder, Token
from uwe.encoder.tokens import TokenVectors
from uwe.errors import InputError
from uwe.explanation import cells

# For calls that a type checker would refuse.
WRONGLY: Any = uwe
NAMES = ("soft_target", "soft_query", "soft", "max", "pooled")
SCORERS = [*(uwe.Scorer(name, temperature=0.5) for name in NAMES), uwe.Scorer.parse("soft:0.5:4")]
SOFT = uwe.Scorer("soft", temperature=0.5)


@given(
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 2**31),
    st.floats(-3, 3),
    st.floats(-2, 2),
    st.sampled_from(NAMES),
    st.none() | st.floats(0, 50),
)
@settings(max_examples=200, deadline=None)
def test_cells_add_up_to_the_definition(
    dim: int, m: int, n: int, seed: int, size: float, heat: float, name: str, pivot: float | None
) -> None:
    random = np.random.default_rng(seed)
    query = (random.standard_normal((m, dim)) * 10**size).astype(np.float32)
    target = (random.standard_normal((n, dim)) * 10**size).astype(np.float32)
    scorer = uwe.Scorer(name, temperature=10**heat, pivot=pivot if name == "soft" else None)
    wanted = _core.twin(
        query, np.array([0, m]), target, np.array([0, n]),
        scorer=name, temperature=scorer.temperature or 1.0, pivot=scorer.pivot,
    )[0, 0]  # fmt: skip
    exact = np.linalg.norm(target.astype(np.float64), axis=1)
    found = cells(
        query.astype(np.float64),
        (target / exact[:, None]).astype(np.float32).astype(np.float64),
        exact.astype(np.float32).astype(np.float64),
        scorer=scorer,
    )
    assert found.shape == (m, n)
    assert found.dtype == np.float64
    assert found.sum() == pytest.approx(wanted, abs=1e-6)


def test_cells_are_the_formulas() -> None:
    query, units, norms = np.array([[2.0, 0.0], [0.0, 1.0]]), np.eye(2), np.array([1.0, 3.0])
    kept, lost = 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-3))
    by_target = cells(query, units, norms, scorer=uwe.Scorer("soft_target", temperature=1.0))
    np.testing.assert_allclose(by_target, [[kept / 2, 0], [0, lost / 2]])
    by_query = cells(query, units, norms, scorer=uwe.Scorer("soft_query", temperature=1.0))
    np.testing.assert_allclose(by_query, [[kept / 2, 0], [0, lost / 2]])
    by_both = cells(query, units, norms, scorer=uwe.Scorer("soft", temperature=1.0))
    np.testing.assert_allclose(by_both, (by_target + by_query) / 2)
    long = cells(query, units, norms, scorer=uwe.Scorer("soft", temperature=1.0, pivot=0.5))
    np.testing.assert_allclose(long, 0.2 * by_target + 0.8 * by_query)
    best = cells(query, units, norms, scorer=uwe.Scorer("max"))
    np.testing.assert_allclose(best, [[0.5, 0], [0, 0.5]])
    lengths = np.hypot(1, 0.5) * np.hypot(0.5, 1.5)
    pooled = cells(query, units, norms, scorer=uwe.Scorer("pooled"))
    np.testing.assert_allclose(pooled, np.array([[2, 0], [0, 3]]) / (4 * lengths))


def test_a_zero_mean_earns_nothing() -> None:
    query = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert not cells(query, np.eye(2), np.ones(2), scorer=uwe.Scorer("pooled")).any()


@pytest.fixture(scope="module")
def spelt(tmp_path_factory: pytest.TempPathFactory) -> uwe.TargetCache:
    return uwe.TargetCache.build(
        Speller(),
        ["data science", "pastry baking", "twin", "twin"],
        path=tmp_path_factory.mktemp("explanation") / "spelt.uwe",
        aliases=[["machine learning", "big data"], [], [], []],
        scorer=SOFT,
    )


@pytest.mark.parametrize("scorer", SCORERS, ids=str)
@pytest.mark.parametrize("query", ["big data engineer", "pastry", "learning machine"])
def test_explains_the_ranked_score(spelt: uwe.TargetCache, scorer: uwe.Scorer, query: str) -> None:
    matches = uwe.rank(query, spelt, scorer=scorer)
    for match, explanation in zip(
        matches, uwe.explain_many(query, spelt, matches, scorer=scorer), strict=True
    ):
        assert explanation.score == pytest.approx(match.score, abs=1e-5)
        assert (explanation.label, explanation.index) == (match.label, match.index)
        assert explanation.alias == match.alias
        assert explanation.scorer == scorer
        words = [word.text for word in explanation.query_words]
        assert words == ["<s>", *query.split(), "</s>"]
        answer = match.alias or match.label
        assert [w.text for w in explanation.target_words] == ["<s>", *answer.split(), "</s>"]
        rows = [word.share for word in explanation.query_words]
        columns = [word.share for word in explanation.target_words]
        np.testing.assert_allclose(explanation.cells.sum(axis=1), rows, atol=1e-12)
        np.testing.assert_allclose(explanation.cells.sum(axis=0), columns, atol=1e-12)
        assert sum(rows) == pytest.approx(explanation.score, abs=1e-6)
        assert sum(columns) == pytest.approx(explanation.score, abs=1e-6)


@pytest.mark.parametrize("scorer", SCORERS, ids=str)
@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_narrow_units_are_explained_as_they_are_ranked(
    tmp_path: Path, dtype: Any, scorer: uwe.Scorer
) -> None:
    cache = uwe.TargetCache.build(
        Speller(), ["data science", "pastry baking"], path=tmp_path / "h.uwe", dtype=dtype,
        aliases=[["machine learning"], []], scorer=scorer,
    )  # fmt: skip
    matches = uwe.rank("learning machines", cache)
    for match, explanation in zip(
        matches, uwe.explain_many("learning machines", cache, matches), strict=True
    ):
        assert explanation.score == pytest.approx(match.score, abs=2e-6)
        assert explanation.cells.sum() == pytest.approx(explanation.score, abs=1e-12)


def test_a_word_is_the_sum_of_its_pieces(spelt: uwe.TargetCache) -> None:
    query = Speller().encode(["baker"])  # <s> bak er </s>
    units, norms = spelt.core.token_vectors(1, 0)  # <s> pas try bak ing </s>
    pieces = cells(
        query.values.astype(np.float64), units.astype(np.float64), norms.astype(np.float64),
        scorer=SOFT,
    )  # fmt: skip
    explanation = uwe.explain("baker", spelt, "pastry baking")
    assert explanation.cells.shape == (3, 4)
    np.testing.assert_allclose(explanation.cells[1, 2], pieces[1:3, 3:5].sum())
    assert [word.special for word in explanation.query_words] == [True, False, True]


def test_a_target_is_named_by_label_index_or_match(spelt: uwe.TargetCache) -> None:
    by_label = uwe.explain("data", spelt, "pastry baking")
    by_index = uwe.explain("data", spelt, 1)
    match = next(m for m in uwe.rank("data", spelt) if m.index == 1)
    by_match = uwe.explain("data", spelt, match)
    assert by_label.to_dict() == by_index.to_dict() == by_match.to_dict()
    if (known := spelt.ids[1]) is not None:
        assert uwe.explain("data", spelt, known).to_dict() == by_index.to_dict()
    assert WRONGLY.explain("data", spelt, np.int64(1)).to_dict() == by_index.to_dict()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: WRONGLY.explain("data", s, "twin"), "2, 3"),
        (lambda s: WRONGLY.explain("data", s, "Data Science"), "'data science'"),
        (
            lambda s: WRONGLY.explain("data", s, "qqqqqqqq"),
            "'qqqqqqqq'",
        ),
        (lambda s: WRONGLY.explain("data", s, "Data sciences"), "near are 'data science'"),
        (lambda s: WRONGLY.explain("data", s, "q" * 10_000), "^.{,200}$"),
        (lambda s: WRONGLY.explain("data", s, uwe.Match("twin", 1, "2", None, None, {})), "'2'"),
        (lambda s: WRONGLY.explain("data", s, 4), "got 4"),
        (lambda s: WRONGLY.explain("data", s, -1), "index from 0"),
        (lambda s: WRONGLY.explain("data", s, True), "index from 0"),
        (lambda s: WRONGLY.explain("data", s, None), "index from 0"),
        (lambda s: WRONGLY.explain(" ", s, 0), "blank"),
        (lambda s: WRONGLY.explain(["data"], s, 0), "one query"),
        (lambda s: WRONGLY.explain("data", s.path, 0), "uwe.TargetCache"),
    ],
)
def test_wrong_arguments_say_what_is_right(
    spelt: uwe.TargetCache, call: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        call(spelt)


def test_explaining_nothing_is_nothing(spelt: uwe.TargetCache) -> None:
    assert uwe.explain_many("data", spelt, []) == []


def test_it_prints_as_a_table_and_as_json(spelt: uwe.TargetCache) -> None:
    explanation = uwe.explain("big data", spelt, 0)
    head, blank, columns, *rows, foot = str(explanation).splitlines()
    assert (
        head
        == f"'big data' -> 'data science' (alias 'big data'): {explanation.score:.4f} (soft:0.5)"
    )
    assert blank == ""
    assert columns.split() == ["<s>", "big", "data", "</s>", "share"]
    assert [row.split()[0] for row in rows] == ["<s>", "big", "data", "</s>"]
    assert foot.split()[-1] == f"{explanation.score:+.3f}"
    assert len({len(line) for line in [columns, *rows, foot]}) == 1
    found = json.loads(json.dumps(explanation.to_dict()))
    assert found["scorer"] == "soft:0.5"
    assert np.sum(found["cells"]) == pytest.approx(found["score"])
    assert found["query_words"][1]["text"] == "big"


def test_the_top_words_are_those_that_earned_most(spelt: uwe.TargetCache) -> None:
    explanation = uwe.explain("big data pastry", spelt, 0)
    top = explanation.top(2)
    ordinary = [word for word in explanation.query_words if not word.special and word.share > 0]
    assert top == sorted(ordinary, key=lambda word: -word.share)[:2]
    assert len(top) == 2


def test_pooled_targets_have_one_column(tmp_path: Path) -> None:
    cache = uwe.TargetCache.build(
        Speller(), ["data science"], path=tmp_path / "p.uwe", tokens="pooled",
        scorer=uwe.Scorer("pooled"),
    )  # fmt: skip
    (match,) = uwe.rank("big data", cache)
    explanation = uwe.explain("big data", cache, 0)
    assert [word.text for word in explanation.target_words] == ["data science"]
    assert explanation.score == pytest.approx(match.score, abs=1e-6)


def test_an_encoder_that_names_no_pieces_gets_numbers(tmp_path: Path) -> None:
    cache = uwe.TargetCache.build(HashEncoder(), ["a b"], path=tmp_path / "c.uwe", scorer=SOFT)
    explanation = uwe.explain("x y z", cache, 0)
    assert [word.text for word in explanation.query_words] == ["token 0", "token 1", "token 2"]


def test_an_encoder_that_names_too_few_pieces_is_told(tmp_path: Path) -> None:
    class Short(Speller):
        def tokenize(self, text: str) -> list[Token]:
            return super().tokenize(text)[: self.limit]

        limit: int | None = None

    encoder = Short()
    cache = uwe.TargetCache.build(encoder, ["data"], path=tmp_path / "c.uwe", scorer=SOFT)
    wide = Speller().encode
    encoder.encode = wide  # type: ignore[method-assign]
    encoder.limit = 2
    with pytest.raises(InputError, match="got 2"):
        uwe.explain("data", cache, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data engineers, sparks", ["[CLS]", "data", "engineers,", "sparks", "[SEP]"]),
        ("  data\tspark ", ["[CLS]", "data", "spark", "[SEP]"]),
        (",data,", ["[CLS]", ",data,", "[SEP]"]),
    ],
)
def test_words_stand_between_blanks(tmp_path: Path, text: str, words: list[str]) -> None:
    model = TextEncoder(write_model(tmp_path / "tiny"))
    cache = uwe.TargetCache.build(model, ["data"], path=tmp_path / "c.uwe")
    explanation = uwe.explain(text, cache, 0)
    assert [word.text for word in explanation.query_words] == words
    assert explanation.query_words[0].special


def test_a_blank_before_a_piece_belongs_to_no_word(tmp_path: Path) -> None:
    """As byte-level tokenizers have it: ` engineer` is one piece, a blank alone another."""

    class ByteLevel(HashEncoder):
        def tokenize(self, text: str) -> list[Token]:
            spans = [(0, 4), (4, 5), (5, 14), (14, 15)]
            return [Token(text[a:b], a, b, i, False) for i, (a, b) in enumerate(spans)]

        def encode(self, texts: Any, /) -> TokenVectors:
            return TokenVectors.from_list([np.eye(4, self.dim) for _ in texts])

    cache = uwe.TargetCache.build(
        ByteLevel(), ["data  engineer!"], path=tmp_path / "c.uwe", scorer=SOFT
    )
    explanation = uwe.explain("data  engineer!", cache, 0)
    assert [word.text for word in explanation.query_words] == ["data", "engineer!"]


def test_a_match_of_another_state_of_the_cache_is_refused(
    encoder: HashEncoder, tmp_path: Path
) -> None:
    cache = uwe.TargetCache.build(
        encoder, ["data", "baking", "data"], ids=["a", "b", "c"], path=tmp_path / "c", scorer=SOFT
    )
    first, *_, last = sorted(uwe.rank("data", cache), key=lambda match: match.index)
    less = cache.remove(ids=["a"])
    for stale, state in ((first, less), (last, less), (last, less.append(["x"], ids=["y"]))):
        with pytest.raises(InputError, match="another"):
            uwe.explain("data", state, stale)
    swapped = cache.compact().remove(ids=["y"]).append(["data"], ids=["d"])
    assert swapped.labels[last.index] == last.label
    with pytest.raises(InputError, match="rank again"):
        uwe.explain("data", swapped, last)


@pytest.mark.parametrize("scorer", ["soft", 3])
def test_the_bare_name_of_a_scorer_is_refused(small_cache: uwe.TargetCache, scorer: Any) -> None:
    with pytest.raises(InputError, match="soft"):
        uwe.explain("spark", small_cache, 0, scorer=scorer)
