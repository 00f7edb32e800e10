"""Files and folders that appear whole or not at all, whatever happens in between."""

from __future__ import annotations

import ctypes
import errno
import gzip
import io
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from uwe.checks import path_of, real_path
from uwe.errors import InputError


def settled(path: str | Path) -> Path:
    """A path without `..`: what is looked at before writing has to be where is written.

    Nothing is at `missing/../mine`, but what is written to it goes to `mine`.
    """
    path = path_of("path", path)
    return real_path(path) if ".." in path.parts else path


_OF_FILE_BROWSERS = (".DS_Store", "Thumbs.db", "desktop.ini")


def check_nothing_lost(folder: str | Path, patterns: Sequence[str], what: str) -> None:
    """InputError if replacing `folder`, which need not exist, deletes what is not written again.

    `patterns` are `fnmatch` patterns of the names that are written again; `what` is what the error
    calls them.
    """
    folder = settled(folder)
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [
        name
        for name in names
        if name not in _OF_FILE_BROWSERS and not any(map(partial(fnmatchcase, name), patterns))
    ]
    if others:
        raise InputError(
            f"{folder}: expected a new folder or one of {what}, which is replaced, found "
            f"{', '.join(others[:3])} in it: move that away, or name another folder"
        )


_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """A disk that is full while something is written to `path` is an error that names it."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        if number not in _FULL or error.filename is not None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


# Of <fcntl.h> and <stdio.h>.
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which appears as `path` when the block ends well."""
    path = settled(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} exists already: choose another folder, or remove it")
    with replaced(path) as new:
        yield new


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `folder` when the block ends well.

    All that is in it is on the disk before, so that no power cut can take it back. On Linux and
    macOS the two are exchanged in one step: at every moment, also after a kill, `folder` is the old
    one or the new one, whole. Who opens several files of it meanwhile may get some of each. A kill
    may leave the other one beside it, with a name that begins with a point. Where the system cannot
    exchange (some file systems over a network), there are two renames: for a moment nothing is at
    `folder`, and a kill right then leaves it so, with the old one beside it, `.<name>-*-old`.

    If the disk is full or refuses, `folder` is as it was. If only the last sync fails,
    that of its parent, it is the new one, and the old one is beside it.
    """
    folder = real_path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder or nothing there, got a file: move it away")
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = _beside(folder)
    new.mkdir()
    old = new.with_name(new.name + "-old")
    try:
        with _named(folder):
            yield new
            open_to = new.stat().st_mode & 0o777
            for path in (*new.rglob("*"), new):
                # As readable as other files: safetensors makes its own for one user alone.
                path.chmod(open_to if path.is_dir() else open_to & 0o666)
                _sync(path)
        if folder.exists() and _exchanged(new, folder):
            old = new
        else:
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
    except BaseException:
        if old != new and old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(new, ignore_errors=True)
        raise
    _sync(folder.parent)  # before the old one goes: a power cut may bring its name back
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False, and nothing done, where the system cannot."""
    names = os.fsencode(one), os.fsencode(other)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = libc.renamex_np(*names, _RENAME_SWAP)
        else:
            failed = libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    except (AttributeError, OSError, TypeError):  # another system, or an older one
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(other))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines as UTF-8; a name that ends in .gz has them packed.

    The same lines give the same bytes. The parents of `path` are made; a file that is there is
    replaced, or stays as it was on an error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_packed(path) as file, io.TextIOWrapper(file, "utf-8", newline="\n") as text:
        text.writelines(f"{line}\n" for line in lines)


@contextmanager
def replaced_packed(path: Path) -> Iterator[BinaryIO]:
    """`replaced_file`, packed if the name ends in .gz; the same content gives the same bytes."""
    with replaced_file(path) as raw:
        if path.suffix.lower() != ".gz":
            yield raw
            return
        # Without a name or a time in it. Level 9 takes twice as long, for 2 % less.
        with gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
            yield cast(BinaryIO, file)


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8; a file that is there is replaced, or stays as it was on an error."""
    with replaced_file(Path(path)) as raw:
        # A file's name may hold half a character, a lone surrogate, which UTF-8 has no form for.
        raw.write(text.encode("utf-8", "replace"))


@contextmanager
def replaced_file(path: Path) -> Iterator[BinaryIO]:
    """A new file to write into, which takes the place of `path` when the block ends well."""
    with replaced_path(path) as new, new.open("wb") as raw:
        yield raw


@contextmanager
def replaced_path(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the block ends well.

    It is on the disk before, and so is its new name afterwards. A kill may leave it, as
    `.<name>-` and eight characters.
    """
    path = real_path(path)  # a link stays one
    new = _beside(path)
    new.touch(exist_ok=False)
    open_to = new.stat().st_mode & 0o777
    try:
        with _named(path):
            yield new
            new.chmod(open_to)
            _sync(new)
            new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _beside(path: Path) -> Path:
    """A new name in the same folder. Unlike those of `tempfile` it has the modes of the umask."""
    return path.with_name(f".{path.name}-{secrets.token_hex(4)}")


def _sync(path: Path) -> None:
    windows = os.name == "nt"
    if windows and path.is_dir():
        return  # a folder cannot be opened there; its entries are written with the file
    handle = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
