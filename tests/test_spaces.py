"""Built-in target spaces: what they hold, and their caches under the user's cache folder."""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator, Sequence
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


def test_what_is_done_to_one_leaves_the_next_alone() -> None:
    space, again = uwe.target_space("esco-skills"), uwe.target_space("esco-skills")
    assert space == again
    assert hash(space) == hash(again)
    assert pickle.loads(pickle.dumps(space)) == space
    space.metadata.clear()  # type: ignore[attr-defined]  # a mapping that never changes, in types
    assert uwe.target_space("esco-skills") == again


def test_110_skills_have_no_official_uri() -> None:
    space = uwe.target_space("esco-skills")
    assert space.version == "1.2.0"
    assert sum(id_.startswith("urn:uwe:esco-1.2.0-skill:") for id_ in space.ids) == 110
    assert sum(uri == "" for uri in space.metadata["uri"]) == 110


@pytest.mark.parametrize(
    ("name", "label", "alias"),
    [
        ("esco-skills", "use spreadsheets software", "Microsoft Excel"),
        ("esco-skills", "JavaScript", "Vanilla JS"),
        ("esco-occupations", "software developer", "Backend Engineer"),
        ("esco-occupations", "cook", "Breakfast Chef"),
    ],
)
def test_aliases_are_names_that_people_use(name: str, label: str, alias: str) -> None:
    space = uwe.target_space(name)
    assert space.aliases is not None
    assert alias in space.aliases[space.labels.index(label)]


@pytest.mark.parametrize(("name", "named"), [("esco-skills", 0.8), ("esco-occupations", 0.95)])
def test_a_name_says_something_new(name: str, named: float) -> None:
    space = uwe.target_space(name)
    assert space.aliases is not None
    labels = {label.casefold() for label in space.labels}
    for others in space.aliases:
        folded = [alias.casefold() for alias in others]
        assert len(folded) == len(set(folded)), "twice on one target"
        assert not labels & set(folded), "a label, of this target or another"
        assert all(alias and alias == " ".join(alias.split()) for alias in others)
    assert sum(map(bool, space.aliases)) > named * len(space)
    assert "CC BY 4.0" in space.attribution
    assert "O*NET" in space.attribution


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
    title = "Film, stage and related directors and producers"
    assert space.metadata["isco_label"][index] == title
    groups = set(zip(space.metadata["isco_group"], space.metadata["isco_label"], strict=True))
    assert len(groups) == 426
    assert all(label for _, label in groups)


@pytest.mark.parametrize("name", ["esco", "", "ESCO-skills"])
def test_another_name_is_an_error_that_lists_them(name: str) -> None:
    for call in (uwe.target_space, uwe.space_cache):
        with pytest.raises(InputError, match="esco-skills, esco-occupations"):
            call(name)


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: gzip.compress(b"{}\n"),
        lambda b: b[:5000] + bytes([b[5000] ^ 0xFF, b[5001] ^ 0xFF]) + b[5002:],
    ],
)
def test_a_damaged_installation_says_so(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in spaces._ASSETS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    file = tmp_path / "esco-occupations.jsonl.gz"
    file.write_bytes(damage(file.read_bytes()))
    monkeypatch.setattr(spaces, "_ASSETS", tmp_path)
    spaces._read_space.cache_clear()
    try:
        with pytest.raises(DataError, match=r"esco-occupations\.jsonl\.gz"):
            uwe.target_space("esco-occupations")
    finally:
        spaces._read_space.cache_clear()


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
        if name == "esco-skills@1.1.1":  # the others have the names that people use
            assert space.aliases is not None
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


def test_isco_labels_are_the_publishers(data_folder: Path) -> None:
    archive = data_folder / "esco" / "1.2.0" / "ESCO_v1.2.0_official_part_en_csv.zip"
    groups = {row["code"]: row["preferredLabel"] for row in read_csv(archive, "ISCOGroups_en.csv")}
    metadata = uwe.target_space("esco-occupations").metadata
    assert list(metadata["isco_label"]) == [groups[code] for code in metadata["isco_group"]]


def make_and_compare(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("make_spaces")
    monkeypatch.setattr(module, "ASSETS", out)
    module.main(data)
    made = sorted(file.name for file in out.iterdir())
    assert made == sorted(file.name for file in spaces._ASSETS.iterdir())
    for name in made:
        new, shipped = (out / name).read_bytes(), (spaces._ASSETS / name).read_bytes()
        if name.endswith(".gz"):  # another zlib may pack otherwise
            new, shipped = gzip.decompress(new), gzip.decompress(shipped)
        assert hashlib.sha256(new).digest() == hashlib.sha256(shipped).digest(), name


def test_the_script_makes_what_is_shipped(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the model's judgement of written names, which is taken from what is shipped."""

    def shipped(
        names: Sequence[tuple[int, str]], labels: Sequence[str], terms: object
    ) -> Iterator[tuple[int, str]]:
        name = "esco-skills" if len(labels) == COUNTS["esco-skills"] else "esco-occupations"
        kept = [set(others) for others in uwe.target_space(name).aliases or ()]
        found = [(target, alias) for target, alias in names if alias in kept[target]]
        assert 0 < len(found) < len(names)
        yield from found

    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setattr(importlib.import_module("space_names"), "_near", shipped)
    make_and_compare(data_folder, tmp_path, monkeypatch)


@pytest.mark.release
def test_the_model_chooses_the_written_names(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    make_and_compare(data_folder, tmp_path, monkeypatch)


def test_a_task_is_read_whole(data_folder: Path) -> None:
    task = read_task(data_folder / "workbench" / "job2skill")
    assert (len(task.queries), len(task.targets)) == (3_039, 13_939)
    assert sum(map(len, task.relevant)) == 128_987
