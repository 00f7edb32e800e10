"""The provider that asks nobody: sentences by rule out of the grounding.

A skill's label, its aliases, clauses of its description, skills that jobs need beside it and tasks
of neighbouring activities are put into templates. The same seed gives the same texts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from uwe.enrich import templates
from uwe.enrich.answer import Candidate
from uwe.enrich.background import Fact
from uwe.enrich.grounding import Grounding
from uwe.enrich.near import words_of
from uwe.enrich.phrases import (
    Detail,
    Phrase,
    capitalised,
    clause_of,
    detail_of,
    joined,
    phrase_of,
    with_article,
)

__all__ = ["RULES_VERSION", "OfflineWriter"]

RULES_VERSION = "2"
"""Counted up with every change of a template or rule: it is part of provenance."""

_ATTEMPTS = 6
"""Sentences tried for each that is wanted: many rules find nothing for a skill."""

_FRAMES, _MOST_QUOTED = 5, 0.6
"""Templates tried for a clause of a description, and its share of a text, which is no copy then."""

_PLURAL = "onet/"
"""How the ids of jobs begin whose names are of many: `Bakers`."""

Named = tuple[Phrase, Fact]


class OfflineWriter:
    """The provider `offline`.

    Args:
        verbs: Words that begin verb phrases, as `Background.verbs` finds them.
        kinds: ESCO's type of each skill by id, for those that are named beside another.
        sentences: How many sentences a skill gets at most.
        seed: Other seeds give other texts.
    """

    name = "offline"
    model = "rules"
    version = RULES_VERSION

    def __init__(
        self, verbs: Collection[str], kinds: dict[str, str], *, sentences: int, seed: int
    ) -> None:
        self._verbs = verbs
        self._kinds = kinds
        self._sentences = sentences
        self.seed = seed

    def candidates(self, grounding: Grounding) -> list[Candidate]:
        """Sentences, as many as there are rules and templates for."""
        chance = random.Random(f"{self.seed}|{grounding.skill.id}")  # noqa: S311 - for variety
        material = _Material.of(grounding, self._verbs, self._kinds, chance)
        found: dict[str, Candidate] = {}
        for rule in islice(cycle(_RULES), _ATTEMPTS * self._sentences):
            if len(found) == self._sentences:
                break
            made = rule(material)
            if made is not None:
                text = material.finished(made.text)
                found.setdefault(
                    text.casefold().rstrip("."),
                    Candidate("sentence", text, made.skills, made.grounding),
                )
        return list(found.values())


@dataclass(frozen=True)
class _Material:
    """What the rules of one skill draw from."""

    grounding: Grounding
    chance: random.Random
    label: Phrase
    clause: Phrase | None
    detail: Detail
    names: tuple[Named, ...]
    companions: tuple[Named, ...]
    tasks: tuple[tuple[Phrase, Fact, Fact], ...]
    used: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        grounding: Grounding,
        verbs: Collection[str],
        kinds: dict[str, str],
        chance: random.Random,
    ) -> _Material:
        def phrase(fact: Fact) -> Phrase:
            return phrase_of(fact.text, kinds.get(fact.id, ""), verbs)

        text = "" if grounding.description is None else grounding.description.text
        label = phrase(grounding.skill)
        clause = clause_of(text, grounding.kind, verbs)
        others = ((phrase_of(fact.text, grounding.kind, verbs), fact) for fact in grounding.aliases)
        tasks = (
            (clause_of(example.sentence.text, "skill", verbs), example)
            for example in grounding.examples
            if example.skill.text.endswith(".")
        )
        return cls(
            grounding=grounding,
            chance=chance,
            label=label,
            # One of the other form is of a description that says something else first.
            clause=clause if clause is not None and clause.verbal == label.verbal else None,
            detail=detail_of(text),
            # An alias of the other form may begin with a verb that is not known.
            names=(
                (label, grounding.skill),
                *(pair for pair in others if pair[0].verbal == label.verbal),
            ),
            companions=tuple((phrase(fact), fact) for fact in grounding.companions),
            tasks=tuple((task, e.skill, e.sentence) for task, e in tasks if task is not None),
        )

    def pick(self, texts: Sequence[str]) -> str:
        """A template, another each time while there are."""
        fresh = [text for text in texts if text not in self.used] or list(texts)
        text = self.chance.choice(fresh)
        self.used.add(text)
        return text

    def context(self, jobs: Sequence[Fact]) -> tuple[str, tuple[str, ...]]:
        """Where or how, with a blank before it, and the ids that it was made from; often empty."""
        draw = self.chance.random()
        named = [job for job in jobs if not job.id.startswith(_PLURAL)]
        if draw < 0.25 and named:
            job = self.chance.choice(named)
            role = self.pick(templates.ROLES).format(job=with_article(job.text))
            return f" {role}", (job.id,)
        if draw < 0.6:
            return f" {self.pick(templates.CONTEXTS)}", ()
        return "", ()

    def sentence(
        self, template: str, *facts: Fact, skills: Sequence[Fact] = (), **parts: str
    ) -> Candidate:
        """A template filled in, for this skill and those that are named beside it."""
        # Of several skills, only the first job is known to need all.
        jobs = self.grounding.jobs[:1] if skills else self.grounding.jobs
        context, ids = self.context(jobs) if "{context}" in template else ("", ())
        years = self.chance.choice(templates.YEARS)
        text = template.format(context=context, years=years, **parts)
        ids = (self.grounding.skill.id, *(fact.id for fact in (*facts, *skills)), *ids)
        named = (self.grounding.skill, *skills)
        return Candidate(
            "sentence",
            text,
            tuple(dict.fromkeys(fact.id for fact in named)),
            tuple(dict.fromkeys(ids)),
        )

    def finished(self, text: str) -> str:
        """A capital at the start; a full stop at the end, or none as in bullet points."""
        return capitalised(text) + self.chance.choice((".", ".", ""))

    def described(self) -> tuple[Fact, ...]:
        """The description, as what a text was made from."""
        described = self.grounding.description
        return () if described is None else (described,)


def _named(material: _Material) -> Candidate:
    """The label, or an alias, in a template of its kind."""
    phrase, fact = material.chance.choice(material.names)
    return _filled(material, phrase, fact)


def _described(material: _Material) -> Candidate | None:
    """The first clause of the description in place of the label, with enough around it."""
    if material.clause is None:
        return None
    quoted = len(words_of(material.clause.text))
    for _ in range(_FRAMES):
        made = _filled(material, material.clause, *material.described())
        if quoted < _MOST_QUOTED * len(words_of(made.text)):
            return made
    return None


def _detailed(material: _Material) -> Candidate | None:
    """The label, and by which means, to which end or in which instances."""
    label, detail = material.label, material.detail
    if not label.verbal and detail.instances:
        template = material.pick(templates.NOUN_INSTANCES)
        return material.sentence(
            template, *material.described(), n=label.text, instances=detail.instances
        )
    if label.verbal and (detail.means or detail.purpose):
        more = f"by {detail.means}" if detail.means else detail.purpose
        ends = [text.removesuffix("{context}") for text in templates.VERB]
        template = material.pick([text for text in ends if text.endswith("{v}")])
        return material.sentence(template, *material.described(), v=f"{label.text} {more}")
    return None


def _with_companions(material: _Material) -> Candidate | None:
    """Two or three skills that a job needs together, or a skill and its sibling; an edge each."""
    label = material.label
    alike = [pair for pair in material.companions if pair[0].verbal == label.verbal]
    if not alike:
        return None
    number = material.chance.choice((1, 1, 2)) if material.grounding.jobs else 1
    others = material.chance.sample(alike, min(number, len(alike)))
    phrases = [label, *(phrase for phrase, _ in others)]
    material.chance.shuffle(phrases)
    facts = [fact for _, fact in others]
    texts = [phrase.text for phrase in phrases]
    chosen: Sequence[str] = templates.VERB_LISTS if label.verbal else templates.NOUN_LISTS
    if all(phrase.ing for phrase in phrases) and material.chance.random() < 0.5:
        chosen, texts = templates.ING_LISTS, [phrase.ing for phrase in phrases]
    return material.sentence(material.pick(chosen), skills=facts, list=joined(texts))


def _mixed(material: _Material) -> Candidate | None:
    """The label and a skill of the other kind: something done, and something known.

    Only where a job is known that needs both: siblings of two kinds have little in common.
    """
    label = material.label
    if not material.grounding.jobs:
        return None
    other = [pair for pair in material.companions if pair[0].verbal != label.verbal]
    if not other:
        return None
    phrase, fact = material.chance.choice(other)
    verb, noun = (label, phrase) if label.verbal else (phrase, label)
    template = material.pick(templates.MIXED)
    return material.sentence(template, skills=[fact], v=verb.text, n=noun.text)


def _with_task(material: _Material) -> Candidate | None:
    """The label and a clause of a task of a neighbouring activity, with an edge to both."""
    if not material.tasks or not material.label.verbal:
        return None
    task, skill, sentence = material.chance.choice(material.tasks)
    template = material.pick(templates.TASKS)
    return material.sentence(
        template, sentence, skills=[skill], v=material.label.text, task=task.text
    )


def _filled(material: _Material, phrase: Phrase, *facts: Fact) -> Candidate:
    """One phrase in a template of its kind."""
    if not phrase.verbal:
        return material.sentence(material.pick(templates.NOUN), *facts, n=phrase.text)
    if phrase.ing and material.chance.random() < 0.5:
        return material.sentence(material.pick(templates.ING), *facts, ing=phrase.ing)
    return material.sentence(material.pick(templates.VERB), *facts, v=phrase.text)


_RULES: tuple[Callable[[_Material], Candidate | None], ...] = (
    _named, _described, _with_companions, _detailed, _described, _mixed, _named, _with_task,
)  # fmt: skip
"""In turn, until there are enough sentences."""
