"""Checks of arguments that several modules take; the first argument is what messages call it."""

from __future__ import annotations

import errno
import operator
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, SupportsFloat, SupportsIndex, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uwe.columns import values_of
from uwe.errors import InputError, shown

_LONGEST_NAME = 200  # bytes: file systems take 255, of which endings and new files beside need some

VISIBLE = (
    r"[^\s\x00-\x1f\x7f-\x9f"  # controls
    r"\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # formats
    r"\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"  # accents
    r"\ue000-\uf8ff]"  # private use
)
"""A character that can be seen, as a regular expression that Python, Rust and JSON Schema read."""
_VISIBLE = re.compile(VISIBLE)


def positive(name: str, value: object) -> int:
    """`value` as an int if it is an integer of any kind and at least 1; InputError otherwise."""
    return _integer(name, value, 1)


def natural(name: str, value: object) -> int:
    """`value` as an int if it is an integer of any kind and at least 0; InputError otherwise."""
    return _integer(name, value, 0)


def _integer(name: str, value: object, least: int) -> int:
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < least:
        raise InputError(
            f"expected {name} to be an integer >= {least}, got {shown(value)}: correct it"
        )
    return number


def file_name(what: str, name: object) -> str:
    """`name` if it can name a file or a folder, in the folder where it is put and no other.

    Every name that becomes part of a path goes through here: a name like `..` leads elsewhere.
    """
    if not isinstance(name, str):
        raise InputError(f"expected {what} to be a text, got {shown(name)}: correct it")
    fits = is_unicode(name) and len(name.encode()) <= _LONGEST_NAME
    leads_away = name in (".", "..") or any(c in "/\\" or not c.isprintable() for c in name)
    if not fits or leads_away or not name.strip():
        raise InputError(
            f"expected {what} to be a name that a file or folder may have, without '/' and of at "
            f"most {_LONGEST_NAME} bytes, got {name[:80]!r}: choose another"
        )
    return name


def path_of(what: str, path: object) -> Path:
    """`path` as a path, if it is one or the text of one; InputError otherwise."""
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        text = None
    if not isinstance(text, str) or path == "":  # which would be this folder
        raise InputError(f"expected {what} to be a path, got {shown(path)}: pass a text or a Path")
    made = Path(text)
    try:
        fits = b"\0" not in os.fsencode(made)
    except UnicodeEncodeError:  # half a character
        fits = False
    if not fits:
        raise InputError(f"expected {what} to be a path, got {shown(text)}: correct it")
    return made


def real_path(path: str | Path) -> Path:
    """Where a path leads by its links, whether or not something is there.

    It raises OSError if they lead in a circle; `Path.resolve` raises what its Python pleases.
    """
    found = Path(os.path.realpath(path))
    if found.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return found


def text_of(what: str, text: object) -> str:
    """`text` if it is a str that has a form in UTF-8; InputError otherwise."""
    if not isinstance(text, str):
        raise InputError(f"expected {what} to be a text, got {shown(text)}: pass a str")
    if not is_unicode(text):
        raise InputError(
            f"expected {what} in UTF-8, got bytes of another encoding (a lone surrogate) in "
            f"{text[:40]!r}: let your terminal or script write UTF-8; in Python, decode with "
            "errors='replace'"
        )
    return text


def is_unicode(text: str) -> bool:
    """Whether a text has a form in UTF-8: no half of a character, a lone surrogate, is in it."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def texts_of(what: str, texts: object, one: str = "text", *, first: int = 0) -> list[str]:
    """`texts` as a list: at least one, each with a form in UTF-8 and not blank, as `is_blank`.

    It raises InputError otherwise: the message calls a text `one` and its number, counted from
    `first`.
    """
    found = listed(what, texts)
    if not found:
        raise InputError(f"expected {what} to have at least one text, got none: add one")
    for i, text in enumerate(found, first):
        if is_blank(text_of(f"{one} {i}", text)):
            raise InputError(f"{one} {i} is {'blank' if text else 'empty'}: leave it out")
    return found


def is_blank(text: str) -> bool:
    """Whether a text is of blanks and what nobody sees: controls, soft hyphens, lone accents."""
    return _VISIBLE.search(text) is None


def listed(what: str, values: object) -> list[Any]:
    """`values` as a list, if they are several, as a column of Arrow, pandas or polars is.

    One text, a mapping, a table, or what cannot be listed is an InputError.
    """
    values = values_of(what, values)
    if is_iterable(values) and not isinstance(values, str | bytes | Mapping):
        return list(values)
    raise InputError(f"expected {what} to be a list, got {shown(values)}: pass a list, even of one")


def iterated(what: str, values: object, single: str) -> Iterator[Any]:
    """An iterator over `values`, if they are several: `listed` without holding them all.

    `single` is the function that takes one of them.
    """
    values = values_of(what, values)
    if is_iterable(values) and not isinstance(values, str | bytes | Mapping):
        return iter(values)
    raise InputError(
        f"expected {what} as an iterable of texts, got {shown(values)}: pass a list, or one text "
        f"to {single}"
    )


def is_iterable(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether it can be iterated over; an array without an axis claims so and cannot."""
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) != 0


def flag(name: str, value: object) -> bool:
    """`value` as a bool, if it is one of Python's or NumPy's, or 0 or 1; InputError otherwise."""
    if isinstance(value, bool | np.bool_ | int) and value in (0, 1):
        return bool(value)
    raise InputError(f"expected {name} to be True or False, got {shown(value)}: correct it")


def floats(name: str, array: ArrayLike) -> NDArray[np.float32]:
    """`array` as float32, of any shape, contiguous and aligned, as the core takes it.

    What is too large for float32 becomes infinite. It is copied where it has to be. A ragged array,
    or one of something else than real numbers, is an InputError.
    """
    if np.ma.is_masked(array):
        raise InputError(f"expected {name} without a mask: fill it, or leave those out")
    try:
        found = np.asarray(array)
        if found.dtype.kind in "OSUcmM":
            raise InputError(f"expected {name} as an array of numbers, got dtype {found.dtype}")
        with np.errstate(over="ignore"):
            # ascontiguousarray gives back an array that is not aligned, as of packed records.
            return np.require(found, np.float32, ["C_CONTIGUOUS", "ALIGNED"])
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected {name} as an array of numbers, got {error}") from None


def real_number(value: object) -> float | None:
    """A real number as float; None for anything else, `True` and text included."""
    if isinstance(value, np.generic | np.ndarray):
        # They would become floats of booleans, texts and times, too.
        real = value.ndim == 0 and value.dtype.kind in "iuf"
    else:
        # `float` alone takes whatever has text in it, such as bytes.
        real = isinstance(value, SupportsFloat | SupportsIndex) and not isinstance(value, bool)
    try:
        return float(value) if real else None  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def share(name: str, value: object) -> float:
    """A number from 0 to 1 as float; InputError for anything else."""
    number = real_number(value)
    if number is None or not 0 <= number <= 1:
        raise InputError(
            f"expected {name} to be a number from 0 to 1, got {shown(value)}: correct it"
        )
    return number
