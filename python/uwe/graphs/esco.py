"""The edges that ESCO gives to the training graphs: without WorkBench's answers, or held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from uwe.corpus import RankingTask
from uwe.data.esco import Concept, EscoRelease, Older, Skill
from uwe.data.esco_tasks import concept_targets
from uwe.data.rules import ranking_task
from uwe.graphs.builder import GraphBuilder
from uwe.graphs.graph import folded


def held_out(uri: str) -> str:
    """The split of a concept by hash of its URI: 5 % test, 5 % val, the rest train."""
    digest = hashlib.sha1(f"full|{uri}".encode(), usedforsecurity=False).hexdigest()
    place = int(digest, 16) % 100
    return "test" if place < 5 else "val" if place < 10 else "train"


def add_esco(
    graphs: GraphBuilder, release: EscoRelease, older: Sequence[Older], *, full: bool
) -> None:
    """Add what ESCO says of jobs and skills to J, V, A, N and D.

    Earlier releases, the newest of them first, give skills that are no more, and labels that
    changed. With `full`, relations and altLabels of skills, which are WorkBench's answers, are
    added; what `held_out` names is left out instead, and every alias that equals a text of it.
    """
    _add_occupations(graphs, release, full=full)
    skills = {uri: skill for uri, skill in release.skills.items() if _kept(uri, full=full)}
    gone = _gone(release, older)
    for skill in skills.values():
        graphs.node("skill", skill.id, skill.label, "esco-skill")
    for version, skill in gone.values():
        graphs.node("skill", skill.id, skill.label, f"esco-skill-{version}-only")
    everything = [*skills.values(), *(skill for _, skill in gone.values())]
    for skill in everything:
        _describe(graphs, "V", "sentence", skill, "esco-skill-description")
    secret = secret_texts(release.skills) if full else set()
    aliases = _Aliases(graphs, "A", "skill_alias", "alias", secret)
    for skill in skills.values():
        taken = () if full else skill.aliases
        aliases.add(skill, skill.hidden, "esco-hidden-label", but=taken)
        aliases.add(skill, _former(skill, older), "esco-label-revision", but=taken)
    if full:
        for skill in everything:
            aliases.add(skill, skill.aliases, "esco-altlabel")
        _add_relations(graphs, release)


def _add_occupations(graphs: GraphBuilder, release: EscoRelease, *, full: bool) -> None:
    secret = secret_texts(release.occupations) if full else set()
    aliases = _Aliases(graphs, "N", "job_alias", "title", secret)
    for uri, occupation in release.occupations.items():
        if _kept(uri, full=full):
            graphs.node("job", occupation.id, occupation.label, "esco-occupation")
            aliases.add(occupation, occupation.aliases, "esco-occupation-altlabel")
            _describe(graphs, "D", "job_text", occupation, "esco-occupation-description")


def _add_relations(graphs: GraphBuilder, release: EscoRelease) -> None:
    """What is both essential and optional is essential."""
    for kind in ("essential", "optional"):
        for relation in release.relations:
            if relation.kind == kind and all(
                _kept(uri, full=True) for uri in (relation.occupation, relation.skill)
            ):
                job, skill = (
                    release.occupations[relation.occupation],
                    release.skills[relation.skill],
                )
                graphs.edge("J", job.id, skill.id, f"esco-{kind}")


class _Aliases:
    """Adds aliases to one graph, none of them a text of what is held out."""

    def __init__(
        self, graphs: GraphBuilder, graph: str, kind: str, prefix: str, secret: set[str]
    ) -> None:
        self.graphs, self.graph, self.kind, self.prefix = graphs, graph, kind, prefix
        self.secret = secret

    def add(
        self, concept: Concept, texts: Sequence[str], relation: str, but: Sequence[str] = ()
    ) -> None:
        """Join a concept to its other texts, without its label and the texts in `but`."""
        left_out = {folded(concept.label), *map(folded, but)}
        for text in texts:
            if folded(text) not in left_out and folded(text) not in self.secret:
                alias = self.graphs.text_node(self.kind, self.prefix, text, relation)
                self.graphs.edge(self.graph, concept.id, alias, relation)


def _describe(graphs: GraphBuilder, graph: str, kind: str, concept: Concept, relation: str) -> None:
    """Join a concept to its description, if that is more than its label."""
    if concept.description.strip() and folded(concept.description) != folded(concept.label):
        text = graphs.node(kind, f"text/{concept.id}", concept.description, relation)
        graphs.edge(graph, concept.id, text, relation)


def _kept(uri: str, *, full: bool) -> bool:
    return not full or held_out(uri) == "train"


def secret_texts(concepts: Mapping[str, Concept]) -> set[str]:
    """All texts of the concepts that are held out, case-folded."""
    return {
        folded(text)
        for uri, concept in concepts.items()
        if held_out(uri) != "train"
        for text in (concept.label, *concept.aliases, *concept.hidden)
    }


def _gone(release: EscoRelease, older: Sequence[Older]) -> dict[str, tuple[str, Skill]]:
    """Skills that only earlier releases have, as the newest of those has them, with its version.

    One whose label the newest release gives to another URI has merely moved.
    """
    labels = {folded(skill.label) for skill in release.skills.values()}
    gone: dict[str, tuple[str, Skill]] = {}
    for version, skills in older:
        for uri, skill in skills.items():
            if uri not in release.skills and folded(skill.label) not in labels:
                gone.setdefault(uri, (version, skill))
    return gone


def _former(skill: Skill, older: Sequence[Older]) -> list[str]:
    """Its labels in earlier releases; none for a skill without a description.

    What is described no more may have been given another meaning together with the label.
    """
    if not skill.description.strip():
        return []
    return [skills[skill.uri].label for _, skills in older if skill.uri in skills]


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
    skills = concept_targets(release.skills.values())
    occupations = concept_targets(release.occupations.values())
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
