"""Result files: one JSON object with a format and a version."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from uwe.checks import path_of, text_of
from uwe.errors import DataError, InputError

__all__ = ["read_text", "to_document", "value_of"]

T = TypeVar("T")


def to_document(format_: str, version: int, value: object) -> str:
    """A dataclass as the text of a file, which `value_of` reads."""
    # Not `asdict`, which copies every number: results have millions of ranks.
    document = {"format": format_, "version": version, **vars(value)}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=vars) + "\n"


def value_of(
    text: str,
    format_: str,
    version: int,
    make: Callable[[dict[str, Any]], T],
    *,
    command: str,
    path: str | Path,
) -> T:
    """Read the text of a file.

    Args:
        text: The text.
        format_: What its `format` must be.
        version: What its `version` must be.
        make: Makes the value of what else it holds.
        command: What writes such files, for messages.
        path: For messages.

    Raises:
        DataError: If it is no document of this format, or `make` finds that it lacks something.
    """
    path = path_of("path", path)
    try:
        document = json.loads(text_of("a result", text))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected JSON, got {error}: run  {command}  anew", path=path) from None
    if not isinstance(document, dict) or document.pop("format", None) != format_:
        raise DataError(
            f"expected a result of  {command}, got something else: name another", path=path
        )
    found = document.pop("version", None)
    if found != version:
        raise DataError(
            f"this release reads results of version {version}, got {found!r}: update uwe, or run  "
            f"{command}  anew",
            path=path,
        )
    try:
        made = make(document)
        check_types(made, type(made), "")
        return made
    except (
        TypeError, KeyError, ValueError, AttributeError, IndexError, OverflowError, RecursionError,
    ) as error:  # fmt: skip
        raise DataError(
            f"expected a whole result, but it is damaged ({error!r}): run  {command}  anew",
            path=path,
        ) from None


def check_types(value: object, hint: Any, place: str) -> None:
    """See that a value read from JSON is what its annotation says, as far down as that goes.

    Raises:
        TypeError: With the place, such as `.entries[0].metrics['MAP'].mean`.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        for spec in dataclasses.fields(hint):
            check_types(getattr(value, spec.name), hints[spec.name], f"{place}.{spec.name}")
    elif origin in (types.UnionType, Union):
        if not (value is None and type(None) in inner):
            check_types(value, inner[0], place)
    elif origin is tuple:
        _check_type(value, tuple, place)
        # Millions of ranks: of numbers, what they are is looked at all together.
        if inner[0] in (int, str):
            if not set(map(type, value)) <= {inner[0]}:  # type: ignore[call-overload]
                raise TypeError(f"{place}: expected values of {inner[0].__name__}")
            return
        for i, item in enumerate(value):  # type: ignore[var-annotated, arg-type]
            check_types(item, inner[0], f"{place}[{i}]")
    elif origin is dict:
        _check_type(value, dict, place)
        for key, item in value.items():  # type: ignore[attr-defined]
            check_types(item, inner[1], f"{place}[{key!r}]")
    else:
        _check_type(value, hint, place)


def _check_type(value: object, kind: type, place: str) -> None:
    fits = type(value) in (int, float) if kind is float else type(value) is kind
    if not fits:
        raise TypeError(f"{place}: expected {kind.__name__}, got {value!r:.40}")


def read_text(path: str | Path) -> str:
    """The text of a file.

    Raises:
        DataError: If it is no UTF-8.
        OSError: If it can not be read.
    """
    try:
        return path_of("path", path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"expected a result of uwe, got {error}: name another", path=path) from None
