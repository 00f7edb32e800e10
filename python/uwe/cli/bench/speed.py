"""`uwe bench speed`: how fast this machine ranks, beside torch."""

from __future__ import annotations

from typing import Annotated

import typer

from uwe.cli import arguments, output
from uwe.cli.guard import say


def speed_command(
    threads: Annotated[
        int | None,
        typer.Option(help="Threads of all contestants; the default is all processors."),
    ] = None,
    targets: Annotated[
        int,
        typer.Option(
            help="Up to how many targets, from 1,000 to 1,000,000, which takes ten minutes, 9 GB "
            "of disk and as much memory."
        ),
    ] = 100_000,
    as_json: arguments.AsJson = False,
) -> None:
    """Measure how fast this machine ranks: one to two minutes, the machine otherwise idle.

    The exact best ten of more and more targets, beside a scan of all and torch (if installed).
    Their answers are checked to be equal.

    Example:
      uwe bench speed --targets 30000
    """
    from uwe.bench.speed import measure_speed

    figures = measure_speed(threads=threads, targets=targets, said=lambda what: say(f"{what} ..."))
    if as_json:
        output.print_json(figures, indent=2)
        return
    machine, torch = figures["machine"], figures["versions"].get("torch")
    output.print_line(
        f"uwe {figures['uwe']} on {machine['processor']}, SIMD level {machine['simd']}, "
        f"{figures['threads']} threads; torch {torch or 'not installed'}\n"
    )
    rows = [
        [
            f"{row['targets']:,}",
            f"{row['encode_s']:.1f} s",
            f"{row['build_s']:.1f} s",
            f"{row['rank_ms']:.2f} ms",
            f"{row['best_ten_ms']:.2f} ms",
            *_beside(row["all_scores_ms"], row["best_ten_ms"]),
            *_beside(row["torch_ms"], row["best_ten_ms"]),
        ]
        for row in figures["targets"]
    ]
    header = ["targets", "encode", "build", "rank", "best ten", "all scores", "", "torch", ""]
    output.print_table(header, rows, right="012345678")
    output.print_line(
        "\nrank: a text of 8 tokens in, ten matches out; the others from its token vectors, by "
        f"soft:0.5; x: times the time of the best ten; {figures['seconds']:.0f} s in all"
    )


def _beside(milliseconds: float | None, best: float) -> tuple[str, str]:
    if milliseconds is None:
        return "-", ""
    return f"{milliseconds:.1f} ms", f"{milliseconds / best:.1f}x"
