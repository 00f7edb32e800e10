"""What people type, with the answers of a coder: `typed/` of the data folder, read as tasks.

Files of lines, their values separated by tabs. The targets are a built-in space, so a line names
its answers by their labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from uwe.data.layout import TaskSplit
from uwe.data.rules import fold_targets, ranking_task
from uwe.data.tables import tabbed_rows
from uwe.errors import DataError
from uwe.spaces import TargetSpace, target_space

NO_ANSWER = "NONE"
"""Stands for the answers of a query to which the space has none."""
SPLIT = "val"
_SEPARATOR = " | "


@dataclass(frozen=True)
class TypedSet:
    """The form of a set."""

    space: str  # the built-in space that its answers are labels of
    columns: tuple[str, ...]  # names of a line's values
    query: str  # the column that is the query
    answers: tuple[str, ...]  # labels accepted, best first; all columns but the first may be blank
    header: bool = True  # whether a file begins with the names of its columns
    # The release of ESCO whose labels the answers are, where the space's lacks some: a line with
    # such a label is counted, and left out. Empty where every answer must be a label of the space.
    release: str = ""


_TITLES = TypedSet(
    "esco-occupations", ("title", "occupation", "also"), "title", ("occupation", "also")
)
_SPANS = TypedSet("esco-skills", ("sentence", "span", "skill"), "span", ("skill",), release="1.1.0")

TYPED_SETS: dict[str, TypedSet] = {
    "titles": _TITLES,
    "keywords": TypedSet(
        "esco-skills", ("keyword", "skill", "also"), "keyword", ("skill", "also")
    ),
    "advert_titles": _TITLES,
    "spans_house": _SPANS,
    "spans_tech": _SPANS,
    "adverts": TypedSet("esco-skills", ("place", "skills"), "place", ("skills",), header=False),
}  # fmt: skip
"""The sets by name."""


def read_typed(path: Path, name: str) -> TaskSplit:
    """Read a set as the one split of a task.

    `path` is its file, or the folder of several; `name` is one of `TYPED_SETS`. The targets are the
    space's labels, with its other names as aliases.

    Queries of equal text are merged, with the union of their answers, as those of other tasks are.
    A query without an answer is kept: metrics leave it out and count it.
    """
    form = TYPED_SETS[name]
    space = target_space(form.space)
    index = {label.strip(): i for i, label in enumerate(space.labels)}
    queries: list[tuple[str, list[int]]] = []
    lost: Counter[str] = Counter()
    files = sorted(path.glob("*.tsv")) if path.is_dir() else [path]
    for file in files:
        for line, query, answers in typed_lines(file, form):
            unknown = [label for label in answers if label not in index]
            if not unknown:
                queries.append((query, [index[label] for label in answers]))
            elif form.release:
                # Not kept as a query without an answer: it has one, in another release.
                lost[unknown[0]] += 1
            else:
                raise no_label(unknown[0], space, file, line)
    if not any(answers for _, answers in queries):
        raise DataError("expected at least one line with an answer, found none", path=path)
    targets = fold_targets(space.ids, space.labels, space.aliases)
    task, left_out = ranking_task(SPLIT, queries, targets)
    notes = [f"{what}: {count:,}" for what, count in left_out.items()]
    if lost:
        notes.append(
            f"lines left out, as ESCO {space.version} lacks the label that {form.release} has: "
            f"{lost.total():,} ({', '.join(sorted(lost))})"
        )
    return TaskSplit(path, SPLIT, task, targets.aliases, tuple(notes))


def no_label(label: str, space: TargetSpace, file: Path, line: int) -> DataError:
    """The error for an answer that is no label of the space."""
    return DataError(
        f"expected a label of {space.title} {space.version} or {NO_ANSWER}, got {label!r}: "
        "correct it",
        path=file,
        line=line,
    )


def typed_queries(folder: Path) -> Iterator[str]:
    """The queries of all sets that are in a folder, such as `typed/` of the data folder."""
    for name, form in TYPED_SETS.items():
        for file in (folder / f"{name}.tsv", *sorted((folder / name).glob("*.tsv"))):
            if file.is_file():
                for _, query, _ in typed_lines(file, form):
                    yield query


def typed_lines(file: Path, form: TypedSet) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, query and accepted labels of each line; no label where it says NONE."""
    optional = set(form.columns) - {form.query, form.answers[0]}
    for number, values in tabbed_rows(file, form.columns, header=form.header, optional=optional):
        fields = dict(zip(form.columns, values, strict=True))
        answers = _labels([fields[column] for column in form.answers])
        if answers == [NO_ANSWER]:
            answers = []
        elif NO_ANSWER in answers:
            raise DataError(
                f"expected {NO_ANSWER} or labels, got both: leave one out",
                path=file,
                line=number,
            )
        yield number, fields[form.query], answers


def _labels(values: Sequence[str]) -> list[str]:
    return [label.strip() for value in values if value for label in value.split(_SEPARATOR)]
