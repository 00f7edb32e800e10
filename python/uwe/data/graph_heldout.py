"""The tasks for models trained on all of ESCO: their queries are the concepts held out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from uwe.corpus import RankingTask
from uwe.data.esco import Concept, EscoRelease
from uwe.data.graph_esco import held_out
from uwe.data.rules import TargetList, fold_targets, ranking_task

__all__ = ["heldout_ids", "heldout_tasks"]


def heldout_ids(release: EscoRelease) -> Iterator[tuple[str, str]]:
    """Id and split of each concept that is held out: occupations first, then skills, by id."""
    for concepts in (release.occupations, release.skills):
        for concept in sorted(concepts.values(), key=lambda concept: concept.id):
            if (split := held_out(concept.uri)) != "train":
                yield concept.id, split


def heldout_tasks(release: EscoRelease) -> dict[str, dict[str, RankingTask]]:
    """job2skill, skill2job and skillnorm by name; a split without a query is left out.

    All skills or occupations are targets. skillnorm's queries are the aliases of skills that are
    held out; where other skills have the alias too, they are relevant as well.
    """
    skills = _targets(release.skills.values())
    occupations = _targets(release.occupations.values())
    needs = [(r.occupation, r.skill) for r in release.relations]
    needed = [(skill, occupation) for occupation, skill in needs]
    tasks: dict[str, dict[str, RankingTask]] = {"job2skill": {}, "skill2job": {}, "skillnorm": {}}
    for split in ("val", "test"):
        for name, queries, (targets, index) in (
            ("job2skill", _linked(needs, release.occupations, split), skills),
            ("skill2job", _linked(needed, release.skills, split), occupations),
            ("skillnorm", _aliases(release, split), skills),
        ):
            found = ((text, [index[uri]]) for text, uri in queries)
            task, _ = ranking_task(split, found, targets)
            if task.queries:
                tasks[name][split] = task
    return tasks


def _linked(
    pairs: Iterable[tuple[str, str]], concepts: Mapping[str, Concept], split: str
) -> Iterator[tuple[str, str]]:
    """Labels of the concepts of a split, each with the URI that it is linked to."""
    for uri, other in pairs:
        if held_out(uri) == split:
            yield concepts[uri].label, other


def _aliases(release: EscoRelease, split: str) -> Iterator[tuple[str, str]]:
    """Aliases of the skills of a split, each with the URI of every skill that has it."""
    skills_of: dict[str, list[str]] = {}
    for uri, skill in release.skills.items():
        for alias in _long_aliases(skill):
            skills_of.setdefault(alias, []).append(uri)
    for uri, skill in release.skills.items():
        if held_out(uri) == split:
            for alias in _long_aliases(skill):
                for other in skills_of[alias]:
                    yield alias, other


def _long_aliases(skill: Concept) -> list[str]:
    """Those that WorkRB asks for: not the label, and no single characters."""
    return [alias for alias in skill.aliases if len(alias) > 1 and alias != skill.spelling]


def _targets(concepts: Iterable[Concept]) -> tuple[TargetList, dict[str, int]]:
    """Targets in the order of their labels, as WorkRB has them, and the place of each URI."""
    ordered = sorted(concepts, key=lambda concept: concept.spelling)
    folded = fold_targets([c.id for c in ordered], [c.spelling for c in ordered])
    return folded, {concept.uri: i for i, concept in enumerate(ordered)}
