"""How far confidence can be trusted, drawn: a reliability diagram and a risk-coverage curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uwe.bench.calibration import expected_calibration_error
from uwe.plotting import drawing

_BINS = 10
_POINTS = 200
"""Points of a curve: more cannot be told apart."""


def draw_reliability(
    judged: Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]], path: str | Path
) -> None:
    """Draw the best matches of queries, one line a set of them.

    On the left, the share of right matches over their mean confidence, in ten bins of equal width;
    a dot's area grows with the number of matches in its bin. On the right, the share of wrong ones
    among the matches that a `min_confidence` keeps over the share that it keeps (El-Yaniv and
    Wiener, 2010).

    Args:
        judged: By the name that the legend has: the confidence of the best match of each query,
            and whether it is right, both (queries,), at least one.
        path: Ends with .svg, .png or .pdf.

    Raises:
        InputError: If it ends otherwise.
        MissingExtraError: If matplotlib is missing.
        OSError: If it cannot be written.
    """
    said = "; ".join(
        f"{name}: {len(right)} queries, {right.mean():.3f} right, expected calibration error "
        f"{expected_calibration_error(confidence, right):.3f}"
        for name, (confidence, right) in judged.items()
    )
    with drawing(path, (8, 3.6), title="Reliability of confidence", description=said) as figure:
        diagram, curve = figure.subplots(1, 2)
        diagram.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        for number, (name, (confidence, right)) in enumerate(judged.items()):
            bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
            counts = np.bincount(bins, minlength=_BINS)
            full = counts > 0
            means = [
                np.bincount(bins, values, minlength=_BINS)[full] / counts[full]
                for values in (confidence, right)
            ]
            colour = f"C{number % 10}"
            diagram.plot(*means, colour, linewidth=1, label=name)
            diagram.scatter(*means, 4 + 120 * counts[full] / len(right), colour, alpha=0.6)
            order = np.argsort(-confidence, kind="stable")
            kept = np.arange(1, len(order) + 1)
            risk = np.cumsum(~right[order]) / kept
            # Matches of one confidence are kept together.
            whole = np.flatnonzero(np.append(np.diff(confidence[order]) < 0, True))
            shown = whole[np.unique(np.linspace(0, len(whole) - 1, _POINTS).astype(np.int64))]
            curve.plot(kept[shown] / len(order), risk[shown], colour, label=name)
        diagram.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share right")
        curve.set(
            xlim=(0, 1), ylim=(0, None), xlabel="share of queries with a match",
            ylabel="share of these that is wrong",
        )  # fmt: skip
        diagram.legend()
