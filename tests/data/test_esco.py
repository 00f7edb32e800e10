"""ESCO's downloads are read whatever their version, language and packing; damage is named."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tiny_esco import NAME, job, skill, tables, text_of, write_zip
from uwe.data.esco import EscoRelease, Relation, SkillRelation, read_esco
from uwe.errors import DataError, InputError

SKILL_FILES = ("skills", "skillSkillRelations", "broaderRelationsSkillPillar", "skillGroups")


@pytest.fixture
def release(tmp_path: Path) -> EscoRelease:
    return read_esco(write_zip(tmp_path / NAME, tables()))


def test_a_release_is_what_its_files_say(release: EscoRelease) -> None:
    assert (release.version, release.language, release.name) == ("1.2.0", "en", "esco-1.2.0-en")
    assert list(release.skills) == [skill(name) for name in ("bake", "dough", "flour", "sql")]
    bake, dough, flour, sql = release.skills.values()
    assert (bake.label, bake.id) == ("bake bread", "skill/bake")
    assert bake.aliases == ("bake loaves", "make bread", "bake bread", "R")
    assert bake.hidden == ("bake bred",)
    assert (bake.skill_type, bake.reuse_level) == ("skill/competence", "sector-specific")
    assert bake.description == "Bake, with heat."
    assert (dough.spelling, dough.label) == (" knead dough", "knead dough")
    assert dough.description == 'Says "knead",\nover\n\ntwo lines.'
    assert (flour.aliases, flour.reuse_level) == ((), "")
    assert sql.aliases == ("make bread", "S-Q-L")
    head = release.occupations[job("head")]
    assert (head.label, head.code, head.isco_group) == ("head baker", "7512.1.1", "7512")
    assert [group.label for group in release.skill_groups.values()] == ["skills", "preparing food"]
    assert release.relations[:2] == [
        Relation(job("head"), skill("flour"), "essential"),
        Relation(job("baker"), skill("dough"), "essential"),
    ]
    assert release.skill_relations[0] == SkillRelation(skill("bake"), skill("flour"), "optional")
    assert release.broader[skill("bake")] == [skill("S1.1")]


def test_what_is_left_out_is_counted(release: EscoRelease) -> None:
    assert release.left_out == {
        "skills with the status obsolete": 1,
        "rows of occupationSkillRelations that name a concept which is not there": 2,
        "rows of broaderRelationsSkillPillar that name a concept which is not there": 1,
    }
    assert release.absent == ("occupations: hiddenLabels",)


def test_nested_unpacked_and_divided_downloads_are_the_same(
    release: EscoRelease, tmp_path: Path
) -> None:
    content = tables()
    nested = tmp_path / "nested v1.2.0.zip"
    write_zip(nested, content, folder="ESCO dataset - v1.2.0/csv/")
    with zipfile.ZipFile(nested, "a") as archive:
        archive.writestr("__MACOSX/._skills_en.csv", "junk")
        archive.writestr("readme.txt", "hello")
        archive.writestr("conceptSchemes_en.csv", "not read")
    assert read_esco(nested) == release

    folder = tmp_path / "v1.2.0"
    (folder / "csv").mkdir(parents=True)
    for name, table in content.items():
        # As a spreadsheet program saves it: a mark at the start, and other line ends.
        text = "\ufeff" + text_of(table).replace("\n", "\r\n")
        (folder / "csv" / f"{name}_en.csv").write_bytes(text.encode())
    found = read_esco(str(folder))
    assert found.skills[skill("bake")] == release.skills[skill("bake")]
    assert (found.relations, found.left_out) == (release.relations, release.left_out)

    first = {name: content.pop(name) for name in SKILL_FILES}
    one = write_zip(tmp_path / "ESCO_v1.2.0_skills_en_csv.zip", first)
    # Older releases ship relations in a zip of their own, the same for all languages.
    two = write_zip(
        tmp_path / "ESCO_v1.2.0_rest.zip",
        {"occupationSkillRelations": content.pop("occupationSkillRelations")}, suffix="",
    )  # fmt: skip
    three = write_zip(tmp_path / "ESCO_v1.2.0_occupations_en_csv.zip", content)
    assert read_esco([two, one, three]) == release
    assert read_esco([three, two, one, one]) == release


def test_single_files_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "skills_en.csv").write_text(text_of(tables()["skills"]))
    found = read_esco(tmp_path / "skills_en.csv", version="9.9.9")
    assert (found.name, len(found.skills), found.relations) == ("esco-9.9.9-en", 4, [])
    assert "occupations" in found.absent


@pytest.mark.parametrize(
    ("name", "suffix", "expected"),
    [
        ("ESCO dataset - v1.2.0 - classification - de - csv.zip", "_de", "esco-1.2.0-de"),
        ("ESCO dataset - v1.2.0 - classification - de - csv (1).zip", "", "esco-1.2.0-de"),
        ("ESCO_dataset_v1.0.8_classification_en-us_csv.zip", "", "esco-1.0.8-en-us"),
        ("v1.0/data.zip", "_PT", "esco-1.0-pt"),
        ("1.1.2/data.zip", "_fr", "esco-1.1.2-fr"),
    ],
)
def test_version_and_language_are_told_by_names(
    tmp_path: Path, name: str, suffix: str, expected: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    assert read_esco(write_zip(tmp_path / name, tables(), suffix=suffix)).name == expected


def test_columns_that_older_releases_lack_are_named(tmp_path: Path) -> None:
    bare = {
        "skills": [["conceptUri", "preferredLabel"], [skill("bake"), "bake"]],
        "occupations": [["conceptUri", "preferredLabel"], [job("baker"), "baker"]],
        "occupationSkillRelations": [["occupationUri", "skillUri"], [job("baker"), skill("bake")]],
    }
    found = read_esco(write_zip(tmp_path / NAME, bare))
    assert found.relations == [Relation(job("baker"), skill("bake"), "")]
    assert {"skills: altLabels", "skills: status", "occupations: code", "ISCOGroups"} <= set(
        found.absent
    )
    assert found.left_out == {}


def test_concepts_without_a_label_in_the_language_are_left_out(tmp_path: Path) -> None:
    content = tables()
    content["skills"][3][4] = " "
    found = read_esco(write_zip(tmp_path / NAME, content))
    assert found.left_out["skills without a label in this language"] == 1
    assert skill("flour") not in found.skills
    assert all(relation.skill != skill("flour") for relation in found.relations)


def test_a_language_is_chosen_where_there_are_several(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "v1.2.0.zip", tables())
    german = {"skills": tables()["skills"][:2]}
    german["skills"][1][4] = "Brot backen"
    other = write_zip(tmp_path / "v1.2.0 de.zip", german, suffix="_de")
    with pytest.raises(InputError, match="de, en"):
        read_esco([path, other])
    found = read_esco([path, other], language="DE")
    assert [each.label for each in found.skills.values()] == ["Brot backen"]
    assert found.left_out["files of another language or without one (v1.2.0.zip!skills_en.csv)"]


def test_versions_are_not_mixed(tmp_path: Path) -> None:
    one = write_zip(tmp_path / "v1.2.0.zip", {"skills": tables()["skills"]})
    two = write_zip(tmp_path / "v1.1.1.zip", {"occupations": tables()["occupations"]})
    with pytest.raises(InputError, match=r"1\.2\.0.*1\.1\.1"):
        read_esco([one, two])
    assert read_esco([one, two], version="v1.2.0").version == "1.2.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "data.zip"),
        ({"version": "../1"}, "release"),
        ({"version": ""}, "release"),
        ({"version": "1.2.0", "language": "../en"}, "language"),
    ],
)
def test_what_can_not_be_told_is_asked_for(
    tmp_path: Path, arguments: dict[str, str], message: str
) -> None:
    path = write_zip(tmp_path / "data.zip", tables())
    with pytest.raises(InputError, match=message):
        read_esco(path, **arguments)
    with pytest.raises(InputError):
        read_esco([])


def test_a_folder_of_something_else_is_told_before_its_name_is(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="no file of ESCO"):
        read_esco(tmp_path)


def test_files_that_name_no_language_need_one(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "v1.2.0.zip", tables(), suffix="")
    with pytest.raises(InputError, match="language"):
        read_esco(path)
    assert read_esco(path, language="fi").language == "fi"


def broken(tmp_path: Path, name: str, text: str) -> Path:
    return write_zip(tmp_path / NAME, {**tables(), name: text})


SKILL = f"conceptUri,preferredLabel,altLabels\n{skill('bake')},bake,"


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("skills", SKILL + '"make\nmore"\n' + f"{skill('b')},cut\n", 4, "3 values"),
        ("skills", SKILL + '"made', 2, "unexpected"),
        ("skills", SKILL + f"\n{skill('bake')},bake,\n", 3, "stands twice"),
        ("skills", SKILL + "\n,bake,\n", 3, "URI"),
        ("skills", SKILL + "\na\tb,bake,\n", 3, "URI"),
        ("skills", "uri,preferredLabel\na,b\n", 1, "'conceptUri'"),
        ("skills", "", None, "skill"),
        ("skills", "conceptUri,preferredLabel\n", None, "skill"),
        ("occupationSkillRelations", "occupationUri\na\n", 1, "'skillUri'"),
        ("skillSkillRelations", "originalSkillUri,relatedSkillUri\na\n", 2, "2 values"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, line: int | None, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_esco(broken(tmp_path, name, text))
    assert str(caught.value.path).endswith(f"csv.zip!{name}_en.csv")
    assert caught.value.line == line


def test_text_that_is_no_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / NAME, "w") as archive:
        archive.writestr("skills_en.csv", SKILL.encode() + b"caf\xe9\n")
    with pytest.raises(DataError, match=r"skills_en\.csv:2: expected UTF-8"):
        read_esco(tmp_path / NAME)


def test_what_is_no_download_of_esco_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.zip").write_text("<html>404</html>")
    with pytest.raises(DataError, match=r"page\.zip"):
        read_esco(tmp_path / "page.zip", version="1.2.0")
    other = write_zip(tmp_path / NAME, {"occupations": tables()["occupations"]})
    with pytest.raises(DataError, match=r"skills_en\.csv"):
        read_esco(other)
    with pytest.raises(DataError, match=r"skills_de\.csv"):
        read_esco(other, language="de")
    empty = write_zip(tmp_path / "v1.2.0 empty.zip", {})
    with pytest.raises(DataError, match="no file of ESCO"):
        read_esco(empty, language="en")
    with pytest.raises(FileNotFoundError):
        read_esco(tmp_path / "none v1.2.0.zip")


def test_a_file_that_says_its_language_goes_before_one_that_says_none(tmp_path: Path) -> None:
    one = write_zip(tmp_path / "v1.2.0 en.zip", tables())
    for name in ("v1.2.0 a.zip", "v1.2.0 z.zip"):
        content = {"occupationSkillRelations": tables()["occupationSkillRelations"][:1]}
        two = write_zip(tmp_path / name, content, suffix="")
        for both in ([one, two], [two, one]):
            found = read_esco(both)
            assert len(found.relations) == 4
            assert any(name in what for what in found.left_out)


def test_the_same_file_in_two_places_is_refused(tmp_path: Path) -> None:
    one = write_zip(tmp_path / "v1.2.0 a.zip", tables())
    two = write_zip(tmp_path / "v1.2.0 b.zip", {"skills": tables()["skills"]})
    with pytest.raises(DataError):
        read_esco([one, two])


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_a_damaged_zip_is_refused(tmp_path: Path, at: float) -> None:
    path = tmp_path / NAME
    write_zip(path, {"skills": text_of(tables()["skills"]) + f"{skill('x')},y\n" * 2000})
    whole = path.read_bytes()
    where = int(len(whole) * at)
    path.write_bytes(whole[:where])
    with pytest.raises(DataError):
        read_esco(path)
    path.write_bytes(whole[:where] + bytes(byte ^ 255 for byte in whole[where : where + 9])
                     + whole[where + 9 :])  # fmt: skip
    with pytest.raises(DataError):
        read_esco(path)
