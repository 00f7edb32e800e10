"""The tasks: one table, and which of them, with which splits, an evaluation is asked for.

A new task is one entry of the table and a folder of data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from uwe.bench.probes import case_splits, read_cases
from uwe.checks import listed, path_of, text_of
from uwe.data.layout import TARGETS, TaskSplit, data_folder, read_split, splits_of
from uwe.data.typed import SPLIT, read_typed
from uwe.errors import DataError, InputError

PAPER_TASKS = ("job2skill", "skill2job", "jobnorm", "skillextract", "skillnorm", "skillsim")
"""The six tasks of the paper (arXiv 2511.07969), over which alone a macro mean is one."""

PAIRWISE = "pairwise"
"""Share of queries whose best relevant target scores above every trap, where a task has traps."""

GROUPS = {"all": "workbench/", "typed": "typed/", "probes": ""}
"""Names for several tasks: what is there of a folder of the data folder, and all probes."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a task measures, and what one has to know to read its figures."""

    name: str  # also the name of its folder
    # Where it lies below the data folder; for a user's own task its absolute path. A set of what
    # people type may be a file, and probe cases are one.
    folder: str
    paper: str = ""  # which of `PAPER_TASKS` it belongs to; empty for extras and users' own
    query: str  # what a query is
    target: str  # what a target is
    measures: str  # what a high figure means, in a sentence
    space: str  # the target space and its version
    source: str  # where the data come from
    licence: str  # under which terms
    made_by: str = ""  # the command that makes its folder; empty for a user's own
    # Relations, as the third column of training edges names them, that come from the relation, data
    # set or generator that made this task.
    origins: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()  # each difference from WorkRB's task of that name
    substitute: bool = False  # whether it only stands in for the paper's task
    probes: bool = False  # whether it is a file of probe cases
    typed: str = ""  # which of `uwe.data.typed.TYPED_SETS` it is; empty for a task folder
    names: bool = False  # whether its target space has all its names, in place of labels alone
    # Metrics by which it is read, where these are others than the first two measured.
    shown: tuple[str, ...] = ()

    def splits(self, path: Path) -> list[str]:
        """Names of the splits that lie there; empty if there is none."""
        if self.probes:
            return case_splits(path)
        if self.typed:
            return [SPLIT] if path.exists() else []
        return splits_of(path)

    def read(self, path: Path, split: str) -> TaskSplit:
        """One of these splits."""
        if self.probes:
            return read_cases(path, split)
        return read_typed(path, self.typed) if self.typed else read_split(path, split)


_ASSETS = Path(__file__).parents[1] / "assets"

_ESCO = "ESCO, reusable with attribution (Commission Decision 2011/833/EU); adapted"
_ONET = "O*NET 29.2, CC BY 4.0; modified"
_OCCUPATIONS, _SKILLS = "ESCO 1.2.0 occupations", "ESCO 1.2.0 skills"
_LABELS_120 = "8 of 13,939 skill labels of ESCO 1.2.0 are those of 1.1.1, unconfirmed"
_NO_TEST = "its test split is not distributed here: validation only"
_EXTRA = "not a task of WorkRB"
_ITSELF = "the query is itself a target, so MAP and MRR are about 50 at most"

_BY_ESCO: dict[str, Any] = {"licence": _ESCO, "made_by": "uwe data import esco FILE.zip"}
_RELATIONS: dict[str, Any] = {
    "source": "ESCO 1.2.0 occupation-skill relations",
    "origins": ("esco-essential", "esco-optional"),
    "deviations": (_LABELS_120,),
    **_BY_ESCO,
}


def _workbench(name: str, **given: Any) -> Task:
    made_by = f"uwe data import workrb --task {name}"
    return Task(**{"name": name, "folder": f"workbench/{name}", "made_by": made_by, **given})


def _sentences(name: str, **given: Any) -> Task:
    return _workbench(
        f"skillextract_{name}", paper="skillextract",
        query="vacancy sentence", target="skill", space="ESCO 1.1.0 skills", **given,
    )  # fmt: skip


