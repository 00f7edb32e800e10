"""`uwe.batch` on a local Ray: the answers of one process, also when a worker is killed."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import uwe
from tiny_model import write_model
from uwe.batch import Ranker

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Ray is beta there"),
    pytest.mark.filterwarnings("ignore"),  # what Ray says of itself
]
FILES, ROWS = 6, 60


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A Ray of two processors for workers and one for what reads, that speaks to nobody."""
    folder = tempfile.mkdtemp(prefix="ray")  # sockets lie in it, and their paths must be short
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # it would write a token into the user's home
        patch.setenv("RAY_worker_niceness", "0")  # on a busy machine, workers at 15 never start
        patch.delenv("OMP_NUM_THREADS", raising=False)
        patch.delenv("UWE_THREADS", raising=False)
        ray = pytest.importorskip("ray")
        ray.init(
            num_cpus=3,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=100_000_000,
            _temp_dir=folder,
        )
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
        ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    labels = ["data", "baker", "spark engineer", "engineer, data"]
    model = uwe.load(str(write_model(folder / "model")))
    uwe.TargetCache.build(model, labels, path=folder / "tiny.uwe")
    return folder / "tiny.uwe"


@pytest.fixture(scope="module")
def titles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Parquet files."""
    folder = tmp_path_factory.mktemp("titles")
    words = ["data", "engineer", "baker", "spark", "chef", "law", ","]
    texts = [" ".join(words) for words in product(words, repeat=4)][: FILES * ROWS]
    table = pa.table({"key": range(len(texts)), "title": texts})
    for i in range(FILES):
        parquet.write_table(table.slice(i * ROWS, ROWS), folder / f"{i}.parquet")
    return folder


def rows(dataset: Any) -> list[dict[str, Any]]:
    return sorted(dataset.take_all(), key=lambda row: (row["key"], row["rank"]))


def test_a_killed_worker_costs_nothing_but_time(
    ray: Any, tiny: Path, titles: Path, tmp_path: Path
) -> None:
    """Two workers, one of which is killed in its second batch, before it has given anything.

    Each has the threads of the one processor that Ray gives it.
    """
    options: dict[str, Any] = {"targets": str(tiny), "column": "title", "k": 2}
    expected = Ranker(**options)(parquet.read_table(titles)).to_pylist()

    class Killed(Ranker):
        calls = 0

        def __call__(self, batch: Any) -> Any:
            found = super().__call__(batch)
            assert uwe.threads() == 1
            self.calls += 1
            if self.calls == 2:
                try:
                    (tmp_path / "killed").touch(exist_ok=False)
                except FileExistsError:
                    return found
                os.kill(os.getpid(), signal.SIGKILL)
            return found

    blocks = ray.data.read_parquet(str(titles)).repartition(target_num_rows_per_block=20)
    dataset = blocks.map_batches(
        Killed,
        fn_constructor_kwargs=options,
        batch_format="pyarrow",
        batch_size=20,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=2),
    )
    assert rows(dataset) == expected
    assert (tmp_path / "killed").exists()
