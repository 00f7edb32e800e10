"""Whatever is passed to a public function, what comes back is an answer or one of our errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from conftest import Speller
from tiny_model import write_model
from uwe.bench.results import Results, read_results
from uwe.corpus import RankingTask, read_queries, read_targets, read_task
from uwe.data.layout import data_folder, write_task
from uwe.errors import UweError, shown


class Odd:
    """Something that no function expects."""

    def __repr__(self) -> str:
        return "Odd()"


NESTED: list[Any] = []
for _ in range(5000):
    NESTED = [NESTED]
WRONG: list[Any] = [
    10**5000, -(10**5000), [10**5000], NESTED, np.ma.array([0, 1], mask=[0, 1]),
    None, True, 0, 1, -1, 2.5, math.nan, math.inf, 10**400, -(10**400), "", " ", "x", "\ud800",
    "a\0b",
    "x" * 5000, "~nobody/x", b"x", [], [None], [1], ["x"], [["x"]], [[1, [2]]], ["\ud800"], (), {},
    {"x": "y"}, {1: 2}, {"kind": {}}, {"kind": [[]]}, set(), Odd(), [Odd()],
    iter([None]),
    np.zeros(3), np.zeros((2, 2), dtype=bool), np.array(["x"]), np.array([1, None]), np.nan,
    np.array([[1.0], [2.0]]), Path("x"), Path("a\0b"), range(3), lambda *_: None, ..., 1j,
    np.datetime64("2020"), [10**30], [-1], [2.0], [True, "a"], np.array("x"),
]  # fmt: skip


def model_folder(folder: Path) -> Path:
    return write_model(folder / "model")


def small(folder: Path) -> uwe.TargetCache:
    return uwe.TargetCache.build(
        Speller(),
        ["Apache Spark", "pastry baking", "contract law"],
        path=folder / "c.uwe",
        ids=["a", None, "c"],
        aliases=[["Spark"], [], []],
        metadata={
            "kind": ["tool", "skill", None],
            "level": [1, 2.5, 3],
            "core": [True, False, None],
        },
        scorer=uwe.Scorer("pooled"),
    )


Call = tuple[Callable[..., Any], dict[str, Any]]


def calls(folder: Path) -> dict[str, Call]:
    """Public functions, with arguments that they take."""
    model, cache = Speller(), small(folder)
    task = RankingTask(["1", "2"], ["a", "b"], ["x", "y"], ["a", "c"], [[0], [1]])
    write_task(folder / "task", {"test": task})
    (folder / "good.tsv").write_text("a\tb\n")
    shipped = uwe.TextEncoder(model_folder(folder))
    scores = np.zeros((2, 3), dtype=np.float32)
    match = uwe.rank("spark", cache, k=1)[0]
    build = {
        "model": model, "labels": ["a", "b"], "path": folder / "new.uwe", "ids": ["1", "2"],
        "aliases": [[], ["c"]], "metadata": {"m": ["x", "y"]}, "scorer": uwe.Scorer("pooled"),
        "dtype": "float32", "tokens": "all", "block": 2, "progress": False,
    }  # fmt: skip
    ranking = {
        "targets": cache, "k": 2, "where": {"kind": "tool"}, "min_score": 0.0,
        "scorer": uwe.Scorer("max"), "candidates": None, "abbreviations": {"a": "b"},
        "kind": "keyword",
    }  # fmt: skip
    advert = "We need SQL."
    extracting = {
        "targets": uwe.TargetCache.build(uwe.load(), ["SQL"], metadata={"kind": ["tool"]}),
        "min_confidence": 0.5, "where": {"kind": "tool"}, "abbreviations": {"a": "b"},
    }  # fmt: skip
    explaining = {"targets": cache, "scorer": uwe.Scorer("max"), "abbreviations": False}
    found: dict[str, Call] = {
        "Scorer": (uwe.Scorer, {"name": "soft", "temperature": 1.0, "pivot": 2.0}),
        "Scorer.parse": (uwe.Scorer.parse, {"text": "soft:1"}),
        "load": (uwe.load, {"source": str(folder / "model"), "threads": 1}),
        "TextEncoder": (uwe.TextEncoder, {"folder": folder / "model", "source": "x", "threads": 1}),
        "encode": (shipped.encode, {"texts": ["data"], "batch_size": 1, "progress": False}),
        "tokenize": (shipped.tokenize, {"text": "data"}),
        "TokenVectors": (uwe.TokenVectors, {"values": np.zeros((2, 3)), "offsets": [0, 1, 2]}),
        "TokenVectors.from_list": (uwe.TokenVectors.from_list, {"vectors": [np.zeros((2, 3))]}),
        "build": (uwe.TargetCache.build, build),
        "open": (
            uwe.TargetCache.open, {"path": folder / "c.uwe", "model": model, "resident": True}
        ),
        "append": (
            cache.append,
            {"labels": ["n"], "ids": ["n"], "aliases": [[]], "block": 1, "progress": False,
             "metadata": {"kind": ["x"], "level": [1], "core": [True]}},
        ),
        "remove where": (cache.remove, {"where": [0]}),
        "remove ids": (cache.remove, {"ids": ["a"]}),
        "remove labels": (cache.remove, {"labels": ["pastry baking"]}),
        "rank": (uwe.rank, {"query": "spark", **ranking}),
        "rank_many": (uwe.rank_many, {"queries": ["spark"], **ranking, "progress": False}),
        "rank_stream": (consumed(uwe.rank_stream), {"queries": ["spark"], **ranking, "block": 1}),
        "extract": (uwe.extract, {"text": advert, **extracting}),
        "extract_many": (uwe.extract_many, {"texts": [advert], **extracting, "progress": False}),
        "extract_stream": (consumed(uwe.extract_stream), {"texts": [advert], **extracting}),
        "explain": (uwe.explain, {"query": "spark", "target": 0, **explaining}),
        "explain match": (uwe.explain, {"query": "spark", "target": match, **explaining}),
        "explain_many": (uwe.explain_many, {"query": "spark", "wanted": [match], **explaining}),
        "late_interaction": (
            uwe.late_interaction,
            {"query_vectors": np.ones((2, 3)), "values": np.ones((2, 3)), "offsets": [0, 1, 2],
             "scorer": uwe.Scorer("max")},
        ),
        "score_metrics": (uwe.score_metrics, {"scores": scores, "relevant": [[0], [1]]}),
        "cache_metrics": (
            uwe.cache_metrics, {"queries": ["a", "b"], "targets": cache, "relevant": [[0], [1]]},
        ),
        "split_sentences": (uwe.split_sentences, {"text": "a. b"}),
        "Abbreviations": (uwe.Abbreviations, {"table": {"a": "b"}, "words": ["a"]}),
        "Abbreviations.read": (uwe.Abbreviations.read, {"path": folder / "good.tsv"}),
        "Abbreviations.updated": (uwe.Abbreviations({}).updated, {"table": {"a": "b"}}),
        "Abbreviations.readings": (uwe.Abbreviations({"a": "b"}).readings, {"text": "a c"}),
        "target_space": (uwe.target_space, {"name": "esco-skills@1.1.1"}),
        "space_cache": (
            uwe.space_cache,
            {"name": "none", "model": None, "tokens": "all", "dtype": "int8", "progress": False},
        ),
        "calibrate": (
            uwe.calibrate,
            {"answers": {f"spark {i}": ["Apache Spark"] if i % 3 else [] for i in range(60)},
             "targets": cache, "scorer": "max", "abbreviations": False, "progress": False},
        ),
        "evaluate": (
            uwe.evaluate,
            {"model": model, "tasks": [str(folder / "task")], "splits": "all", "data": None,
             "scorer": "pooled", "metrics": ("MAP",), "aliases": False, "limit": 2, "seed": 0,
             "runs": None, "depth": 2, "progress": False, "keep": None},
        ),
        "read_queries": (
            consumed(read_queries),
            {"source": [b"a"], "format": "lines", "field": None, "on_invalid": None},
        ),
        "read_targets": (
            read_targets,
            {"source": [b'{"label": "a"}'], "format": "jsonl", "label_field": None,
             "id_field": None, "aliases_field": None, "on_invalid": None},
        ),
        "read_task": (read_task, {"folder": folder / "task", "split": "test"}),
        "data_folder": (data_folder, {"given": folder}),
        "read_results": (read_results, {"path": folder / "none.json"}),
        "Results.from_json": (Results.from_json, {"text": "{}", "path": "x"}),
    }  # fmt: skip
    found |= {
        "mask": (cache.mask, {"where": [0]}),
        "calibrated": (cache.calibrated, {"calibrations": {}}),
        "has_word": (shipped.has_word, {"word": "data"}),
        "knows": (uwe.Abbreviations({}).knows, {"word": "data"}),
        "part": (uwe.TokenVectors(np.zeros((2, 3)), [0, 1, 2]).part, {"first": 0, "end": 1}),
        "find": (cache.find, {"label": "x"}),
        "scores": (
            uwe.scores,
            {"queries": ["spark"], "targets": cache, "where": [0], "scorer": "max"},
        ),
        "top_k": (
            uwe.top_k,
            {"queries": ["spark"], "targets": cache, "where": [0], "scorer": "max", "k": 2},
        ),
        "from_vectors": (
            uwe.TargetCache.from_vectors,
            {
                **{k: v for k, v in build.items() if k not in ("block", "progress")},
                "vectors": model.encode(["a", "b", "c"]),
                "path": folder / "vectors.uwe",
            },
        ),
        "set_threads": (uwe.set_threads, {"count": None}),
    }
    return found


def consumed(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        return list(function(**arguments))

    return call


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Call]]:
    yield calls(tmp_path_factory.mktemp("public"))
    uwe.set_threads(None)


def attempts(call: Call) -> Iterator[tuple[str, Callable[[], Any]]]:
    function, good = call
    for name in good:
        for value in WRONG:
            yield f"{name}={shown(value)}", partial(function, **{**good, name: value})


def test_the_right_arguments_are_taken(public: dict[str, Call]) -> None:
    without = {"space_cache", "read_results", "Results.from_json"}
    changing = {"append", "remove where", "remove ids", "remove labels", "compact"}
    for name, (function, good) in public.items():
        if name not in without | changing:
            function(**good)


def problem(attempt: Callable[[], Any]) -> str:
    """What an attempt raised, if that is none of our errors and none of the system."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attempt()
    except (UweError, OSError):
        return ""
    except Exception as error:  # noqa: BLE001 - whatever it is, it is one too many
        return f"{type(error).__name__}: {error!s:.100}"
    return ""


