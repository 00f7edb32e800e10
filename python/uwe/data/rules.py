"""The rules by which lists of queries and targets become a ranking task: those of WorkRB.

As WorkRB since 0.5.1 has them: texts are stripped; targets with equal texts are folded into the
first of them; queries with equal texts are merged into the first, with the union of their targets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from uwe.corpus import RankingTask
from uwe.errors import InputError


@dataclass(frozen=True)
class TargetList:
    """Targets of a task, no two of one text."""

    ids: list[str]  # one a target, that of the first with its text
    texts: list[str]  # one a target, stripped, in the order given
    aliases: list[list[str]]  # other texts of it and all folded into it, stripped, once each
    index_of: list[int]  # for each target as it was given its index here, -1 for a blank one
    left_out: Counter[str]  # what is no target of its own, counted


def fold_targets(
    ids: Sequence[str], texts: Sequence[str], aliases: Sequence[Iterable[str]] | None = None
) -> TargetList:
    """Strip texts, and fold targets of equal texts into the first.

    The order of `texts` is that by which ties are broken. Blank aliases and the target's own text
    are no aliases.
    """
    given = [()] * len(texts) if aliases is None else aliases
    if not len(ids) == len(texts) == len(given):
        raise InputError(
            f"expected one id and one list of aliases a target, got {len(ids)} ids and "
            f"{len(given)} lists for {len(texts)} targets"
        )
    left_out: Counter[str] = Counter()
    kept: dict[str, int] = {}
    folded = TargetList([], [], [], [], left_out)
    others: list[dict[str, None]] = []
    for id_, text, more in zip(ids, map(str.strip, texts), given, strict=True):
        if not text:
            left_out["targets without a text"] += 1
            folded.index_of.append(-1)
            continue
        if text in kept:
            left_out["targets folded into one of equal text"] += 1
        else:
            kept[text] = len(kept)
            folded.ids.append(id_)
            folded.texts.append(text)
            others.append({})
        index = kept[text]
        folded.index_of.append(index)
        others[index].update(dict.fromkeys(alias.strip() for alias in more))
    repeated = next((id_ for id_, count in Counter(folded.ids).items() if count > 1), None)
    if repeated is not None:
        raise InputError(f"expected one text an id, got two for {repeated!r}: correct it")
    folded.aliases.extend(
        [alias for alias in found if alias and alias != text]
        for text, found in zip(folded.texts, others, strict=True)
    )
    return folded


def ranking_task(
    split: str, queries: Iterable[tuple[str, Iterable[int]]], targets: TargetList
) -> tuple[RankingTask, Counter[str]]:
    """One split of a task, and what of the queries is not in it as it was given, counted.

    Ids of queries begin with `split`: `test-0000`. Each query has the indices of its targets as
    they were given to `fold_targets`, which returned `targets`. A query without a target is kept,
    as WorkRB keeps it; metrics leave it out and count it.
    """
    left_out: Counter[str] = Counter()
    merged: dict[str, set[int]] = {}
    for text, indices in queries:
        query = text.strip()
        if not query:
            left_out["queries without a text"] += 1
            continue
        if query in merged:
            left_out["queries merged into one of equal text"] += 1
        relevant = merged.setdefault(query, set())
        relevant.update(index for i in indices if (index := targets.index_of[i]) >= 0)
    width = len(str(len(merged)))
    task = RankingTask(
        target_ids=targets.ids,
        targets=targets.texts,
        query_ids=[f"{split}-{i:0{width}}" for i in range(len(merged))],
        queries=list(merged),
        relevant=[sorted(relevant) for relevant in merged.values()],
    )
    return task, left_out
