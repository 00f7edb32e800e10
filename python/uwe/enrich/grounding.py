"""Which skills are rare, and the grounding of each: what is known of it, real sentences near it."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from uwe.enrich.background import RELATION, Background, Fact
from uwe.errors import InputError

MOST = {"aliases": 10, "jobs": 8, "broader": 4, "examples": 3}
"""How much of each is taken: a grounding has to fit a prompt many times over."""

_WORD = re.compile(r"\w+")
_NEAR = 0.5
"""Cosine of labels, as bags of words weighted by idf, from which a skill is a neighbour."""


@dataclass(frozen=True)
class Example:
    """A real sentence of a neighbouring skill."""

    skill: Fact
    sentence: Fact


@dataclass(frozen=True)
class Grounding:
    """What is known of one skill."""

    skill: Fact  # its id and label
    kind: str  # ESCO's type, `skill/competence` or `knowledge`, or an empty text
    description: Fact | None  # what it means, if that is known
    aliases: tuple[Fact, ...]
    broader: tuple[Fact, ...]  # what is directly broader
    jobs: tuple[Fact, ...]  # jobs that need it
    examples: tuple[Example, ...]  # real sentences of its neighbours, one each

    def ids(self) -> tuple[str, ...]:
        """Ids of all that it holds, in order, each once."""
        described = [] if self.description is None else [self.description]
        sentences = (example.sentence for example in self.examples)
        facts = chain([self.skill], described, self.aliases, self.broader, self.jobs, sentences)
        return tuple(dict.fromkeys(fact.id for fact in facts))


def rare_skills(
    background: Background, *, most: int, max_degree: int, prefix: str = "", seed: int = 0
) -> list[str]:
    """Ids of the skills that have a description and few sentences, the rarest first.

    They have at most `max_degree` sentences, their description not counted, and ids that begin with
    `prefix`: `skill/` takes ESCO's alone. Those with the fewest sentences come first, then with the
    fewest aliases; equals in the order of a hash of seed and id, so that a part of them is a sample
    of all kinds. The first `most` are taken.
    """

    def rarity(skill: str) -> tuple[int, int, str]:
        sentences, aliases = background.sentences.get(skill, ()), background.aliases.get(skill, ())
        return len(sentences), len(aliases), _shuffle(seed, skill)

    found = [
        skill
        for skill in background.skills
        if skill in background.descriptions
        and skill.startswith(prefix)
        and len(background.sentences.get(skill, ())) <= max_degree
    ]
    if not found:
        raise InputError(
            f"expected skills with a description, at most {max_degree} sentences and an id that "
            f"begins with {prefix!r}, found none of {len(background.skills)}: raise max_degree "
            "(--max-degree), correct the prefix (--only), or give ESCO's files for descriptions"
        )
    return sorted(found, key=rarity)[:most]


class Grounder:
    """Makes groundings out of what is known."""

    def __init__(self, background: Background) -> None:
        self._known = background
        self._labels = _Labels(
            {
                skill: background.skills[skill]
                for skill, sentences in background.sentences.items()
                if any(_real(sentence) for sentence in sentences)
            }
        )

    def ground(self, skill: str) -> Grounding:
        """The grounding of a skill that is in the graphs."""
        known = self._known
        return Grounding(
            skill=self._fact(skill),
            kind=known.kinds.get(skill, ""),
            description=known.descriptions.get(skill),
            aliases=tuple(known.aliases.get(skill, ())[: MOST["aliases"]]),
            broader=tuple(known.broader.get(skill, ())[: MOST["broader"]]),
            jobs=tuple(_sample(skill, known.jobs.get(skill, ()), MOST["jobs"])),
            examples=tuple(self._examples(skill)),
        )

    def _fact(self, skill: str) -> Fact:
        return Fact(skill, self._known.skills[skill])

    def _examples(self, skill: str) -> Iterator[Example]:
        """Of the neighbours with a like label first, then of siblings."""
        near = self._labels.near(self._known.skills[skill])
        neighbours = dict.fromkeys(chain(near, self._siblings(skill)))
        neighbours.pop(skill, None)
        real = (
            (neighbour, [s for s in self._known.sentences.get(neighbour, ()) if _real(s)])
            for neighbour in neighbours
        )
        for neighbour, sentences in islice((pair for pair in real if pair[1]), MOST["examples"]):
            yield Example(self._fact(neighbour), next(iter(_sample(skill, sentences, 1))))

    def _siblings(self, skill: str) -> Iterator[str]:
        """Skills with a common broader concept, those first that share the narrowest."""
        groups = [
            [other for other in self._known.narrower[concept.id] if other != skill]
            for concept in self._known.broader.get(skill, ())
        ]
        for group in sorted(groups, key=len):
            yield from sorted(group, key=lambda other: _shuffle(skill, other))


class _Labels:
    """Labels of some skills, to be found by what words they share."""

    def __init__(self, labels: dict[str, str]) -> None:
        words = {skill: _stems(label) for skill, label in labels.items()}
        counts = Counter(chain.from_iterable(words.values()))
        self._idf = {word: math.log(len(words) / n) + 0.1 for word, n in counts.items()}
        self._unseen = math.log(len(words) + 1) + 0.1
        self._norms = {skill: self._norm(of) for skill, of in words.items()}
        self._skills: dict[str, list[str]] = {}
        for skill, of in words.items():
            for word in of:
                self._skills.setdefault(word, []).append(skill)

    def near(self, label: str) -> list[str]:
        """Skills whose labels are like this one, the nearest first."""
        words = _stems(label)
        scores: dict[str, float] = {}
        for word in sorted(words):
            for skill in self._skills.get(word, ()):
                scores[skill] = scores.get(skill, 0.0) + self._idf[word] ** 2
        norm = self._norm(words)
        cosines = {skill: score / (norm * self._norms[skill]) for skill, score in scores.items()}
        near = [skill for skill, cosine in cosines.items() if cosine >= _NEAR]
        return sorted(near, key=lambda skill: (-cosines[skill], skill))

    def _norm(self, words: Iterable[str]) -> float:
        return math.sqrt(sum(self._idf.get(word, self._unseen) ** 2 for word in sorted(words)))


def _stems(label: str) -> set[str]:
    """Words of three letters and more, without a plural's s."""
    words = _WORD.findall(label.lower())
    return {word.removesuffix("s") for word in words if len(word) > 2} or set(words)


def _real(sentence: Fact) -> bool:
    return not sentence.id.startswith(RELATION)


def _sample(skill: str, facts: Iterable[Fact], most: int) -> list[Fact]:
    """At most so many, the same each time, and others for another skill."""
    return sorted(dict.fromkeys(facts), key=lambda fact: _shuffle(skill, fact.id))[:most]


def _shuffle(salt: object, text: str) -> str:
    return hashlib.sha1(f"{salt}|{text}".encode(), usedforsecurity=False).hexdigest()
