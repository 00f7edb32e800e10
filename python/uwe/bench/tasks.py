"""The tasks: one literal table. A new task is one entry here and a folder of data.

Those of what people type have a table of their own, `typed_tasks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from uwe.bench.results import PAIRWISE
from uwe.bench.task import Task
from uwe.bench.typed_tasks import TYPED_TASKS
from uwe.checks import listed, path_of
from uwe.data.layout import TARGETS, data_folder
from uwe.errors import DataError, InputError

__all__ = ["GROUPS", "PAPER_TASKS", "TASKS", "Task", "chosen_tasks", "task_named"]

PAPER_TASKS = ("job2skill", "skill2job", "jobnorm", "skillextract", "skillnorm", "skillsim")
"""The six tasks of the paper (arXiv 2511.07969), over which alone a macro mean is one."""


GROUPS = {"all": "workbench/", "typed": "typed/", "probes": ""}
"""Names for several tasks: what is there of a folder of the data folder, and all probes."""

_ASSETS = Path(__file__).parents[1] / "assets"

_ESCO = "ESCO, reusable with attribution (Commission Decision 2011/833/EU); adapted"
_ONET = "O*NET 29.2, CC BY 4.0; modified"
_RELATIONS = ("esco-essential", "esco-optional")
_LABELS_120 = "8 of 13,939 skill labels of ESCO 1.2.0 are those of 1.1.1, unconfirmed"
_HELDOUT = "its queries are ESCO concepts left out of train_full; not a task of WorkRB"
_BY_ESCO = "uwe data import esco FILE.zip"
_BY_ONET = "uwe data import onet FILE.zip"
_BY_GRAPHS = "uwe data graphs --heldout --out DATA/train_full"
_NO_TEST = "its test split is not distributed here: validation only"


def _probes(name: str, file: str, **given: Any) -> Task:
    return Task(
        name=name, folder=str(_ASSETS / file), paper="", probes=True,
        query="vacancy sentence", target="skill", space="ESCO 1.2.0 skills",
        shown=(PAIRWISE, "hit@1", "hit@10"), **given,
    )  # fmt: skip


TASKS: tuple[Task, ...] = (
    Task(
        name="job2skill", folder="workbench/job2skill", paper="job2skill",
        query="job title", target="skill", space="ESCO 1.2.0 skills",
        measures="finds all skills that an occupation needs, from its title alone",
        source="ESCO 1.2.0 occupation-skill relations", licence=_ESCO,
        made_by=_BY_ESCO,
        origins=_RELATIONS,
        deviations=(_LABELS_120,),
    ),
    Task(
        name="skill2job", folder="workbench/skill2job", paper="skill2job",
        query="skill", target="job title", space="ESCO 1.2.0 occupations",
        measures="finds all occupations that need a skill",
        source="ESCO 1.2.0 occupation-skill relations", licence=_ESCO,
        made_by=_BY_ESCO,
        origins=_RELATIONS,
        deviations=(_LABELS_120,),
    ),
    Task(
        name="jobnorm", folder="workbench/jobnorm", paper="jobnorm",
        query="vacancy title", target="job title", space="ESCO 1.0.8 occupations",
        measures="finds the occupation behind a title as a job board has it",
        source="JobBERT evaluation titles (Decorte et al. 2021)",
        licence="no licence stated: for evaluation only",
        made_by="uwe data import workrb --task jobnorm",
        origins=("jobbert-title",),
        deviations=(
            "target labels are those of ESCO 1.0.8; WorkRB has 1.0.5 (at most one label differs)",
            "15,463 titles strip and merge to 15,193",
            _NO_TEST,
        ),
    ),
    Task(
        name="skillextract_house", folder="workbench/skillextract_house", paper="skillextract",
        query="vacancy sentence", target="skill", space="ESCO 1.1.0 skills",
        measures="finds the skills that a sentence of any vacancy asks for",
        source="HOUSE (Decorte et al. 2022, on SkillSpan)", licence="CC BY 4.0",
        made_by="uwe data import workrb --task skillextract_house",
        origins=("skillspan-house",), deviations=(_NO_TEST,),
    ),
    Task(
        name="skillextract_tech", folder="workbench/skillextract_tech", paper="skillextract",
        query="vacancy sentence", target="skill", space="ESCO 1.1.0 skills",
        measures="finds the skills that a sentence of a vacancy in technology asks for",
        source="TECH (Decorte et al. 2022, on SkillSpan)", licence="CC BY 4.0",
        made_by="uwe data import workrb --task skillextract_tech",
        origins=("skillspan-tech",),
        deviations=(_NO_TEST, "8 sentences are in both published splits"),
    ),
    Task(
        name="skillextract_techwolf", folder="workbench/skillextract_techwolf",
        paper="skillextract",
        query="vacancy sentence", target="skill", space="ESCO 1.1.0 skills",
        measures="finds the skills that a sentence of a vacancy asks for",
        source="TECHWOLF (Decorte et al. 2023)", licence="CC BY 4.0",
        made_by="uwe data import workrb --task skillextract_techwolf",
        origins=("techwolf",), deviations=("has a test split only",),
    ),
    Task(
        name="skillextract_skillskape", folder="workbench/skillextract_skillskape",
        paper="skillextract",
        query="vacancy sentence", target="skill", space="ESCO 1.1.0 skills",
        measures="finds the skills that a synthetic vacancy sentence was written for",
        source="SkillSkape (Magron et al. 2024), sentences generated by its authors",
        licence="MIT",
        made_by="uwe data import workrb --task skillextract_skillskape",
        origins=("skillskape-train",), deviations=(_NO_TEST,),
    ),
    Task(
        name="skillnorm", folder="workbench/skillnorm", paper="skillnorm",
        query="skill alias", target="skill", space="ESCO 1.1.1 skills",
        measures="finds the skill that an alternative label belongs to",
        source="ESCO 1.1.1 alternative labels", licence=_ESCO,
        made_by=_BY_ESCO,
        origins=("esco-altlabel",),
        deviations=("ESCO 1.1.1; WorkRB has 1.2.0 (72,008 x 13,939)",),
    ),
    Task(
        name="skillsim", folder="workbench/skillsim", paper="skillsim",
        query="skill", target="skill", space="SkillMatch-1K skills",
        measures="finds the skill that experts paired with a skill",
        source="SkillMatch-1K (Decorte et al. 2024)", licence="CC BY 4.0",
        made_by="uwe data import workrb --task skillsim",
        origins=("skillmatch",),
        deviations=("the query is itself a target, so MAP and MRR are about 50 at most",),
    ),
    Task(
        name="skillsim_esco", folder="workbench/skillsim_esco", paper="skillsim",
        query="skill", target="skill", space="ESCO 1.1.1 skills with relations",
        measures="finds the skills that ESCO relates to a skill",
        source="ESCO 1.1.1 skill-skill relations", licence=_ESCO,
        made_by=_BY_ESCO,
        origins=("esco-skill-skill",),
        deviations=(
            "stands in for SkillMatch-1K, which  uwe data import workrb --task skillsim  fetches",
            "the query is itself a target, so MAP and MRR are about 50 at most",
        ),
        substitute=True,
    ),
    Task(
        name="onet_alttitle", folder="workbench/onet_alttitle", paper="",
        query="job title alias", target="job title", space="O*NET 29.2 occupations",
        measures="finds the occupation that an alternate or reported title belongs to",
        source="O*NET 29.2, 155 held-out occupations", licence=_ONET,
        made_by=_BY_ONET,
        origins=("onet-alternate-title",), deviations=("not a task of WorkRB",),
    ),
    Task(
        name="onet_task2dwa", folder="workbench/onet_task2dwa", paper="",
        query="task sentence", target="work activity", space="O*NET 29.2 work activities",
        measures="finds the detailed work activities of a task statement",
        source="O*NET 29.2, 155 held-out occupations", licence=_ONET,
        made_by=_BY_ONET,
        origins=("onet-task-dwa", "onet-dwa"), deviations=("not a task of WorkRB",),
    ),
    Task(
        name="onet_job2tech", folder="workbench/onet_job2tech", paper="",
        query="job title", target="technology", space="O*NET 29.2 technology examples",
        measures="finds the technologies that an occupation works with, from its title alone",
        source="O*NET 29.2, 155 held-out occupations", licence=_ONET,
        made_by=_BY_ONET,
        origins=("onet-technology", "onet-commodity", "onet-tool"),
        deviations=("not a task of WorkRB",),
    ),
    Task(
        name="MELO", folder="workbench/MELO", paper="",
        query="O*NET job title", target="job title", space="ESCO occupations, with aliases",
        measures="links a national occupation to ESCO's",
        source="MELO (Retyk et al. 2024), US to English ESCO", licence="CC BY 4.0",
        made_by="uwe data import workrb --task MELO",
        origins=("onet-esco-crosswalk",),
        deviations=("its queries are O*NET titles, which other graphs have as aliases",),
    ),
    Task(
        name="heldout_job2skill", folder="train_full/heldout/job2skill", paper="",
        query="job title", target="skill", space="ESCO 1.2.0 skills",
        measures="job2skill on occupations that train_full leaves out",
        source="ESCO 1.2.0 occupation-skill relations", licence=_ESCO,
        made_by=_BY_GRAPHS,
        origins=_RELATIONS, deviations=(_HELDOUT, _LABELS_120),
    ),
    Task(
        name="heldout_skill2job", folder="train_full/heldout/skill2job", paper="",
        query="skill", target="job title", space="ESCO 1.2.0 occupations",
        measures="skill2job on skills that train_full leaves out",
        source="ESCO 1.2.0 occupation-skill relations", licence=_ESCO,
        made_by=_BY_GRAPHS,
        origins=_RELATIONS, deviations=(_HELDOUT, _LABELS_120),
    ),
    Task(
        name="heldout_skillnorm", folder="train_full/heldout/skillnorm", paper="",
        query="skill alias", target="skill", space="ESCO 1.2.0 skills",
        measures="skillnorm on skills that train_full leaves out",
        source="ESCO alternative labels, rebuilt for 1.2.0", licence=_ESCO,
        made_by=_BY_GRAPHS,
        origins=("esco-altlabel",), deviations=(_HELDOUT, _LABELS_120),
    ),
    *TYPED_TASKS,
    _probes(
        "probes_hand", "probes.jsonl",
        measures="gets single cases right that were written and read one by one",
        source="written for this package", licence="Apache-2.0",
    ),
    _probes(
        "probes_rules", "probes-rules.jsonl.gz",
        measures="gets single cases right that a rule made; nobody read all of them",
        source="ESCO 1.1.1 and O*NET 29.2, by scripts/make_probes.py",
        licence=f"{_ESCO}; {_ONET}", origins=("esco-altlabel",),
    ),
)  # fmt: skip


def task_named(name: str) -> Task:
    """The task of the table, or a user's own: for a task folder, or a file of probe cases.

    Raises:
        InputError: If it is neither.
    """
    for task in TASKS:
        if task.name == name:
            return task
    folder = Path(name)
    if (folder / TARGETS).is_file():
        return Task(
            name=folder.absolute().name,
            folder=str(folder.absolute()),
            paper="",
            query="query",
            target="target",
            measures="finds the targets that its judgements name",
            space="its own",
            source="a folder of yours",
            licence="",
        )
    if folder.is_file():
        return _probes(
            folder.name.partition(".")[0], str(folder.absolute()),
            measures="gets single cases of yours right", source="a file of yours", licence="",
        )  # fmt: skip
    if folder.is_dir():
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise InputError(
            f"{name}: expected a task folder with {TARGETS}, found {found}: docs/data.md has the "
            "form of one"
        )
    if folder.name != name:
        raise InputError(f"{name}: expected a task folder, found none: correct the path")
    names = [task.name for task in TASKS]
    near = get_close_matches(name, names, n=1)
    meant = f": did you mean {near[0]}?" if near else ": uwe bench tasks  lists them"
    raise InputError(
        f"expected a task out of {', '.join(names)}, or a task folder, got {name!r}{meant}"
    )


def chosen_tasks(
    names: str | Path | Sequence[str | Path], data: str | Path | None
) -> list[tuple[Task, Path]]:
    """Tasks and where they lie: those named, or for a name of `GROUPS` all of it that are there.

    `all` means what lies in `workbench/`, `typed` what lies in `typed/`, `probes` the probes that
    come with the package; held-out parts of training data are named one by one.

    Args:
        names: Names of the table or of `GROUPS`, and paths of task folders.
        data: The data folder, as `data_folder` takes it; not needed for folders alone.

    Raises:
        InputError: If a name is unknown, two tasks have one name, or there is no task at all.
        DataError: If a named task is not there, or none of a group is.
    """
    several = [names] if isinstance(names, str | Path) else listed("tasks", names)
    for name in several:
        path_of("each of tasks", name)
    # A path is a folder, also where a task of the table has its name.
    named = [str(name.absolute()) if isinstance(name, Path) else name for name in several]
    if not named:
        raise InputError("expected at least one task, got none: pass tasks='all'")
    groups = [_group(name, data) if name in GROUPS else [task_named(name)] for name in named]
    tasks = [task for group in groups for task in group]
    if len({task.name for task in tasks}) != len(tasks):
        raise InputError(
            f"expected different tasks, got {', '.join(named)}: name each once, and rename a "
            "folder of yours that is called as another"
        )
    if data is not None or not all(Path(task.folder).is_absolute() for task in tasks):
        data = data_folder(data)
    chosen = []
    for task in tasks:
        path = Path(data or "") / task.folder
        if not task.is_in(path):
            what = path.name if task.typed or task.probes else TARGETS
            made = f"make it with  {task.made_by}" if task.made_by else "name another data folder"
            raise DataError(
                f"expected the task {task.name}, found no {what}: leave it out, or {made}",
                path=path.parent if task.typed or task.probes else path,
            )
        chosen.append((task, path))
    return chosen


def _group(name: str, data: str | Path | None) -> list[Task]:
    """The tasks of a group that are there."""
    if name == "probes":
        return [task for task in TASKS if task.probes]
    folder, start = data_folder(data), GROUPS[name]
    found = [
        task
        for task in TASKS
        if task.folder.startswith(start) and task.splits(folder / task.folder)
    ]
    if not found:
        made = "make them with  uwe data import, or " if name == "all" else ""
        what = "tasks of WorkBench" if name == "all" else "tasks of what people type"
        raise DataError(
            f"expected {what} in {start}, found none: {made}name another folder", path=folder
        )
    return found
