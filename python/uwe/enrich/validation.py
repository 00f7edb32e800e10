"""Which candidates are accepted: small rules, each with the reason for which it rejects."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from uwe.corpus import read_queries
from uwe.enrich.background import Background
from uwe.enrich.grounding import Grounding
from uwe.enrich.near import NearTexts, runs_of, words_of
from uwe.enrich.prompt import Candidate
from uwe.graphs.graph import folded

LENGTHS = {"sentence": (3, 60), "alias": (1, 10), "title": (1, 8)}
"""Words of each kind of text, at least and at most."""
_CHARACTERS = {"sentence": 500, "alias": 100, "title": 80}

DUPLICATE, BENCHMARK, CONTAINED = 0.7, 0.5, 0.9
"""Shares of common runs of three words from which texts are near: see `NearTexts.has_like`."""
_CUT = 8
"""Words in a row that are a part of a query: more than chance gives two sentences."""
_SENTENCES = 8.0
"""Words that the queries of a task have on average, from which it is one of sentences: a text with
one of them inside repeats it, while any sentence may name a label."""
_QUERIES = ".queries.jsonl.gz"
_RUN, _SHARE = 10, 0.6
"""A copy has more words in a run of the grounding than the first, or this share of its own."""

# What no line of a vacancy has, but hidden instructions and chat answers do.
_UNFIT = re.compile(
    r"https?:|www\.|\w@\w|[<>{}\[\]|`\\\n\r\t]|\*\*|^#|[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\ufeff]"
    r"|\b\w+\.(?:com|org|example)\b"
    r"|\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompts?|rules above)\b"
    r"|\b(?:as an ai|system prompt|i cannot|i can't|here (?:are|is) (?:the|your|a))\b",
    re.IGNORECASE,
)

# Function words tell languages apart in a text of some words, and cost no dependency: in 5,000
# sentences of the graphs none is told off, while a detector tells off short ones of jargon.
_ENGLISH = frozenset(
    words_of(
        "a about all also an and any are as at be by can for from has have if in into is it "
        "its more must not of on or our should such that the their them these this through to "
        "under up use using we well when who will with within you your"
    )
)
_FOREIGN = frozenset(
    words_of(
        "aber als auf auch aus avec bei con dans das de dei del della den der des die du een "
        "ein eine el en es et für het il im ist la las le les los met mit na nach não nicht "
        "nie och oder os para per pour que se sie sind su sur un una und une van von voor "
        "werden wir y zu zum zur är að av och som till för"
    )
)


def is_english(text: str) -> bool:
    """Whether a text may be English: a heuristic, for telling other languages off.

    Nine in ten letters are ASCII. Of six words and more, no more are function words of German,
    French, Spanish, Italian, Dutch and others than of English; of ten and more, one is English.
    """
    letters = [c for c in text if c.isalpha()]
    if not letters or sum(c.isascii() for c in letters) < 0.9 * len(letters):
        return False
    words = words_of(text)
    if len(words) < 6:
        return True
    english, foreign = (sum(word in known for word in words) for known in (_ENGLISH, _FOREIGN))
    return english >= foreign and (english > 0 or len(words) < 10)


def has_length(candidate: Candidate) -> bool:
    """Whether a text is as long as its kind should be."""
    least, most = LENGTHS[candidate.kind]
    fits = len(candidate.text) <= _CHARACTERS[candidate.kind]
    return fits and least <= len(words_of(candidate.text)) <= most


def has_form(text: str) -> bool:
    """Whether a text is plain: no links, markup or control characters, no talk about a prompt."""
    # Controls, halves of characters, and what is not seen but read: soft hyphens, tags, isolates.
    hidden = any(unicodedata.category(character).startswith("C") for character in text)
    return not hidden and _UNFIT.search(text) is None


def is_copy(candidate: Candidate, grounding: Grounding) -> bool:
    """Whether a text is a copy of the grounding.

    A sentence is one if it has a run of more than 10 words in common with the description or an
    example, or one of at least 5 that is 60 % of its own; any text is one if it equals the label,
    an alias, an occupation or something broader.
    """
    names = (grounding.skill, *grounding.aliases, *grounding.jobs, *grounding.broader)
    words = words_of(candidate.text)
    if any(words == words_of(fact.text) for fact in names):
        return True
    if candidate.kind != "sentence":
        return False
    texts = [example.sentence.text for example in grounding.examples]
    if grounding.description is not None:
        texts.append(grounding.description.text)
    matchers = (SequenceMatcher(None, words, words_of(text), autojunk=False) for text in texts)
    longest = max((matcher.find_longest_match().size for matcher in matchers), default=0)
    return longest > _RUN or (longest >= 5 and longest >= _SHARE * len(words))


@dataclass(frozen=True)
class Queries:
    """Texts that nothing may repeat."""

    texts: tuple[str, ...]  # all of them: nothing may equal one
    # Those of tasks of sentences: no sentence may be near one, have one inside, or have a part of
    # one.
    sentences: tuple[str, ...]
    # How many queries each split has that was found, by its folder and name:
    # `workbench/skillnorm/test`.
    splits: dict[str, int]


def benchmark_queries(*folders: Path) -> Queries:
    """Queries of all splits of all tasks in folders of tasks, such as `workbench/`."""
    texts: list[str] = []
    sentences: list[str] = []
    splits: dict[str, int] = {}
    for path in (path for f in folders for path in sorted(f.glob(f"*/*{_QUERIES}"))):
        found = [record.text for record in read_queries(path)]
        splits["/".join((*path.parts[-3:-1], path.name.removesuffix(_QUERIES)))] = len(found)
        texts += found
        if sum(len(words_of(text)) for text in found) >= _SENTENCES * len(found):
            sentences += found
    return Queries(tuple(texts), tuple(sentences), splits)


class Validator:
    """Applies all rules but the round trip, and remembers what it accepted.

    Sentences, aliases and labels of `background` are not to be repeated, nor queries of benchmarks.
    """

    def __init__(self, background: Background, queries: Queries) -> None:
        self._queries = {_bare(text) for text in queries.texts}
        self._near_queries = NearTexts(queries.sentences)
        self._cuts = {run for text in queries.sentences for run in runs_of(text, _CUT)}
        self._sentences = NearTexts(background.texts)
        names = background.skills.values()
        aliases = (fact.text for facts in background.aliases.values() for fact in facts)
        self._taken = {_bare(text) for text in (*names, *aliases)}
        # In a graph of its own a job that is known would lack its known skills, as negatives.
        self._jobs = {_bare(job.text) for jobs in background.jobs.values() for job in jobs}
        self._titles: set[tuple[str, str]] = set()

    def reason_against(self, candidate: Candidate, grounding: Grounding) -> str | None:
        """Why a candidate is rejected, or None: then it counts as accepted from now on.

        The reasons are `length`, `form`, `language`, `copy`, `benchmark` and `duplicate`, the
        first that holds.
        """
        rules: tuple[tuple[str, Callable[[], bool]], ...] = (
            ("length", lambda: not has_length(candidate)),
            ("form", lambda: not has_form(candidate.text)),
            ("language", lambda: not is_english(candidate.text)),
            ("copy", lambda: is_copy(candidate, grounding)),
            ("benchmark", lambda: self._is_benchmark(candidate)),
            ("duplicate", lambda: not self._take(candidate)),
        )
        return next((reason for reason, holds in rules if holds()), None)

    def _is_benchmark(self, candidate: Candidate) -> bool:
        """Whether a text equals a query, or a sentence is near one or has one, or a part, in it."""
        if _bare(candidate.text) in self._queries:
            return True
        return candidate.kind == "sentence" and (
            not self._cuts.isdisjoint(runs_of(candidate.text, _CUT))
            or self._near_queries.has_like(candidate.text, jaccard=BENCHMARK, contained=CONTAINED)
        )

    def _take(self, candidate: Candidate) -> bool:
        """Add a text to what was accepted; False if something near it is there."""
        text = _bare(candidate.text)
        if candidate.kind == "title":
            if text in self._jobs or (text, candidate.skill) in self._titles:
                return False
            self._titles.add((text, candidate.skill))
        elif candidate.kind == "alias":
            if text in self._taken:
                return False
            self._taken.add(text)
        else:
            if self._sentences.has_like(candidate.text, jaccard=DUPLICATE):
                return False
            self._sentences.add(candidate.text)
        return True


def _bare(text: str) -> str:
    """A text without case and punctuation; as it is, case-folded, where nothing else is left."""
    return " ".join(words_of(text)) or folded(text)
