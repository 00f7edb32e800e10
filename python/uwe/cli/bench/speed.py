"""`uwe bench speed`: how fast this machine ranks, beside its limits and torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from uwe.cli import arguments, output
from uwe.cli.guard import say

__all__ = ["speed_command"]


def speed_command(
    threads: Annotated[
        int | None,
        typer.Option(help="Threads of all contestants; the default is all processors."),
    ] = None,
    targets: Annotated[
        int,
        typer.Option(
            help="Where the curve over the number of targets ends, from 1,000 to 1,000,000, which "
            "takes some five minutes and 8 GB of disk."
        ),
    ] = 100_000,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep the figures there: speed.json, targets.svg, tokens.svg, roofline.svg "
            "(needs the extra bench).",
        ),
    ] = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Measure how fast this machine ranks: one to three minutes, the machine otherwise idle.

    The exact best ten beside a full scan and torch (if installed), a batch beside the limit of
    multiply-adds, metrics beside NumPy, texts one after the other, and ever more targets. The
    answers of what is compared are checked to be equal.

    Example:
      uwe bench speed --out ./speed
    """
    from uwe.bench.speed import draw_speed, measure_speed
    from uwe.drawing import check_drawing
    from uwe.files.atomic import replaced_file

    if out is not None:
        # Before the minutes, not after them.
        check_drawing("bench")
        out.mkdir(parents=True, exist_ok=True)
    figures = measure_speed(threads=threads, targets=targets, said=lambda what: say(f"{what} ..."))
    if out is not None:
        with replaced_file(out / "speed.json") as file:
            file.write((json.dumps(figures, indent=2) + "\n").encode())
        drawn = draw_speed(figures, out)
        say(f"wrote {', '.join(str(path) for path in (out / 'speed.json', *drawn))}")
    if as_json:
        output.print_json(figures, indent=2)
        return
    _print(figures)


def _print(figures: dict[str, Any]) -> None:
    line = output.print_line
    machine, limits, skills = figures["machine"], figures["limits"], figures["skills"]
    torch = figures["versions"].get("torch")
    line(
        f"uwe {figures['uwe']} on {machine['processor']}, {machine['cores']} cores, SIMD level "
        f"{machine['simd']}, {limits['threads']} threads; torch {torch or 'not installed'}"
    )
    line(
        f"limits: {limits['flop_s'] / 1e9:.0f} GFLOP/s ({limits['flop_s_one'] / 1e9:.0f} on one "
        f"thread), {limits['bytes_s'] / 1e9:.1f} GB/s from memory "
        f"({limits['bytes_s_one'] / 1e9:.1f} on one)"
    )
    line(f"\nThe exact best ten of {skills['targets']:,} skills, one text at a time")
    output.print_table(
        ["scorer", "tokens", "best ten", "all scores", "", "torch", ""],
        [
            [
                row["scorer"], str(row["tokens"]), f"{row['best_ten_ms']:.2f} ms",
                f"{row['all_scores_ms']:.1f} ms", f"{row['all_scores_ratio']:.1f}x",
                *_torch(row["torch_ms"], row["torch_ratio"], "ms"),
            ]
            for row in figures["one_query"]
        ],
        right="123456",
    )  # fmt: skip
    batch = figures["batch"]
    line(f"\n{batch['queries']:,} texts of {batch['tokens']} tokens at once, by soft")
    line(
        f"  all scores  {batch['all_scores_s']:.2f} s: {batch['part_of_peak']:.0%} of the limit of "
        "multiply-adds"
    )
    line(f"  best ten    {batch['best_ten_s']:.2f} s: {batch['best_ten_ratio']:.1f}x as fast")
    if batch["torch_s"] is not None:
        line(f"  torch       {batch['torch_s']:.2f} s: {batch['torch_ratio']:.1f}x of all scores")
    metrics = figures["metrics"]
    line(f"\nMAP and RP@10 of {metrics['queries']:,} x {metrics['targets']:,} given scores")
    line(
        f"  {metrics['ms']:.1f} ms on one thread; NumPy with a sort of each row "
        f"{metrics['numpy_ms']:.1f} ms: {metrics['numpy_ratio']:.1f}x"
    )
    texts = figures["texts"]
    line(f"\nuwe.rank of {texts['titles']} titles, one after the other")
    line(
        f"  p50 {texts['p50_ms']:.1f} ms, p99 {texts['p99_ms']:.1f} ms, of which encoding "
        f"{texts['encoding_p50_ms']:.1f} and {texts['encoding_p99_ms']:.1f} ms"
    )
    shown = (f"{row['threads']}: {row['titles_s']:.0f}" for row in figures["python_threads"])
    line(f"  titles a second by Python threads on one cache: {', '.join(shown)}")
    line("\nMore targets, float16, texts of 8 tokens")
    output.print_table(
        ["targets", "token vectors", "best ten", "all scores"],
        [
            [
                f"{row['targets']:,}", f"{row['token_vectors']:,}", f"{row['best_ten_ms']:.2f} ms",
                f"{row['all_scores_ms']:.1f} ms",
            ]
            for row in figures["targets"]
        ],
        right="0123",
    )  # fmt: skip
    line(f"\n{figures['seconds']:.0f} s in all; x: how many times as fast uwe is")


def _torch(time: float | None, ratio: float | None, unit: str) -> tuple[str, str]:
    return ("-", "-") if time is None else (f"{time:.1f} {unit}", f"{ratio:.1f}x")
