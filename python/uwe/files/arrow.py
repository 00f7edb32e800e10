"""pyarrow, which the extra `arrow` brings."""

from __future__ import annotations

from typing import Any

from uwe.errors import MissingExtraError

__all__ = ["arrow"]


def arrow(needed_for: str) -> Any:
    """The module pyarrow.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError:
        raise MissingExtraError("arrow", needed_for) from None
    return pa
