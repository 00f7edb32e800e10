"""The round trip: does a model rank the skill among the first for the text that was made of it?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from uwe.cache import TargetCache
from uwe.enrich.answer import Candidate
from uwe.graphs.graph import folded
from uwe.ranking import rank_stream
from uwe.tokens import Encoder

__all__ = ["round_trip"]


def round_trip(
    candidates: Sequence[Candidate],
    skills: Mapping[str, str],
    model: Encoder,
    *,
    k: int,
) -> list[bool]:
    """For each candidate whether the model ranks all of its skills among the first `k` for it.

    Args:
        candidates: Texts with the ids of their skills.
        skills: The label of every skill by id: all of them are the target space, equal ones once.
        model: What ranks them, by its own scorer.
        k: How far down a skill may stand.

    Raises:
        InputError: If k is no number above 0.
        OSError: If there is no room for the encoded labels in the folder of temporary files.
    """
    labels = _once(skills.values())
    with tempfile.TemporaryDirectory(prefix="uwe-enrich-") as folder:
        cache = TargetCache.build(model, labels.values(), path=Path(folder) / "skills.uwe")
        texts = (candidate.text for candidate in candidates)
        ranked = rank_stream(texts, cache, k=k, abbreviations=False)
        return [
            {folded(skills[s]) for s in candidate.skills} <= {folded(m.label) for m in matches}
            for candidate, matches in zip(candidates, ranked, strict=True)
        ]


def _once(labels: Iterable[str]) -> dict[str, str]:
    """Labels by how they are compared, of equal ones the first."""
    once: dict[str, str] = {}
    for label in labels:
        once.setdefault(folded(label), label)
    return once
