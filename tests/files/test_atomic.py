"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from uwe.errors import InputError
from uwe.files import atomic
from uwe.files.atomic import new_folder, replaced, replaced_path, write_lines


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_that_can_not_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "old").touch()
    monkeypatch.setattr(atomic, "_exchanged", lambda *_: False)  # as on some file systems
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith("-old") or target.name.endswith("-old"):
            return rename(self, target)
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError), replaced(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine" / "old").exists()
    assert names(tmp_path) == ["mine"]


def test_a_folder_that_can_not_be_exchanged_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "old").touch()

    def refuse(_: Path, other: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(other))

    monkeypatch.setattr(atomic, "_exchanged", refuse)
    with pytest.raises(PermissionError), replaced(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine" / "old").exists()
    assert names(tmp_path) == ["mine"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(atomic, "_exchanged", lambda *_: False)
    for content in "abc":
        with replaced(tmp_path / "mine") as new:
            (new / content).touch()
        assert names(tmp_path / "mine") == [content]
        assert names(tmp_path) == ["mine"]


REPLACING = """
import sys
from pathlib import Path
from uwe.files.atomic import replaced

print("ready", flush=True)
while True:
    with replaced(Path(sys.argv[1])) as new:
        (new / "file").write_text("whole")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="tells whether the system can exchange")
def test_neither_a_reader_nor_a_kill_finds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with replaced(folder) as new:
        (new / "file").write_text("whole")
    (tmp_path / "one").mkdir()
    if not atomic._exchanged(tmp_path / "one", folder):
        pytest.skip("this file system cannot exchange")
    atomic._exchanged(tmp_path / "one", folder)
    for number in range(4):
        command = [sys.executable, "-c", REPLACING, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            end = time.monotonic() + 0.3 + 0.05 * number
            while time.monotonic() < end:
                assert folder.stat()
            process.kill()
        assert (folder / "file").read_text() == "whole"


def test_lines_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lines.jsonl.gz"
    write_lines(path, ["ä", "b"])
    before = path.read_bytes()
    assert gzip.decompress(before).decode() == "ä\nb\n"
    assert path.stat().st_mode & 0o777 == 0o644

    def broken() -> Iterator[str]:
        yield "c"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lines(path, broken())
    assert path.read_bytes() == before
    assert names(path.parent) == ["lines.jsonl.gz"]


@pytest.mark.parametrize("writing", [replaced, replaced_path])
def test_a_full_disk_names_what_was_written(writing: Any, tmp_path: Path) -> None:
    path = tmp_path / "out"
    for given, told in (
        (OSError(errno.ENOSPC, "what a library says"), str(path)),
        (OSError(errno.ENOSPC, "full", "another"), "another"),
        (OSError(errno.EIO, "of what is read"), None),
    ):
        with pytest.raises(OSError) as caught, writing(path):  # noqa: PT011 - of the system
            raise given
        assert (caught.value.errno, caught.value.filename) == (given.errno, told)
    assert names(tmp_path) == []


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with new_folder(out) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "file").write_text("content")
        assert not out.exists()
    assert (out / "inner" / "file").read_text() == "content"
    assert [p.name for p in out.parent.iterdir()] == ["out"]
    plain = tmp_path / "plain"
    plain.mkdir()
    assert out.stat().st_mode == plain.stat().st_mode


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as partial:
        (partial / "file").write_text("")
    assert (tmp_path / "out" / "file").exists()


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_a_stop_leaves_nothing(tmp_path: Path, stop: type[BaseException]) -> None:
    def fill_and_stop() -> None:
        with new_folder(tmp_path / "out") as partial:
            (partial / "file").write_text("")
            raise stop

    with pytest.raises(stop):
        fill_and_stop()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="exists already"), new_folder(tmp_path / "file"):
        pass
    with pytest.raises(InputError, match="exists already"), new_folder(tmp_path):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_modes_are_those_of_the_umask_which_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", pytest.fail)  # it is the whole process's
        write_lines(tmp_path / "lines", ["a"])
        with replaced(tmp_path / "folder") as new:
            (new / "inner").mkdir()
            (new / "file").touch(mode=0o600)
    finally:
        monkeypatch.undo()
        os.umask(before)
    found = ["lines", "folder", "folder/inner", "folder/file"]
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in found]
    assert modes == [0o640, 0o750, 0o750, 0o640]
