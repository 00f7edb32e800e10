"""Every exception and warning of our own comes through a pickle and a copy as it is."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import uwe
from uwe.errors import (
    CacheMismatchError,
    CacheNotFoundError,
    DataError,
    InputError,
    MissingExtraError,
    UweError,
    extra,
)

ARGUMENTS: dict[type, tuple[tuple[Any, ...], dict[str, Any]]] = {
    MissingExtraError: (("ann", "candidates="), {}),
    DataError: (("text",), {"path": "a/b.csv", "line": 3}),
    CacheMismatchError: (("text",), {"expected": "a", "found": "b"}),
}
"""What constructors take that take more than a text."""


def kinds() -> list[type[BaseException]]:
    """All classes of exceptions that a module of the package defines."""
    found = {}
    for module in pkgutil.walk_packages(uwe.__path__, "uwe."):
        if module.name.startswith("uwe._core") or module.name == "uwe.__main__":
            continue
        try:
            loaded = importlib.import_module(module.name)
        except ImportError:  # of an extra
            continue
        for value in vars(loaded).values():
            ours = isinstance(value, type) and value.__module__.startswith("uwe.")
            if ours and issubclass(value, BaseException):
                found[value.__qualname__] = value
    return [found[name] for name in sorted(found)]


def made(kind: type[BaseException]) -> BaseException:
    args, named = ARGUMENTS.get(kind, (("a text",), {}))
    error = kind(*args, **named)
    error.note = {"of": "a caller"}  # type: ignore[attr-defined]
    return error


def same(one: BaseException, other: BaseException) -> bool:
    return (type(one), str(one), repr(one), one.args, vars(one)) == (
        type(other), str(other), repr(other), other.args, vars(other),
    )  # fmt: skip


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_it_comes_through_a_pickle_and_a_copy(kind: type[BaseException]) -> None:
    error = made(kind)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert same(pickle.loads(pickle.dumps(error, protocol)), error)
    assert same(copy.copy(error), error)
    assert same(copy.deepcopy(error), error)


def test_classes_of_others_with_constructors_of_their_own_come_through_too() -> None:
    again = pickle.loads(pickle.dumps(Placed(3, place="here")))
    assert isinstance(again, Placed)
    assert (str(again), again.place) == ("wrong at 3", "here")


class Placed(InputError):
    def __init__(self, number: int, *, place: str) -> None:
        super().__init__(f"wrong at {number}")
        self.place = place


def test_what_pythons_own_classes_promise_is_kept() -> None:
    assert isinstance(pickle.loads(pickle.dumps(CacheNotFoundError("x"))), FileNotFoundError)
    assert issubclass(MissingExtraError, ImportError)
    assert all(issubclass(kind, UweError) for kind in ARGUMENTS)


@pytest.mark.parametrize(("module", "told"), [("nothing_such", True), ("uwe.nothing_such", False)])
def test_a_module_of_our_own_is_no_missing_extra(module: str, told: bool) -> None:
    with pytest.raises(ImportError) as caught, extra("ann", "candidates="):
        importlib.import_module(module)
    assert isinstance(caught.value, MissingExtraError) is told


def test_paths_of_data_errors_stay_paths() -> None:
    error = pickle.loads(pickle.dumps(DataError("x", path="a", line=1)))
    assert (error.path, error.line, str(error)) == (Path("a"), 1, "a:1: x")