def _onet(name: str, **given: Any) -> Task:
    return _workbench(
        f"onet_{name}", source="O*NET 29.2, 155 held-out occupations", licence=_ONET,
        made_by="uwe data import onet FILE.zip", deviations=(_EXTRA,), **given,
    )  # fmt: skip


_WORKBENCH = (
    _workbench(
        "job2skill", paper="job2skill", query="job title", target="skill", space=_SKILLS,
        measures="finds all skills that an occupation needs, from its title alone",
        **_RELATIONS,
    ),
    _workbench(
        "skill2job", paper="skill2job", query="skill", target="job title", space=_OCCUPATIONS,
        measures="finds all occupations that need a skill",
        **_RELATIONS,
    ),
    _workbench(
        "jobnorm", paper="jobnorm",
        query="vacancy title", target="job title", space="ESCO 1.0.8 occupations",
        measures="finds the occupation behind a title as a job board has it",
        source="JobBERT evaluation titles (Decorte et al. 2021)",
        licence="no licence stated: for evaluation only",
        origins=("jobbert-title",),
        deviations=(
            "target labels are those of ESCO 1.0.8; WorkRB has 1.0.5 (at most one label differs)",
            "15,463 titles strip and merge to 15,193",
            _NO_TEST,
        ),
    ),
    _sentences(
        "house", measures="finds the skills that a sentence of any vacancy asks for",
        source="HOUSE (Decorte et al. 2022, on SkillSpan)", licence="CC BY 4.0",
        origins=("skillspan-house",), deviations=(_NO_TEST,),
    ),
    _sentences(
        "tech", measures="finds the skills that a sentence of a vacancy in technology asks for",
        source="TECH (Decorte et al. 2022, on SkillSpan)", licence="CC BY 4.0",
        origins=("skillspan-tech",),
        deviations=(_NO_TEST, "8 sentences are in both published splits"),
    ),
    _sentences(
        "techwolf", measures="finds the skills that a sentence of a vacancy asks for",
        source="TECHWOLF (Decorte et al. 2023)", licence="CC BY 4.0",
        origins=("techwolf",), deviations=("has a test split only",),
    ),
    _sentences(
        "skillskape", measures="finds the skills that a synthetic vacancy sentence was written for",
        source="SkillSkape (Magron et al. 2024), sentences generated by its authors",
        licence="MIT", origins=("skillskape-train",), deviations=(_NO_TEST,),
    ),
    _workbench(
        "skillnorm", paper="skillnorm",
        query="skill alias", target="skill", space="ESCO 1.1.1 skills",
        measures="finds the skill that an alternative label belongs to",
        source="ESCO 1.1.1 alternative labels", origins=("esco-altlabel",), **_BY_ESCO,
        deviations=("ESCO 1.1.1; WorkRB has 1.2.0 (72,008 x 13,939)",),
    ),
    _workbench(
        "skillsim", paper="skillsim", query="skill", target="skill", space="SkillMatch-1K skills",
        measures="finds the skill that experts paired with a skill",
        source="SkillMatch-1K (Decorte et al. 2024)", licence="CC BY 4.0",
        origins=("skillmatch",), deviations=(_ITSELF,),
    ),
    _workbench(
        "skillsim_esco", paper="skillsim", substitute=True,
        query="skill", target="skill", space="ESCO 1.1.1 skills with relations",
        measures="finds the skills that ESCO relates to a skill",
        source="ESCO 1.1.1 skill-skill relations", origins=("esco-skill-skill",), **_BY_ESCO,
        deviations=(
            "stands in for SkillMatch-1K, which  uwe data import workrb --task skillsim  fetches",
            _ITSELF,
        ),
    ),
    _onet(
        "alttitle", query="job title alias", target="job title", space="O*NET 29.2 occupations",
        measures="finds the occupation that an alternate or reported title belongs to",
        origins=("onet-alternate-title",),
    ),
    _onet(
        "task2dwa",
        query="task sentence", target="work activity", space="O*NET 29.2 work activities",
        measures="finds the detailed work activities of a task statement",
        origins=("onet-task-dwa", "onet-dwa"),
    ),
    _onet(
        "job2tech",
        query="job title", target="technology", space="O*NET 29.2 technology examples",
        measures="finds the technologies that an occupation works with, from its title alone",
        origins=("onet-technology", "onet-commodity", "onet-tool"),
    ),
    _workbench(
        "MELO",
        query="O*NET job title", target="job title", space="ESCO occupations, with aliases",
        measures="links a national occupation to ESCO's",
        source="MELO (Retyk et al. 2024), US to English ESCO", licence="CC BY 4.0",
        origins=("onet-esco-crosswalk",),
        deviations=("its queries are O*NET titles, which other graphs have as aliases",),
    ),
)  # fmt: skip


