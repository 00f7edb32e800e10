"""The queries that went worst, with what was ranked instead and which words earned it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uwe.bench.results import HardQuery, RankedTarget
from uwe.bench.space import PreparedSpace, Relevant
from uwe.data.layout import TaskSplit

__all__ = ["hardest"]

_QUERIES, _TARGETS = 10, 5


def hardest(
    space: PreparedSpace,
    data: TaskSplit,
    chosen: Sequence[int],
    relevant: Relevant,
    ranks: NDArray[np.int64],
    precision: NDArray[np.float64],
    scoring: str,
) -> tuple[HardQuery, ...]:
    """Describe the queries with the lowest average precision.

    Args:
        space: Where they were ranked.
        data: The split.
        chosen: Which of its queries were evaluated.
        relevant: Their relevant targets.
        ranks: (pairs,), of each of these.
        precision: (queries,), average precision of each of them, NaN where it has none.
        scoring: Which way of scoring.

    Returns:
        Ten at most, worst first: `id`, `query`, `AP`, `answers` (how many relevant targets),
        `relevant` (the best five of them: `label`, `rank`) and `ranked`, the five targets that came
        first (`label`, `score`, `relevant`, `words`: pairs of a word of the query and its share of
        the score, where the model can tell).
    """
    order = np.argsort(precision, kind="stable")  # NaN last
    worst = [int(i) for i in order[:_QUERIES] if np.isfinite(precision[i])]
    if not worst:
        return ()
    task = data.task
    rows = [chosen[i] for i in worst]
    queries = [task.queries[row] for row in rows]
    indices, scores = space.top(queries, scoring, _TARGETS)
    found: list[HardQuery] = []
    for number, row in enumerate(rows):
        of_query = slice(*relevant.offsets[worst[number] : worst[number] + 2].tolist())
        pairs = sorted(zip(ranks[of_query].tolist(), relevant.indices[of_query], strict=True))
        ranked: list[RankedTarget] = [
            {
                "label": task.targets[target],
                "score": score,
                "relevant": target in task.relevant[row],
                "words": space.words(queries[number], target, scoring),
            }
            for target, score in zip(indices[number].tolist(), scores[number].tolist(), strict=True)
        ]
        found.append(
            {
                "id": task.query_ids[row],
                "query": queries[number],
                "AP": float(precision[worst[number]]),
                "answers": len(pairs),
                "relevant": [
                    {"label": task.targets[target], "rank": rank} for rank, target in pairs[:5]
                ],
                "ranked": ranked,
            }
        )
    return tuple(found)
