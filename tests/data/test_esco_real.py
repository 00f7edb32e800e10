"""ESCO's own releases: tasks equal to those WorkBench ships with, and to what WorkRB makes."""

from __future__ import annotations

import logging
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tiny_esco import NAME, tables, write_zip
from uwe.corpus import RankingTask, read_targets, read_task
from uwe.data.esco import EscoRelease, read_esco
from uwe.data.esco_files import find_tables
from uwe.data.esco_spaces import write_spaces
from uwe.data.esco_tasks import EscoTask, esco_tasks
from uwe.spaces import target_space


@cache
def release_of(folder: Path) -> tuple[EscoRelease, dict[str, EscoTask]]:
    release = read_esco(folder)
    return release, {task.name: task for task in esco_tasks(release)[0]}


@pytest.mark.slow  # it reads two whole releases
@pytest.mark.parametrize(
    ("version", "name", "splits"),
    [
        ("1.2.0", "job2skill", {"test"}),
        ("1.2.0", "skill2job", {"test"}),
        ("1.1.1", "skillnorm", {"val", "test"}),
        ("1.1.1", "skillsim_esco", {"val", "test"}),
    ],
)
def test_tasks_are_those_of_workbench(
    data_folder: Path, version: str, name: str, splits: set[str]
) -> None:
    task = release_of(data_folder / "esco" / version)[1][name]
    assert task.folder == f"workbench/{name}"
    assert task.splits.keys() == splits
    for split, found in task.splits.items():
        # Ids, texts, their order, and judgements.
        assert found == read_task(data_folder / "workbench" / name, split)


@pytest.mark.slow
def test_what_the_releases_lack_is_counted(data_folder: Path) -> None:
    release, _ = release_of(data_folder / "esco" / "1.1.1")
    assert (len(release.skills), len(release.occupations)) == (13896, 3007)
    assert release.left_out == {
        "rows of occupationSkillRelations that name a concept which is not there": 67,
        "rows of broaderRelationsSkillPillar that name a concept which is not there": 7,
        "rows of broaderRelationsOccPillar that name a concept which is not there": 1,
    }
    assert release.absent == ()
    assert len(release.relations) == 123855 - 67
    two, tasks = release_of(data_folder / "esco" / "1.2.0")
    assert len(two.relations) == 129004
    assert tasks["job2skill"].left_out == {
        "relations of a pair that has one, essential or optional": 17
    }


@pytest.mark.slow
def test_spaces_are_the_built_in_ones_and_more(data_folder: Path, tmp_path: Path) -> None:
    release, _ = release_of(data_folder / "esco" / "1.1.1")
    skills, jobs = (read_targets(path) for path in write_spaces(release, tmp_path))
    built_in = target_space("esco-skills@1.1.1").table()
    assert (skills.labels, skills.ids, skills.aliases) == (
        built_in.labels, built_in.ids, built_in.aliases,
    )  # fmt: skip
    for column in ("skill_type", "reuse_level", "uri"):
        assert [value or "" for value in skills.metadata[column]] == built_in.metadata[column]
    assert sum(group is None for group in skills.metadata["group"]) == 0
    teacher = jobs.labels.index("early years teacher")
    assert {name: column[teacher] for name, column in jobs.metadata.items() if name != "uri"} == {
        "code": "2342.1",
        "isco_group": "2342",
        "isco_label": "Early childhood educators",
        "broader": None,
        "hierarchy": "Professionals > Teaching professionals > Primary school and early childhood "
        "teachers > Early childhood educators",
    }


def workrb_datasets(
    cache_folder: Path, sources: list[Path], version: str, monkeypatch: pytest.MonkeyPatch
) -> dict[tuple[str, str], Any]:
    """What WorkRB's own classes make of the files of a release."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = cache_folder / "wteb" / "esco" / version / "en"
    folder.mkdir(parents=True)
    for kind, file in find_tables(sources, version=version).files.items():
        with file._lines() as lines:
            (folder / f"{kind}_en.csv").write_bytes(b"".join(lines))
    if sys.version_info < (3, 12):
        # There WorkRB's path has the name of the constant in place of the language.
        folder.with_name("Language.EN").symlink_to("en")
    from workrb.tasks.abstract.base import DatasetSplit
    from workrb.tasks.ranking.job2skill import ESCOJob2SkillRanking
    from workrb.tasks.ranking.skill2job import ESCOSkill2JobRanking
    from workrb.tasks.ranking.skillnorm import ESCOSkillNormRanking, SplitMode

    made = {}
    for name, kind in (
        ("job2skill", ESCOJob2SkillRanking),
        ("skill2job", ESCOSkill2JobRanking),
        ("skillnorm", ESCOSkillNormRanking),
    ):
        task = object.__new__(kind)  # making one loads its data from where it wants
        task.esco_version = version
        task.split_mode = SplitMode.CLASS_UNIFORM_SPLIT
        for split in ("val", "test") if name == "skillnorm" else ("test",):
            made[name, split] = task.load_dataset("en", DatasetSplit(split))
    return made


def check_equal(found: dict[tuple[str, str], Any], tasks: dict[str, EscoTask]) -> None:
    for (name, split), dataset in found.items():
        task: RankingTask = tasks[name].splits[split]
        assert dataset.query_texts == task.queries
        assert dataset.target_space == task.targets
        assert dataset.target_indices == task.relevant


@pytest.mark.slow
def test_workrb_makes_the_same_of_a_small_release_with_labels_of_two_skills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("workrb")
    logging.getLogger("workrb").setLevel(logging.ERROR)
    content = tables()
    content["skills"].pop()  # the withdrawn one, which WorkRB keeps
    content["skills"][4][4] = "bake bread"
    content["skills"][4][5] = "S-Q-L\nmake bread\n\n  \nloaves"
    content["skills"][3][4] = "knead dough"
    content["skills"][3][5] = "powder\nmake bread"
    content["occupations"][2][3] = "baker"
    path = write_zip(tmp_path / NAME, content)
    tasks = {task.name: task for task in esco_tasks(read_esco(path))[0]}
    check_equal(workrb_datasets(tmp_path / "cache", [path], "1.2.0", monkeypatch), tasks)


@pytest.mark.release
@pytest.mark.parametrize("version", ["1.1.0", "1.1.1", "1.2.0"])
def test_workrb_makes_the_same_of_the_real_files(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    pytest.importorskip("workrb")
    logging.getLogger("workrb").setLevel(logging.ERROR)
    folder = data_folder / "esco" / version
    check_equal(workrb_datasets(tmp_path, [folder], version, monkeypatch), release_of(folder)[1])
