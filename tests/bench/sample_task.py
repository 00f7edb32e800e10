"""A small ranking task, and a folder of two splits of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from uwe.corpus import RankingTask
from uwe.data.layout import write_task

WORDS = ("data", "engineer", "baker", "spark", "law", "contract", "pastry", "cloud", "sales")


def some_task(queries: int = 40, targets: int = 30, seed: int = 0) -> RankingTask:
    rng = np.random.default_rng(seed)

    def text(i: int) -> str:
        return " ".join([*rng.choice(WORDS, rng.integers(1, 5)), str(i)])

    return RankingTask(
        target_ids=[f"t{i}" for i in range(targets)],
        targets=[text(i) for i in range(targets)],
        query_ids=[f"q{i}" for i in range(queries)],
        queries=[text(1000 * seed + i) for i in range(queries)],
        relevant=[
            sorted(rng.choice(targets, rng.integers(0, 5), replace=False).tolist())
            for _ in range(queries)
        ],
    )


def some_folder(parent: Path) -> Path:
    """A task folder `mine` with the splits test and val."""
    task = some_task()
    other = some_task(25, seed=1)
    val = replace(other, target_ids=task.target_ids, targets=task.targets)
    write_task(parent / "mine", {"test": task, "val": val})
    return parent / "mine"
