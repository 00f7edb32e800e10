"""What is made of a release of ESCO: tasks by WorkRB's rules, target spaces, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_shell import Shell
from tiny_esco import NAME, Table, job, skill, tables, write_zip
from uwe.cache.target_cache import TargetCache
from uwe.corpus import RankingTask, read_targets
from uwe.data.esco import EscoRelease, read_esco
from uwe.data.esco_spaces import write_spaces
from uwe.data.esco_tasks import EscoTask, esco_tasks, write_tasks
from uwe.data.layout import read_split, write_task
from uwe.errors import InputError


def read(tmp_path: Path, content: dict[str, Table] | None = None) -> EscoRelease:
    return read_esco(write_zip(tmp_path / NAME, content or tables()))


def made(release: EscoRelease) -> dict[str, EscoTask]:
    return {task.name: task for task in esco_tasks(release)[0]}


def judged(task: RankingTask) -> dict[str, set[str]]:
    """Texts of the relevant targets, by that of the query."""
    return {
        query: {task.targets[i] for i in relevant}
        for query, relevant in zip(task.queries, task.relevant, strict=True)
    }


def test_jobs_and_their_skills(tmp_path: Path) -> None:
    tasks = made(read(tmp_path))
    task = tasks["job2skill"].splits["test"]
    # A label with a blank before it goes first; queries stand as in the relations.
    assert task.targets == ["knead dough", "SQL", "bake bread", "flour"]
    assert task.target_ids == ["skill/dough", "skill/sql", "skill/bake", "skill/flour"]
    assert task.queries == ["head baker", "baker"]
    assert judged(task) == {"head baker": {"flour"}, "baker": {"knead dough", "bake bread"}}
    assert tasks["job2skill"].aliases == [
        ["work dough"], ["make bread", "S-Q-L"], ["bake loaves", "make bread", "R"], [],
    ]  # fmt: skip
    assert tasks["job2skill"].left_out == {
        "relations of a pair that has one, essential or optional": 1,
        "occupations without a skill": 1,
    }
    assert tasks["job2skill"].folder == "workbench/job2skill"


def test_skills_and_their_jobs(tmp_path: Path) -> None:
    tasks = made(read(tmp_path))
    task = tasks["skill2job"].splits["test"]
    assert task.targets == ["baker", "database administrator", "head baker"]
    assert judged(task) == {"flour": {"head baker"}, "knead dough": {"baker"},
                            "bake bread": {"baker"}}  # fmt: skip
    assert task.query_ids == ["test-0", "test-1", "test-2"]
    assert tasks["skill2job"].left_out["skills without an occupation"] == 1


def test_the_first_alias_of_each_skill_is_for_validation(tmp_path: Path) -> None:
    task = made(read(tmp_path))["skillnorm"]
    # "knead dough" is spelt " knead dough", so that its alias is another text, as in WorkRB.
    # "make bread" is the second alias of one skill, and the first of another.
    assert judged(task.splits["val"]) == {
        "bake loaves": {"bake bread"},
        "make bread": {"bake bread", "SQL"},
        "knead dough": {"knead dough"},
    }
    assert judged(task.splits["test"]) == {"work dough": {"knead dough"}, "S-Q-L": {"SQL"}}
    assert task.left_out == {
        "aliases of one character": 1,
        "aliases equal to the label": 1,
        "skills without an alias, which are targets alone": 1,
    }
    assert task.folder == "esco-1.2.0-en/skillnorm"


def test_labels_of_two_skills(tmp_path: Path) -> None:
    content = tables()
    content["skills"][4][4] = "bake bread"  # SQL's, spelt like another
    content["skills"][3][4] = "knead dough"  # flour's, equal to another but for a blank
    tasks = made(read(tmp_path, content))
    test = tasks["job2skill"].splits["test"]
    assert test.targets == ["knead dough", "bake bread"]
    assert test.target_ids == ["skill/dough", "skill/bake"]
    assert judged(test) == {"head baker": {"knead dough"}, "baker": {"knead dough", "bake bread"}}
    assert tasks["job2skill"].left_out["targets folded into one of equal text"] == 2
    # The later one's aliases count.
    assert judged(tasks["skillnorm"].splits["val"]) == {
        "make bread": {"bake bread"}, "knead dough": {"knead dough"},
    }  # fmt: skip
    assert tasks["skillnorm"].left_out["aliases of a skill spelt as a later one"] == 2


def test_related_skills(tmp_path: Path) -> None:
    task = made(read(tmp_path))["skillsim_esco"]
    assert task.splits.keys() == {"test"}  # two queries are too few for validation
    assert judged(task.splits["test"]) == {"bake bread": {"flour"}, "knead dough": {"flour"}}
    assert task.splits["test"].targets == ["knead dough", "bake bread", "flour"]
    assert task.left_out == {"relations of a skill to itself": 1, "skills without a relation": 1}


def test_a_tenth_of_the_related_skills_is_for_validation(tmp_path: Path) -> None:
    content = tables()
    names = [f"s{i:04}" for i in range(1200)]
    content["skills"] += [["", skill(n), "", "", f"skill {n}", "", "", "", ""] for n in names]
    content["skillSkillRelations"] += [["" if i not in (0, 4) else skill(n if i == 0 else "sql")
                                        for i in range(5)] for n in names]  # fmt: skip
    task = made(read(tmp_path, content))["skillsim_esco"]
    assert {split: len(each.queries) for split, each in task.splits.items()} == {
        "val": 100, "test": 900,
    }  # fmt: skip
    assert not set(task.splits["val"].queries) & set(task.splits["test"].queries)
    assert task.left_out["skills beyond the 1,000 queries"] == 202


def test_other_releases_have_folders_of_their_own(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "v1.1.1.zip", tables(), suffix="_en")
    folders = {task.name: task.folder for task in esco_tasks(read_esco(path))[0]}
    assert folders == {
        "job2skill": "esco-1.1.1-en/job2skill",
        "skill2job": "esco-1.1.1-en/skill2job",
        "skillnorm": "workbench/skillnorm",
        "skillsim_esco": "workbench/skillsim_esco",
    }
    path = write_zip(tmp_path / "v1.2.0.zip", tables(), suffix="_de")
    assert all(task.folder.startswith("esco-1.2.0-de/") for task in esco_tasks(read_esco(path))[0])


def test_tasks_without_their_files_are_named(tmp_path: Path) -> None:
    tasks, missing = esco_tasks(read(tmp_path, {"skills": tables()["skills"][:1]
                                                + tables()["skills"][3:4]}))  # fmt: skip
    assert tasks == []
    assert missing.keys() == {"job2skill", "skill2job", "skillnorm", "skillsim_esco"}
    assert missing["skillnorm"] == "no skill has an alternative label"


def test_tasks_are_written_with_aliases(tmp_path: Path) -> None:
    tasks = made(read(tmp_path))
    write_tasks(list(tasks.values()), tmp_path / "data")
    found = read_split(tmp_path / "data" / "esco-1.2.0-en" / "skillnorm", "val")
    assert found.task == tasks["skillnorm"].splits["val"]
    assert found.aliases == tasks["skillnorm"].aliases


def test_a_split_of_another_source_is_not_lost(tmp_path: Path) -> None:
    tasks = made(read(tmp_path))
    folder = tmp_path / "data" / "workbench" / "skill2job"
    write_task(folder, {"val": tasks["skill2job"].splits["test"]})
    with pytest.raises(InputError, match=r"skill2job: .*found val"):
        write_tasks(list(tasks.values()), tmp_path / "data")
    assert sorted(path.name for path in (tmp_path / "data" / "workbench").iterdir()) == [
        "skill2job"
    ]


def test_spaces_have_aliases_and_metadata(tmp_path: Path) -> None:
    paths = write_spaces(read(tmp_path), tmp_path / "data")
    assert {path.name: count for path, count in paths.items()} == {
        "esco-1.2.0-en-skills.jsonl.gz": 4,
        "esco-1.2.0-en-occupations.jsonl.gz": 3,
    }
    skills, jobs = (read_targets(path) for path in paths)
    assert skills.labels == ["knead dough", "SQL", "bake bread", "flour"]
    assert skills.ids == ["skill/dough", "skill/sql", "skill/bake", "skill/flour"]
    assert skills.aliases[0] == ["work dough"]
    assert skills.aliases[2] == ["bake loaves", "make bread", "R"]
    assert skills.metadata == {
        "uri": [skill(name) for name in ("dough", "sql", "bake", "flour")],
        "skill_type": ["skill/competence", "knowledge", "skill/competence", "knowledge"],
        "reuse_level": ["cross-sector", "cross-sector", "sector-specific", None],
        "group": ["preparing food", None, "preparing food", None],
        "broader": ["bake bread", None, None, None],
        "hierarchy": ["skills > preparing food", None, "skills > preparing food", None],
    }
    assert jobs.metadata == {
        "uri": [job(name) for name in ("baker", "dba", "head")],
        "code": ["7512.1", "2521.1", "7512.1.1"],
        "isco_group": ["7512", "2521", "7512"],
        "isco_label": ["Bakers", "Database designers", "Bakers"],
        "broader": [None, None, "baker"],
        "hierarchy": ["Craft workers > Bakers", None, "Craft workers > Bakers"],
    }


def test_of_several_broader_concepts_a_group_goes_first(tmp_path: Path) -> None:
    content = tables()
    # Already below another skill, which has a deeper group.
    content["broaderRelationsSkillPillar"].append(["", skill("dough"), "", skill("S1")])
    skills = read_targets(next(iter(write_spaces(read(tmp_path, content), tmp_path / "data"))))
    assert (skills.metadata["group"][0], skills.metadata["broader"][0]) == ("skills", "bake bread")


def test_a_circle_of_broader_concepts_ends(tmp_path: Path) -> None:
    content = tables()
    content["broaderRelationsSkillPillar"].append(["", skill("S1"), "", skill("S1.1")])
    content["broaderRelationsSkillPillar"].append(["", skill("sql"), "", skill("sql")])
    skills = read_targets(next(iter(write_spaces(read(tmp_path, content), tmp_path / "data"))))
    assert skills.metadata["hierarchy"][:2] == ["skills > preparing food", None]


def test_the_command_makes_what_the_next_commands_take(shell: Shell) -> None:
    write_zip(shell.folder / NAME, tables())
    lines = shell("data", "import", "esco", NAME, "--out", "data").stdout.splitlines()
    assert lines[0] == ("ESCO 1.2.0 en: 4 skills, 3 occupations, 4 relations between them")
    assert "  left out: 1 skills with the status obsolete" in lines
    assert "data/spaces/esco-1.2.0-en-skills.jsonl.gz: 4 targets" in lines
    assert "data/workbench/job2skill test: 2 queries x 4 targets, 3 judgements" in lines
    assert lines[-1].startswith("This service uses the ESCO classification")
    shell("cache", "build", "jobs.uwe", "--model", "tiny",
          "--input", "data/spaces/esco-1.2.0-en-occupations.jsonl.gz")  # fmt: skip
    cache = TargetCache.open(shell.folder / "jobs.uwe")
    assert cache.ids == ["occupation/baker", "occupation/dba", "occupation/head"]
    assert np.flatnonzero(cache.mask({"isco_group": "7512"})).tolist() == [0, 2]
    assert read_split(shell.folder / "data/workbench/job2skill", "test").aliases[0]


def test_the_command_again_changes_no_byte(shell: Shell) -> None:
    write_zip(shell.folder / NAME, tables())
    seen = []
    for _ in range(2):
        shell("data", "import", "esco", NAME, "--out", "data")
        files = [path for path in (shell.folder / "data").rglob("*") if path.is_file()]
        seen.append({path: path.read_bytes() for path in files})
    assert seen[0] == seen[1]
    assert len(seen[0]) == 2 + 3 + 3 + 5 + 3


def test_the_command_tells_in_json_and_takes_the_folder_of_the_environment(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_zip(shell.folder / "a.zip", {"skills": tables()["skills"]}, suffix="")
    monkeypatch.setenv("UWE_DATA", "given")
    told = shell.json("data", "import", "esco", "a.zip", "--release", "2.0", "--language", "fr")
    assert (told["version"], told["language"], told["skills"]) == ("2.0", "fr", 4)
    assert told["spaces"] == [{"path": "given/spaces/esco-2.0-fr-skills.jsonl.gz", "targets": 4}]
    assert [task["path"] for task in told["tasks"]] == ["given/esco-2.0-fr/skillnorm"]
    assert told["not_made"].keys() == {"job2skill", "skill2job", "skillsim_esco"}
    monkeypatch.delenv("UWE_DATA")
    shell("data", "import", "esco", "a.zip", "--release", "2.0", "--language", "fr")
    assert (shell.folder / "uwe-data" / "spaces").is_dir()


def test_the_command_tells_errors_in_one_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shell.folder / "a.zip").write_text("no")
    import_ = ("data", "import", "esco", "a.zip", "--release", "1.2.0")
    assert "a.zip: expected a zip" in shell.error(*import_)
    write_zip(shell.folder / "a.zip", tables())
    (shell.folder / "file").touch()
    assert "file" in shell.error(*import_, "--out", "file")
    assert not (shell.folder / "uwe-data").exists()

    mkdir = Path.mkdir

    def refuse(self: Path, *arguments: Any, **options: Any) -> None:
        if self.parent.name == "workbench":
            raise PermissionError(13, "Permission denied", str(self.parent))
        mkdir(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert "no/workbench: Permission denied: name another" in shell.error(*import_, "--out", "no")


def test_ctrl_c_leaves_whole_files_alone(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zip(shell.folder / NAME, tables())
    dumps, calls = json.dumps, 0

    def stop(*arguments: object, **options: object) -> str:
        nonlocal calls
        calls += 1
        if calls == 9:
            raise KeyboardInterrupt
        return dumps(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(json, "dumps", stop)
    shell("data", "import", "esco", NAME, "--out", "data", code=130)
    monkeypatch.undo()
    left = sorted(path.name for path in (shell.folder / "data").rglob("*") if path.is_file())
    assert left == ["targets.jsonl.gz", "test.qrels.tsv.gz", "test.queries.jsonl.gz"]
    assert read_split(shell.folder / "data/workbench/job2skill", "test").task.queries
