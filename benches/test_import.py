"""What `import uwe` costs, as a ratio to `import numpy`, each in a fresh interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

MODULES = ("uwe", "numpy")
ROUNDS = 15


def seconds(statement: str) -> float:
    """Wall time of a fresh interpreter that runs `statement`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


@pytest.mark.parametrize("module", MODULES)
def test_import(benchmark: BenchmarkFixture, module: str) -> None:
    benchmark.pedantic(seconds, (f"import {module}",), rounds=5, warmup_rounds=1)


def test_import_ratio(benchmark: BenchmarkFixture) -> None:
    """The interpreter's own start is taken off both; the three alternate, so noise hits all."""
    statements = {"start": "pass", "uwe": "import uwe", "numpy": "import numpy"}
    times: dict[str, list[float]] = {name: [] for name in statements}

    def one_round() -> None:
        for name, statement in statements.items():
            times[name].append(seconds(statement))

    benchmark.pedantic(one_round, rounds=ROUNDS, warmup_rounds=1)
    start, uwe, numpy = (statistics.median(times[name]) for name in statements)
    ratio = (uwe - start) / (numpy - start)
    benchmark.extra_info["ratio to import numpy"] = round(ratio, 2)
    print(
        f"\nimport uwe {1e3 * (uwe - start):.0f} ms, import numpy {1e3 * (numpy - start):.0f} ms: "
        f"ratio {ratio:.2f}"
    )
