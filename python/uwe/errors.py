"""Every exception that `uwe` raises on purpose.

One class per remedy: a caller catches the class whose remedy it can apply. A message says what
was expected, what came, and what to do. Errors of the operating system (a full disk, a missing
permission) pass through as `OSError` with their path.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SHOWN = 80  # characters of a value in a message


def shown(value: object) -> str:
    """A value of whatever kind as a message has it: its beginning."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a number may have too many digits, a list too many levels
        text = f"a value of type {type(value).__name__} that cannot be shown"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


class UweError(Exception):
    """Base of all errors raised by `uwe`; one comes out of a pickle, or a pool, as it went in."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Python calls a class with the text alone, and fails where its constructor takes more: a
        # pool then waits for an answer for ever.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[UweError], args: tuple[object, ...], attributes: dict[str, Any]
) -> UweError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class InputError(UweError, ValueError):
    """An argument is wrong: its shape, type, range or content. Remedy: pass another one."""


class DataError(UweError, ValueError):
    """A file of texts, edges or relevance judgements is malformed. Remedy: correct the named line.

    Attributes:
        path: The file, or None where the data came from a stream without a name.
        line: The line, counted from 1, or None where the whole file is meant.
    """

    def __init__(
        self, message: str, *, path: str | Path | None = None, line: int | None = None
    ) -> None:
        place = "" if path is None else str(path)
        if line is not None:
            place = f"{place}:{line}" if place else f"line {line}"
        super().__init__(f"{place}: {message}" if place else message)
        self.path = None if path is None else Path(path)
        self.line = line


class ModelError(UweError):
    """A model folder cannot be used. Remedy: pass another folder, or export the model again."""


class TrainingError(UweError):
    """Training cannot go on: a loss is not finite, or memory is full."""


class CacheError(UweError):
    """Base of the errors about a target cache on disk."""


class CacheNotFoundError(CacheError, FileNotFoundError):
    """There is no target cache at the path. Remedy: build one, or correct the path."""


class CacheFormatError(CacheError):
    """The cache was written by a newer version, or is no cache. Remedy: upgrade, or rebuild."""


class CacheCorruptError(CacheError):
    """The files do not hold what the manifest says. Remedy: rebuild the cache."""


class CacheMismatchError(CacheError):
    """The cache was built with another model. Remedy: open it with that model, or rebuild.

    Attributes:
        expected: Fingerprint of the model that built the cache.
        found: Fingerprint of the model that was passed.
    """

    def __init__(self, message: str, *, expected: str = "", found: str = "") -> None:
        super().__init__(message)
        self.expected = expected
        self.found = found


class MissingExtraError(UweError, ImportError):
    """An optional dependency is not installed. Remedy: the pip command in the message."""

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(f"{needed_for} needs the extra '{extra}': run  pip install 'uwe[{extra}]'")
        self.extra = extra


@contextmanager
def extra(name: str, needed_for: str) -> Iterator[None]:
    """Say which extra an import within needs; one of our own modules that fails is a bug, and told.

    A library that is missing is a MissingExtraError.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").startswith("uwe"):
            raise
        raise MissingExtraError(name, needed_for) from error
