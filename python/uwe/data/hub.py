"""WorkRB's data sets on the Hugging Face hub, made into task folders by WorkRB's rules.

Needs the extra `bench`. Repositories, configurations, splits, columns and rules are those of
WorkRB 0.6 (`workrb/tasks/ranking`); where a task's targets are ESCO's, a release of ESCO gives
them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from uwe.corpus import RankingTask
from uwe.data.esco import EscoRelease, read_esco
from uwe.data.esco_tasks import concept_targets
from uwe.data.layout import check_no_split_lost, write_task
from uwe.data.rules import TargetList, fold_targets, ranking_task
from uwe.encoder.loading import quiet_hub
from uwe.errors import DataError, InputError, extra

# What WorkRB calls them in its code, by our name of the split. Never `train`.
_SPLITS = {"val": "validation", "test": "test"}

Queries = list[tuple[str, list[int]]]
"""Each with the indices of its targets."""
Made = tuple[TargetList, dict[str, Queries]]
"""Targets, and the queries of each split."""


@dataclass(frozen=True)
class HubTask:
    """A task that comes from the hub."""

    name: str  # the task's, and its folder's
    repository: str  # on the hub
    make: Callable[[_Repository, EscoRelease | None], Made]
    config: str | None = None  # configuration of the repository; None for its only one
    esco: str = ""  # version of ESCO whose labels are the targets; empty: it brings its own


@dataclass(frozen=True)
class Imported:
    """A task folder that was written."""

    folder: Path
    splits: dict[str, RankingTask]  # by name
    left_out: Counter[str]  # what came and is not in it as it came, counted


def hub_task(name: str) -> HubTask:
    """The task of that name."""
    for task in HUB_TASKS:
        if task.name == name:
            return task
    raise InputError(
        f"expected one of the tasks {', '.join(task.name for task in HUB_TASKS)}, got {name!r}: "
        "correct it"
    )


def esco_of(task: HubTask, data: Path) -> EscoRelease | None:
    """The release of ESCO that the task wants, from `esco/<version>/` in a data folder."""
    if not task.esco:
        return None
    folder = data / "esco" / task.esco
    zips = sorted(folder.glob("*.zip"))
    if not zips and not any(folder.glob("*.csv")):
        raise DataError(
            f"expected ESCO {task.esco}, whose labels are the targets of {task.name}: put the CSV "
            "zip from https://esco.ec.europa.eu/en/use-esco/download there, or name another "
            "release with --esco FILE",
            path=folder,
        )
    return read_esco(zips or folder, version=task.esco)


def import_hub_task(
    task: HubTask, folder: Path, *, esco: EscoRelease | None = None, mirror: Path | None = None
) -> Imported:
    """Fetch a task and write its folder; one that is there is replaced.

    `esco` gives the targets, if the task takes them from ESCO. Another version than the task's will
    do: what is not in it any more is left out and counted. `mirror` is a folder with copies of the
    hub's repositories, such as `mirror/TechWolf/SkillMatch-1K`; None takes the hub, or what
    `datasets` has cached.
    """
    if task.esco and esco is None:
        raise InputError(f"{task.name} needs ESCO {task.esco} for its targets: pass esco=")
    with TemporaryDirectory(prefix="uwe-") as scratch:
        repository = _Repository(task, _loaded(task, mirror, scratch))
        targets, queries = task.make(repository, esco)
    left_out = Counter(repository.left_out)
    left_out.update(targets.left_out)
    splits = {}
    for split, listed in queries.items():
        if not listed:
            raise DataError(
                f"expected at least one query with a target, got none among {split}: has the "
                "repository changed, or is this another ESCO?",
                path=task.repository,
            )
        splits[split], merged = ranking_task(split, listed, targets)
        left_out.update(merged)
    check_no_split_lost(folder, splits)
    write_task(folder, splits)
    return Imported(folder, splits, left_out)


@dataclass
class _Repository:
    """A repository that was read: its splits, and what of them is not used, counted."""

    task: HubTask
    splits: Mapping[str, Any]
    left_out: Counter[str] = field(default_factory=Counter)

    def rows(self, split: str, **columns: type) -> Iterator[tuple[Any, ...]]:
        """The named columns of a split, row by row, each value checked to be of its type."""
        place = f"{self.task.repository}/{split}"
        if split not in self.splits:
            raise DataError(
                f"expected the split {split}, found {', '.join(self.splits) or 'none'}: has the "
                "repository changed?",
                path=self.task.repository,
            )
        data = self.splits[split]
        for name in columns:
            if name not in data.column_names:
                raise DataError(
                    f"expected the column {name!r}, found {', '.join(data.column_names)}: has the "
                    "repository changed?",
                    path=place,
                )
        lists = [list(data[name]) for name in columns]
        for number, row in enumerate(zip(*lists, strict=True), 1):
            for (name, kind), value in zip(columns.items(), row, strict=True):
                if not isinstance(value, kind):
                    raise DataError(
                        f"expected {name!r} to be of type {kind.__name__}, got {value!r}",
                        path=place,
                        line=number,
                    )
            yield row

    def present(self) -> dict[str, str]:
        """Our names and the hub's of the splits that are there; at least one."""
        found = {ours: theirs for ours, theirs in _SPLITS.items() if theirs in self.splits}
        if not found:
            raise DataError(
                f"expected the split validation or test, found {', '.join(self.splits) or 'none'}"
                ": has the repository changed?",
                path=self.task.repository,
            )
        return found


