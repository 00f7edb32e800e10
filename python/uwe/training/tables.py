"""Tables of a TOML file as dataclasses: strict, so that a misspelt setting is never ignored."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, get_args, get_origin

from uwe.errors import InputError

__all__ = ["check_bounds", "table_as"]

T = TypeVar("T")


def table_as(kind: type[T], fields: Mapping[str, Any], place: str) -> T:
    """A dataclass out of a table.

    Args:
        kind: The dataclass: its fields are text, numbers, booleans, literals, tuples and
            dictionaries of these, or other dataclasses.
        fields: The table.
        place: Where it is, for messages.

    Raises:
        InputError: If a key is unknown or missing, or a value has the wrong type or range.
    """
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in fields:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            meant = f"did you mean {near[0]!r}?" if near else "correct it, or leave it out"
            raise InputError(f"{place}: unknown key {key!r}; known are {', '.join(known)}: {meant}")
    for key, spec in known.items():
        required = spec.default is dataclasses.MISSING
        if key not in fields and required and spec.default_factory is dataclasses.MISSING:
            raise InputError(f"{place}: the key {key!r} is missing: add it")
    values = {key: _value(hints[key], value, f"{place}: {key}") for key, value in fields.items()}
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


def _value(hint: Any, value: Any, place: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise InputError(f"{place}: expected a table, got {value!r}: correct it")
        return table_as(hint, value, place)  # type: ignore[arg-type]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in inner:
            raise InputError(
                f"{place}: expected one of {', '.join(inner)}, got {value!r}: correct it"
            )
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            key = place.rpartition(" ")[2]
            how = f"write [[{key}]]" if isinstance(value, dict) else "correct it"
            raise InputError(f"{place}: expected a list, got {value!r}: {how}")
        return tuple(_value(inner[0], item, f"{place}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise InputError(f"{place}: expected a table, got {value!r}: correct it")
        return {key: _value(inner[1], item, f"{place}.{key}") for key, item in value.items()}
    if hint is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if type(value) is not hint:
        raise InputError(f"{place}: expected {_KINDS[hint]}, got {value!r}: correct it")
    return value


_KINDS = {str: "text", int: "an integer", float: "a number", bool: "true or false"}


def check_bounds(
    name: str,
    value: float,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
) -> None:
    """InputError unless the number is finite and within the bounds."""
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        finite = False
    if not (finite and least <= value <= most and above < value < below):
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in ((">=", least), (">", above), ("<=", most), ("<", below))
            if math.isfinite(bound)
        ]
        wanted = " and ".join(bounds) or "to be a finite number"
        raise InputError(f"expected {name} {wanted}, got {value!r}: correct it")
