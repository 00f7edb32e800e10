"""The CSV files of an ESCO release, out of its zips or folders, row by row."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from uwe.checks import path_of, text_of
from uwe.errors import DataError, InputError
from uwe.files.records import checked, entries_of

__all__ = ["EscoFile", "Tables", "find_tables"]

_NAME = re.compile(
    r"(skills|occupations|occupationSkillRelations|skillSkillRelations|broaderRelationsSkillPillar"
    r"|broaderRelationsOccPillar|ISCOGroups|skillGroups)(?:_([a-z]{2}(?:-[a-z]{2})?))?\.csv",
    re.IGNORECASE,
)
_KINDS = {
    kind.lower(): kind
    for kind in (
        "skills", "occupations", "occupationSkillRelations", "skillSkillRelations",
        "broaderRelationsSkillPillar", "broaderRelationsOccPillar", "ISCOGroups", "skillGroups",
    )
}  # fmt: skip
# `ESCO dataset - v1.2.0 - classification - de - csv.zip`, also with underscores, and `1.2.0/`.
_VERSION = re.compile(r"(?<![\w.])(?:v?(\d+\.\d+\.\d+)|v(\d+\.\d+))(?!\w)", re.IGNORECASE)
_LANGUAGE = re.compile(r"classification[ _-]+([a-z]{2}(?:-[a-z]{2})?)[ _-]+csv", re.IGNORECASE)
_VERSION_GIVEN = re.compile(r"\d[0-9A-Za-z.-]*")
_LANGUAGE_GIVEN = re.compile(r"[a-z]{2,3}(-[a-z0-9]+)*")


@dataclass(frozen=True)
class EscoFile:
    """One CSV file, unpacked or in a zip.

    Attributes:
        kind: `skills`, `occupationSkillRelations`, ...
        language: That of its name, or an empty text.
        path: Where it lies; of a member the path of the zip.
        member: Its name in the zip, or an empty text.
    """

    kind: str
    language: str
    path: Path
    member: str = ""

    @property
    def place(self) -> Path:
        """For people: `release.zip!skills_en.csv`."""
        return Path(f"{self.path}!{self.member}") if self.member else self.path

    def rows(
        self, required: Collection[str], absent: set[str], optional: Collection[str] = ()
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """Line numbers, from 1, and rows by column; nothing is held.

        Args:
            required: Columns that it must have.
            absent: Gets a text for each of the `optional` columns that it has not.
            optional: Columns that some releases lack.

        Raises:
            DataError: If it is damaged, a row is malformed, or a required column is missing or
                blank; with its path and line.
        """
        place, first = self.place, True
        with self._lines() as lines:
            for line, entry in entries_of(lines, "csv", place, required):
                row = checked(entry, place, line)
                if first:
                    first = False
                    for column in required:
                        if column not in row:
                            raise DataError(
                                f"expected the column {column!r}, got {', '.join(row)}: pass the "
                                "file as ESCO ships it",
                                path=place,
                                line=1,
                            )
                    absent.update(f"{self.kind}: {name}" for name in optional if name not in row)
                yield line, row

    @contextmanager
    def _lines(self) -> Iterator[Iterable[bytes]]:
        if not self.member:
            with self.path.open("rb") as file:
                yield file
            return
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                # Lines of a member alone are read one by one, several times slower.
                yield io.BufferedReader(cast(zipfile.ZipExtFile, file))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as bad:
            raise DataError(f"damaged archive ({bad}): fetch it anew", path=self.place) from None


@dataclass(frozen=True)
class Tables:
    """The files of one release in one language.

    Attributes:
        version: Such as `1.2.0`.
        language: Such as `en`.
        files: By kind.
        set_aside: Files of other languages that were found too.
    """

    version: str
    language: str
    files: dict[str, EscoFile]
    set_aside: tuple[EscoFile, ...]


def find_tables(
    paths: Sequence[str | Path], *, version: str | None = None, language: str | None = None
) -> Tables:
    """Find the files of one release in zips and folders, which may each hold a part of it.

    Args:
        paths: Zips as downloaded, or folders or files of what was in them.
        version: None tells it by the names of zips and folders.
        language: None tells it by the names of the files, or of the zips.

    Raises:
        InputError: If no path is given, version or language cannot be told, or several are there.
        DataError: If a path is neither zip nor folder, there is no file of skills in the language,
            or two files of one kind.
        OSError: If a path cannot be read.
    """
    sources = list(dict.fromkeys(path_of("each of paths", path) for path in paths))
    if not sources:
        raise InputError("expected at least one zip or folder of ESCO, got none: name one")
    found = [file for source in sources for file in _files_in(source)]
    if not found:
        raise DataError(
            "expected ESCO's CSV download, with files such as skills_en.csv, found no file of "
            "ESCO: name its zip, or the folder of what was in it",
            path=sources[0],
        )
    version = _version(sources, version)
    language = _language(found, sources, language)
    files: dict[str, EscoFile] = {}
    # A file that says its language goes before one that says none.
    for file in sorted(found, key=lambda file: not file.language):
        if file.language not in ("", language):
            continue
        other = files.setdefault(file.kind, file)
        if other is not file and other.language == file.language:
            raise DataError(
                f"expected one file of {file.kind}, got {other.place} too: leave one out",
                path=file.place,
            )
    if "skills" not in files:
        names = sorted({PurePosixPath(file.member or file.path.name).name for file in found})
        raise DataError(
            f"expected skills_{language}.csv, found {', '.join(names)}: pass all "
            "parts of ESCO's CSV download in that language",
            path=sources[0],
        )
    chosen = set(files.values())
    return Tables(version, language, files, tuple(file for file in found if file not in chosen))


def _files_in(source: Path) -> list[EscoFile]:
    """Files of ESCO in a zip, or in a folder and the zips and folders in it; or the one file."""
    if source.is_dir():
        found = [(path, "") for path in sorted(source.rglob("*.csv")) if path.is_file()]
        for path in sorted(source.rglob("*.zip")):
            found.extend((path, member) for member in _members(path))
    elif source.suffix.lower() == ".csv":
        found = [(source, "")]
    else:
        found = [(source, member) for member in _members(source)]
    files = []
    for path, member in found:
        # The whole name: a Mac adds twins to its zips, `__MACOSX/._skills_en.csv`.
        match = _NAME.fullmatch(PurePosixPath(member).name if member else path.name)
        if match:
            kind, tag = _KINDS[match[1].lower()], (match[2] or "").lower()
            files.append(EscoFile(kind, tag, path, member))
    return files


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except zipfile.BadZipFile as error:
        raise DataError(
            f"expected ESCO's CSV download, a zip, got something else ({error}): fetch it anew, or "
            "name a folder",
            path=path,
        ) from None


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


def _language(found: Sequence[EscoFile], sources: Sequence[Path], given: str | None) -> str:
    if given is not None:
        language = text_of("the language", given).strip().lower()
        if not _LANGUAGE_GIVEN.fullmatch(language):
            raise InputError(f"expected a language such as en, got {given!r}: correct it")
        return language
    tags = {file.language for file in found if file.kind == "skills" and file.language}
    if not tags:
        tags = {file.language for file in found if file.language}
    if not tags:
        tags = {match[1].lower() for path in sources if (match := _LANGUAGE.search(path.name))}
    if len(tags) == 1:
        return tags.pop()
    problem = f"found {', '.join(sorted(tags))}" if tags else "no name tells one"
    raise InputError(
        f"expected files in one language, {problem}: say which (language=, --language en)"
    )
