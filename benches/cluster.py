"""Titles a second of one and of two Ray workers, and the memory that a worker adds; Linux.

    python benches/cluster.py [--titles N] [--rounds N] [--workers 1 2] [--targets NAME|FOLDER]

The titles are composed of ESCO's labels, all different, and lie in Parquet files. Each worker has
one processor, and what reads has another one. Rounds of so many workers take turns; a rate
is that of the time in which all workers are busy, and the answers of all rounds are asserted equal.
Beside the rate by the clock stands that by the processor time of the workers, which other programs
on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray
from pyarrow import parquet

import uwe
from uwe.batch import Ranker
from uwe.bench.speed import composed_labels

K, BATCH, FILE = 5, 128, 8192
_REAL = 20_000  # more than ESCO has labels, with which composed ones begin
_MEMORY = {"Pss": "shared_out", "Private_Clean": "own", "Private_Dirty": "own"}


class Reporting(Ranker):
    """Adds to each batch who ranked it, when, and what that process has used by then."""

    def __call__(self, batch: Any) -> pa.Table:
        found = super().__call__(batch).select(["key", "index"])
        said = {"pid": os.getpid(), "ended": time.time(), "cpu": time.process_time(), **memory()}
        for name, value in said.items():
            found = found.append_column(name, pa.repeat(pa.scalar(float(value)), len(found)))
        return found


def memory() -> dict[str, int]:
    """Bytes of this process: its own, and with its part of those that several map."""
    found = dict.fromkeys(_MEMORY.values(), 0)
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if (entry := re.match(r"(\w+):\s+(\d+) kB", line)) and entry[1] in _MEMORY:
            found[_MEMORY[entry[1]]] += int(entry[2]) * 1024
    return found


def measured(folder: Path, targets: str, workers: int) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Figures of one round, and its answers in the order of the titles."""
    dataset = ray.data.read_parquet(str(folder))
    # A block of the usual size would be all titles, for one worker.
    dataset = dataset.repartition(target_num_rows_per_block=BATCH).map_batches(
        Reporting,
        fn_constructor_kwargs={"targets": targets, "column": "title", "k": K},
        batch_format="pyarrow",
        batch_size=BATCH,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    start = time.perf_counter()
    tables = list(dataset.iter_batches(batch_format="pyarrow", batch_size=None))
    seconds = time.perf_counter() - start
    rows = pa.concat_tables(tables)
    order = np.argsort(rows["key"].to_numpy(), kind="stable")
    pids, ended, cpu = (rows[name].to_numpy() for name in ("pid", "ended", "cpu"))
    of_worker = [ended[pids == pid] for pid in np.unique(pids)]
    assert len(of_worker) == workers
    begin, end = max(times.min() for times in of_worker), min(times.max() for times in of_worker)
    busy = (ended > begin) & (ended <= end)
    # Each worker's rows while all were there: those that they were busy with, and the one before.
    rows_of = [(pids == pid) & (ended >= begin) & (ended <= end) for pid in np.unique(pids)]
    spent = sum(np.ptp(cpu[of_one]) for of_one in rows_of)
    figures = {
        "workers": workers,
        "seconds": seconds,
        "titles_a_second": busy.sum() / K / (end - begin),
        "titles_a_processor_second": busy.sum() / K / spent,
        **{
            name: [int(np.median(rows[name].to_numpy()[of_one])) for of_one in rows_of]
            for name in ("own", "shared_out")
        },
        "load": os.getloadavg()[0],
    }
    return figures, rows["index"].to_numpy()[order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--titles", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--targets", default="esco-skills")
    given = parser.parse_args()
    # Ray takes what is set for its workers, and has them give way to all other programs.
    for name in ("OMP_NUM_THREADS", "UWE_THREADS"):
        os.environ.pop(name, None)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    os.environ.setdefault("RAY_worker_niceness", "0")
    uwe.space_cache("esco-skills")
    with tempfile.TemporaryDirectory(prefix="ray") as place:
        folder = Path(place) / "titles"
        folder.mkdir()
        titles = composed_labels(_REAL + given.titles)[-given.titles :]
        table = pa.table({"key": range(len(titles)), "title": titles})
        for first in range(0, len(titles), FILE):
            parquet.write_table(table.slice(first, FILE), folder / f"{first:08}.parquet")
        ray.init(
            num_cpus=1 + max(given.workers),
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=place,
        )
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.wait_for_min_actors_s = 300
        rates: dict[int, list[float]] = {workers: [] for workers in given.workers}
        answers = None
        for workers in given.workers * given.rounds:
            figures, found = measured(folder, given.targets, workers)
            assert answers is None or np.array_equal(found, answers)
            answers = found
            rates[workers].append(figures["titles_a_second"])
            print(json.dumps(figures), flush=True)
        ray.shutdown()
    first = given.workers[0]
    for workers in given.workers[1:]:
        ratio = median(rates[workers]) / median(rates[first])
        print(f"{len(titles):,} titles: {workers} workers are {ratio:.2f} times as fast as {first}")


if __name__ == "__main__":
    main()
