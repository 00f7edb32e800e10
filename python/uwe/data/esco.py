"""One release of ESCO: its skills, occupations, groups and relations, as its CSV files say them.

Any version and language is read, from the zips that ESCO's portal gives or what was in them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from uwe.checks import listed
from uwe.data.esco_files import Tables, find_tables
from uwe.errors import DataError, InputError

ATTRIBUTION = "This service uses the ESCO classification of the European Commission."
URI_PREFIX = "http://data.europa.eu/esco/"

# Releases separate them by line ends, collections of concepts by |.
_SEPARATOR = re.compile(r"[|\r\n]+")
_RELEASE = re.compile(r"\d+(\.\d+)*")
_CONCEPT = ("conceptUri", "preferredLabel")
_TEXTS = ("altLabels", "hiddenLabels", "status", "description")


@dataclass(frozen=True)
class Concept:
    """What skills, occupations and groups have in common."""

    uri: str  # its identity through all releases and languages
    spelling: str  # its label as in the file, blanks around it included; WorkBench orders by it
    aliases: tuple[str, ...]  # alternative labels, stripped, once each
    hidden: tuple[str, ...]  # hidden labels, such as misspellings, likewise
    description: str  # what it means, or an empty text

    @property
    def label(self) -> str:
        """Its label, stripped."""
        return self.spelling.strip()

    @property
    def id(self) -> str:
        """Its URI without what all of ESCO's have in common: `skill/<uuid>`."""
        return self.uri.removeprefix(URI_PREFIX)


@dataclass(frozen=True)
class Skill(Concept):
    """A skill, a competence or a piece of knowledge."""

    skill_type: str  # `skill/competence`, `knowledge`, or an empty text
    reuse_level: str  # such as `sector-specific`, or an empty text


@dataclass(frozen=True)
class Occupation(Concept):
    """An occupation."""

    code: str  # such as `2654.1.7`, or an empty text
    isco_group: str  # code of its ISCO-08 unit group, such as `2654`, or an empty text


@dataclass(frozen=True)
class Group(Concept):
    """A group of skills, or of occupations (ISCO-08)."""

    code: str  # such as `S1.2.3` or `2654`, or an empty text


ConceptT = TypeVar("ConceptT", bound=Concept)


@dataclass(frozen=True)
class Relation:
    """An occupation needs a skill; both by URI; `essential` or `optional`."""

    occupation: str
    skill: str
    kind: str


@dataclass(frozen=True)
class SkillRelation:
    """A skill needs another; both by URI; `essential` or `optional`."""

    skill: str
    related: str
    kind: str


@dataclass(frozen=True)
class EscoRelease:
    """One release in one language; everything in the order of the files."""

    version: str  # such as `1.2.0`
    language: str  # such as `en`
    skills: dict[str, Skill]  # by URI
    occupations: dict[str, Occupation]  # by URI; empty where no file has them
    skill_groups: dict[str, Group]  # by URI
    isco_groups: dict[str, Group]  # groups of occupations (ISCO-08), by URI
    relations: list[Relation]  # between occupations and skills that are there
    skill_relations: list[SkillRelation]  # between skills that are there
    broader: dict[str, list[str]]  # URIs of what is directly broader than each, all of them there
    left_out: Counter[str]  # what stood in the files and is not here, counted
    absent: tuple[str, ...]  # files and columns that this release lacks

    @property
    def name(self) -> str:
        """`esco-1.2.0-en`: how files and folders made of it are called."""
        return f"esco-{self.version}-{self.language}"


Older = tuple[str, dict[str, Skill]]
"""An earlier release: its version, and its skills by URI."""


def read_releases(data: str | Path, *, older: bool = True) -> tuple[EscoRelease, list[Older]]:
    """The newest release of a data folder, and the skills of earlier ones, newest first.

    Each release is a folder `esco/<version>/` with its zips or files. Unless `older` is true, no
    earlier ones are read.
    """
    release = newest_release(data)
    if release is None:
        raise InputError(
            f"{data}: expected esco/ with a folder for each release, such as esco/1.2.0, found "
            "none: put the zips of its CSV download there"
        )
    # Only skills are kept: relations of three releases would take most of the memory.
    return release, [
        (folder.name, read_esco(folder, version=folder.name, language=release.language).skills)
        for folder in (_release_folders(data)[1:] if older else ())
    ]


def _release_folders(data: str | Path) -> list[Path]:
    """The folders `esco/<version>/` of a data folder, the newest first."""
    found = [
        path
        for path in (Path(data) / "esco").glob("*")
        if path.is_dir() and _RELEASE.fullmatch(path.name)
    ]
    return sorted(found, key=lambda path: [int(part) for part in path.name.split(".")])[::-1]


def newest_release(data: str | Path) -> EscoRelease | None:
    """The newest release of a data folder; None if it has none."""
    folders = _release_folders(data)
    return read_esco(folders[0], version=folders[0].name) if folders else None


