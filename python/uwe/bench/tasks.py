"""The tasks: one literal table. A new task is one entry here and a folder of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from uwe.data.layout import TARGETS, data_folder, splits_of
from uwe.errors import DataError, InputError

__all__ = ["PAPER_TASKS", "TASKS", "Task", "chosen_tasks", "task_named"]

PAPER_TASKS = ("job2skill", "skill2job", "jobnorm", "skillextract", "skillnorm", "skillsim")
"""The six tasks of the paper (arXiv 2511.07969), over which alone a macro mean is one."""


@dataclass(frozen=True)
class Task:
    """What a task measures, and what one has to know to read its figures.

    Attributes:
        name: Also the name of its folder.
        folder: Where it lies below the data folder; for a user's own task its absolute path.
        paper: Which of `PAPER_TASKS` it belongs to; empty for extras and users' own.
        query: What a query is.
        target: What a target is.
        measures: What a high figure means, in a sentence.
        space: The target space and its version.
        source: Where the data come from.
        licence: Under which terms.
        origins: Relations, as the third column of training edges names them, that come from the
            relation, data set or generator that made this task.
        deviations: Each difference from WorkRB's task of that name.
        made_by: The command that makes its folder; empty for a user's own.
        substitute: Whether it only stands in for the paper's task.
    """

    name: str
    folder: str
    paper: str
    query: str
    target: str
    measures: str
    space: str
    source: str
    licence: str
    made_by: str = ""
    origins: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    substitute: bool = False


_ESCO = "ESCO, reusable with attribution (Commission Decision 2011/833/EU); adapted"
_ONET = "O*NET 29.2, CC BY 4.0; modified"
_RELATIONS = ("esco-essential", "esco-optional")
_LABELS_120 = "8 of 13,939 skill labels of ESCO 1.2.0 are those of 1.1.1, unconfirmed"
_HELDOUT = "its queries are ESCO concepts left out of train_full; not a task of WorkRB"
_BY_ESCO = "uwe data import esco FILE.zip"
_BY_ONET = "uwe data import onet FILE.zip"
_BY_GRAPHS = "uwe data graphs --heldout --out DATA/train_full"
_NO_TEST = "its test split is not distributed here: validation only"

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
)  # fmt: skip


def task_named(name: str) -> Task:
    """The task of the table, or a user's own for the path of a task folder.

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
    """Tasks and their folders: those named, or for `all` every task of WorkBench that is there.

    `all` means what lies in `workbench/`; held-out parts of training data are named one by one.

    Args:
        names: Names of the table, and paths of task folders.
        data: The data folder, as `data_folder` takes it; not needed for folders alone.

    Raises:
        InputError: If a name is unknown, two tasks have one name, or there is no task at all.
        DataError: If a named task has no folder.
    """
    several = [names] if isinstance(names, str | Path) else names
    # A path is a folder, also where a task of the table has its name.
    listed = [str(name.absolute()) if isinstance(name, Path) else name for name in several]
    if listed == ["all"]:
        data = data_folder(data)
        found = [
            (task, data / task.folder)
            for task in TASKS
            if task.folder.startswith("workbench/") and splits_of(data / task.folder)
        ]
        if not found:
            raise DataError(
                "expected tasks of WorkBench in workbench/, found none: make them with  "
                "uwe data import, or name another folder",
                path=data,
            )
        return found
    if not listed:
        raise InputError("expected at least one task, got none: pass tasks='all'")
    tasks = [task_named(name) for name in listed]
    if len({task.name for task in tasks}) != len(tasks):
        raise InputError(
            f"expected different tasks, got {', '.join(listed)}: name each once, and rename a "
            "folder of yours that is called as another"
        )
    if data is not None or not all(Path(task.folder).is_absolute() for task in tasks):
        data = data_folder(data)
    chosen = []
    for task in tasks:
        folder = Path(data or "") / task.folder
        if not (folder / TARGETS).is_file():
            raise DataError(
                f"expected the task {task.name}, found no {TARGETS}: leave it out, or make it with"
                f"  {task.made_by}",
                path=folder,
            )
        chosen.append((task, folder))
    return chosen