def _heldout(name: str, items: str, **changes: Any) -> Task:
    (task,) = (task for task in _WORKBENCH if task.name == name)
    heldout = "its queries are ESCO concepts left out of train_full; not a task of WorkRB"
    return replace(
        task,
        name=f"heldout_{name}",
        folder=f"train_full/heldout/{name}",
        paper="",
        measures=f"{name} on {items} that train_full leaves out",
        made_by="uwe data graphs --heldout --out DATA/train_full",
        deviations=(heldout, _LABELS_120),
        **changes,
    )


_FLATTERS = (
    "queries and answers are by a large language model of the kind that wrote the names of the "
    "space and its lexicon: they flatter what learned from those"
)
_WRITTEN: dict[str, Any] = {
    "source": "queries and answers by a large language model as an expert coder",
    "licence": "CC BY 4.0; labels are ESCO's",
    "deviations": (
        _EXTRA,
        _FLATTERS,
    ),
}
_ONE_ANSWER = (
    "annotators saw the whole advert and gave one answer each: about a third of what counts as "
    "wrong is not"
)
_PEOPLES = "its answers are people's, not a language model's"
_SPANS: dict[str, Any] = {
    "query": "span of a vacancy", "target": "skill", "space": _SKILLS, "licence": "CC BY 4.0",
    "deviations": (
        _EXTRA,
        _PEOPLES,
        "the query is a span without its sentence",
        "its answers are labels of ESCO 1.1.0",
    ),
}  # fmt: skip


def _typed(name: str, suffix: str = ".tsv", **given: Any) -> tuple[Task, Task]:
    """A set of what people type: against labels alone, then against all names."""
    task = Task(
        name=f"typed_{name}", folder=f"typed/{name}{suffix}", typed=name,
        shown=("hit@1", "hit@5", "hit@10"), **given,
    )  # fmt: skip
    how = "every name of a target scores, abbreviations are written out, and the best counts"
    return task, replace(
        task,
        name=f"{task.name}_names",
        space=f"{task.space}, with all their names",
        deviations=(*task.deviations, how),
        names=True,
    )


TYPED_TASKS: tuple[Task, ...] = (
    *_typed(
        "titles", query="typed job title", target="job title", space=_OCCUPATIONS,
        measures="finds an occupation that a coder accepts for a messy job title",
        **_WRITTEN,
    ),
    *_typed(
        "keywords", query="keyword", target="skill", space=_SKILLS,
        measures="finds a skill that a coder accepts for a keyword of a CV or an advert",
        **_WRITTEN,
    ),
    *_typed(
        "adverts", "", query="place in an advert", target="skill", space=_SKILLS,
        measures="finds a skill that a coder accepts for a place in a whole advert or CV",
        **_WRITTEN,
    ),
    *_typed(
        "advert_titles", query="vacancy title", target="job title", space=_OCCUPATIONS,
        measures="finds the occupation that people gave to a real advert, from its title alone",
        source="Tabiya's Hahu set: titles of real adverts from Ethiopia, half of it",
        licence="CC BY 4.0",
        deviations=(
            _EXTRA,
            _PEOPLES,
            _ONE_ANSWER,
        ),
    ),
    *_typed(
        "spans_house", origins=("skillspan-house",), **_SPANS,
        measures="finds the skill of a span that experts marked in a vacancy",
        source="HOUSE, validation split (Decorte et al. 2022, on SkillSpan)",
    ),
    *_typed(
        "spans_tech", origins=("skillspan-tech",), **_SPANS,
        measures="finds the skill of a span that experts marked in a vacancy in technology",
        source="TECH, validation split (Decorte et al. 2022, on SkillSpan)",
    ),
)  # fmt: skip


