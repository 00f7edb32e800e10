"""Writers that fail, are interrupted, killed, or meet: the cache is the old one or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from conftest import HashEncoder
from uwe.cache.target_cache import TargetCache
from uwe.encoder.tokens import TokenVectors
from uwe.errors import CacheError, CacheNotFoundError
from uwe.scorer import Scorer

SOFT = Scorer("soft", temperature=0.5)
OLD = ["Apache Spark", "pastry baking", "contract law"]
NEW = [f"target {i}" for i in range(50)]


@pytest.fixture
def cache(encoder: HashEncoder, tmp_path: Path) -> TargetCache:
    return TargetCache.build(encoder, OLD, path=tmp_path / "space.uwe", scorer=SOFT)


def assert_unchanged(cache: TargetCache) -> None:
    opened = TargetCache.open(cache.path)
    assert opened.seal == cache.seal
    assert list(opened.labels) == OLD
    opened.verify()
    assert len(list(cache.path.iterdir())) == 3, "what a writer began is gone"


class Failing(HashEncoder):
    """Raises when it is asked for the third block."""

    def __init__(self, error: BaseException) -> None:
        self.left = 2
        self.error = error

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        if self.left == 0:
            raise self.error
        self.left -= 1
        return super().encode(texts)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), RuntimeError("model")])
def test_an_error_while_encoding_leaves_the_cache(cache: TargetCache, error: BaseException) -> None:
    with pytest.raises(type(error)):
        TargetCache.build(Failing(error), NEW, path=cache.path, block=10, scorer=SOFT)
    assert_unchanged(cache)
    with pytest.raises(type(error)):
        TargetCache.open(cache.path, model=Failing(error)).append(NEW, block=10)
    assert_unchanged(cache)
    fresh = cache.path.parent / "fresh.uwe"
    with pytest.raises(type(error)):
        TargetCache.build(Failing(error), NEW, path=fresh, block=10, scorer=SOFT)
    with pytest.raises(CacheNotFoundError):
        TargetCache.open(fresh)
    assert len(TargetCache.build(HashEncoder(), NEW, path=fresh, scorer=SOFT)) == 50


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Files cannot grow beyond `size` bytes: what a full disk looks like."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [100, 2000, 5000])
def test_a_full_disk_is_an_os_error_with_its_path(cache: TargetCache, size: int) -> None:
    with file_size_limit(size), pytest.raises(OSError, match="too large") as caught:
        TargetCache.build(HashEncoder(), NEW, path=cache.path, scorer=SOFT)
    assert caught.value.errno == errno.EFBIG
    assert Path(caught.value.filename).parent == cache.path
    assert "os error" not in str(caught.value)
    assert_unchanged(cache)
    with file_size_limit(size), pytest.raises(OSError, match="too large"):
        cache.append(NEW)
    assert_unchanged(cache)
    assert len(cache.append(NEW)) == 53


def test_a_second_writer_is_told(cache: TargetCache) -> None:
    refused: list[Callable[[], object]] = [
        lambda: TargetCache.build(HashEncoder(), ["x"], path=cache.path, scorer=SOFT),
        lambda: cache.append(["x"]),
        lambda: cache.remove([0]),
        cache.compact,
    ]

    class Meeting(HashEncoder):
        def encode(self, texts: Sequence[str], /) -> TokenVectors:
            for other in refused:
                with pytest.raises(CacheError, match="another writer"):
                    other()
            assert list(TargetCache.open(cache.path).labels) == OLD
            return super().encode(texts)

    changed = TargetCache.open(cache.path, model=Meeting()).append(["x"])
    assert list(changed.labels) == [*OLD, "x"]
    assert len(changed.remove([0])) == 3


WRITER = """
import sys
sys.path[:0] = {paths!r}
from conftest import HashEncoder
from uwe.cache.target_cache import TargetCache
class Waiting(HashEncoder):
    blocks = 0
    def encode(self, texts, /):
        self.blocks += 1
        if self.blocks == 2:
            print("writing", flush=True)
            sys.stdin.read()
        return super().encode(texts)
