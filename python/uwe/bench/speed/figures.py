"""The figures of `uwe bench speed` drawn: by targets, by query tokens, and beside the limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from uwe.drawing import drawing, plain_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_speed"]

_SIZE = (6.4, 4.0)
_BYTES = 4
_SHOWN = "soft"


def draw_speed(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Draw `targets.svg`, `tokens.svg` and `roofline.svg` into a folder, which is made.

    Args:
        figures: What `measure_speed` returned.
        folder: Files of these names that are there are replaced.

    Returns:
        The files.

    Raises:
        MissingExtraError: If matplotlib is missing.
        OSError: If a file can not be written.
    """
    plots = {"targets.svg": _by_targets, "tokens.svg": _by_tokens, "roofline.svg": _roofline}
    titles = {
        "targets.svg": "Best ten by number of targets, texts of 8 tokens",
        "tokens.svg": f"Best ten of {figures['skills']['targets']:,} skills by query tokens",
        "roofline.svg": "All scores beside the limits of the machine",
    }
    for name, plot in plots.items():
        with drawing(folder / name, _SIZE, title=titles[name], extra="bench") as figure:
            axes = figure.subplots()
            axes.set_title(titles[name])
            plot(axes, figures)
            plain_ticks(axes)
            axes.legend()
    return [folder / name for name in plots]


def _by_targets(axes: Axes, figures: dict[str, Any]) -> None:
    rows = figures["targets"]
    sizes = [row["targets"] for row in rows]
    axes.loglog(sizes, [row["all_scores_ms"] for row in rows], "C7o-", label="all scores")
    axes.loglog(sizes, [row["best_ten_ms"] for row in rows], "C0o-", label="best ten, exact")
    axes.set_xlabel("targets, float16")
    axes.set_ylabel("milliseconds a query")


def _by_tokens(axes: Axes, figures: dict[str, Any]) -> None:
    rows = [row for row in figures["one_query"] if row["scorer"] == _SHOWN]
    tokens = [row["tokens"] for row in rows]
    contestants = {
        "torch_ms": ("C1o-", "torch, targets grouped by length"),
        "all_scores_ms": ("C7o-", "all scores"),
        "best_ten_ms": ("C0o-", "best ten, exact"),
    }
    for key, (style, label) in contestants.items():
        if all(row[key] is not None for row in rows):
            axes.plot(tokens, [row[key] for row in rows], style, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"query tokens, scorer {_SHOWN}")
    axes.set_ylabel("milliseconds a query")


def _roofline(axes: Axes, figures: dict[str, Any]) -> None:
    """Operations a byte: each float32 of the targets is read once a query and used for m tokens."""
    limits, skills = figures["limits"], figures["skills"]
    values = skills["token_vectors"] * skills["dim"]
    ridge = limits["flop_s"] / limits["bytes_s"]
    intensities = [1, ridge, 400 * ridge]
    roof = [min(limits["flop_s"], x * limits["bytes_s"]) / 1e9 for x in intensities]
    axes.loglog(intensities, roof, "k-", linewidth=1, label="limits of memory and multiply-adds")
    for number, scorer in enumerate(dict.fromkeys(row["scorer"] for row in figures["one_query"])):
        rows = [row for row in figures["one_query"] if row["scorer"] == scorer]
        reached = [2 * row["tokens"] * values / row["all_scores_ms"] / 1e6 for row in rows]
        intensity = [2 * row["tokens"] / _BYTES for row in rows]
        axes.loglog(intensity, reached, f"C{number}o", label=f"{scorer}: 8, 32, 64 tokens")
    batch = figures["batch"]
    intensity = [2 * batch["queries"] * batch["tokens"] / _BYTES]
    axes.loglog(intensity, [batch["flop_s"] / 1e9], "k*", label=f"soft: {batch['queries']:,} x 8")
    axes.set_ylim(bottom=10)
    axes.set_xlabel("operations a byte of the target space")
    axes.set_ylabel("GFLOP/s")
