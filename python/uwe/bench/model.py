"""What can be evaluated: what encodes texts or scores queries by itself, and the ways to score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uwe.cache.builder import Tokens
from uwe.checks import listed
from uwe.encoder.config import TrainingSource
from uwe.encoder.tokens import Encoder
from uwe.errors import InputError, shown
from uwe.scorer import SOFT_SCORERS, Scorer

ScoreBlock = Callable[[Sequence[str]], NDArray[np.float32]]
"""Queries in, scores out: (queries, targets), float32, finite; higher is better."""


@dataclass(frozen=True, kw_only=True)
class BenchModel:
    """What results say about a model."""

    name: str  # for people and tables
    # How it was made: `uwe`, `sentence-transformers`, `workrb`, `bm25`, `tfidf`, `callable`.
    kind: str
    source: str = ""  # what `--model` takes to get it again; empty for an object passed in
    fingerprint: str = ""  # sha256 of what decides its figures; empty if it cannot be known
    trained_on: tuple[TrainingSource, ...] = ()  # training files that it declares
    # Whether nothing in it was ever trained, as with BM25: no test can be in it.
    untrained: bool = False


@dataclass(frozen=True, kw_only=True)
class EncoderModel(BenchModel):
    """A model that gives token vectors (or one vector a text), scored by our core."""

    encoder: Encoder
    scorer: Scorer  # its own; what is used where none is asked for
    one_vector: bool = False  # one vector a text, which leaves `pooled` alone as a scorer


@dataclass(frozen=True, kw_only=True)
class ScoringModel(BenchModel):
    """A model that scores by itself, a block of queries at a time."""

    # Takes all texts of a target space, once; returns what scores a block of queries.
    prepare: Callable[[Sequence[str]], ScoreBlock]
    # Most queries in a block: what `prepare` returns is asked for (block, targets).
    block: int = 256


@dataclass(frozen=True, kw_only=True)
class TaskModel(BenchModel):
    """A model that has to know what its texts are, as some of WorkRB's encode by it.

    `on` takes what a query and what a target is, as `Task.query` and `Task.target` have it, and
    returns the model for such texts.
    """

    on: Callable[[str, str], ScoringModel]


TEMPERATURES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Temperatures of attention that a comparison of scorers tries."""


@dataclass(frozen=True)
class Scoring:
    """One way to score; prints as `soft:0.5`, or `soft_query:0.5/pooled` against pooled targets."""

    scorer: Scorer  # how token vectors become a score
    tokens: Tokens = "all"  # whether a target is all its token vectors or the mean of them

    @classmethod
    def parse(cls, text: str) -> Scoring:
        """Read what `str` gives.

        Raises:
            InputError: If it is something else.
        """
        name, slash, tokens = text.partition("/")
        if slash and tokens != "pooled":
            raise InputError(
                f"expected a scorer such as soft:0.5, or soft:0.5/pooled against pooled targets, "
                f"got {text!r}: correct it"
            )
        scorer = Scorer.parse(name)
        if scorer.temperature is not None and not scorer.attends:
            raise InputError(
                f"scorer {scorer.name!r} takes no temperature, got {text!r}: leave it out"
            )
        return cls(scorer, "pooled" if slash else "all")

    def __str__(self) -> str:
        return f"{self.scorer}/pooled" if self.tokens == "pooled" else str(self.scorer)


def _at(name: str) -> list[Scorer]:
    return [Scorer(name, temperature=temperature) for temperature in TEMPERATURES]


ALL_SCORINGS = (
    Scoring(Scorer("pooled")),
    Scoring(Scorer("max")),
    *(Scoring(scorer) for name in SOFT_SCORERS for scorer in _at(name)),
    # Against one token a target, soft_target is the mean cosine at every temperature.
    *(Scoring(scorer, "pooled") for scorer in _at("soft_query")),
)
"""What `--scorer all` compares: pooled, max, the soft scorers at each of `TEMPERATURES`, and
`soft_query` against pooled targets, with texts encoded once."""


def checked_scorings(
    given: Scorer | Scoring | str | Sequence[Scorer | Scoring | str] | None, default: Scorer
) -> tuple[Scoring, ...]:
    """The argument `scorer` of an evaluation as a tuple of scorings.

    The text `all` stands for `ALL_SCORINGS`, None for `default`, the model's own scorer.
    """
    if given is None:
        return (Scoring(default),)
    several = [given] if isinstance(given, str | Scorer | Scoring) else listed("scorer", given)
    found: list[Scoring] = []
    for item in several:
        if isinstance(item, str) and item == "all":
            found.extend(ALL_SCORINGS)
        elif isinstance(item, str):
            if item == default.name and default.temperature is not None:
                item = str(default)  # the model's own temperature
            found.append(Scoring.parse(item))
        elif isinstance(item, Scorer):
            found.append(Scoring(item))
        elif isinstance(item, Scoring):
            found.append(item)
        else:
            raise InputError(
                f"expected a uwe.Scorer or a text such as 'soft:0.5', got {shown(item)}"
            )
    if not found:
        raise InputError("expected at least one scorer, got none: pass scorer=None for the model's")
    if len(set(found)) != len(found):
        raise InputError(
            f"expected different scorers, got {', '.join(map(str, found))}: name each once"
        )
    return tuple(found)