def read_esco(
    paths: str | Path | Sequence[str | Path],
    *,
    version: str | None = None,
    language: str | None = None,
) -> EscoRelease:
    """Read a release.

    `paths` are zips as ESCO's portal gives them, or folders with what was in them; several make one
    release together. Where `version` is None, the names of zips and folders tell it; where
    `language` is None, those of the files do.

    Concepts that ESCO has withdrawn, or gives no label in the language, are left out, and so are
    relations that name a concept which is not there; `EscoRelease.left_out` counts them.
    """
    given = [paths] if isinstance(paths, str | Path) else listed("paths", paths)
    tables = find_tables(given, version=version, language=language)
    reader = _Reader(tables)
    skills = reader.concepts("skills", ("skillType", "reuseLevel"), Skill)
    occupations = reader.concepts("occupations", ("code", "iscoGroup"), Occupation)
    skill_groups = reader.concepts("skillGroups", ("code",), Group)
    isco_groups = reader.concepts("ISCOGroups", ("code",), Group)
    if not skills:
        raise DataError(
            "expected at least one skill, got none: download it again",
            path=tables.files["skills"].place,
        )
    for file in tables.set_aside:
        reader.left_out[f"files of another language or without one ({file.place.name})"] += 1
    relations = [
        Relation(*ends, kind)
        for ends, kind in reader.pairs(
            "occupationSkillRelations", ("occupationUri", "skillUri"), (occupations, skills)
        )
    ]
    skill_relations = [
        SkillRelation(*ends, kind)
        for ends, kind in reader.pairs(
            "skillSkillRelations", ("originalSkillUri", "relatedSkillUri"), (skills, skills)
        )
    ]
    broader: dict[str, list[str]] = {}
    for kind, known in (
        ("broaderRelationsSkillPillar", {**skills, **skill_groups}),
        ("broaderRelationsOccPillar", {**occupations, **isco_groups}),
    ):
        for (narrow, broad), _ in reader.pairs(kind, ("conceptUri", "broaderUri"), (known, known)):
            broader.setdefault(narrow, []).append(broad)
    return EscoRelease(
        version=tables.version,
        language=tables.language,
        skills=skills,
        occupations=occupations,
        skill_groups=skill_groups,
        isco_groups=isco_groups,
        relations=relations,
        skill_relations=skill_relations,
        broader=broader,
        left_out=reader.left_out,
        absent=tuple(sorted(reader.absent)),
    )


class _Reader:
    """Reads tables one after the other, and keeps what was left out of all of them."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.left_out: Counter[str] = Counter()
        self.absent: set[str] = set()

    def concepts(
        self, kind: str, columns: Sequence[str], make: Callable[..., ConceptT]
    ) -> dict[str, ConceptT]:
        """Concepts by URI; `columns` are the last arguments of `make`, in its order."""
        found: dict[str, ConceptT] = {}
        seen: set[str] = set()
        # Groups lack most texts in every release, which is not worth a word.
        texts = () if kind.endswith("Groups") else _TEXTS
        for place, line, row in self._rows(kind, _CONCEPT, (*texts, *columns)):
            uri = row["conceptUri"].strip()
            if len(uri.split()) != 1:
                raise DataError(f"expected a URI, got {uri!r}", path=place, line=line)
            if uri in seen:
                raise DataError(f"the URI {uri} stands twice in it", path=place, line=line)
            seen.add(uri)
            spelling, status = row["preferredLabel"], row.get("status", "").strip().lower()
            if status not in ("", "released"):
                self.left_out[f"{kind} with the status {status}"] += 1
            elif not spelling.strip():
                self.left_out[f"{kind} without a label in this language"] += 1
            else:
                found[uri] = make(
                    uri,
                    spelling,
                    _texts(row.get("altLabels", "")),
                    _texts(row.get("hiddenLabels", "")),
                    row.get("description", "").strip(),
                    *(row.get(column, "").strip() for column in columns),
                )
        return found

    def pairs(
        self, kind: str, columns: tuple[str, str], known: tuple[Collection[str], Collection[str]]
    ) -> Iterator[tuple[tuple[str, str], str]]:
        """Two URIs that are both known, and the type of their relation."""
        for _, _, row in self._rows(kind, columns, ()):
            ends = row[columns[0]].strip(), row[columns[1]].strip()
            if ends[0] in known[0] and ends[1] in known[1]:
                yield ends, row.get("relationType", "").strip()
            else:
                self.left_out[f"rows of {kind} that name a concept which is not there"] += 1

    def _rows(
        self, kind: str, required: Sequence[str], optional: Sequence[str]
    ) -> Iterator[tuple[Path, int, dict[str, str]]]:
        file = self.tables.files.get(kind)
        if file is None:
            self.absent.add(kind)
            return
        place = file.place
        for number, (line, row) in enumerate(file.rows("commas", required)):
            if not number:
                self.absent.update(f"{kind}: {name}" for name in optional if name not in row)
            yield place, line, row


def _texts(cell: str) -> tuple[str, ...]:
    texts = dict.fromkeys(text.strip() for text in _SEPARATOR.split(cell))
    return tuple(text for text in texts if text)