def _loaded(task: HubTask, mirror: Path | None, scratch: str) -> Mapping[str, Any]:
    """All splits of the repository, by the hub's names."""
    with extra("bench", "the Hugging Face hub"):
        from datasets import load_dataset
    if mirror is None:
        source, cache, remedy = task.repository, None, (
            "connect to the network, log in with  hf auth login  if it asks for an account, or "
            "pass --from FOLDER with a copy"
        )  # fmt: skip
    else:
        # A copy is no stranger to be cached for the next time: read it as it is now.
        source, cache, remedy = str(mirror / task.repository), scratch, "copy it again"
        if not Path(source).is_dir():
            raise DataError(
                f"expected a copy of the hub's {task.repository}, found none: make one with  "
                f"hf download {task.repository} --repo-type dataset --local-dir {source}",
                path=source,
            )
    try:
        with quiet_hub():
            splits: Mapping[str, Any] = load_dataset(
                source, task.config, cache_dir=cache, trust_remote_code=False
            )
    except Exception as error:  # datasets lets those of its many readers and clients through
        # A full disk or a missing permission has a number; a connection that broke has another.
        local = isinstance(error, OSError) and error.errno is not None
        if local and not isinstance(error, ConnectionError | TimeoutError):
            raise
        reason = error.__cause__ or error
        raise DataError(f"cannot be read: {reason}: {remedy}", path=source) from error
    return splits


def _titles(repository: _Repository, esco: EscoRelease | None) -> Made:
    """Vacancy titles, each with its ESCO occupation: by URI, or by label where that is unknown."""
    assert esco is not None
    targets, by_uri = concept_targets(esco.occupations.values())
    by_label = {concept.label: by_uri[uri] for uri, concept in esco.occupations.items()}
    queries: dict[str, Queries] = {}
    for split, theirs in repository.present().items():
        queries[split] = []
        for title, uri, label in repository.rows(
            theirs, vacancy_job_title=str, esco_URI=str, esco_job_title=str
        ):
            index = by_uri.get(uri.strip(), by_label.get(label.strip()))
            if index is None:
                repository.left_out[f"titles whose occupation ESCO {esco.version} lacks"] += 1
            else:
                queries[split].append((title, [index]))
    return targets, queries


