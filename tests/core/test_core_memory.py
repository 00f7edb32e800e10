"""A request that does not fit into memory raises one of our errors; the process goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from uwe import _core

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")

TARGETS = 30_000

# A gigabyte more than the process has: the best 30,000 of 4,000 queries take two.
PROGRAM = """
import resource, sys
import numpy as np
from uwe import _core
from uwe.errors import InputError
_core.set_threads(1)
cache = _core.TargetCache.open(sys.argv[1])
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, resource.getrlimit(resource.RLIMIT_AS)[1]))
queries = np.ones((4000, 8), np.float32), np.arange(4001)
try:
    _core.cache_rank(cache, *queries, scorer="pooled", temperature=1.0, k=10**6)
except InputError as error:
    print(error)
"""


def test_a_ranking_that_does_not_fit_into_memory_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "space.uwe")
    writer = _core.CacheWriter.create(
        path,
        source="",
        fingerprint="",
        scorer="pooled",
        temperature=None,
        dtype="float32",
        tokens="pooled",
        columns=[],
    )
    values = np.random.default_rng(0).normal(size=(TARGETS, 8)).astype(np.float32)
    texts = [[str(i)] for i in range(TARGETS)]
    writer.add(values, np.arange(TARGETS + 1), texts, [None] * TARGETS, [])
    writer.commit()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "the best 30000 targets of each query do not fit into memory" in done.stdout
    assert "fewer queries at a time, or for a smaller k" in done.stdout
