"""`Scorer` and `uwe.json`: what is accepted, what is refused, and with which remedy."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from uwe.encoder.config import FORMAT, ModelConfig, TrainingSource
from uwe.errors import InputError, ModelError
from uwe.scorer import SCORERS, Scorer

CONFIG = ModelConfig(
    name="tiny",
    scorer=Scorer("soft", temperature=0.5),
    special_tokens="drop",
    max_tokens=64,
    dim=8,
    weights="float32",
    language="en",
    licence="Apache-2.0",
    base_model="somebody/tiny",
    trained_on=(TrainingSource("train/J.edges.tsv.gz", "0" * 64),),
)


def changed(**changes: Any) -> str:
    """The JSON of CONFIG with some keys changed; the value `...` removes the key."""
    document = json.loads(CONFIG.to_json()) | changes
    return json.dumps({key: value for key, value in document.items() if value is not ...})


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_takes_a_temperature_and_prints_as_it_is_typed(name: str) -> None:
    scorer = Scorer(name, temperature=0.25)
    assert str(scorer) == f"{name}:0.25"
    assert Scorer.parse(str(scorer)) == scorer
    assert hash(Scorer.parse(str(scorer))) == hash(scorer)


@pytest.mark.parametrize("temperature", [1, 0.123456789, 1e-7, 1 / 3, 123456789.5])
def test_no_digit_of_a_temperature_is_lost(temperature: float) -> None:
    scorer = Scorer("soft", temperature=temperature)
    assert Scorer.parse(str(scorer)) == scorer
    assert str(Scorer("soft", temperature=1)) == "soft:1"


@pytest.mark.parametrize("name", ["max", "pooled"])
def test_scorers_without_attention_need_no_temperature(name: str) -> None:
    assert Scorer.parse(name) == Scorer(name)
    assert Scorer(name).temperature is None
    assert str(Scorer(name)) == name
    assert not Scorer(name).attends


@pytest.mark.parametrize("name", ["soft", "soft_target", "soft_query"])
def test_soft_scorers_need_a_temperature(name: str) -> None:
    assert Scorer(name, temperature=1).attends
    with pytest.raises(InputError, match=f"'{name}' needs a temperature"):
        Scorer(name)


@pytest.mark.parametrize("pivot", [0, 4, 20.5, 1 / 3, 1e-7, np.float32(2.5), np.int64(7)])
def test_a_pivot_prints_as_it_is_typed(pivot: Any) -> None:
    scorer = Scorer("soft", temperature=0.5, pivot=pivot)
    assert type(scorer.pivot) is float
    assert Scorer.parse(str(scorer)) == scorer
    assert hash(Scorer.parse(str(scorer))) == hash(scorer)
    assert scorer != Scorer("soft", temperature=0.5)
    assert str(Scorer("soft", temperature=0.5, pivot=4)) == "soft:0.5:4"
    assert str(Scorer("soft", temperature=0.5, pivot=0)) == "soft:0.5:0"


@pytest.mark.parametrize(
    "pivot", [-1, -1e-9, math.nan, math.inf, 1e31, True, "4", b"4", [4], 10**400]
)
def test_a_bad_pivot_is_refused(pivot: Any) -> None:
    with pytest.raises(InputError, match="pivot"):
        Scorer("soft", temperature=0.5, pivot=pivot)


@pytest.mark.parametrize("name", [name for name in SCORERS if name != "soft"])
def test_a_pivot_is_for_soft_alone(name: str) -> None:
    with pytest.raises(InputError, match=f"the scorer soft alone, got 4 for {name}: leave it out"):
        Scorer(name, temperature=0.5, pivot=4)


def test_the_longer_a_query_the_more_its_softmax_counts() -> None:
    scorer = Scorer("soft", temperature=0.5, pivot=4)
    assert scorer.query_weight(4) == 0.5
    assert scorer.query_weight(12) == 0.75
    weights = scorer.query_weight(np.array([[1], [4], [36]]))
    np.testing.assert_allclose(weights, [[0.2], [0.5], [0.9]])
    assert Scorer("soft", temperature=0.5, pivot=0).query_weight(3) == 1.0
    assert Scorer("soft", temperature=0.5).query_weight(np.array([1, 100])) == 0.5


@pytest.mark.parametrize("pivot", [None, 0.0, 4.0, 20.5])
def test_a_config_keeps_the_pivot(pivot: float | None) -> None:
    config = replace(CONFIG, scorer=Scorer("soft", temperature=0.5, pivot=pivot))
    assert ModelConfig.from_json(config.to_json()) == config
    assert json.loads(config.to_json())["scorer"].get("pivot") == pivot


def test_a_temperature_becomes_a_float() -> None:
    assert type(Scorer("soft", temperature=1).temperature) is float


@pytest.mark.parametrize(
    "temperature", [0, -1.0, math.nan, math.inf, True, "0.5", b"1", [1], 10**400, 1e31, 1e-31]
)
def test_a_bad_temperature_is_refused(temperature: Any) -> None:
    with pytest.raises(InputError, match="temperature"):
        Scorer("pooled", temperature=temperature)


@pytest.mark.parametrize("name", ["softt", "", None, ["soft"]])
def test_an_unknown_scorer_is_refused_with_the_known_ones(name: Any) -> None:
    with pytest.raises(InputError, match="soft_target"):
        Scorer(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soft:warm", "'soft:warm'"),
        ("soft:", "number"),
        ("soft:0.5:", "number"),
        ("soft::4", "number"),
        ("soft:0.5:four", "number"),
        ("soft:0.5:4:1", "number"),
        ("soft:0.5:-4", "got -4"),
        ("soft:0.5:nan", "got nan"),
        ("max:1:4", "pivot"),
        ("soft:-1", "temperature"),
        ("soft", "needs a temperature"),
        ("cosine", "scorer"),
    ],
)
def test_parse_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Scorer.parse(text)


def test_a_config_survives_its_json() -> None:
    assert ModelConfig.from_json(CONFIG.to_json()) == CONFIG
    assert json.loads(CONFIG.to_json())["format"] == FORMAT


def test_what_is_undeclared_may_be_left_out() -> None:
    config = ModelConfig.from_json(
        changed(language=..., licence=..., base_model=..., trained_on=..., scorer={"name": "max"})
    )
    assert (config.language, config.licence, config.base_model) == ("", "", "")
    assert config.trained_on == ()
    assert config.scorer == Scorer("max")


def test_a_newer_format_says_upgrade() -> None:
    with pytest.raises(ModelError, match="format 2"):
        ModelConfig.from_json(changed(format=FORMAT + 1))


@pytest.mark.parametrize("value", [..., "1", 0, -1, True, 1.0, None])
def test_a_format_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ModelError, match="'format'"):
        ModelConfig.from_json(changed(format=value))


@pytest.mark.parametrize(
    "key", ["name", "scorer", "special_tokens", "max_tokens", "dim", "weights"]
)
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(ModelError, match=f"the key '{key}' is missing"):
        ModelConfig.from_json(changed(**{key: ...}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speical_tokens": "drop"}, "unknown key 'speical_tokens'"),
        ({"name": 3}, "'name'"),
        ({"scorer": "pooled"}, "'scorer'"),
        ({"scorer": {}}, "'name'"),
        ({"scorer": {"name": "max", "t": 1}}, "'t'"),
        (
            {"scorer": {"name": "max", "temperature": "1"}},
            "'temperature'",
        ),
        (
            {"scorer": {"name": "max", "temperature": None}},
            "'temperature'",
        ),
        ({"scorer": {"name": "soft"}}, "needs a temperature"),
        (
            {"scorer": {"name": "soft", "temperature": 1, "pivot": None}},
            "'pivot'",
        ),
        ({"scorer": {"name": "soft", "temperature": 1, "pivot": -1}}, "pivot"),
        ({"scorer": {"name": "max", "pivot": 4}}, "alone"),
        ({"scorer": {"name": "loud"}}, "scorer"),
        ({"special_tokens": "maybe"}, "got 'maybe'"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "'max_tokens'"),
        ({"dim": True}, "'dim'"),
        ({"dim": -2}, "integer"),
        ({"trained_on": {}}, "'trained_on'"),
        ({"trained_on": ["J"]}, r"trained_on\[0\]"),
        ({"trained_on": [{"name": "J"}]}, r"trained_on\[0\]"),
    ],
)
def test_a_malformed_value_is_refused_with_its_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        ModelConfig.from_json(changed(**changes), path="here/uwe.json")
    assert str(caught.value).startswith("here/uwe.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("[]", "JSON"),
        ("null", "JSON"),
        ("[" * 100_000, "expected JSON"),
    ],
)
def test_what_is_no_json_object_is_refused(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ModelConfig.from_json(text)
