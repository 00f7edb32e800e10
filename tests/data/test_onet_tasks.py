"""Tasks of O*NET's held-out occupations: by hand, and those of the data folder."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tiny_onet import FOLDER, write_zip
from uwe.data.layout import write_task
from uwe.data.onet import TABLES, OnetDatabase, read_onet, write_onet
from uwe.data.onet_tasks import onet_tasks


def pairs(task: Any) -> Any:
    return [
        (query, [task.targets[i] for i in found])
        for query, found in zip(task.queries, task.relevant, strict=True)
    ]


def test_tasks_by_hand(tmp_path: Path) -> None:
    tasks = onet_tasks(read_onet(write_zip(tmp_path / "db.zip")))
    assert {name: list(splits) for name, splits in tasks.items()} == {
        "onet_alttitle": ["val", "test"], "onet_task2dwa": ["val", "test"],
        "onet_job2tech": ["val", "test"],
    }  # fmt: skip
    titles = tasks["onet_alttitle"]
    assert pairs(titles["test"]) == [
        ("Vending Manager", ["Sales Managers"]), ("Manager", ["Sales Managers"]),
    ]  # fmt: skip
    assert titles["val"].queries == ["Office Manager", "Manager"]
    # A statement that a job in training has too is no query.
    assert pairs(tasks["onet_task2dwa"]["test"]) == [("Review sales.", ["Review plans."])]
    assert pairs(tasks["onet_task2dwa"]["val"]) == [
        ("Review offices.", ["Review plans.", "Hire personnel."])
    ]
    assert pairs(tasks["onet_job2tech"]["test"]) == [
        ("Sales Managers", ["Cloud Software", "Salesforce CRM"])
    ]
    assert tasks["onet_job2tech"]["val"].target_ids[2] == "onet-tech/00002"


def test_a_split_without_queries_is_left_out(tmp_path: Path) -> None:
    database = read_onet(write_zip(tmp_path / "db.zip"))
    database.tables["technology_skills"] = database.tables["technology_skills"][:-1]
    assert list(onet_tasks(database)["onet_job2tech"]) == ["test"]


def content(path: Path) -> Any:
    return gzip.decompress(path.read_bytes())


@pytest.fixture(scope="module")
def database(data_folder: Path) -> OnetDatabase:
    return read_onet(data_folder / "onet")


@pytest.mark.slow
def test_tables_and_tasks_of_the_data_folder(
    data_folder: Path, database: OnetDatabase, tmp_path: Path
) -> None:
    write_onet(database, tmp_path / "onet")
    assert read_onet(tmp_path / "onet") == database
    for name, splits in onet_tasks(database).items():
        write_task(tmp_path / name, splits)
        known = sorted((data_folder / "workbench" / name).glob("*.gz"))
        assert len(known) == 5
        for path in known:
            assert content(tmp_path / name / path.name) == content(path), path


@pytest.mark.slow
def test_the_split_and_all_tables_come_out_of_a_text_database(
    database: OnetDatabase, tmp_path: Path
) -> None:
    """The tables as a text database, in which nobody has told the split."""
    with zipfile.ZipFile(tmp_path / "db.zip", "w") as archive:
        for table in TABLES:
            rows = database.tables[table.name]
            for name in table.files:
                header = [*table.columns, "Scale ID", "IWA ID"]
                lines = [
                    "\t".join([*(row[column] or "n/a" for column in table.columns), "IM", "n/a"])
                    for row in rows
                    if len(table.files) == 1
                    or row["Element ID"].startswith("2.C") == (name == "Knowledge.txt")
                ]
                archive.writestr(f"{FOLDER}/{name}", "\n".join(["\t".join(header), *lines]))
    found = read_onet(tmp_path / "db.zip")
    assert found.splits == database.splits
    for table in TABLES:
        assert found.tables[table.name] == database.tables[table.name], table.name
