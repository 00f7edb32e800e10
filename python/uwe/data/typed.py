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
    """The form of a set.

    Attributes:
        space: The built-in space that its answers are labels of.
        columns: Names of a line's values.
        query: The column that is the query.
        answers: The columns with the accepted labels, the best first; only the first has to have
            one.
        header: Whether a file begins with the names of its columns.
        release: The release of ESCO whose labels the answers are, where the space's lacks some: a
            line with such a label is counted, and left out. Empty where every answer has to be a
            label of the space.
    """

    space: str
    columns: tuple[str, ...]
    query: str
    answers: tuple[str, ...]
    header: bool = True
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

    Queries of equal text are merged, with the union of their answers, as those of other tasks are.
    A query without an answer is kept: metrics leave it out and count it.

    Args:
        path: Its file; of several files their folder.
        name: One of `TYPED_SETS`.

    Returns:
        The split, with the space's labels as targets and its other names as their aliases.

    Raises:
        DataError: If there is no line, a line is malformed, or an answer is no label of the space;
            with its path and line.
        OSError: If a file cannot be read.
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
    """The queries of all sets that are in a folder, such as `typed/` of the data folder.

    Raises:
        DataError: If a line is malformed; with its path and line.
        OSError: If a file cannot be read.
    """
    for name, form in TYPED_SETS.items():
        for file in (folder / f"{name}.tsv", *sorted((folder / name).glob("*.tsv"))):
            if file.is_file():
                for _, query, _ in typed_lines(file, form):
                    yield query


def typed_lines(file: Path, form: TypedSet) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, query and accepted labels of each line; no label where it says NONE.

    Raises:
        DataError: If a line is malformed; with its path and line.
        OSError: If the file cannot be read.
    """
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
