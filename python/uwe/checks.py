"""Checks of arguments that several modules take."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe.errors import InputError

__all__ = ["check_counter", "file_name", "floats", "natural", "positive"]

_LONGEST_NAME = 200  # bytes: file systems take 255, of which endings and new files beside need some


def positive(name: str, value: object) -> int:
    """`value` as an int if it is an integer of any kind, NumPy's too, and at least 1.

    Raises:
        InputError: Otherwise; `name` is what the message calls it.
    """
    return _integer(name, value, 1)


def natural(name: str, value: object) -> int:
    """`value` as an int if it is an integer of any kind, NumPy's too, and at least 0.

    Raises:
        InputError: Otherwise; `name` is what the message calls it.
    """
    return _integer(name, value, 0)


def _integer(name: str, value: object, least: int) -> int:
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < least:
        raise InputError(f"expected {name} to be an integer >= {least}, got {value!r}: correct it")
    return number


def file_name(what: str, name: object) -> str:
    """`name` if it can name a file or a folder, in the folder where it is put and no other.

    Every name that becomes part of a path goes through here: a name like `..` leads elsewhere.

    Raises:
        InputError: If it is no text, blank, `.` or `..`, too long, or has a character in it that
            separates folders or that no name may hold; `what` is what the message calls it.
    """
    if not isinstance(name, str):
        raise InputError(f"expected {what} to be a text, got {name!r}: correct it")
    try:
        fits = len(name.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:  # half a character
        fits = False
    leads_away = name in (".", "..") or any(c in "/\\" or not c.isprintable() for c in name)
    if not fits or leads_away or not name.strip():
        raise InputError(
            f"expected {what} to be a name that a file or folder may have, without '/' and of at "
            f"most {_LONGEST_NAME} bytes, got {name[:80]!r}: choose another"
        )
    return name


def check_counter(progress: object) -> None:
    """InputError unless `progress` is None or can be called with a number."""
    if progress is not None and not callable(progress):
        raise InputError(
            "expected progress to be a callable that takes the number finished so far, or None, "
            f"got {progress!r}: pass progress=print, say"
        )


def floats(name: str, array: ArrayLike) -> NDArray[np.float32]:
    """`array` as float32, of any shape; what is too large for it becomes infinite.

    Raises:
        InputError: If it is ragged or holds something else than real numbers.
    """
    try:
        found = np.asarray(array)
        if found.dtype.kind in "OSUcmM":
            raise InputError(f"expected {name} as an array of numbers, got dtype {found.dtype}")
        with np.errstate(over="ignore"):
            return np.asarray(found, dtype=np.float32)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected {name} as an array of numbers, got {error}") from None
