"""Whole adverts and CVs in which every place that asks for a skill is marked.

`typed/adverts/` of the data folder has places and the skills that a coder accepts for them;
`skillspan/` has places alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from uwe.data.marked_lines import CLASSES, marked_rows
from uwe.data.typed import TYPED_SETS, no_label, typed_lines
from uwe.errors import DataError
from uwe.spaces import target_space


@dataclass(frozen=True)
class MarkedPlace:
    """A part of a text that asks for a skill.

    Attributes:
        start: Where it begins, in characters.
        end: Where it ends, exclusive; above `start`.
        labels: The labels that are accepted for it; empty where only places were marked.
    """

    start: int
    end: int
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MarkedText:
    """A text with its marked places, which may overlap.

    Attributes:
        name: Tells it from the others of its set.
        text: The text.
        places: In the order of the file.
    """

    name: str
    text: str
    places: tuple[MarkedPlace, ...]


def marked_sets(data: Path) -> dict[str, list[MarkedText]]:
    """The sets of marked texts that a data folder has, by name.

    Raises:
        DataError: If it has none, or one is malformed.
        OSError: If a file cannot be read.
    """
    adverts, skillspan = data / "typed" / "adverts", data / "skillspan" / "dev.jsonl.gz"
    found = {}
    if adverts.is_dir():
        found["typed/adverts"] = read_adverts(adverts)
    if skillspan.is_file():
        found["skillspan/dev"] = read_skillspan(skillspan)
    if not found:
        raise DataError(
            "expected typed/adverts/ or skillspan/dev.jsonl.gz, found neither: name another folder",
            path=data,
        )
    return found


def read_adverts(folder: Path) -> list[MarkedText]:
    """Read texts `NAME.txt` and their marked places `NAME.tsv`.

    A line of places is an exact substring of the text, a tab, and the accepted labels of ESCO's
    skills. Of a substring that occurs several times, each line takes the first occurrence that no
    earlier line took.

    Raises:
        DataError: If there is no text or one is no UTF-8; if a line is malformed, its substring is
            not in the text as often as it is listed, or a label is no label of the space; with the
            path and the line.
        OSError: If a file cannot be read.
    """
    form = TYPED_SETS["adverts"]
    space = target_space(form.space)
    known = {label.strip() for label in space.labels}
    found = []
    for file in sorted(folder.glob("*.txt")):
        try:
            text = file.read_bytes().decode()  # as it is: offsets count a carriage return too
        except UnicodeDecodeError as error:
            raise DataError(f"expected UTF-8, got {error}: convert the file", path=file) from None
        places: list[MarkedPlace] = []
        next_start: dict[str, int] = {}
        answers = file.with_suffix(".tsv")
        for line, place, labels in typed_lines(answers, form):
            for label in labels:
                if label not in known:
                    raise no_label(label, space, answers, line)
            start = text.find(place, next_start.get(place, 0))
            if start < 0:
                raise DataError(
                    f"expected a substring of {file.name} that is listed as often as it occurs "
                    f"there at most, got {place!r}: correct it",
                    path=answers,
                    line=line,
                )
            next_start[place] = start + 1
            places.append(MarkedPlace(start, start + len(place), frozenset(labels)))
        found.append(MarkedText(file.stem, text, tuple(places)))
    if not found:
        raise DataError("expected texts NAME.txt, found none: name another folder", path=folder)
    return found


def read_skillspan(path: Path) -> list[MarkedText]:
    """Read adverts of SkillSpan, their lines joined by line breaks, with skills and knowledge.

    Zhang, Jensen, Sonniks, Plank (NAACL 2022). One JSON object a line of an advert: `doc`, the
    advert's name; `text`; `skills` and `knowledge`, lists of [start, end).

    Raises:
        DataError: If there is no line, or one is malformed; with the path and the line.
        OSError: If the file cannot be read.
    """
    texts: dict[str, str] = {}
    places: dict[str, list[MarkedPlace]] = {}
    for row in marked_rows(path):
        doc = row["doc"]
        before = texts[doc] + "\n" if doc in texts else ""
        texts[doc] = before + row["text"]
        places.setdefault(doc, []).extend(
            MarkedPlace(len(before) + start, len(before) + end)
            for name in CLASSES
            for start, end in row[name]
        )
    if not texts:
        raise DataError("expected lines of adverts, got none: name another file", path=path)
    return [MarkedText(doc, text, tuple(places[doc])) for doc, text in texts.items()]
