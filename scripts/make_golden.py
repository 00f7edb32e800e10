"""Writes tests/golden/scores.json: small cases scored by the float64 twin.

The file is committed and read by the tests of both languages; run this only when the definition
of a scorer changes, and say so in the changelog. New cases go to the end, so that the vectors of
those before them, which come from one seed, stay.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from uwe import _core

OUT = Path(__file__).parent.parent / "tests" / "golden" / "scores.json"

SCORERS: tuple[tuple[str, float | None], ...] = (
    ("soft_target", None),
    ("soft_query", None),
    ("soft", None),
    ("max", None),
    ("pooled", None),
    ("soft", 0.0),
    ("soft", 4.0),
    ("soft", 20.5),
)
"""Each with its pivot."""


def main() -> None:
    """Draws the cases from one seed and scores them."""
    rng = np.random.default_rng(20)
    cases = []
    for scorer, pivot in SCORERS:
        for temperature, dim, tokens, lengths in (
            (0.5, 8, 3, [1, 2, 5]),
            (0.05, 5, 7, [4, 1, 3, 9]),
            (1.0, 1, 1, [1, 2]),
            (20.0, 17, 10, [16, 3]),
            (0.001, 4, 2, [3, 3, 2]),
        ):
            query = rng.normal(size=(tokens, dim)).round(3).astype(np.float32)
            targets = rng.normal(size=(sum(lengths), dim)).round(3).astype(np.float32)
            offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
            scores = _core.twin(
                query,
                np.array([0, tokens]),
                targets,
                offsets,
                scorer=scorer,
                temperature=temperature,
                pivot=pivot,
            )
            cases.append(
                {
                    "scorer": scorer,
                    "temperature": temperature,
                    "pivot": pivot,
                    "dim": dim,
                    "query": [round(float(x), 3) for x in query.ravel()],
                    "targets": [round(float(x), 3) for x in targets.ravel()],
                    "offsets": offsets.tolist(),
                    "scores": scores[0].tolist(),
                }
            )
    lines = ",\n".join(json.dumps(case) for case in cases)
    OUT.write_text(f'{{"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
