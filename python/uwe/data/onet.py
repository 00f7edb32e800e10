"""O*NET as published: the text database as downloaded, or the tables that `uwe` keeps of it.

The database is the zip with tab-separated tables of https://www.onetcenter.org/database.html. What
is kept are the tables and columns of `TABLES`, as `onet/<name>.csv.gz`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from uwe.checks import path_of
from uwe.data.tables import TableFile, find_files
from uwe.errors import DataError
from uwe.files.atomic import check_nothing_lost, replaced, settled, write_lines

ATTRIBUTION = (
    "This product includes information from the O*NET Database by the U.S. Department of Labor, "
    "Employment and Training Administration (USDOL/ETA), used under the CC BY 4.0 license. O*NET® "
    "is a trademark of USDOL/ETA. It has been modified; USDOL/ETA has not approved, endorsed, or "
    "tested these modifications."
)
CODE = "O*NET-SOC Code"
SPLITS = ("train", "val", "test")
IMPORTANCE = "IM"
"""The scale of how important a skill is, 1 to 5, as the column `Scale ID` names it."""

Row = dict[str, str]
"""A row by column."""


@dataclass(frozen=True)
class Table:
    """What is kept of one or two files of the database."""

    name: str  # of the table that is kept
    files: tuple[str, ...]  # of the text database that it is made of, one after the other
    columns: tuple[str, ...]  # that are kept
    key: str = ""  # column in which no two rows are equal
    blank: tuple[str, ...] = ()  # columns that may be blank, and that early releases lack
    refers: tuple[tuple[str, str], ...] = ()  # columns that name a row of another table, by its key
    # Columns that the text database has in another file: file and column they share.
    joins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    number: str = ""  # column of numbers
    only: tuple[str, str] = ("", "")  # a column of the files, and its value in rows that are kept


_OF_OCCUPATION = ((CODE, "occupations"),)
TABLES: tuple[Table, ...] = (
    Table("occupations", ("Occupation Data.txt",), (CODE, "Title", "Description"), key=CODE),
    Table(
        "alternate_titles", ("Alternate Titles.txt",),
        (CODE, "Alternate Title", "Short Title"), blank=("Short Title",), refers=_OF_OCCUPATION,
    ),
    Table(
        "reported_titles", ("Sample of Reported Titles.txt",), (CODE, "Reported Job Title"),
        refers=_OF_OCCUPATION,
    ),
    Table(
        "task_statements", ("Task Statements.txt",), (CODE, "Task ID", "Task"), key="Task ID",
        refers=_OF_OCCUPATION,
    ),
    Table(
        "content_model", ("Content Model Reference.txt",),
        ("Element ID", "Element Name", "Description"), key="Element ID", blank=("Description",),
    ),
    Table(
        "dwa_reference", ("DWA Reference.txt",), ("IWA Title", "DWA ID", "DWA Title"),
        key="DWA ID", joins={"IWA Title": ("IWA Reference.txt", "IWA ID")},
    ),
    Table(
        "tasks_to_dwas", ("Tasks to DWAs.txt",), ("Task ID", "DWA ID"),
        refers=(("Task ID", "task_statements"), ("DWA ID", "dwa_reference")),
    ),
    Table(
        "technology_skills", ("Technology Skills.txt",),
        (CODE, "Example", "Commodity Code", "Commodity Title"), refers=_OF_OCCUPATION,
    ),
    Table(
        "tools_used", ("Tools Used.txt",), (CODE, "Example", "Commodity Code", "Commodity Title"),
        refers=_OF_OCCUPATION,
    ),
    Table(
        "skill_knowledge_importance", ("Skills.txt", "Knowledge.txt"),
        (CODE, "Element ID", "Data Value"),
        refers=(*_OF_OCCUPATION, ("Element ID", "content_model")), number="Data Value",
        only=("Scale ID", IMPORTANCE),
    ),
)  # fmt: skip
"""What is kept of the database, in the order of reading: a table refers to earlier ones."""

_EXAMPLES = {"technology_skills": "onet-tech", "tools_used": "onet-tool"}


@dataclass(frozen=True)
class OnetDatabase:
    """One release of O*NET."""

    tables: dict[str, list[Row]]  # rows of each of `TABLES`, in the files' order; official columns
    splits: dict[str, str]  # by code: `train`, or the split it is held out for, `val` or `test`
    titles: dict[str, str] = field(init=False)  # by the occupation's code

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "titles", {row[CODE]: row["Title"] for row in self.tables["occupations"]}
        )

    def of_split(self, table: str, split: str) -> Iterator[Row]:
        """Rows of a table whose occupation is in a split."""
        return (row for row in self.tables[table] if self.splits[row[CODE]] == split)

    def example_ids(self, table: str) -> dict[str, str]:
        """For each example of `technology_skills` or `tools_used` its id: `onet-tech/00042`.

        O*NET has no ids of examples: these are their places in the order of all texts.
        """
        texts = sorted({row["Example"] for row in self.tables[table]})
        return {text: f"{_EXAMPLES[table]}/{i:05d}" for i, text in enumerate(texts)}

    def other_titles(self, split: str) -> Iterator[tuple[str, str]]:
        """Codes of a split, each with an alternate, short or reported title: not the main one."""
        for table, columns in (
            ("alternate_titles", ("Alternate Title", "Short Title")),
            ("reported_titles", ("Reported Job Title",)),
        ):
            for row in self.of_split(table, split):
                for title in (row[column].strip() for column in columns):
                    if title and title.casefold() != self.titles[row[CODE]].casefold():
                        yield row[CODE], title


def read_onet(path: str | Path) -> OnetDatabase:
    """Read O*NET, and hold some of its occupations out of training.

    A column `Split` of `occupations.csv.gz` says which ones, or else `held_out` does. `path` is the
    zip as downloaded, a folder with what was in it, or a folder of the tables as `write_onet`
    leaves them.
    """
    path = path_of("path", path)
    rows_of = _reader(path)
    tables: dict[str, list[Row]] = {}
    keys: dict[str, set[str]] = {}
    splits: dict[str, str] = {}
    for table in TABLES:
        rows = tables[table.name] = []
        seen = keys.setdefault(table.name, set())
        for place, line, row in rows_of(table):
            _check(row, table, place, line)
            for column, other in table.refers:
                if row[column] not in keys[other]:
                    raise DataError(
                        f"no row of {other} has the {column} {row[column]!r}: use tables of one "
                        "release",
                        path=place,
                        line=line,
                    )
            if table.key:
                if row[table.key] in seen:
                    raise DataError(
                        f"the {table.key} {row[table.key]!r} occurs twice", path=place, line=line
                    )
                seen.add(row[table.key])
            if table.name == "occupations":
                splits[row[CODE]] = _split(row, place, line)
            rows.append({column: row[column] for column in table.columns})
        if not rows:
            raise DataError(f"expected rows of the table {table.name}, got none", path=path)
    return OnetDatabase(tables, splits)


def write_onet(database: OnetDatabase, folder: str | Path) -> None:
    """Write the tables as `<name>.csv.gz`, whole or not at all; a folder of them is replaced."""
    folder = settled(folder)
    check_nothing_lost(folder, [f"{table.name}.csv.gz" for table in TABLES], "O*NET's tables")
    with replaced(folder) as new:
        for table in TABLES:
            rows = database.tables[table.name]
            columns = list(table.columns)
            if table.name == "occupations":
                columns.append("Split")
                rows = [{**row, "Split": database.splits[row[CODE]]} for row in rows]
            text = io.StringIO(newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([row[column] for column in columns] for row in rows)
            lines = text.getvalue().removesuffix("\n").split("\n")
            write_lines(new / f"{table.name}.csv.gz", lines)


def held_out(code: str) -> str:
    """The split of an occupation: about 10 % test, 5 % val, the rest train.

    By hash of the code without what follows the point, so that variants of one occupation, which
    share titles and tasks, go together.
    """
    digest = hashlib.sha1(f"onet|{code[:7]}".encode(), usedforsecurity=False).hexdigest()
    place = int(digest, 16) % 20
    return "test" if place < 2 else "val" if place == 2 else "train"


def _reader(path: Path) -> Callable[[Table], Iterator[tuple[Path, int, Row]]]:
    """What gives file, line, and row of each table, depending on what lies at a path."""
    if path.is_dir() and any(path.glob("*.csv.gz")):
        return partial(_kept_rows, path)
    files: dict[str, TableFile] = {}
    for file in find_files(path, ".txt"):
        if file.name in files:
            raise DataError(
                f"expected one file {file.name}, found {files[file.name].place} and {file.place}: "
                "leave one release there",
                path=path,
            )
        files[file.name] = file
    if not files:
        raise DataError(
            "expected O*NET's text database (*.txt) or its tables (*.csv.gz), found none", path=path
        )
    return partial(_text_rows, path, files)


def _kept_rows(folder: Path, table: Table) -> Iterator[tuple[Path, int, Row]]:
    """Rows as `write_onet` leaves them."""
    path = folder / f"{table.name}.csv.gz"
    if not path.is_file():
        raise DataError(f"expected the table {path.name}, found none", path=folder)
    required = [column for column in table.columns if column not in table.blank]
    for line, row in TableFile(path).rows("commas", required):
        yield path, line, row


def _text_rows(
    source: Path, files: Mapping[str, TableFile], table: Table
) -> Iterator[tuple[Path, int, Row]]:
    """Rows as the text database has them."""

    def rows(name: str, required: list[str]) -> Iterator[tuple[int, Row]]:
        if name not in files:
            raise DataError(
                f"expected the table {name!r}, found none: pass the text database as downloaded",
                path=source,
            )
        return files[name].rows("tabs", required)

    only, wanted = table.only
    elsewhere = {"", *table.blank, *table.joins}
    needed = (*table.columns, only, *(shared for _, shared in table.joins.values()))
    required = [column for column in needed if column not in elsewhere]
    joined: dict[str, dict[str, str]] = {}
    for name in table.files:
        for line, row in rows(name, required):
            if only and row[only] != wanted:
                continue
            place = files[name].place
            for column, (other, shared) in table.joins.items():
                if column in row:
                    continue
                if column not in joined:
                    found = rows(other, [shared, column])
                    joined[column] = {each[shared]: each[column] for _, each in found}
                if row[shared] not in joined[column]:
                    raise DataError(
                        f"no row of {other} has the {shared} {row[shared]!r}: use tables of one "
                        "release",
                        path=place,
                        line=line,
                    )
                row[column] = joined[column][row[shared]]
            yield place, line, row


def _check(row: Row, table: Table, place: Path, line: int) -> None:
    """Fill in what may be blank, write numbers alike, and refuse what must not be blank."""
    for column in table.columns:
        if column in table.blank:
            # Where O*NET has nothing to say, its text files say n/a.
            row[column] = "" if row.get(column, "n/a") == "n/a" else row[column]
        elif not row[column].strip():
            raise DataError(f"expected {column!r}, got a blank text", path=place, line=line)
    if table.number:
        try:
            number = float(row[table.number])
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise DataError(
                f"expected {table.number!r} to be a number, got {row[table.number]!r}",
                path=place,
                line=line,
            )
        row[table.number] = str(number)  # `4.00` as `4.0`


def _split(row: Row, place: Path, line: int) -> str:
    split = row.get("Split")
    if split is None:
        return held_out(row[CODE])
    if split not in SPLITS:
        raise DataError(
            f"expected 'Split' to be one of {', '.join(SPLITS)}, got {split!r}",
            path=place,
            line=line,
        )
    return split
