"""What `import uwe` costs, as a ratio to `import numpy`, each in a fresh interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from pytest_benchmark.fixture import BenchmarkFixture

# `import uwe` loads a name when it is first used: this is what a program that ranks pays in all.
RANKING = "import uwe; uwe.load, uwe.TargetCache, uwe.rank, uwe.explain"
ROUNDS = 15


def seconds(statement: str) -> float:
    """Wall time of a fresh interpreter that runs `statement`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def test_import_ratio(benchmark: BenchmarkFixture) -> None:
    """The interpreter's own start is taken off all; they alternate, so noise hits all alike."""
    statements = {"start": "pass", "uwe": "import uwe", "names": RANKING, "numpy": "import numpy"}
    times: dict[str, list[float]] = {name: [] for name in statements}

    def one_round() -> None:
        for name, statement in statements.items():
            times[name].append(seconds(statement))

    benchmark.pedantic(one_round, rounds=ROUNDS, warmup_rounds=1)
    start = statistics.median(times["start"])
    cost = {name: statistics.median(times[name]) - start for name in ("uwe", "names", "numpy")}
    benchmark.extra_info["ratio to import numpy"] = round(cost["uwe"] / cost["numpy"], 2)
    ms = {name: round(1e3 * value) for name, value in cost.items()}
    print(
        f"\nimport numpy {ms['numpy']} ms; import uwe {ms['uwe']} ms, ratio "
        f"{cost['uwe'] / cost['numpy']:.2f}; with the names that ranking uses {ms['names']} ms, "
        f"ratio {cost['names'] / cost['numpy']:.2f}"
    )
