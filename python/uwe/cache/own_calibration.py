"""The calibration of a cache, a file beside its folder: it belongs to one cache, whoever writes.

A cache that takes the place of another sets the calibration of that one aside, under a name with
the seal of its cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from uwe import _core
from uwe.cache.manifest import seal_of
from uwe.calibration import CALIBRATION_FILE, CalibrationFile
from uwe.errors import UweError
from uwe.files.atomic import write_text

_SEAL_DIGITS = 12


def calibration_path(cache: Path) -> Path:
    """Where the calibration of a cache lies: beside its folder, also where a link leads there."""
    return Path(f"{os.path.realpath(cache)}.{CALIBRATION_FILE}")


def write_calibration(folder: Path, text: str, *, seal: str) -> None:
    """Write the calibration of the cache with this seal, whose writer's lock is held."""
    path = calibration_path(folder)
    write_text(path, text)
    _aside(path, seal).unlink(missing_ok=True)


def opened(path: Path, resident: bool) -> tuple[_core.TargetCache, CalibrationFile]:
    """The cache in a folder and its calibration, both of one state, whoever writes meanwhile.

    A cache that is built again takes the calibration away before it appears: one that is there
    before and after is of the cache that was opened in between. One that was taken away is of the
    cache that its name says.
    """
    calibration = CalibrationFile.at(calibration_path(path))
    while True:
        before, core = calibration, _core.TargetCache.open(str(path), resident=resident)
        calibration = CalibrationFile.at(calibration_path(path))
        if calibration == before:
            break
    if calibration.content is None and not calibration.problem:
        aside = CalibrationFile.at(_aside(calibration.path, seal_of(core, path)))
        calibration = calibration if aside.content is None else aside
    return core, calibration


@contextmanager
def calibration_set_aside(folder: Path) -> Iterator[None]:
    """While a cache takes the place of another, the calibration of that one is out of the way.

    It is found for that one all the same, also after a kill, and comes back if that one stays. The
    writer's lock is held when the block begins.
    """
    path = calibration_path(folder)
    aside = _aside(path, _seal_at(folder))
    for left in path.parent.glob(escape(_aside(path, "").name) + "[0-9a-f]" * _SEAL_DIGITS):
        if left != aside:  # of a cache that was there when a build was stopped
            left.unlink()
    with suppress(FileNotFoundError):
        path.replace(aside)
    try:
        yield
    except BaseException:
        with suppress(UweError, OSError):
            restore_calibration(folder)
        raise
    with suppress(OSError):
        aside.unlink()


def restore_calibration(folder: Path) -> None:
    """Put back what a build that was stopped has set aside of the cache in a folder.

    Every change of the cache does so first: after it, another seal is looked for.
    """
    path = calibration_path(folder)
    if path.exists() or not _aside(path, _seal_at(folder)).exists():
        return
    lock = _core.CacheWriter.append(str(folder))
    try:
        if not path.exists():
            with suppress(FileNotFoundError):
                _aside(path, _seal_at(folder)).replace(path)
    finally:
        lock.abort()


def _aside(calibration: Path, seal: str) -> Path:
    """Where a calibration is set aside that belongs to the cache with this seal."""
    return calibration.with_name(f".{calibration.name}-{seal[:_SEAL_DIGITS]}")


def _seal_at(folder: Path) -> str:
    """The seal of the cache in a folder; empty where none can be opened."""
    try:
        return seal_of(_core.TargetCache.open(str(folder)), folder)
    except (UweError, OSError):
        return ""