def _probes(name: str, file: str, **given: Any) -> Task:
    return Task(
        name=name, folder=str(_ASSETS / file), probes=True,
        query="vacancy sentence", target="skill", space=_SKILLS,
        shown=(PAIRWISE, "hit@1", "hit@10"), **given,
    )  # fmt: skip


TASKS: tuple[Task, ...] = (
    *_WORKBENCH,
    _heldout("job2skill", "occupations"),
    _heldout("skill2job", "skills"),
    _heldout(
        "skillnorm", "skills", space=_SKILLS, source="ESCO alternative labels, rebuilt for 1.2.0"
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
    """The task of the table, or a user's own: for a task folder, or a file of probe cases."""
    for task in TASKS:
        if task.name == name:
            return task
    folder = Path(name)
    if (folder / TARGETS).is_file():
        return Task(
            name=folder.absolute().name,
            folder=str(folder.absolute()),
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
        f"expected one of the tasks {', '.join(names)}, or a task folder, got {name!r}{meant}"
    )


def chosen_tasks(
    names: str | Path | Sequence[str | Path], data: str | Path | None
) -> list[tuple[Task, Path]]:
    """Tasks and where they lie: those named, or for a name of `GROUPS` all of it that are there.

    `all` means what lies in `workbench/`, `typed` what lies in `typed/`, `probes` the probes that
    come with the package; held-out parts of training data are named one by one. `names` may also be
    paths of task folders and of files of probe cases; for these alone, `data` is not needed.
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
        file = path if task.typed or task.probes else path / TARGETS
        if not file.exists():
            made = f"make it with  {task.made_by}" if task.made_by else "name another data folder"
            raise DataError(
                f"expected the task {task.name}, found no {file.name}: leave it out, or {made}",
                path=file.parent,
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


def chosen_splits(
    tasks: str | Path | Sequence[str | Path],
    splits: str | Sequence[str],
    data: str | Path | None,
    *,
    named: bool | None = None,
) -> list[tuple[Task, Path, str]]:
    """Tasks with where they lie and names of splits.

    `tasks` and `data` are as in `chosen_tasks`; `splits` are names, or `all`. `named` says whether
    a task without such a split is an error, in place of being passed over; None means that it is,
    unless only groups, such as `all`, are named.
    """
    wanted = [splits] if isinstance(splits, str) else listed("splits", splits)
    for split in wanted:
        text_of("each of splits", split)
    if not wanted:
        raise InputError("expected at least one split, got none: pass splits='all'")
    if named is None:
        several = [tasks] if isinstance(tasks, str | Path) else listed("tasks", tasks)
        named = not all(isinstance(name, str) and name in GROUPS for name in several)
    found: list[tuple[Task, Path, str]] = []
    for task, path in chosen_tasks(tasks, data):
        there = task.splits(path)
        chosen = there if "all" in wanted else [split for split in there if split in wanted]
        if not chosen and named:
            raise DataError(
                f"expected the task {task.name} to have the split {' or '.join(wanted)}, found "
                f"{', '.join(there) or 'none'}: name another split, or leave the task out",
                path=path,
            )
        found += [(task, path, split) for split in chosen]
    if not found:
        raise InputError(
            "expected a split that a task has, val or test with most, got "
            f"{', '.join(wanted)}: name another, or none for all"
        )
    return found
