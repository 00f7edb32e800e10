"""Result files: one JSON object with a format and a version."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from uwe.errors import DataError

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
    try:
        document = json.loads(text)
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
        return make(document)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DataError(
            f"expected a whole result, but it is damaged ({error!r}): run  {command}  anew",
            path=path,
        ) from None


def read_text(path: str | Path) -> str:
    """The text of a file.

    Raises:
        DataError: If it is no UTF-8.
        OSError: If it can not be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"expected a result of uwe, got {error}: name another", path=path) from None
