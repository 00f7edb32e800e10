"""What a provider answers for one skill: a JSON object of three lists, and the candidates in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from uwe.enrich.grounding import Grounding
from uwe.graphs.graph import plain

__all__ = ["LISTS", "Candidate", "Kind", "Provider", "Unusable", "candidates_of", "parse_answer"]

Kind = Literal["sentence", "alias", "title"]
LISTS: dict[str, Kind] = {"sentences": "sentence", "aliases": "alias", "titles": "title"}
"""The lists of an answer, and what each of their texts is: all are required, and no other."""

Unusable = Literal["schema", "refused"]
"""Why an answer has no candidates: it does not keep to the schema, or there is none."""

_FENCE = "```"


@dataclass(frozen=True)
class Candidate:
    """A text that may become edges.

    Attributes:
        kind: What it is.
        text: With single blanks.
        skills: Ids of the skills that it stands for, the one it was made for first: an edge each.
        grounding: Ids of what it was made from.
        request: Key of the journal's entry that it came from, or an empty text.
    """

    kind: Kind
    text: str
    skills: tuple[str, ...]
    grounding: tuple[str, ...]
    request: str = ""


class Provider(Protocol):
    """Makes candidates for one skill at a time."""

    @property
    def name(self) -> str:
        """Of what relations say: `enriched-<name>`."""

    @property
    def model(self) -> str:
        """What wrote the texts, for provenance."""

    @property
    def version(self) -> str:
        """Version of the prompt, or of the rules."""

    @property
    def seed(self) -> int:
        """What the texts were drawn with, for provenance."""

    def candidates(self, grounding: Grounding) -> list[Candidate] | Unusable:
        """Candidates for a skill, or why there are none."""


def parse_answer(text: str) -> dict[str, list[str]] | None:
    """The lists of an answer; None if it is not exactly what was asked for.

    A fence of Markdown around it, which many models add, is passed over.
    """
    text = text.strip()
    if len(text) >= 2 * len(_FENCE) and text.startswith(_FENCE) and text.endswith(_FENCE):
        text = text[len(_FENCE) : -len(_FENCE)].removeprefix("json")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return answer if _is_answer(answer) else None


def candidates_of(
    answer: Mapping[str, list[str]], grounding: Grounding, request: str, *, most: Mapping[str, int]
) -> list[Candidate]:
    """The candidates of a parsed answer, in its order, blank texts left out.

    Args:
        answer: Its lists.
        grounding: Of the skill that was asked for.
        request: Key of the journal's entry.
        most: For each list how many of its texts count: an answer may have thousands.
    """
    return [
        Candidate(kind, plain(text), (grounding.skill.id,), grounding.ids(), request)
        for name, kind in LISTS.items()
        for text in answer[name][: most[name]]
        if text.strip()
    ]


def _is_answer(answer: Any) -> bool:
    return (
        isinstance(answer, dict)
        and answer.keys() == LISTS.keys()
        and all(isinstance(texts, list) for texts in answer.values())
        and all(isinstance(text, str) for texts in answer.values() for text in texts)
    )
