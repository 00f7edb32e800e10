"""Built-in target spaces: what they hold, and their caches under the user's cache folder."""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib.util
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import uwe
from uwe import spaces
from uwe.corpus import read_task
from uwe.errors import DataError, InputError

ROOT = Path(__file__).parents[1]
COUNTS = {"esco-skills": 13_939, "esco-occupations": 3_039, "esco-skills@1.1.1": 13_896}
URI = "http://data.europa.eu/esco/"


def test_they_are_listed() -> None:
    assert set(uwe.target_spaces()) == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_each_is_complete(name: str) -> None:
    space = uwe.target_space(name)
    assert (space.name, len(space)) == (name, COUNTS[name])
    assert len(space.ids) == len(set(space.ids)) == len(space)
    assert len(set(space.labels)) == len(space)
    assert all(label == label.strip() and label for label in space.labels)
    assert all(len(column) == len(space) for column in space.metadata.values())
    for id_, uri in zip(space.ids, space.metadata["uri"], strict=True):
        assert uri == ("" if id_.startswith("urn:uwe:") else URI + id_)
    assert space.language == "en"
    assert "2011/833/EU" in space.licence
    assert "ESCO classification of the European Commission" in space.attribution
    table = space.table()
    assert table.labels == list(space.labels)
    assert len(table.aliases) == len(space)


def test_110_skills_have_no_official_uri() -> None:
    space = uwe.target_space("esco-skills")
    assert space.version == "1.2.0"
    assert sum(id_.startswith("urn:uwe:esco-1.2.0-skill:") for id_ in space.ids) == 110
    assert sum(uri == "" for uri in space.metadata["uri"]) == 110
    assert space.aliases is None


def test_the_complete_skills_have_aliases_and_kinds() -> None:
    space = uwe.target_space("esco-skills@1.1.1")
    assert space.aliases is not None
    index = space.labels.index("manage musical staff")
    assert "direct musical staff" in space.aliases[index]
    assert space.metadata["skill_type"][index] == "skill/competence"
    assert space.metadata["reuse_level"][index] == "sector-specific"
    for label, others in zip(space.labels, space.aliases, strict=True):
        assert label not in others
        assert len(others) == len(set(others))


def test_occupations_have_their_codes() -> None:
    space = uwe.target_space("esco-occupations")
    index = space.labels.index("technical director")
    assert space.metadata["code"][index] == "2654.1.7"
    assert space.metadata["isco_group"][index] == "2654"


@pytest.mark.parametrize("name", ["esco", "", "ESCO-skills"])
def test_another_name_is_an_error_that_lists_them(name: str) -> None:
    for call in (uwe.target_space, uwe.space_cache):
        with pytest.raises(InputError, match="esco-skills, esco-occupations"):
            call(name)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: gzip.compress(b"{}\n")])
def test_a_damaged_installation_says_so(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in spaces._ASSETS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    file = tmp_path / "esco-occupations.jsonl.gz"
    file.write_bytes(damage(file.read_bytes()))
    monkeypatch.setattr(spaces, "_ASSETS", tmp_path)
    spaces.target_space.cache_clear()
    try:
        with pytest.raises(DataError, match=r"esco-occupations\.jsonl\.gz: .*install uwe anew"):
            uwe.target_space("esco-occupations")
    finally:
        spaces.target_space.cache_clear()


# The publishers' files.


def read_csv(archive: Path, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(archive) as zipped:
        text = zipped.read(name).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("name", "archive", "file"),
    [
        ("esco-skills", "1.2.0/ESCO_v1.2.0_rebuilt_part_en_csv.zip", "skills_en.csv"),
        ("esco-occupations", "1.2.0/ESCO_v1.2.0_official_part_en_csv.zip", "occupations_en.csv"),
        (
            "esco-skills@1.1.1",
            "1.1.1/ESCO_dataset_v1.1.1_classification_en_csv.zip",
            "skills_en.csv",
        ),
    ],
)
def test_labels_are_the_publishers(name: str, archive: str, file: str, data_folder: Path) -> None:
    rows = {row["conceptUri"]: row for row in read_csv(data_folder / "esco" / archive, file)}
    space = uwe.target_space(name)
    assert len(rows) == len(space)
    for i, (id_, label) in enumerate(zip(space.ids, space.labels, strict=True)):
        row = rows[id_ if id_.startswith("urn:uwe:") else URI + id_]
        assert label == row["preferredLabel"].strip()
        if space.aliases is not None:
            others = {text.strip() for text in row["altLabels"].split("\n")} - {"", label}
            assert set(space.aliases[i]) == others
        for column, key in (("skill_type", "skillType"), ("reuse_level", "reuseLevel"),
                            ("code", "code"), ("isco_group", "iscoGroup")):  # fmt: skip
            if column in space.metadata:
                assert space.metadata[column][i] == row[key]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("esco-skills", "job2skill"),
        ("esco-occupations", "skill2job"),
        ("esco-skills@1.1.1", "skillnorm"),
    ],
)
def test_the_order_is_workbenchs(name: str, task: str, data_folder: Path) -> None:
    with gzip.open(
        data_folder / "workbench" / task / "targets.jsonl.gz", "rt", encoding="utf-8"
    ) as file:
        targets = [json.loads(line) for line in file]
    space = uwe.target_space(name)
    assert list(space.ids) == [target["id"] for target in targets]
    assert list(space.labels) == [target["text"] for target in targets]


def test_the_script_makes_what_is_shipped(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ROOT / "scripts" / "make_spaces.py"
    specification = importlib.util.spec_from_file_location("make_spaces", script)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(module, "ASSETS", tmp_path)
    module.main(data_folder / "esco")
    made = sorted(file.name for file in tmp_path.iterdir())
    assert made == sorted(file.name for file in spaces._ASSETS.iterdir())
    for name in made:
        new, shipped = (tmp_path / name).read_bytes(), (spaces._ASSETS / name).read_bytes()
        if name.endswith(".gz"):  # another zlib may pack otherwise
            new, shipped = gzip.decompress(new), gzip.decompress(shipped)
        assert hashlib.sha256(new).digest() == hashlib.sha256(shipped).digest(), name


def test_a_task_is_read_whole(data_folder: Path) -> None:
    task = read_task(data_folder / "workbench" / "job2skill")
    assert (len(task.queries), len(task.targets)) == (3_039, 13_939)
    assert sum(map(len, task.relevant)) == 128_987
