"""Results as an evaluation gives them, of made-up ranks: two models, two scorers, three tasks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from uwe.bench.results import METRICS, Entry, Interval, ModelRecord, Regime, Results, TaskRecord
from uwe.encoder.config import TrainingSource

TASKS = {
    "job2skill/test": ("job2skill", "data engineer|pastry chef|court clerk|nurse", 120, 3039, 24),
    "jobnorm/val": ("jobnorm", "Senior Java dev (m/f) Berlin|Barista part time", 120, 13492, 1),
    "skillsim_esco/test": ("skillsim", "remove rust|manage staff|bake bread", 90, 90, 2),
}
# How far up relevant targets come, by model and scorer: mean of the logarithm of a rank.
RUNS = {("uwe-mini", "soft:0.5"): 2.2, ("uwe-mini", "pooled"): 2.6, ("bm25", ""): 3.6}
REGIMES = {
    "uwe-mini": {
        "job2skill/test": Regime("seen", "12,480 of its pairs are in esco.edges.tsv", 9600, 4100),
        "jobnorm/val": Regime("clean", "no edge comes from jobbert-title", 400, 0),
        "skillsim_esco/test": Regime("held-out", "no edge touches a tested item", 520, 0),
    },
    "bm25": {key: Regime("clean", "nothing in it was trained", 400, 0) for key in TASKS},
}
MODELS = {
    "uwe-mini": ModelRecord(
        "uwe-mini", "uwe", "uwe-mini", "5f" * 32,
        (TrainingSource("train/esco.edges.tsv.gz", "ab" * 32),),
    ),
    "bm25": ModelRecord("bm25", "bm25", "bm25"),
}  # fmt: skip


def plain_record(key: str, queries: int, /, **changes: Any) -> TaskRecord:
    """A split of so many queries of one word, each with one relevant target out of 50."""
    name, _, split = key.partition("/")
    record = TaskRecord(
        name=name, split=split, paper="", substitute=False, space="", measures="", licence="",
        deviations=(), notes=(), seals={"targets": "a" * 64}, queries=queries, available=queries,
        left_out=0, targets=50, aliases=0, pairs=queries, query_words=(1,) * queries, seed=None,
    )  # fmt: skip
    return replace(record, **changes)


def plain_results(
    tasks: dict[str, TaskRecord], entries: tuple[Entry, ...], fingerprint: str = "", **changes: Any
) -> Results:
    """Results of such splits, with the models that their entries name."""
    models = {e.model: ModelRecord(e.model, "uwe", fingerprint=fingerprint) for e in entries}
    results = Results(
        created="", uwe="", versions={}, machine={}, seed=0, limit=None, seconds=0.0, peak_bytes=0,
        models=models, tasks=tasks, entries=entries,
    )  # fmt: skip
    return replace(results, **changes)


def sample_results(
    *, models: tuple[str, ...] = ("uwe-mini", "bm25"), seed: int = 7, **changes: Any
) -> Results:
    """One evaluation's results; `changes` replace fields."""
    tasks = {key: _task(key, seed) for key in TASKS}
    values: dict[str, Any] = {
        "created": "2026-03-04T09:30:00Z",
        "uwe": "0.2.0",
        "versions": {"python": "3.11.7", "numpy": "2.2.0"},
        "machine": {"processor": "Xeon 2.7 GHz", "cores": 2, "simd": "avx512", "memory": 8 << 30},
        "seed": seed,
        "limit": 120,
        "seconds": 48.25,
        "peak_bytes": 612 << 20,
        "models": {name: MODELS[name] for name in models},
        "tasks": tasks,
        "entries": tuple(
            entry(model, scorer, key, seed)
            for key in TASKS
            for model, scorer in RUNS
            if model in models
        ),
    }
    return Results(**{**values, **changes})


