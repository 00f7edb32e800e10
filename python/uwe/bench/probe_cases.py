"""Probe cases: what a text should find, by category, and what must not come before it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uwe.checks import path_of
from uwe.corpus import read_queries
from uwe.errors import DataError, InputError

__all__ = [
    "CATEGORIES", "ORIGINS", "Category", "ProbeCase", "built_in_cases", "chosen_cases",
    "read_cases",
]  # fmt: skip

_ASSETS = Path(__file__).parents[1] / "assets"
FILES = {"hand-read": _ASSETS / "probes.jsonl", "by rule": _ASSETS / "probes-rules.jsonl.gz"}

ORIGINS = ("hand-read", "by rule", "yours")
"""Cases that were written and read one by one, made by a rule, or read from a file of a user's."""


@dataclass(frozen=True)
class Category:
    """What cases have in common.

    Attributes:
        name: As files and tables have it.
        title: What it probes.
        within: Best rank that a wanted label must reach in a case without traps; 0 where every
            case has traps.
    """

    name: str
    title: str
    within: int


CATEGORIES = (
    Category("lexical", "a word of the query, in another sense, is in a label", 0),
    Category("case", "other capitals", 1),
    Category("plural", "singular for plural, or the other way round", 1),
    Category("bullet", "a bullet before the text", 1),
    Category("typo", "one slip of the keyboard", 1),
    Category("spelling", "American spelling of a British label", 1),
    Category("abbreviation", "initials in place of the words", 10),
    Category("long", "a long sentence that asks for one thing", 10),
)
_BY_NAME = {category.name: category for category in CATEGORIES}


@dataclass(frozen=True)
class ProbeCase:
    """A text and what it should find.

    A case with traps passes if a wanted label scores above every trap. One without passes if a
    wanted label is among the first `Category.within` of the whole target space.

    Attributes:
        id: Its name.
        category: One of `CATEGORIES`, by name.
        query: The text that is ranked.
        wanted: Labels any of which is right.
        traps: Labels that must rank below the best wanted one.
        clean: The query without what the category changes; empty if there is none.
        note: Why, for people.
        origin: One of `ORIGINS`.
    """

    id: str
    category: str
    query: str
    wanted: tuple[str, ...]
    traps: tuple[str, ...] = ()
    clean: str = ""
    note: str = ""
    origin: str = "yours"

    def __post_init__(self) -> None:
        if self.category not in _BY_NAME:
            raise InputError(
                f"expected a category out of {', '.join(_BY_NAME)}, got {self.category!r}: "
                "correct it"
            )
        if not self.wanted:
            raise InputError("expected at least one wanted label, got none: add one")
        if not self.traps and not self.within:
            raise InputError(f"a case of {self.category} needs 'traps', got none: add one")
        both = [label for label in self.traps if label in self.wanted]
        if both:
            raise InputError(f"the label {both[0]!r} is wanted and a trap: leave one out")

    @property
    def within(self) -> int:
        """Best rank that a wanted label must reach if there are no traps."""
        return _BY_NAME[self.category].within

    @property
    def passes_when(self) -> str:
        """`above every trap`, or `in the first 10`."""
        if self.traps:
            return "above every trap"
        return "first" if self.within == 1 else f"in the first {self.within}"

    def check_labels(self, labels: Collection[str]) -> None:
        """InputError unless every wanted label and every trap is one of the target space's."""
        for label in (*self.wanted, *self.traps):
            if label not in labels:
                raise InputError(f"no target has the label {label!r}: correct it")


def read_cases(
    path: str | Path, labels: Collection[str], *, origin: str = "yours"
) -> list[ProbeCase]:
    """Read cases from JSON lines.

    An entry has `id`, `category`, `query` and `wanted`, and may have `traps`, `clean` and `note`.
    `wanted` and `traps` are a label or a list of labels.

    Args:
        path: The file; `.gz` is unpacked.
        labels: All labels of the target space.
        origin: What the cases say they are, one of `ORIGINS`.

    Raises:
        DataError: If there is no case, an entry is malformed, has an unknown field or category, an
            id occurs twice, or a label is not in the target space; with its path and line.
        OSError: If the file can not be read.
    """
    path, known = path_of("path", path), frozenset(labels)
    cases: dict[str, ProbeCase] = {}
    for record in read_queries(path, format="jsonl", field="query"):
        try:
            case = ProbeCase(**_fields(record.fields), origin=origin)
            case.check_labels(known)
            if case.id in cases:
                raise InputError(f"the id {case.id!r} occurs twice: give it another")
        except InputError as error:
            raise DataError(str(error), path=path, line=record.line) from None
        cases[case.id] = case
    if not cases:
        raise DataError("expected at least one case, got none", path=path)
    return list(cases.values())


def built_in_cases(labels: Collection[str]) -> list[ProbeCase]:
    """The cases that come with the package, for ESCO's skills of 1.2.0."""
    return [
        case for origin, path in FILES.items() for case in read_cases(path, labels, origin=origin)
    ]


def chosen_cases(cases: Sequence[ProbeCase], categories: Sequence[str] | None) -> list[ProbeCase]:
    """Those of some categories, in the order of `CATEGORIES`; None takes all.

    Raises:
        InputError: If a category is unknown, or has no case.
    """
    wanted = list(_BY_NAME) if categories is None else list(categories)
    for name in wanted:
        if name not in _BY_NAME:
            raise InputError(
                f"expected a category out of {', '.join(_BY_NAME)}, got {name!r}: correct it"
            )
    found = [case for name in _BY_NAME if name in wanted for case in cases if case.category == name]
    if not found:
        raise InputError(f"no case is of {', '.join(wanted)}: choose another category")
    return found


_TEXTS = ("id", "category", "query", "clean", "note")
_LISTS = ("wanted", "traps")


def _fields(entry: dict[str, Any]) -> dict[str, Any]:
    """Checked for their types; a label alone becomes a tuple of one."""
    unknown = [name for name in entry if name not in (*_TEXTS, *_LISTS)]
    if unknown:
        raise InputError(
            f"unknown field {unknown[0]!r}; known are {', '.join((*_TEXTS, *_LISTS))}: correct it"
        )
    fields: dict[str, Any] = {}
    for name in ("id", "category", "wanted"):
        if name not in entry:
            raise InputError(f"expected the field {name!r}, got {', '.join(entry)}: add it")
    for name, value in entry.items():
        if name in _LISTS:
            value = [value] if isinstance(value, str) else value
            if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
                raise InputError(
                    f"expected {name!r} to be a label or a list of them, got {value!r}"
                )
            value = tuple(value)
        elif not isinstance(value, str):
            raise InputError(f"expected {name!r} to be a text, got {value!r}")
        fields[name] = value
    if not fields["id"]:
        raise InputError("expected 'id' with a text, got an empty one: give the case a name")
    return fields
