"""The written texts and the lexicon: sentences, names and titles of ESCO's concepts, from files.

`data/README.md` of the project says what they are and how each file is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from uwe.data.tabbed import MORE, tabbed_rows
from uwe.errors import DataError, InputError

__all__ = ["ATTRIBUTION", "WrittenText", "read_written"]

ATTRIBUTION = "uwe written texts and uwe lexicon, written by a large language model, CC BY 4.0."
NO_CONCEPT = "NONE"
"""Stands for the concept of a term to which ESCO has none."""
_SEPARATOR = " | "


@dataclass(frozen=True)
class WrittenText:
    """A text, and what it says.

    Attributes:
        graph: One of `WRITTEN_GRAPHS`.
        text: Not blank.
        concepts: Ids of the concepts that it is of; empty where ESCO has none.
        others: Labels of further concepts that a coder accepts for it.
    """

    graph: str
    text: str
    concepts: tuple[str, ...]
    others: tuple[str, ...] = ()


def read_written(folder: str | Path) -> Iterator[WrittenText]:
    """Read all texts of a folder, in the order of its files.

    Args:
        folder: With `written/` and `lexicon/`, such as `data/` of the project.

    Raises:
        InputError: If a file is missing.
        DataError: If one is malformed or damaged; with its path and line.
        OSError: If one can not be read.
    """
    folder = Path(folder)
    if missing := [name for name in _FILES if not (folder / name).is_file()]:
        raise InputError(
            f"{folder}: expected the written texts and the lexicon, found no {', '.join(missing)}: "
            "name a folder that has written/ and lexicon/, such as data/ of the project"
        )
    for name, read in _FILES.items():
        empty = True
        for text in read(folder / name):
            empty = False
            yield text
        if empty:
            raise DataError(
                "expected a header and at least one line, got none: fetch it anew",
                path=folder / name,
            )


def _skills(path: Path) -> Iterator[WrittenText]:
    columns = (
        "id", "label", "sentence", "sentence without the label's words", "name", "other name",
    )  # fmt: skip
    for _, (id_, _, *texts) in tabbed_rows(path, columns):
        for graph, text in zip("WWPP", texts, strict=True):
            yield WrittenText(graph, text, (id_,))


def _titles(path: Path) -> Iterator[WrittenText]:
    return _of_one(path, "T", f"titles{MORE}")


def _needs(path: Path) -> Iterator[WrittenText]:
    return _of_one(path, "K", f"skills in free words{MORE}")


def _of_one(path: Path, graph: str, column: str) -> Iterator[WrittenText]:
    for _, (id_, _, *texts) in tabbed_rows(path, ("id", "label", column)):
        for text in texts:
            yield WrittenText(graph, text, (id_,))


def _several(path: Path) -> Iterator[WrittenText]:
    for line, (text, *cells) in tabbed_rows(path, ("sentence", "ids", "labels")):
        ids, labels = ([part.strip() for part in cell.split(_SEPARATOR)] for cell in cells)
        if len(ids) != len(labels) or not all((*ids, *labels)):
            raise DataError(
                f"expected a label to each id, separated by {_SEPARATOR!r}, got {len(ids)} ids and "
                f"{len(labels)} labels, none of which may be blank: mend the line",
                path=path,
                line=line,
            )
        yield WrittenText("M", text, tuple(ids))


def _terms(path: Path) -> Iterator[WrittenText]:
    return _coded(path, "L")


def _coded_titles(path: Path) -> Iterator[WrittenText]:
    return _coded(path, "O")


def _coded(path: Path, graph: str) -> Iterator[WrittenText]:
    columns = ("term", "id", "label", "others", "source")
    for line, (term, id_, label, cell, _) in tabbed_rows(path, columns, optional={"others"}):
        others = tuple(part.strip() for part in cell.split(_SEPARATOR) if part.strip())
        if NO_CONCEPT in (id_, label, *others):
            if (id_, label, *others) != (NO_CONCEPT, NO_CONCEPT):
                raise DataError(
                    f"expected {NO_CONCEPT} as id and label and no others, or a concept, got both: "
                    "leave one out",
                    path=path,
                    line=line,
                )
            yield WrittenText(graph, term, ())
        else:
            yield WrittenText(graph, term, (id_,), others)


_FILES: dict[str, Callable[[Path], Iterator[WrittenText]]] = {
    "written/skills.tsv.gz": _skills,
    "written/sentences_several.tsv.gz": _several,
    "written/occupations.tsv.gz": _titles,
    "written/occupation_skills.tsv.gz": _needs,
    "lexicon/skill_terms.tsv.gz": _terms,
    "lexicon/occupation_titles.tsv.gz": _coded_titles,
}
"""How each file is read."""
