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
    """A part of a text that asks for a skill."""

    start: int  # in characters
    end: int  # in characters, exclusive; above `start`
    labels: frozenset[str] = frozenset()  # accepted for it; empty where only places were marked


@dataclass(frozen=True)
class MarkedText:
    """A text with its marked places, which may overlap."""

    name: str  # tells it from the others of its set
    text: str
    places: tuple[MarkedPlace, ...]  # in the order of the file


def marked_sets(data: Path) -> dict[str, list[MarkedText]]:
    """The sets of marked texts that a data folder has, by name."""
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
