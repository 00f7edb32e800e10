"""Ranking tasks of an ESCO release: job2skill, skill2job, skillnorm, skillsim_esco.

Queries, targets, judgements and their order are those that WorkRB makes of the same files; of
skillsim_esco, which WorkRB does not have, those of the stand-in that WorkBench ships with.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uwe.corpus import RankingTask
from uwe.data.esco import Concept, EscoRelease
from uwe.data.layout import check_no_split_lost, write_task
from uwe.data.rules import TargetList, fold_targets, ranking_task

Queries = Iterable[tuple[str, Iterable[int]]]
Made = tuple[TargetList, dict[str, Queries]]
"""Targets, and the queries of each split."""

# The release that the table of tasks has under this name; of others tasks lie in a folder of
# their own.
_OFFICIAL = {
    "job2skill": "esco-1.2.0-en",
    "skill2job": "esco-1.2.0-en",
    "skillnorm": "esco-1.1.1-en",
    "skillsim_esco": "esco-1.1.1-en",
}
_SIM_QUERIES, _SIM_TEST, _SIM_SEED = 1000, 0.9, 42


@dataclass(frozen=True)
class EscoTask:
    """A task made of a release."""

    name: str  # as in the table of tasks
    folder: str  # below the data folder
    splits: dict[str, RankingTask]  # by name
    aliases: list[list[str]]  # other texts of each target
    left_out: Counter[str]  # what of the release is not in it, counted


def esco_tasks(release: EscoRelease) -> tuple[list[EscoTask], dict[str, str]]:
    """The tasks that can be made of a release, and for each that cannot the reason, by name."""
    made, missing = [], {}
    for name, make in (
        ("job2skill", _job2skill),
        ("skill2job", _skill2job),
        ("skillnorm", _skillnorm),
        ("skillsim_esco", _skillsim),
    ):
        left_out: Counter[str] = Counter()
        targets, splits = make(release, left_out)
        tasks = {}
        for split, queries in splits.items():
            tasks[split], lost = ranking_task(split, queries, targets)
            left_out += Counter({f"{split}: {what}": count for what, count in lost.items()})
        if not any(task.queries for task in tasks.values()):
            missing[name] = _REASONS[name]
            continue
        official = _OFFICIAL[name] == release.name
        made.append(
            EscoTask(
                name=name,
                folder=f"{'workbench' if official else release.name}/{name}",
                splits={split: task for split, task in tasks.items() if task.queries},
                aliases=targets.aliases,
                left_out=left_out + targets.left_out,
            )
        )
    return made, missing


_REASONS = {
    "job2skill": "no relation between an occupation and a skill",
    "skill2job": "no relation between an occupation and a skill",
    "skillnorm": "no skill has an alternative label",
    "skillsim_esco": "no relation between two skills",
}


def write_tasks(tasks: Sequence[EscoTask], out: Path) -> list[Path]:
    """Write task folders below a data folder, in place of those that are there.

    Nothing is written if a folder that is there has a split which would be lost.
    """
    folders = [out / task.folder for task in tasks]
    for task, folder in zip(tasks, folders, strict=True):
        check_no_split_lost(folder, task.splits)
    for task, folder in zip(tasks, folders, strict=True):
        write_task(folder, task.splits, aliases=task.aliases)
    return folders


def _job2skill(release: EscoRelease, left_out: Counter[str]) -> Made:
    pairs = list(_pairs(release, left_out))
    left_out["occupations without a skill"] += len(release.occupations) - len(dict(pairs))
    return _asked(release.occupations, release.skills, pairs)


def _skill2job(release: EscoRelease, left_out: Counter[str]) -> Made:
    pairs = [(skill, occupation) for occupation, skill in _pairs(release, left_out)]
    left_out["skills without an occupation"] += len(release.skills) - len(dict(pairs))
    return _asked(release.skills, release.occupations, pairs)


def _asked(
    queries: Mapping[str, Concept], answers: Mapping[str, Concept], pairs: Iterable[tuple[str, str]]
) -> Made:
    """Concepts by the URIs of others that they are paired with."""
    targets, index = concept_targets(answers.values())
    found = _grouped((queries[query].spelling, index[answer]) for query, answer in pairs)
    return targets, {"test": found.items()}


def _skillnorm(release: EscoRelease, left_out: Counter[str]) -> Made:
    """The first alias of each skill is for validation, the others for the test.

    An alias of several skills is for validation if it is the first of one of them.
    """
    targets, index = concept_targets(release.skills.values())
    aliases: dict[str, tuple[str, list[str]]] = {}
    for skill in release.skills.values():
        long = [alias for alias in skill.aliases if len(alias) > 1]
        left_out["aliases of one character"] += len(skill.aliases) - len(long)
        # An alias that is the label but for blanks around the latter stays, as in WorkRB.
        others = [alias for alias in long if alias != skill.spelling]
        left_out["aliases equal to the label"] += len(long) - len(others)
        if not others:
            left_out["skills without an alias, which are targets alone"] += 1
            continue
        # Of skills spelt alike the last one's aliases count, as in WorkRB.
        _, replaced = aliases.get(skill.spelling, ("", []))
        left_out["aliases of a skill spelt as a later one"] += len(replaced)
        aliases[skill.spelling] = skill.uri, others
    skills_of = _grouped((alias, index[uri]) for uri, found in aliases.values() for alias in found)
    seen: set[int] = set()
    splits: dict[str, list[tuple[str, Iterable[int]]]] = {"val": [], "test": []}
    for alias, skills in skills_of.items():
        split = "test" if seen.issuperset(skills) else "val"
        splits[split].append((alias, skills))
        seen.update(skills)
    return targets, {**splits}


def _skillsim(release: EscoRelease, left_out: Counter[str]) -> Made:
    """1,000 skills by hash, of those that a relation begins with; a tenth is for validation."""
    related: dict[str, list[str]] = {}
    for relation in release.skill_relations:
        if relation.skill == relation.related:
            left_out["relations of a skill to itself"] += 1
        else:
            related.setdefault(relation.skill, []).append(relation.related)
    ends = dict.fromkeys(uri for uri, others in related.items() for uri in (uri, *others))
    # In the order of the release, by which the first of equal labels is kept.
    targets, index = concept_targets(skill for uri, skill in release.skills.items() if uri in ends)
    left_out["skills without a relation"] += len(release.skills) - len(ends)
    chosen = sorted(related, key=_hash)
    left_out[f"skills beyond the {_SIM_QUERIES:,} queries"] += max(0, len(chosen) - _SIM_QUERIES)
    chosen = chosen[:_SIM_QUERIES]
    # This old generator's numbers are fixed for ever, and what scikit-learn's split draws.
    order = np.random.RandomState(_SIM_SEED).permutation(len(chosen))
    tests = math.ceil(len(chosen) * _SIM_TEST)
    queries = [
        (release.skills[chosen[i]].spelling, [index[uri] for uri in related[chosen[i]]])
        for i in order
    ]
    return targets, {"val": queries[tests:], "test": queries[:tests]}


def _hash(uri: str) -> bytes:
    return hashlib.sha1(f"skillsim|{uri}".encode(), usedforsecurity=False).digest()


def concept_targets(concepts: Iterable[Concept]) -> tuple[TargetList, dict[str, int]]:
    """Targets in WorkRB's order, that of their labels as they are spelt, and the place of each URI.

    The places are those that `ranking_task` takes.
    """
    ordered = sorted(concepts, key=lambda concept: concept.spelling)
    targets = fold_targets(
        [concept.id for concept in ordered],
        [concept.spelling for concept in ordered],
        [concept.aliases for concept in ordered],
    )
    return targets, {concept.uri: i for i, concept in enumerate(ordered)}


def _pairs(release: EscoRelease, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """URIs of an occupation and a skill that it needs, in the order of the relations."""
    seen: set[tuple[str, str]] = set()
    for relation in release.relations:
        pair = relation.occupation, relation.skill
        if pair in seen:
            left_out["relations of a pair that has one, essential or optional"] += 1
            continue
        seen.add(pair)
        yield pair


def _grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for text, index in pairs:
        groups.setdefault(text, []).append(index)
    return groups
