"""How targets are stored and compared in an evaluation: a scorer, and all tokens or their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uwe.cache.builder import Tokens
from uwe.checks import listed
from uwe.errors import InputError
from uwe.scorer import SOFT_SCORERS, Scorer

__all__ = ["ALL_SCORINGS", "TEMPERATURES", "Scoring", "checked_scorings"]

TEMPERATURES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Temperatures of attention that a comparison of scorers tries."""


@dataclass(frozen=True)
class Scoring:
    """One way to score; prints as `soft:0.5`, or `soft_query:0.5/pooled` against pooled targets.

    Attributes:
        scorer: How token vectors become a score.
        tokens: Whether a target is all its token vectors or the mean of them.
    """

    scorer: Scorer
    tokens: Tokens = "all"

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

    Args:
        given: One or several; `all` for `ALL_SCORINGS`; None for the default.
        default: The model's own.

    Raises:
        InputError: If something is no scorer, or comes twice.
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
            raise InputError(f"expected a uwe.Scorer or a text such as 'soft:0.5', got {item!r}")
    if not found:
        raise InputError("expected at least one scorer, got none: pass scorer=None for the model's")
    if len(set(found)) != len(found):
        raise InputError(
            f"expected different scorers, got {', '.join(map(str, found))}: name each once"
        )
    return tuple(found)