TargetCache.open({path!r}, model=Waiting()).append(["from", "elsewhere"], block=1)
"""


def test_a_writer_in_another_process_is_met_and_its_kill_frees_the_lock(
    cache: TargetCache,
) -> None:
    code = WRITER.format(paths=sys.path, path=str(cache.path))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"writing\n"
        with pytest.raises(CacheError, match="another writer"):
            cache.append(["x"])
        other.kill()
        other.wait()
    assert len(list(cache.path.iterdir())) > 3, "the killed writer left something"
    assert list(cache.append(["x"]).labels) == [*OLD, "x"]
    assert len(list(cache.path.iterdir())) == 4


def test_readers_meet_writers_and_always_see_one_generation(cache: TargetCache) -> None:
    stop = threading.Event()

    def read(_: int) -> int:
        opened = 0
        while not stop.is_set():
            now = TargetCache.open(cache.path)
            labels = list(now.labels)
            # Any removed prefix of the old ones, then as many new ones as there are.
            assert labels == OLD[-len(labels) :] or labels[-1].startswith("new"), labels
            now.verify()
            opened += 1
        return opened

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read, i) for i in range(3)]
        for round_ in range(40):
            changed = TargetCache.open(cache.path, model=HashEncoder()).append([f"new {round_}"])
            changed.remove([0]).compact()
        stop.set()
        assert all(reader.result() > 10 for reader in readers)
    assert list(cache.labels) == OLD


Rows = list[tuple[str, str | None, object]]


def content(path: Path) -> Rows | None:
    """Labels, ids, metadata; vectors must belong to the labels. None without a cache."""
    try:
        cache = TargetCache.open(path)
    except CacheNotFoundError:
        return None
    cache.verify()
    labels = list(cache.labels)
    if labels:
        means = np.stack([rows.mean(axis=0) for rows in HashEncoder().encode(labels)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        np.testing.assert_allclose(cache.core.pooled(), means, atol=1e-6)
    return [(label, cache.ids[i], cache.metadata[i]["n"]) for i, label in enumerate(labels)]


def change(path: Path, verb: str, number: int) -> None:
    labels = [f"{verb} {number} {i}" for i in range(30)]
    metadata = {"n": [number] * len(labels)}
    encoder = HashEncoder()
    if verb == "build":
        TargetCache.build(
            encoder, labels, path=path, scorer=SOFT, ids=labels, metadata=metadata, block=8
        )
        return
    cache = TargetCache.open(path, model=encoder)
    if verb == "append":
        cache.append(labels, ids=labels, metadata=metadata, block=8)
    elif verb == "remove":
        cache.remove(list(range(0, len(cache), 2)))
    else:
        cache.compact()


def changed(before: Rows, verb: str, number: int) -> Rows:
    labels = [f"{verb} {number} {i}" for i in range(30)]
    rows: Rows = [(label, label, number) for label in labels]
    return {"build": rows, "append": before + rows, "remove": before[1::2]}.get(verb, before)


def killed(path: Path, kills: int) -> tuple[int, int]:
    """Kill writers at random moments; returns how often the old and the new content was left.

    Runs in a process of its own without threads, which forks each writer.
    """
    draw = random.Random(7)
    took = dict.fromkeys(["build", "append", "remove", "compact"], 0.02)
    counted = olds = news = number = 0
    while counted < kills:
        number += 1
        before = content(path)
        verb = list(took)[number % 4] if before else "build"
        start = time.perf_counter()
        child = os.fork()
        if child == 0:
            change(path, verb, number)
            os._exit(0)
        time.sleep(draw.random() * took[verb] * 1.2)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        after, now = changed(before or [], verb, number), content(path)
        assert now in (before, after), (verb, number)
        if os.WIFSIGNALED(status):
            counted += 1
            olds += now == before != after
            news += now == after != before
        else:
            assert os.WEXITSTATUS(status) == 0
            assert now == after
            took[verb] = time.perf_counter() - start
        if number % 9 == 0:
            if now is not None:
                TargetCache.open(path).compact()
                assert len(list(path.iterdir())) == 3, "the next writer cleans up"
            # A first build is killed now and then, too.
            with contextlib.suppress(FileNotFoundError):
                (path / "manifest.json").unlink()
    return olds, news


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_writers_leave_the_old_cache_or_the_new_one(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from test_cache_faults import killed\n"
        f"print(*killed(Path({str(tmp_path / 'space.uwe')!r}), 60))"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    olds, news = map(int, done.stdout.split())
    assert olds > 12, "nobody was killed in time"
    assert olds + news <= 60
