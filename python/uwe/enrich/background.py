"""What the training graphs and ESCO say of skills: the material that groundings are made of.

Aliases, occupations and sentences come from the edges of the graphs alone, so that what was left
out of them, as an answer of a benchmark, is not brought back. ESCO's files add descriptions, types
and what is broader.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from uwe.data.esco import EscoRelease
from uwe.errors import InputError
from uwe.graphs.files import WEAK, graph_paths, read_edges
from uwe.graphs.graph import folded, plain

RELATION = "enriched"
"""How the relations of edges, and the ids of texts, begin that this package made."""

_BROADER_ACTIVITY = "onet-iwa-of-dwa"


@dataclass(frozen=True)
class Fact:
    """A text and the id it is known by: of a node, or of a concept of ESCO."""

    id: str
    text: str


@dataclass
class Background:
    """All that is known, by the id of a skill unless it says otherwise."""

    skills: dict[str, str]  # labels
    # ESCO's type of a skill, `skill/competence` or `knowledge`, where it has one.
    kinds: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, Fact] = field(default_factory=dict)  # what a skill means
    # Sentences that ask for it, without descriptions.
    sentences: dict[str, list[Fact]] = field(default_factory=dict)
    # Its other names, without those that are is-a.
    aliases: dict[str, list[Fact]] = field(default_factory=dict)
    jobs: dict[str, list[Fact]] = field(default_factory=dict)  # jobs that need it
    # What is directly broader, of the skills in the graphs and ESCO's groups of skills.
    broader: dict[str, list[Fact]] = field(default_factory=dict)
    # By the id of a concept: ids of the skills directly below it.
    narrower: dict[str, list[str]] = field(default_factory=dict)
    # Every sentence of the graphs, descriptions included.
    texts: list[str] = field(default_factory=list)


def read_background(graphs: str | Path, release: EscoRelease | None = None) -> Background:
    """Read what the graphs say, and what a release of ESCO adds.

    Each graph counts by the kinds of its ends, whatever its name: skill and sentence, skill and
    skill_alias, job and skill. The release adds descriptions of skills that have none in the
    graphs, types, and what is broader.
    """
    nodes: dict[str, dict[str, str]] = {}
    found = [read_edges(path, nodes=nodes) for path in graph_paths(graphs).values()]
    if "skill" not in nodes:
        raise InputError(
            f"{graphs}: expected graphs with nodes of the kind skill, found "
            f"{', '.join(sorted(nodes))}: name a folder that  uwe data graphs  made"
        )
    background = Background(nodes["skill"], texts=list(nodes.get("sentence", {}).values()))
    for edges in found:
        kinds = (edges.left_kind, edges.right_kind)
        for left, right, relation in zip(edges.left, edges.right, edges.relations, strict=True):
            fact = Fact(right, nodes[edges.right_kind][right])
            if kinds == ("skill", "sentence"):
                if "description" in relation:
                    background.descriptions.setdefault(left, fact)
                else:
                    background.sentences.setdefault(left, []).append(fact)
            elif kinds == ("skill", "skill_alias"):
                if relation.startswith(_BROADER_ACTIVITY):
                    _add_broader(background, left, fact)
                elif not relation.endswith(WEAK):
                    background.aliases.setdefault(left, []).append(fact)
            elif kinds == ("job", "skill"):
                background.jobs.setdefault(right, []).append(Fact(left, nodes["job"][left]))
    if release is not None:
        _add_esco(background, release)
    return background


def _add_esco(background: Background, release: EscoRelease) -> None:
    for skill in release.skills.values():
        if skill.id not in background.skills:
            continue
        if skill.skill_type:
            background.kinds[skill.id] = skill.skill_type
        description = plain(skill.description)
        if description and folded(description) != folded(skill.label):
            background.descriptions.setdefault(skill.id, Fact(skill.id, description))
        for uri in release.broader.get(skill.uri, ()):
            concept = _concept(release, uri, background.skills)
            if concept is not None:
                _add_broader(background, skill.id, concept)


def _concept(release: EscoRelease, uri: str, kept: Collection[str]) -> Fact | None:
    """A group of skills, or a skill unless it is held out of the graphs."""
    if uri in release.skill_groups:
        group = release.skill_groups[uri]
        return Fact(group.id, plain(group.label))
    skill = release.skills.get(uri)
    return Fact(skill.id, plain(skill.label)) if skill and skill.id in kept else None


def _add_broader(background: Background, skill: str, concept: Fact) -> None:
    known = background.broader.setdefault(skill, [])
    if concept not in known:
        known.append(concept)
        background.narrower.setdefault(concept.id, []).append(skill)
