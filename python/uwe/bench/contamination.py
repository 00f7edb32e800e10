"""What a model had seen of a task, decided by counting: clean, held-out, seen or undeclared.

`docs/evaluate.md` has the rules in words, and why their limits are where they are.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from uwe.bench.model import BenchModel
from uwe.bench.results import Regime
from uwe.bench.tasks import Task
from uwe.data.layout import TaskSplit
from uwe.encoder.config import TrainingSource
from uwe.graphs.audit import TrainingEdges, found_pairs, read_training

COINCIDENCE = 0.05
"""Share of pairs that other relations may have in common with a task that is clean."""
HELD_OUT = 0.001
"""Share of pairs that may be found where a task's own relation was trained on, and it held out."""


class Auditor:
    """Decides the regime of models on tasks; reads each model's training files once.

    `data` is the folder in which the names of training files start; None finds none.
    """

    def __init__(self, data: Path | None) -> None:
        self._data = data
        self._read: dict[tuple[TrainingSource, ...], TrainingEdges] = {}

    def regime(self, model: BenchModel, task: Task, split: TaskSplit) -> Regime:
        """What `model` had seen of this split, and why that is so."""
        pairs = sum(map(len, split.task.relevant))
        if model.untrained:
            return Regime("clean", "nothing in it was trained", pairs, 0)
        if not model.trained_on:
            return Regime(
                "undeclared", "states no training files: nobody can tell what it has seen", pairs
            )
        if model.trained_on not in self._read:
            self._read[model.trained_on] = read_training(self._data, model.trained_on)
        edges = self._read[model.trained_on]
        pairs, found = found_pairs(split.task, edges)
        own = _own(edges.relations, task.origins)
        share = found / pairs if pairs else 0.0
        counted = f"{found:,} of {pairs:,} pairs ({share:.3%})"
        if share > (HELD_OUT if own else COINCIDENCE):
            by = ", by relations other than its own" if not own else ""
            return Regime("seen", f"trained on {counted}{by}", pairs, found)
        if edges.problems:
            others = len(edges.problems) - 1
            more = f" (and {others} more)" if others else ""
            return Regime("undeclared", f"{edges.problems[0]}{more}", pairs)
        if own:
            used = ", ".join(f"{number:,} {relation}" for relation, number in own.items())
            reason = f"trained on its own relation ({used}), which has {counted}"
            return Regime("held-out", reason, pairs, found)
        chance = f"; {counted} by coincidence" if found else ""
        known = "no training edge of its own relation" if task.origins else "no pair trained on"
        return Regime("clean", f"{known}{chance}", pairs, found)


def _own(relations: Counter[str], origins: tuple[str, ...]) -> dict[str, int]:
    """Edges of each relation that made a task; a remark such as `(weak)` is no part of a name."""
    return {
        relation: number
        for relation, number in relations.items()
        if relation.partition("(")[0].strip() in origins
    }
