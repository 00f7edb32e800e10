"""Probes: what passes, how it is counted, kept and printed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from cli_shell import Shell
from conftest import HashEncoder
from uwe.bench.model import EncoderModel, ScoringModel
from uwe.bench.probe_cases import ProbeCase, built_in_cases, chosen_cases
from uwe.bench.probes import ProbeResults, read_probes, run_probes, wilson
from uwe.config import Scorer
from uwe.errors import DataError, InputError
from uwe.tokens import TokenVectors

LABELS = ("remove rust", "computer programming", "welding", "bake bread", "bake cakes")


def scoring(scores: dict[str, Sequence[float]], name: str = "table") -> ScoringModel:
    """A model whose scores of each query are given."""
    return ScoringModel(
        name=name,
        kind="callable",
        prepare=lambda _: lambda texts: np.array([scores[t] for t in texts], dtype=np.float32),
    )


def words(encoder: object = None, **more: Any) -> EncoderModel:
    return EncoderModel(
        name="words", kind="callable", encoder=encoder or HashEncoder(), scorer=Scorer("pooled"),
        **more,
    )  # fmt: skip


LEXICAL = ProbeCase("l", "lexical", "Rust code", ("computer programming",), ("remove rust",))
TYPO = ProbeCase("t", "typo", "weldnig", ("welding",), clean="welding")
LONG = ProbeCase("x", "long", "you bake", ("bake bread", "bake cakes"))


def test_with_traps_a_wanted_label_must_score_above_all_of_them() -> None:
    model = scoring({"Rust code": [0.5, 0.25, 0.0, 1.0, 0.0]})
    (found,) = run_probes([model], cases=[LEXICAL], labels=LABELS).outcomes
    assert not found.passed
    assert (found.wanted, found.rank, found.score) == ("computer programming", 3, 0.25)
    assert (found.against, found.against_rank, found.against_score) == ("remove rust", 2, 0.5)
    assert found.clean_passed is None
    assert (found.model, found.scorer, found.label) == ("table", "", "table")
    model = scoring({"Rust code": [0.25, 0.5, 0.0, 1.0, 0.0]})
    (found,) = run_probes([model], cases=[LEXICAL], labels=LABELS).outcomes
    assert found.passed  # whatever else is above it


def test_the_order_of_equal_scores_passes_nothing() -> None:
    model = scoring({"x": [0.0] * 5})
    case = ProbeCase("e", "lexical", "x", ("remove rust",), ("welding",))
    (found,) = run_probes([model], cases=[case], labels=LABELS).outcomes
    assert (found.rank, found.against_rank, found.passed) == (1, 3, False)


@pytest.mark.parametrize(("rank", "passed"), [(1, True), (2, False)])
def test_without_traps_the_first_rank_counts(rank: int, passed: bool) -> None:
    scores = [0.1, 0.2, 0.8, 0.3, 0.9 if rank == 2 else 0.7]
    model = scoring({"weldnig": scores, "welding": [0, 0, 1, 0, 0]})
    (found,) = run_probes([model], cases=[TYPO], labels=LABELS).outcomes
    assert (found.rank, found.passed, found.clean_passed) == (rank, passed, True)
    assert found.against == "bake cakes"


@pytest.mark.parametrize(("above", "passed"), [(9, True), (10, False)])
def test_a_long_sentence_has_ten_places(above: int, passed: bool) -> None:
    labels = [*(f"other {i}" for i in range(above)), "welding"]
    model = scoring({"you weld": np.linspace(1, 0, len(labels)).tolist()})
    case = ProbeCase("x", "long", "you weld", ("welding",))
    (found,) = run_probes([model], cases=[case], labels=labels).outcomes
    assert (found.rank, found.passed) == (above + 1, passed)


def test_the_best_of_several_wanted_labels_counts() -> None:
    model = scoring({"you bake": [0.1, 0.2, 0.3, 0.4, 0.5]})
    (found,) = run_probes([model], cases=[LONG], labels=LABELS).outcomes
    assert (found.wanted, found.rank, found.against) == ("bake cakes", 1, "welding")
    everything = ProbeCase("x", "long", "you bake", LABELS)
    (found,) = run_probes([model], cases=[everything], labels=LABELS).outcomes
    assert (found.passed, found.against, found.against_rank) == (True, "", 0)


def test_encoders_are_ranked_by_every_scorer_and_encode_targets_once() -> None:
    texts: Counter[str] = Counter()

    class Counting(HashEncoder):
        def encode(self, batch: Sequence[str], /) -> TokenVectors:
            texts.update(batch)
            return super().encode(batch)

    found = run_probes(
        [words(Counting())],
        scorer=["pooled", "soft:0.5"],
        cases=[LEXICAL, TYPO, LONG],
        labels=LABELS,
    )
    assert found.labels == ["words pooled", "words soft:0.5"]
    assert [o.case for o in found.outcomes] == ["l", "t", "x"] * 2
    assert all(texts[label] == 1 for label in LABELS if label != TYPO.clean)
    encoder = HashEncoder()
    targets = encoder.encode(LABELS)
    for outcome in found.outcomes:
        query = encoder.encode([found.cases[outcome.case].query]).values
        scores = uwe.late_interaction(
            query, targets.values, targets.offsets, scorer=Scorer.parse(outcome.scorer)
        )
        assert scores[LABELS.index(outcome.wanted)] == outcome.score
        assert 1 + (scores > outcome.score).sum() == outcome.rank


def test_a_model_of_one_vector_keeps_its_own_scorer() -> None:
    found = run_probes([words(one_vector=True)], scorer=["soft:0.5"], cases=[TYPO], labels=LABELS)
    assert found.labels == ["words pooled"]


def test_accuracies_count_by_origin_category_and_model() -> None:
    rows = {"Rust code": [0, 1, 0, 0, 0], "weldnig": [1, 0, 0, 0, 0], "welding": [0, 0, 1, 0, 0],
            "you bake": [0, 0, 0, 1, 0], "a": [0, 0, 1, 0, 0], "b": [0, 1, 0, 0, 0]}  # fmt: skip
    again = ProbeCase("t2", "typo", "a", ("welding",), clean="b", origin="by rule")
    also = ProbeCase("t3", "typo", "a", ("welding",))
    found = run_probes(
        [scoring(rows), scoring(rows, "twin")], cases=[LEXICAL, TYPO, LONG, again, also],
        labels=LABELS,
    )  # fmt: skip
    figures = [
        (a.label, a.origin, a.category, a.passed, a.cases, a.clean_passed, a.clean_cases)
        for a in found.accuracies()
    ]
    assert figures == [
        (name, *rest)
        for rest in (
            ("by rule", "typo", 1, 1, 0, 1),
            ("yours", "lexical", 1, 1, 0, 0),
            ("yours", "typo", 1, 2, 1, 1),
            ("yours", "long", 1, 1, 0, 0),
        )
        for name in ("table", "twin")
    ]
    assert found.accuracies()[4].interval == wilson(1, 2)
    assert [o.case for o in found.failures("twin", "yours")] == ["t"]
    assert found.failures("twin", "by rule") == []


@pytest.mark.parametrize(
    ("passed", "cases", "low", "high"),
    # R: prop.test(x, n, correct=FALSE)$conf.int
    [(8, 10, 0.4901625, 0.9433178), (0, 10, 0.0, 0.2775328), (10, 10, 0.7224672, 1.0)],
)
def test_wilson(passed: int, cases: int, low: float, high: float) -> None:
    found = wilson(passed, cases)
    assert found.mean == passed / cases
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-7)


def test_input_is_checked() -> None:
    model = scoring({"Rust code": [0] * 5})
    with pytest.raises(InputError, match="models with different names"):
        run_probes([], cases=[LEXICAL], labels=LABELS)
    with pytest.raises(InputError, match=r"models with different names.*table, table"):
        run_probes([model, model], cases=[LEXICAL], labels=LABELS)
    with pytest.raises(InputError, match="cases with different names"):
        run_probes([model], cases=[LEXICAL, LEXICAL], labels=LABELS)
    with pytest.raises(InputError, match="no target has the label 'remove rust'"):
        run_probes([model], cases=[LEXICAL], labels=LABELS[1:])


def results() -> ProbeResults:
    return run_probes([words()], scorer="soft:0.5", cases=[LEXICAL, TYPO], labels=LABELS)


def test_a_result_is_read_back(tmp_path: Path) -> None:
    found = results()
    found.save(tmp_path / "probes.json")
    assert read_probes(tmp_path / "probes.json") == found
    assert [p.name for p in tmp_path.iterdir()] == ["probes.json"]
    document = json.loads((tmp_path / "probes.json").read_text())
    assert (document["format"], document["version"]) == ("uwe-probes", 1)


def test_a_damaged_result_is_a_data_error(tmp_path: Path) -> None:
    path = tmp_path / "probes.json"
    text = results().to_json()
    for end in range(0, len(text) - 2, 97):
        path.write_text(text[:end])
        with pytest.raises(DataError):
            read_probes(path)
    for key in json.loads(text):
        path.write_text(json.dumps({k: v for k, v in json.loads(text).items() if k != key}))
        with pytest.raises(DataError, match=r"probes\.json: "):
            read_probes(path)
    path.write_text(json.dumps({**json.loads(text), "version": 2}))
    with pytest.raises(DataError, match="reads results of version 1, got 2"):
        read_probes(path)
    path.write_text(json.dumps({**json.loads(text), "models": {}}))
    with pytest.raises(DataError, match="damaged"):
        read_probes(path)
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"utf-8.*name another"):
        read_probes(path)


def test_a_result_that_can_not_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "probes.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    found = results()
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        found.save(path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.slow
def test_the_shipped_model_falls_into_traps_but_not_for_capitals() -> None:
    labels = uwe.target_space("esco-skills").labels
    cases = [c for c in built_in_cases(labels) if c.origin == "hand-read"]
    model = uwe.load()
    shipped = EncoderModel(name="uwe-mini", kind="uwe", encoder=model, scorer=model.config.scorer)
    found = run_probes([shipped], cases=chosen_cases(cases, ["lexical", "case"]))
    figures = {a.category: (a.passed, a.cases) for a in found.accuracies()}
    assert figures["case"] == (14, 14)
    # A few cases are near ties, which the last digits of an encoder decide.
    passed, count = figures["lexical"]
    assert count == 50
    assert 41 <= passed <= 46
    assert len(found.failures("uwe-mini soft:0.5:4", "hand-read")) == count - passed


def write(path: Path, *entries: object) -> Path:
    path.write_text("".join(f"{json.dumps(e)}\n" for e in entries))
    return path


def test_on_the_command_line(shell: Shell, tmp_path: Path) -> None:
    wanted = {"id": "a", "category": "lexical", "query": "data baker", "wanted": "data mining",
              "traps": "mining engineering"}  # fmt: skip
    lost = {"id": "b", "category": "typo", "query": "weldnig", "wanted": "welding techniques",
            "clean": "welding techniques"}  # fmt: skip
    path = write(tmp_path / "cases.jsonl", wanted, lost)
    out = tmp_path / "probes.json"
    options = ("bench", "probes", "--model", "tiny", "--cases", str(path))
    text = shell(*options, "--out", str(out)).stdout
    assert "yours, 13,939 targets, ESCO 1.2.0 skills" in text
    assert "lexical       1  above every trap    100.0 [20.7, 100.0]      -" in text
    assert "typo          1  first                   0.0 [0.0, 79.3]    0.0" in text
    assert "tiny pooled fails 1 of the cases yours" in text
    assert re.search(r"\n  b: weldnig\n    wanted +\d+ +0\.\d+  welding techniques\n", text)
    assert re.search(r"\n    against +1 +\d\.\d+  \w", text)
    found = read_probes(out)
    assert [o.passed for o in found.outcomes] == [True, False]
    again = shell.json(*options, "--category", "typo")
    assert [o["case"] for o in again["outcomes"]] == ["b"]


def test_errors_on_the_command_line(shell: Shell, tmp_path: Path) -> None:
    probes = ("bench", "probes", "--model", "tiny")
    assert "expected a category out of" in shell.error(*probes, "--category", "rhyme")
    path = write(
        tmp_path / "cases.jsonl", {"id": "a", "category": "typo", "query": "q", "wanted": "x"}
    )
    assert f"{path}:1: no target has the label 'x'" in shell.error(*probes, "--cases", str(path))
    out = str(tmp_path / "none" / "probes.json")
    assert "expected a folder to write into" in shell.error(*probes, "-o", out)