def test_whatever_is_passed_is_answered_or_refused(
    public: dict[str, Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = [
        f"{name}({what}): {found}"
        for name, call in public.items()
        for what, attempt in attempts(call)
        if (found := problem(attempt))
    ]
    assert not wrong, "\n".join(wrong)


def test_an_error_shows_the_beginning_of_what_came(public: dict[str, Call]) -> None:
    long = ["x"] * 100_000
    digits = 10**5000
    for name, wrong in (
        ("rank_many", {"queries": [long]}), ("rank_many", {"k": long}),
        ("rank_many", {"min_confidence": long}), ("top_k", {"queries": [long]}),
        ("extract_many", {"texts": [long]}), ("build", {"labels": [long]}),
        ("find", {"label": long}), ("open", {"path": long}), ("evaluate", {"aliases": long}),
        ("rank", {"k": -digits}), ("rank", {"query": NESTED}), ("mask", {"where": {digits: 1}}),
        ("cache_metrics", {"relevant": [[digits], []]}), ("set_threads", {"count": digits}),
        ("Abbreviations", {"table": {digits: "x"}}), ("Scorer.parse", {"text": "x:" * 9999}),
    ):  # fmt: skip
        function, good = public[name]
        with pytest.raises(UweError) as caught:
            function(**{**good, **wrong})
        assert len(str(caught.value)) < 300, name


def test_all_that_is_public_is_walked(public: dict[str, Call]) -> None:
    functions = {name for name in uwe.__all__ if callable(getattr(uwe, name)) and name[0].islower()}
    assert functions - {"simd_level", "target_spaces", "threads", "train"} <= set(public)
