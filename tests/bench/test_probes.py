"""Probe cases as tasks: what a file of them may hold, what counts as right, the built-in ones."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from uwe.bench.model import ScoringModel
from uwe.bench.probes import CATEGORIES, case_splits, read_cases
from uwe.bench.tasks import TASKS
from uwe.data.layout import TaskSplit
from uwe.errors import DataError
from uwe.files.hashing import file_sha256

ROOT = Path(__file__).parents[2]
LABELS = list(uwe.target_space("esco-skills").labels)
HAND, RULES = (Path(task.folder) for task in TASKS if task.probes)
GOOD = {"id": "a", "category": "typo", "query": "weldnig", "wanted": LABELS[5]}


def write(path: Path, *entries: object) -> Path:
    path.write_text("".join(f"{json.dumps(e)}\n" for e in entries))
    return path


# Files -------------------------------------------------------------------------------------------


def test_a_category_is_a_split_and_so_are_its_clean_texts(tmp_path: Path) -> None:
    case = {**GOOD, "id": "b", "clean": "welding", "note": "n"}
    trap = {**GOOD, "id": "c", "category": "mine", "traps": [LABELS[1], LABELS[2]]}
    path = write(tmp_path / "cases.jsonl", GOOD, case, trap)
    assert case_splits(path) == ["typo", "typo-clean", "mine"]
    assert case_splits(tmp_path / "none.jsonl") == []
    clean = read_cases(path, "typo-clean")
    assert clean.task.queries == ["welding"]
    assert (clean.task.relevant, clean.traps) == ([[5]], ())
    assert read_cases(path, "typo").task.query_ids == ["a", "b"]
    assert read_cases(path, "mine").traps == ((1, 2),)


@pytest.mark.parametrize(
    "change",
    [
        {"category": ""}, {"category": "a/b"}, {"category": "typo-clean"}, {"wanted": "no label"},
        {"traps": ["no label"]}, {"traps": [LABELS[5]]}, {"traps": [LABELS[1]]}, {"wanted": []},
        {"wanted": [3]}, {"wanted": None}, {"clean": 3}, {"wnated": "x"}, {"id": ""},
        {"id": "first"}, {"query": " "}, {"query": 3},
    ],
)  # fmt: skip
def test_a_malformed_case_is_named_by_its_line(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write(tmp_path / "cases.jsonl", {**GOOD, "id": "first"}, {**GOOD, **change})
    with pytest.raises(DataError) as caught:
        read_cases(path, "typo")
    assert (caught.value.path, caught.value.line) == (path, 2)


@pytest.mark.parametrize("text", ["[]\n", ""])
def test_no_case_is_no_task(tmp_path: Path, text: str) -> None:
    (tmp_path / "cases.jsonl").write_text(text)
    with pytest.raises(DataError):
        uwe.evaluate("bm25", tasks=tmp_path / "cases.jsonl")


# Figures -----------------------------------------------------------------------------------------


def evaluated(tmp_path: Path, scores: dict[int, float], **case: Any) -> dict[str, float]:
    """Metrics of one case by a model that gives some labels a score, and 0 to the others."""

    def score(queries: Any) -> Any:
        row = np.zeros(len(LABELS), dtype=np.float32)
        row[list(scores)] = list(scores.values())
        return np.tile(row, (len(queries), 1))

    model = ScoringModel(name="m", kind="made up", prepare=lambda _: score)
    found = uwe.evaluate(model, tasks=write(tmp_path / "c.jsonl", {**GOOD, **case}))
    assert type(found).from_json(found.to_json()) == found
    (entry,) = found.entries
    return {name: interval.mean for name, interval in entry.metrics.items()}


@pytest.mark.parametrize(
    ("scores", "right"),
    [
        ({5: 0.9, 1: 0.8, 2: 0.1}, 1.0),
        ({5: 0.7, 1: 0.8}, 0.0),
        ({5: 0.7, 1: 0.6, 2: 0.8}, 0.0),
        ({6: 0.9, 1: 0.8, 2: 0.1}, 1.0),  # another that is right
        ({9: 0.95, 5: 0.9, 1: 0.8}, 1.0),  # what is no trap may come first
        ({1: 0.9, 5: 0.9}, 0.0),  # the order of equal scores passes nothing
        ({}, 0.0),
    ],
)
def test_with_traps_the_best_answer_must_score_above_all_of_them(
    tmp_path: Path, scores: dict[int, float], right: float
) -> None:
    traps = {"wanted": [LABELS[5], LABELS[6]], "traps": [LABELS[1], LABELS[2]]}
    assert evaluated(tmp_path, scores, **traps)["pairwise"] == right


def test_without_traps_the_rank_counts(tmp_path: Path) -> None:
    found = evaluated(tmp_path, {5: 0.5, 1: 0.9})
    assert (found["hit@1"], found["hit@10"]) == (0, 1)
    assert "pairwise" not in found


# The built-in cases ------------------------------------------------------------------------------


def split_of(path: Path, split: str) -> TaskSplit:
    return read_cases(path, split)  # which looks up every label


@pytest.mark.parametrize(("path", "least"), [(HAND, 10), (RULES, 100)])
def test_every_category_has_cases(path: Path, least: int) -> None:
    splits = case_splits(path)
    assert {split.removesuffix("-clean") for split in splits} == set(CATEGORIES)
    found = {split: split_of(path, split) for split in splits}
    assert all(len(data.task.queries) >= least for data in found.values())
    with_traps = {split for split, data in found.items() if data.traps}
    assert with_traps == ({"lexical", "long"} if path == HAND else {"lexical"})


@cache
def make_probes() -> Any:
    spec = importlib.util.spec_from_file_location("make_probes", ROOT / "scripts/make_probes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


SAYS: dict[str, Callable[[str, str], bool]] = {
    "case": lambda query, clean: query.casefold() == clean.casefold(),
    "plural": lambda query, clean: (
        abs(len(query) - len(clean)) in (0, 1)
        and query.replace("s", "").replace("a ", "") == clean.replace("s", "").replace("a ", "")
    ),
    "bullet": lambda query, clean: query.endswith(f" {clean}") and len(query) - len(clean) < 6,
    "typo": lambda query, clean: 0.8 < SequenceMatcher(None, query, clean).ratio() < 1,
    "spelling": lambda query, clean: bool(make_probes().american(clean) == query),
}


@pytest.mark.parametrize("category", SAYS)
@pytest.mark.parametrize("path", [HAND, RULES])
def test_the_text_differs_from_the_clean_one_as_its_category_says(
    path: Path, category: str
) -> None:
    data = split_of(path, category)
    clean = split_of(path, f"{category}-clean").task
    before = dict(zip(clean.query_ids, clean.queries, strict=True))
    for name, query in zip(data.task.query_ids, data.task.queries, strict=True):
        assert query != before[name]
        assert SAYS[category](query, before[name])


@pytest.mark.release
def test_the_cases_by_rule_are_what_the_script_makes(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = make_probes()
    monkeypatch.setattr(script, "ASSET", tmp_path / "made.jsonl.gz")
    script.main(data_folder)
    # Of the content: how it is packed is zlib's affair.
    assert file_sha256(tmp_path / "made.jsonl.gz", unpacked=True) == file_sha256(
        RULES, unpacked=True
    )
