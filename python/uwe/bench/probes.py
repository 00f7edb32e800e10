"""Probe cases as splits of a task: small cases with one right answer, by what they probe.

A file of JSON lines with `id`, `category`, `query` and `wanted` (labels of ESCO's skills, any of
which is right), and perhaps `traps` (labels that must score below the best wanted one), `clean`
(the query without what the category changes) and `note` (for people). A category is a split;
where cases have a clean text, these are the split `<category>-clean`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uwe.corpus import RankingTask, read_queries
from uwe.data.layout import TaskSplit
from uwe.errors import DataError, InputError, shown
from uwe.spaces import target_space

CATEGORIES = {
    "lexical": "a word of the query, in another sense, is in a label; read pairwise",
    "case": "other capitals; read hit@1",
    "plural": "singular for plural, or the other way round; read hit@1",
    "bullet": "a bullet before the text; read hit@1",
    "typo": "one slip of the keyboard; read hit@1",
    "spelling": "American spelling of a British label; read hit@1",
    "abbreviation": "initials in place of the words; read hit@10",
    "long": "a long sentence that asks for one thing; read pairwise where it has traps, or hit@10",
}
"""What the built-in categories probe, and the metric that says how often it goes well."""

_SPACE, _CLEAN = "esco-skills", "-clean"
_FIELDS = {"id", "category", "query", "wanted", "traps", "clean", "note"}


@dataclass(frozen=True)
class _Case:
    id: str
    category: str
    query: str
    wanted: list[str]
    traps: list[str]
    clean: str
    line: int | None


def case_splits(path: Path) -> list[str]:
    """Names of the splits of a file, in its order; empty if it is not there."""
    if not path.is_file():
        return []
    found: dict[str, None] = {}
    for case in _cases(path):
        found[case.category] = None
        if case.clean:
            found[case.category + _CLEAN] = None
    return list(found)


def read_cases(path: Path, split: str) -> TaskSplit:
    """The cases of one category, against all of ESCO's skills."""
    space = target_space(_SPACE)
    index = {label: i for i, label in reversed(list(enumerate(space.labels)))}
    category = split.removesuffix(_CLEAN)
    chosen = [case for case in _cases(path) if case.category == category]
    if split != category:
        chosen = [case for case in chosen if case.clean]
    if not chosen:
        raise DataError(f"expected cases of {split}, found none: name another split", path=path)
    for case in chosen:
        for label in (*case.wanted, *case.traps):
            if label not in index:
                raise DataError(
                    f"expected a label of {space.title} {space.version}, got {label!r}: correct it",
                    path=path,
                    line=case.line,
                )
        if bool(case.traps) != bool(chosen[0].traps):
            raise DataError(
                f"expected all cases of {category} to have traps, or none: make two categories",
                path=path,
                line=case.line,
            )
    task = RankingTask(
        target_ids=list(space.ids),
        targets=list(space.labels),
        query_ids=[case.id for case in chosen],
        queries=[case.query if split == category else case.clean for case in chosen],
        relevant=[sorted(index[label] for label in case.wanted) for case in chosen],
    )
    traps = [tuple(index[label] for label in case.traps) for case in chosen]
    return TaskSplit(
        folder=path,
        split=split,
        task=task,
        aliases=[[]] * len(space),
        source=path,
        notes=(CATEGORIES[category],) if category in CATEGORIES else (),
        traps=tuple(traps) if chosen[0].traps else (),
    )


def _cases(path: Path) -> list[_Case]:
    found: dict[str, _Case] = {}
    for record in read_queries(path, format="jsonl", field="query"):
        try:
            case = _case(record.fields, record.line)
            if case.id in found:
                raise InputError(f"the id {case.id!r} occurs twice: give it another")
        except InputError as error:
            raise DataError(str(error), path=path, line=record.line) from None
        found[case.id] = case
    return list(found.values())


def _case(fields: dict[str, Any], line: int | None) -> _Case:
    if unknown := sorted(fields.keys() - _FIELDS):
        raise InputError(
            f"unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}: correct it"
        )
    texts = {name: fields.get(name, "") for name in ("id", "category", "query", "clean", "note")}
    for name, value in texts.items():
        if not isinstance(value, str) or (name in ("id", "category") and not value):
            raise InputError(f"expected {name!r} to be a text, got {shown(value)}: correct it")
    if "/" in texts["category"] or texts["category"].endswith(_CLEAN):
        raise InputError(f"expected another category than {texts['category']!r}: rename it")
    lists: dict[str, Any] = {}
    for name in ("wanted", "traps"):
        value = fields.get(name, [])
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise InputError(
                f"expected {name!r} to be a label or a list of them, got {shown(value)}"
            )
        lists[name] = list(dict.fromkeys(value))
    if not lists["wanted"]:
        raise InputError("expected at least one wanted label, got none: add one")
    if both := [label for label in lists["traps"] if label in lists["wanted"]]:
        raise InputError(f"the label {both[0]!r} is wanted and a trap: leave one out")
    del texts["note"]
    return _Case(**texts, **lists, line=line)
