"""A cache and the process around it: memory, signals, forks, the terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from conftest import HashEncoder
from uwe import _core
from uwe.cache.target_cache import TargetCache
from uwe.encoder.tokens import TokenVectors
from uwe.errors import CacheError
from uwe.scorer import Scorer

SOFT = Scorer("soft", temperature=0.5)


class WideEncoder:
    """One token of 512 dimensions a text: many bytes for little work."""

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        rows = np.ones((len(texts), 512), dtype=np.float32)
        rows[:, 0] = [len(text) for text in texts]
        return TokenVectors(rows, np.arange(len(texts) + 1))


def wide_cache(path: Path, targets: int) -> TargetCache:
    labels = [str(i) for i in range(targets)]
    return TargetCache.build(WideEncoder(), labels, path=path, scorer=SOFT, block=256)


MEASURE = """
import sys, threading, time
from pathlib import Path
sys.path[:0] = {paths!r}
from test_cache_process import wide_cache

peak, done = 0, False

def held():
    # Not the pages of mapped files, which the system takes back when it needs room.
    fields = dict(line.split(":") for line in open("/proc/self/status"))
    return int(fields["RssAnon"].split()[0])

def watch():
    global peak
    while not done:
        peak = max(peak, held())
        time.sleep(0.0005)

wide_cache(Path({path!r}) / "warm", 20_000)
watcher = threading.Thread(target=watch)
watcher.start()
for targets in (20_000, 50_000):
    peak = 0
    cache = wide_cache(Path({path!r}) / str(targets), targets)
    print(peak * 1024, cache.info()["bytes"])
done = True
watcher.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is elsewhere, if it is there")
def test_memory_is_bounded_by_a_block(tmp_path: Path) -> None:
    """A larger cache takes no more memory to build, but for its texts."""
    code = MEASURE.format(paths=sys.path, path=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (small, of_small), (large, of_large) = (
        map(int, line.split()) for line in done.stdout.splitlines()
    )
    assert of_large - of_small > 120_000_000
    assert large - small < (of_large - of_small) / 5


class Stop(Exception):
    """Raised by a signal's handler."""


@pytest.fixture
def alarm() -> Iterator[Callable[[float], None]]:
    def handler(number: int, frame: FrameType | None) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, handler)
    yield lambda seconds: (signal.setitimer(signal.ITIMER_REAL, seconds), None)[1]
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("verb", ["verify", "compact"])
def test_a_signal_ends_long_work_and_the_cache_stays(
    tmp_path: Path, alarm: Callable[[float], None], verb: str
) -> None:
    cache = wide_cache(tmp_path / "c", 10_000)
    ended: list[str] = []

    def watch(frame: FrameType, event: str, function: Any) -> None:
        # Whether the exception came out of the compiled function, or after it.
        if event in ("c_return", "c_exception") and function.__name__.endswith(verb):
            ended.append(event)

    def work() -> None:
        sys.setprofile(watch)
        try:
            getattr(cache, verb)()
            signal.pause()
        finally:
            sys.setprofile(None)

    for attempt in range(2, 20):
        cache = cache.remove([0])
        files = sorted(file.name for file in cache.path.iterdir())
        start = time.perf_counter()
        cache.verify()
        alarm((time.perf_counter() - start) / attempt)
        with pytest.raises(Stop):
            work()
        opened = TargetCache.open(cache.path)
        if ended[-1:] == ["c_exception"]:
            assert opened.seal == cache.seal
            assert sorted(file.name for file in cache.path.iterdir()) == files
            return
        cache = opened
    pytest.fail(f"{verb} did not look for signals")


def test_threads_share_one_cache_for_thousands_of_calls(
    small_cache: TargetCache, encoder: HashEncoder
) -> None:
    vectors = encoder.encode(["Spark", "law of pastry", "Apache contract baking"])

    def answer() -> tuple[bytes, ...]:
        found = _core.cache_rank(
            small_cache.core, vectors.values, vectors.offsets, scorer="soft", temperature=0.5, k=3
        )
        return tuple(array.tobytes() for array in found)

    wanted = answer()
    with ThreadPoolExecutor(8) as pool:
        counts = pool.map(lambda _: sum(answer() == wanted for _ in range(500)), range(8))
        assert list(counts) == [500] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_uses_the_cache_of_its_parent(small_cache: TargetCache) -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            small_cache.verify()
            changed = small_cache.remove(ids=["c"])
            status = 0 if list(changed.ids) == ["a", None, "d"] else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 0
    assert len(small_cache) == 4
    assert len(TargetCache.open(small_cache.path)) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_of_an_encoder_does_not_end_its_parents_build(tmp_path: Path) -> None:
    parent = os.getpid()

    class Forking(HashEncoder):
        def encode(self, texts: Sequence[str], /) -> TokenVectors:
            child = os.fork()
            if child == 0:
                raise SystemExit
            _, status = os.waitpid(child, 0)
            assert os.WEXITSTATUS(status) == 0
            return super().encode(texts)

    try:
        cache = TargetCache.build(
            Forking(), ["a", "b", "c"], path=tmp_path / "c", scorer=SOFT, block=1
        )
    except SystemExit:
        # The child comes through here: its writer is dropped, as at the end of any process.
        assert os.getpid() != parent
        os._exit(0)
    assert list(cache.labels) == ["a", "b", "c"]
    assert len(cache.remove([0])) == 2


ORPHANED = """
import os, sys, time
from uwe import _core

writer = _core.CacheWriter.append(sys.argv[1])
if os.fork() == 0:
    print(os.getpid(), flush=True)  # by the child: it has let go of the lock by then
    time.sleep(60)
    os._exit(0)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_does_not_keep_the_lock_of_its_killed_parent(small_cache: TargetCache) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", ORPHANED, str(small_cache.path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    child = int(writer.stdout.readline())
    try:
        with pytest.raises(CacheError):
            small_cache.remove([0])
        writer.kill()
        writer.wait()
        os.kill(child, 0)
        assert len(small_cache.remove([0])) == 3
    finally:
        writer.stdout.close()
        os.kill(child, signal.SIGKILL)


def test_a_bar_appears_on_a_terminal_only(
    tmp_path: Path,
    encoder: HashEncoder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build() -> str:
        TargetCache.build(encoder, ["a", "b"], path=tmp_path / "c", scorer=SOFT, progress=True)
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err

    assert build() == ""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "Encoding" in build()