def _sentences(repository: _Repository, esco: EscoRelease | None) -> Made:
    """Sentences, each with its ESCO skills, in the order of their characters."""
    assert esco is not None
    targets, by_uri = concept_targets(esco.skills.values())
    by_label = {concept.label: by_uri[uri] for uri, concept in esco.skills.items()}
    queries: dict[str, Queries] = {}
    for split, theirs in repository.present().items():
        found: dict[str, list[int]] = {}
        for sentence, label in repository.rows(theirs, sentence=str, label=str):
            skills = found.setdefault(sentence, [])
            if label.strip() in by_label:
                skills.append(by_label[label.strip()])
            else:  # as LABEL NOT PRESENT and UNDERSPECIFIED are
                repository.left_out["labels that are no skill of ESCO"] += 1
        queries[split] = [(text, skills) for text, skills in sorted(found.items()) if skills]
        without = len(found) - len(queries[split])
        if without:
            repository.left_out["sentences without a skill of ESCO"] += without
    return targets, queries


def _pairs(repository: _Repository, _: EscoRelease | None) -> Made:
    """Pairs of related skills; every skill of the set is a target. WorkRB splits them itself."""
    with extra("bench", "WorkRB's split of SkillMatch-1K"):
        from sklearn.model_selection import train_test_split
    rows = list(repository.rows("test", skill_a=str, skill_b=str, related=int))
    skills = sorted({skill for row in rows for skill in row[:2]})
    number = {skill: i for i, skill in enumerate(skills)}
    related = [(first, [number[second]]) for first, second, kind in rows if kind == 1]
    if len(related) != len(rows):
        repository.left_out["pairs that are not related"] += len(rows) - len(related)
    if len(related) < 2:
        raise DataError(
            f"expected related pairs to split, got {len(related)}: has the repository changed?",
            path=repository.task.repository,
        )
    val, test = train_test_split(related, test_size=0.9, random_state=42)
    return _numbered("skillmatch", skills), {"val": val, "test": test}


def _titles_of_nations(repository: _Repository, _: EscoRelease | None) -> Made:
    """National occupations, each with the lines of the corpus that name its ESCO occupations."""
    corpus = [text for (text,) in repository.rows("corpus", text=str)]
    queries: Queries = []
    for line, (text, labels) in enumerate(repository.rows("queries", text=str, labels=list), 1):
        if not all(type(label) is int and 0 <= label < len(corpus) for label in labels):
            raise DataError(
                f"expected labels from 0 to below {len(corpus)}, got {labels!r}",
                path=f"{repository.task.repository}/queries",
                line=line,
            )
        queries.append((text, labels))
    return _numbered("melo", corpus), {"test": queries}


def _numbered(prefix: str, texts: list[str]) -> TargetList:
    """Targets that have no ids of their own."""
    width = len(str(len(texts)))
    return fold_targets([f"{prefix}/{i:0{width}}" for i in range(len(texts))], texts)


HUB_TASKS: tuple[HubTask, ...] = (
    HubTask("jobnorm", "TechWolf/JobBERT-evaluation-dataset", _titles, esco="1.0.5"),
    HubTask("skillextract_house", "TechWolf/skill-extraction-house", _sentences, esco="1.1.0"),
    HubTask("skillextract_tech", "TechWolf/skill-extraction-tech", _sentences, esco="1.1.0"),
    HubTask(
        "skillextract_techwolf", "TechWolf/skill-extraction-techwolf", _sentences, esco="1.1.0"
    ),
    HubTask("skillextract_skillskape", "jjzha/skillskape", _sentences, esco="1.1.0"),
    HubTask("skillsim", "TechWolf/SkillMatch-1K", _pairs),
    HubTask("MELO", "Avature/MELO-Benchmark", _titles_of_nations, config="usa_q_en_c_en"),
)
"""The sets of the hub that WorkBench has a task for; MELO in its English variant alone."""
