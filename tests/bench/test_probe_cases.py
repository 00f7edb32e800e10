"""Probe cases: what a file of them may hold, and that the built-in ones say what they mean."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

import uwe
from uwe.bench.probe_cases import (
    CATEGORIES,
    FILES,
    ProbeCase,
    built_in_cases,
    chosen_cases,
    read_cases,
)
from uwe.data.layout import file_sha256
from uwe.errors import DataError, InputError

ROOT = Path(__file__).parents[2]
LABELS = ("remove rust", "computer programming", "welding", "bake bread", "bake cakes")


def write(path: Path, *entries: object) -> Path:
    path.write_text("".join(f"{json.dumps(e)}\n" for e in entries))
    return path


GOOD = {"id": "a", "category": "typo", "query": "weldnig", "wanted": "welding"}


def test_a_file_of_cases(tmp_path: Path) -> None:
    whole = {"id": "b", "category": "lexical", "query": "q", "wanted": ["welding"],
             "traps": "bake bread", "clean": "c", "note": "n"}  # fmt: skip
    assert read_cases(write(tmp_path / "cases.jsonl", GOOD, whole), LABELS) == [
        ProbeCase("a", "typo", "weldnig", ("welding",)),
        ProbeCase("b", "lexical", "q", ("welding",), ("bake bread",), "c", "n"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category": "rhyme"}, "expected a category out of lexical, .*, got 'rhyme'"),
        ({"category": "lexical"}, "needs 'traps'"),
        ({"wanted": "Welding"}, "no target has the label 'Welding'"),
        ({"traps": ["juggling"]}, "no target has the label 'juggling'"),
        ({"traps": ["welding"]}, "is wanted and a trap"),
        ({"wanted": []}, "at least one wanted label"),
        ({"wanted": [3]}, "expected 'wanted' to be a label or a list"),
        ({"wanted": None}, "expected 'wanted' to be a label or a list"),
        ({"clean": 3}, "expected 'clean' to be a text, got 3"),
        ({"wnated": "x"}, "unknown field 'wnated'"),
        ({"origin": "by rule"}, "unknown field 'origin'"),
        ({"id": ""}, "expected 'id' with a text"),
        ({"id": "first"}, "'first' occurs twice"),
        ({"query": " "}, "blank"),
        ({"query": 3}, "expected 'query' to be a text"),
    ],
)
def test_a_malformed_case_is_named_by_its_line(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "cases.jsonl", {**GOOD, "id": "first"}, {**GOOD, **change})
    with pytest.raises(DataError, match=rf"cases\.jsonl:2: .*{message}") as caught:
        read_cases(path, LABELS)
    assert (caught.value.path, caught.value.line) == (path, 2)


@pytest.mark.parametrize("field", GOOD)
def test_a_field_that_lacks_is_named(tmp_path: Path, field: str) -> None:
    path = write(tmp_path / "cases.jsonl", {k: v for k, v in GOOD.items() if k != field})
    with pytest.raises(DataError, match=rf":1: expected the field '{field}'"):
        read_cases(path, LABELS)


def test_no_json_and_no_case(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text("[]\n")
    with pytest.raises(DataError, match=":1: expected a JSON object"):
        read_cases(path, LABELS)
    path.write_text("")
    with pytest.raises(DataError, match="at least one case"):
        read_cases(path, LABELS)


def test_categories_are_chosen() -> None:
    lexical = ProbeCase("l", "lexical", "Rust code", ("computer programming",), ("remove rust",))
    typo = ProbeCase("t", "typo", "weldnig", ("welding",))
    long = ProbeCase("x", "long", "you bake", ("bake bread", "bake cakes"))
    cases = [long, typo, lexical]
    assert chosen_cases(cases, None) == [lexical, typo, long]
    assert chosen_cases(cases, ["long", "typo"]) == [typo, long]
    with pytest.raises(InputError, match=r"expected a category out of .*, got 'rhyme'"):
        chosen_cases(cases, ["typo", "rhyme"])
    with pytest.raises(InputError, match="no case is of bullet"):
        chosen_cases(cases, ["bullet"])


@pytest.fixture(scope="module")
def built_in() -> list[ProbeCase]:
    return built_in_cases(uwe.target_space("esco-skills").labels)  # which looks up every label


def test_every_category_has_ten_cases_that_were_read_and_more_by_rule(
    built_in: list[ProbeCase],
) -> None:
    counts = Counter((case.origin, case.category) for case in built_in)
    for category in CATEGORIES:
        assert counts["hand-read", category.name] >= 10
        assert counts["by rule", category.name] >= 100
    for values in ([c.id for c in built_in], [(c.origin, c.category, c.query) for c in built_in]):
        assert len(set(values)) == len(values)
    assert {case.category for case in built_in if case.traps} == {"lexical", "long"}


def american(case: ProbeCase) -> bool:
    return bool(make_probes().american(case.clean) == case.query)


SAYS: dict[str, Callable[[ProbeCase], bool]] = {
    "case": lambda c: c.query.casefold() == c.clean.casefold(),
    "plural": lambda c: (
        abs(len(c.query) - len(c.clean)) in (0, 1)
        and c.query.replace("s", "").replace("a ", "") == c.clean.replace("s", "").replace("a ", "")
    ),
    "bullet": lambda c: c.query.endswith(f" {c.clean}") and len(c.query) - len(c.clean) < 6,
    "typo": lambda c: 0.8 < SequenceMatcher(None, c.query, c.clean).ratio() < 1,
    "spelling": american,
}


@pytest.mark.parametrize("category", SAYS)
def test_the_text_differs_from_the_clean_one_as_its_category_says(
    category: str, built_in: list[ProbeCase]
) -> None:
    cases = [case for case in built_in if case.category == category]
    assert [c.id for c in cases if c.query == c.clean or not SAYS[category](c)] == []
    # Where a label is changed, it is what has to be found.
    assert all(c.clean in c.wanted for c in cases if c.origin == "hand-read")


def make_probes() -> Any:
    spec = importlib.util.spec_from_file_location("make_probes", ROOT / "scripts/make_probes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_cases_by_rule_are_what_the_script_makes(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = make_probes()
    monkeypatch.setattr(script, "ASSET", tmp_path / "made.jsonl.gz")
    script.main(data_folder)
    # Of the content: how it is packed is zlib's affair.
    assert file_sha256(tmp_path / "made.jsonl.gz") == file_sha256(FILES["by rule"])