@cache
def entry(model: str, scorer: str, key: str, seed: int = 7) -> Entry:
    """Figures of one model with one scorer on one task."""
    labels, frequencies = _labels(key, seed)
    rng = np.random.default_rng([seed, *f"{model}{scorer}{key}".encode()])
    ranks = []
    for row in labels:
        drawn = rng.lognormal(RUNS[model, scorer], 1.5, len(row) * 3 + 5).astype(int) + 1
        ranks.append(tuple(sorted(set(drawn.tolist()))[: len(row)]))
    ranks = [r if len(r) == len(f) else tuple(range(3, 3 + len(f))) for r, f in
             zip(ranks, frequencies, strict=True)]  # fmt: skip
    bare = Entry(
        model=model, scorer=scorer, task=key, regime=REGIMES[model][key], metrics={},
        ranks=tuple(ranks), frequencies=frequencies, truncated=3 if key == "jobnorm/val" else 0,
        seconds={"encode targets": 4.1, "encode queries": 1.25, "score": 0.75}
        if model != "bm25" else {"encode targets": 0.3, "score": 2.5},
    )  # fmt: skip
    values = bare.values(METRICS)
    counted = values[:, np.isfinite(values[0])]
    draws = rng.integers(counted.shape[1], size=(200, counted.shape[1]))
    means = counted[:, draws].mean(axis=2)
    ends = np.quantile(means, [0.025, 0.975], axis=1)
    rows = zip(METRICS, counted.mean(axis=1).tolist(), *ends.tolist(), strict=True)
    metrics = {name: Interval(*numbers) for name, *numbers in rows}
    return replace(bare, metrics=metrics, hardest=_hardest(key, model, values[0]))


@cache
def _labels(key: str, seed: int) -> tuple[list[list[int]], tuple[tuple[int, ...], ...]]:
    """Relevant targets of each query, some without any; and how many queries share each."""
    _, _, queries, _, most = TASKS[key]
    rng = np.random.default_rng([seed, *key.encode()])
    weights = 1 / np.arange(1, 601)
    rows = [
        sorted(
            rng.choice(600, rng.integers(1, most + 1), replace=False, p=weights / weights.sum())
            .tolist()
        )
        for _ in range(queries)
    ]  # fmt: skip
    rows[3] = []
    counts = np.bincount([target for row in rows for target in row], minlength=600)
    return rows, tuple(tuple(int(counts[t]) for t in row) for row in rows)


def _task(key: str, seed: int) -> TaskRecord:
    paper, texts, queries, available, _ = TASKS[key]
    rows, _ = _labels(key, seed)
    rng = np.random.default_rng(seed)
    name, _, split = key.partition("/")
    stands_in = name == "skillsim_esco"
    return TaskRecord(
        name=name, split=split, paper=paper, substitute=stands_in,
        space="ESCO 1.2.0 skills", measures=f"finds what belongs to {texts.split('|')[0]}",
        licence="CC BY 4.0",
        deviations=("stands in for SkillMatch-1K",) if stands_in else (),
        notes=(
            "2 targets have the text of an earlier one",
            *([f"a sample of {queries:,} of {available:,} queries"] if queries < available else []),
        ),
        seals={"targets.jsonl.gz": "12" * 32, f"{split}.queries.jsonl.gz": "34" * 32},
        queries=queries, available=available, left_out=1, targets=13939, aliases=0,
        pairs=sum(map(len, rows)), query_words=tuple(rng.geometric(0.4, queries).tolist()),
        seed=None,
    )  # fmt: skip


def _hardest(key: str, model: str, precision: np.ndarray) -> tuple[dict[str, Any], ...]:
    texts = TASKS[key][1].split("|")
    found = []
    for number in np.argsort(precision)[:3].tolist():
        query = texts[number % len(texts)]
        words = query.split()
        ranked = [
            {
                "label": f"{words[i % len(words)]} {noun}",
                "score": 0.81 - 0.07 * i,
                "relevant": i == 3,
                "words": None if model == "bm25" else [[w, 1 / len(words)] for w in words],
            }
            for i, noun in enumerate(("supervision", "equipment", "law", "techniques", "rules"))
        ]
        relevant = [{"label": "apply procedures", "rank": 812}, {"label": "be precise", "rank": 95}]
        found.append(
            {"id": f"q{number}", "query": query, "AP": float(precision[number]),
             "answers": len(relevant), "relevant": relevant, "ranked": ranked}
        )  # fmt: skip
    return tuple(found)
