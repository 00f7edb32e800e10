"""The CSV files of an ESCO release, found in its zips or folders; its version and language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from uwe.checks import path_of, text_of
from uwe.data.tables import TableFile, find_files
from uwe.errors import DataError, InputError

_KINDS = (
    "skills", "occupations", "occupationSkillRelations", "skillSkillRelations",
    "broaderRelationsSkillPillar", "broaderRelationsOccPillar", "ISCOGroups", "skillGroups",
)  # fmt: skip
_NAME = re.compile(rf"({'|'.join(_KINDS)})(?:_([a-z]{{2}}(?:-[a-z]{{2}})?))?\.csv", re.IGNORECASE)
# `ESCO dataset - v1.2.0 - classification - de - csv.zip`, also with underscores, and `1.2.0/`.
_VERSION = re.compile(r"(?<![\w.])(?:v?(\d+\.\d+\.\d+)|v(\d+\.\d+))(?!\w)", re.IGNORECASE)
_LANGUAGE = re.compile(r"classification[ _-]+([a-z]{2}(?:-[a-z]{2})?)[ _-]+csv", re.IGNORECASE)
_VERSION_GIVEN = re.compile(r"\d[0-9A-Za-z.-]*")
_LANGUAGE_GIVEN = re.compile(r"[a-z]{2,3}(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Tables:
    """The files of one release in one language."""

    version: str  # such as `1.2.0`
    language: str  # such as `en`
    files: dict[str, TableFile]  # one file a kind, such as `occupationSkillRelations`
    set_aside: tuple[TableFile, ...]  # other files that were found: of another language, or of none


class _Found(NamedTuple):
    """A file, what it has, and the language that its name says, or an empty text."""

    kind: str
    language: str
    file: TableFile


def find_tables(
    paths: Sequence[str | Path], *, version: str | None = None, language: str | None = None
) -> Tables:
    """Find the files of one release in zips and folders, which may each hold a part of it.

    Where `version` is None, the names of zips and folders tell it; where `language` is None, those
    of the files do, or of the zips. A path may also name a single file.
    """
    sources = list(dict.fromkeys(path_of("each of paths", path) for path in paths))
    if not sources:
        raise InputError("expected at least one zip or folder of ESCO, got none: name one")
    kinds = {kind.lower(): kind for kind in _KINDS}
    found = [
        _Found(kinds[match[1].lower()], (match[2] or "").lower(), file)
        for source in sources
        for file in find_files(source, ".csv")
        if (match := _NAME.fullmatch(file.name))
    ]
    if not found:
        raise DataError(
            "expected ESCO's CSV download, with files such as skills_en.csv, found no file of "
            "ESCO: name its zip, or the folder of what was in it",
            path=sources[0],
        )
    version = _version(sources, version)
    language = _language(found, sources, language)
    chosen: dict[str, _Found] = {}
    # A file that says its language goes before one that says none.
    for each in sorted(found, key=lambda each: not each.language):
        if each.language not in ("", language):
            continue
        other = chosen.setdefault(each.kind, each)
        if other is not each and other.language == each.language:
            raise DataError(
                f"expected one file of {each.kind}, got {other.file.place} too: leave one out",
                path=each.file.place,
            )
    if "skills" not in chosen:
        raise DataError(
            f"expected skills_{language}.csv, found "
            f"{', '.join(sorted({each.file.name for each in found}))}: pass all parts of ESCO's "
            "CSV download in that language",
            path=sources[0],
        )
    files = {kind: each.file for kind, each in chosen.items()}
    aside = tuple(each.file for each in found if each not in chosen.values())
    return Tables(version, language, files, aside)


def _version(sources: Sequence[Path], given: str | None) -> str:
    if given is not None:
        version = text_of("the release", given).strip().removeprefix("v")
        if not _VERSION_GIVEN.fullmatch(version):
            raise InputError(f"expected a release such as 1.2.0, got {given!r}: correct it")
        return version
    told = {version: source for source in sources if (version := _version_in(source))}
    if len(told) == 1:
        return next(iter(told))
    if told:
        raise InputError(
            "expected the parts of one release, got "
            f"{' and '.join(f'{source} ({version})' for version, source in told.items())}: import "
            "one after the other, or say which it is (release=, --release)"
        )
    raise InputError(
        f"cannot tell the release by the name {sources[0].name!r}: say which it is (release=, "
        "--release 1.2.0)"
    )


def _version_in(source: Path) -> str:
    """The version that the name of a source tells, or its folder's; an empty text if neither."""
    source = source.absolute()
    for name in (source.name, source.parent.name):
        match = _VERSION.search(name.replace("_", " "))
        if match:
            return match[1] or match[2]
    return ""


def _language(found: Sequence[_Found], sources: Sequence[Path], given: str | None) -> str:
    if given is not None:
        language = text_of("the language", given).strip().lower()
        if not _LANGUAGE_GIVEN.fullmatch(language):
            raise InputError(f"expected a language such as en, got {given!r}: correct it")
        return language
    tags = {each.language for each in found if each.kind == "skills" and each.language}
    if not tags:
        tags = {each.language for each in found if each.language}
    if not tags:
        tags = {match[1].lower() for path in sources if (match := _LANGUAGE.search(path.name))}
    if len(tags) == 1:
        return tags.pop()
    problem = f"found {', '.join(sorted(tags))}" if tags else "no name tells one"
    raise InputError(
        f"expected files in one language, {problem}: say which (language=, --language en)"
    )
