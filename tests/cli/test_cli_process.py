"""The command line as a process: pipes, signals, terminals."""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import uwe
from tiny_model import write_model
from uwe.encoder.text_encoder import TextEncoder

UWE = [sys.executable, "-m", "uwe"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and terminals of POSIX")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("process")
    model = TextEncoder(write_model(folder / "tiny"))
    return uwe.TargetCache.build(model, ["data", "spark", "baker"], path=folder / "c.uwe").path


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*UWE, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A run in the background has its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_version() -> None:
    done = subprocess.run([*UWE, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"uwe {uwe.__version__}\n"


def test_the_installed_command_is_the_same() -> None:
    command = Path(sys.executable).with_name("uwe")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"uwe {uwe.__version__}\n"


def limited(command: list[str], **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*UWE, *command], text=True, timeout=60, stderr=subprocess.PIPE, check=False, **settings
    )


PRINTING = [["rank", "data", "-t", "c.uwe"], ["--help"], ["rank", "--help"], ["--version"]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk")
@pytest.mark.parametrize("command", PRINTING)
def test_a_full_disk_says_what_to_do(cache: Path, command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = limited(command, stdout=full, cwd=cache.parent)
    assert ran.returncode == 1
    assert ran.stderr == (
        "uwe: error: No space left on device: make room on the disk, or name a place on another "
        "one\n"
    )


def test_a_file_that_may_not_grow_says_what_to_do(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("data\n")
    build = ["cache", "build", str(tmp_path / "c.uwe"), "--input", str(tmp_path / "labels.txt")]
    ran = limited(
        [*build, "--model", str(cache.parent / "tiny")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
    )
    assert ran.returncode == 1
    assert "raise the limit (ulimit -f)" in ran.stderr


def test_a_folder_in_place_of_a_file_says_what_to_do(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "q.txt").mkdir()
    ran = limited(["rank", "--input", str(tmp_path / "q.txt"), "-t", str(cache)])
    assert ran.stderr.strip().endswith("expected a file, found a folder: name the file in it")


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_of_the_system_says_what_to_do(number: int) -> None:
    from uwe.cli.guard import _text

    for error in (
        OSError(number, os.strerror(number)),
        OSError(number, os.strerror(number), "a/b"),
        OSError(number, os.strerror(number), b"a/b"),
        OSError(number, os.strerror(number), 3),
        OSError(number, os.strerror(number), "a", None, "b"),
    ):
        text = _text(error)
        assert "Errno" not in text
        what, remedy = text.rsplit(": ", 1)
        assert what
        assert len(remedy.split()) > 1


# Ctrl-C where a module is imported, or where the interpreter ends.
AT_IMPORT = """
import os, signal, sys

WANTED = sys.argv[1]

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == WANTED:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(100):  # a signal is heard between two lines
                pass

sys.meta_path.insert(0, Interrupt())
from uwe.cli import main
sys.argv[:2] = ["uwe"]
if "--at-exit" in sys.argv:
    import atexit
    sys.argv.remove("--at-exit")
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
main()
"""


@pytest.mark.parametrize(
    "module",
    ["uwe.cli.app", "typer", "uwe.errors", "uwe.cli.guard", "numpy", "uwe.cache.target_cache"],
)
def test_ctrl_c_while_something_is_imported_ends_quietly(cache: Path, module: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", AT_IMPORT, module, "rank", "data", "-t", cache],
        capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (130, "")


@pytest.mark.parametrize("arguments", [["rank", "data", "-t"], ["--version"], ["rank"]])
def test_ctrl_c_when_all_is_done_ends_quietly(cache: Path, arguments: list[str]) -> None:
    given = [*arguments, str(cache)] if "-t" in arguments else arguments
    ran = subprocess.run(
        [sys.executable, "-c", AT_IMPORT, "none", *given, "--at-exit"],
        capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert "Traceback" not in ran.stderr
    assert "KeyboardInterrupt" not in ran.stderr


def test_where_ctrl_c_is_ignored_it_stays_so(cache: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", AT_IMPORT, "typer", "rank", "data", "-t", cache],
        capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "data" in ran.stdout


def test_a_broken_pipe_ends_quietly(cache: Path, tmp_path: Path) -> None:
    queries = tmp_path / "q.txt"
    queries.write_text("data\n" * 20_000)
    with started("rank", "--input", queries, "-t", cache) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""


@pytest.mark.parametrize("command", PRINTING)
def test_a_pipe_that_is_broken_before_a_word_ends_quietly(cache: Path, command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = limited(command, stdout=writer, cwd=cache.parent)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, "")


def test_ctrl_c_ends_quietly(cache: Path) -> None:
    with started("rank", "--input", "-", "-t", cache, "-k", "1") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # More output than its buffer holds, so that some arrives while it waits for more input.
        process.stdin.write(b"data engineer spark baker\n" * 1024)
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"data engineer")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr.read() == b""


def test_results_flow_while_the_input_is_open(cache: Path) -> None:
    with started("rank", "--input", "-", "-t", cache, "--json") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"data engineer\n" * 1024)
        process.stdin.flush()
        assert b'"line": 1,' in process.stdout.readline()


@pytest.mark.parametrize("terminal", [True, False])
def test_bars_are_drawn_on_terminals_only(cache: Path, tmp_path: Path, terminal: bool) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("data spark\n" * 4000)
    reader, writer = os.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [*UWE, "cache", "build", str(tmp_path / "n.uwe"), "--input", str(labels),
         "--model", str(cache.parent / "tiny"), "--json"],
        stdout=subprocess.DEVNULL, stderr=writer, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(writer)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([reader], [], [], 1)[0]:
            continue
        try:
            part = os.read(reader, 65_536)
        except OSError:  # a terminal whose other side is closed
            break
        if not part:
            break
        shown += part
    os.close(reader)
    assert process.wait(timeout=60) == 0
    assert (b"Encoding" in shown) is terminal
    assert (shown == b"") is not terminal


@pytest.mark.parametrize(
    ("redirection", "message"),
    [
        (">&-", b"uwe: error: standard output is closed: leave it open, or send it to /dev/null\n"),
        ("--input - <&-", b"uwe: error: expected entries on standard input, which is closed: "),
    ],
)
def test_a_closed_stream_is_an_error_in_one_line(
    cache: Path, redirection: str, message: bytes
) -> None:
    query = "" if "--input" in redirection else "data"
    command = f'exec "$0" -m uwe rank -t "$1" {query} {redirection}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, str(cache)], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1


def test_closed_standard_error_changes_nothing_else(cache: Path) -> None:
    command = 'exec "$0" -m uwe rank -t "$1" data 2>&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, str(cache)], capture_output=True, check=True
    )
    assert len(done.stdout.splitlines()) == 4


def test_labels_print_whatever_the_encoding_of_the_terminal(cache: Path, tmp_path: Path) -> None:
    model = TextEncoder(cache.parent / "tiny")
    path = uwe.TargetCache.build(model, ["crème brûlée"], path=tmp_path / "f.uwe").path
    done = subprocess.run(
        [*UWE, "rank", "data", "-t", str(path)],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True,
    )  # fmt: skip
    assert "crème brûlée" in done.stdout.decode("utf-8")
