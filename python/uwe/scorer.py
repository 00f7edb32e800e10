"""`Scorer`: how token vectors of a query and of a target become one score."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, TypedDict, TypeVar

from uwe.checks import real_number, text_of
from uwe.errors import InputError, shown

SOFT_SCORERS = ("soft_target", "soft_query", "soft")
SCORERS = (*SOFT_SCORERS, "max", "pooled")
"""Names of all scorers; the first three attend and need a temperature."""

_LARGEST = 1e30  # beyond, and below its inverse, arithmetic in float32 ends

_Tokens = TypeVar("_Tokens", bound=Any)


@dataclass(frozen=True)
class Scorer:
    """How token vectors of a query and of a target become one score; a hashable value.

    `soft_target` attends from every query token to the target's tokens, `soft_query` from every
    target token to the query's, `soft` mixes the two; `max` is ColBERT's MaxSim as a mean;
    `pooled` is the cosine of the means of the raw token vectors. Prints as `soft:0.5`, or
    `soft:0.5:4` with a pivot, which `parse` reads.

    Attributes:
        name: One of `SCORERS`.
        temperature: What the dot products are divided by before the softmax, > 0. The soft
            scorers have no meaning without it; `max` and `pooled` ignore it.
        pivot: Weighs the two axes of `soft` by the query's length: one of m tokens scores
            `w * soft_query + (1 - w) * soft_target` with `w = m / (m + pivot)`, so at `pivot`
            tokens both weigh the same. Tokens, >= 0; None weighs both the same at any length.

    Raises:
        InputError: If the name is unknown, the temperature is missing or not within 1e-30 and
            1e30, or the pivot is not within 0 and 1e30, or given to another scorer than `soft`.
    """

    name: str
    _: KW_ONLY
    temperature: float | None = None
    pivot: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in SCORERS:
            raise InputError(
                f"expected one of the scorers {', '.join(SCORERS)}, got {shown(self.name)}: the "
                "soft ones take a temperature, as in 'soft:0.5'"
            )
        if self.pivot is not None:
            if self.name != "soft":
                raise InputError(
                    f"expected a pivot with the scorer soft alone, got {shown(self.pivot)} for "
                    f"{self.name}: leave it out"
                )
            pivot = real_number(self.pivot)
            if pivot is None or not 0 <= pivot <= _LARGEST:
                raise InputError(
                    f"expected a pivot of 0 or more tokens, got {shown(self.pivot)}: pass a number"
                )
            object.__setattr__(self, "pivot", pivot)
        if self.temperature is None:
            if self.attends:
                raise InputError(
                    f"scorer '{self.name}' needs a temperature, got none: pass "
                    f"Scorer('{self.name}', temperature=0.5), in text {self.name}:0.5, or use the "
                    "model's own scorer"
                )
            return
        number = real_number(self.temperature)
        if number is None or not 1 / _LARGEST <= number <= _LARGEST:
            raise InputError(
                f"expected a temperature from 1e-30 to 1e30, got {shown(self.temperature)}: "
                "correct it"
            )
        object.__setattr__(self, "temperature", number)

    @property
    def attends(self) -> bool:
        """Whether it has a softmax over tokens, and so needs a temperature."""
        return self.name in SOFT_SCORERS

    def query_weight(self, tokens: _Tokens) -> _Tokens | float:
        """Weight of `soft_query` in `soft` for queries of so many tokens, from 0 to 1.

        Args:
            tokens: A number, or an array or tensor of any shape.

        Returns:
            One weight for each number; 0.5 for all without a pivot.
        """
        return 0.5 if self.pivot is None else tokens / (tokens + self.pivot)

    @classmethod
    def parse(cls, text: str) -> Scorer:
        """Read `pooled`, or with a temperature `soft:0.5`, or with a pivot too `soft:0.5:4`.

        Raises:
            InputError: If it is none of them, or the name or a number is wrong.
        """
        name, *numbers = text_of("a scorer", text).split(":")
        try:
            temperature, pivot = [float(number) for number in numbers] + [None] * (2 - len(numbers))
        except ValueError:
            raise InputError(
                f"expected one number or two after the name of the scorer {shown(text)}, as in "
                "'soft:0.5' or 'soft:0.5:4': correct it"
            ) from None
        return cls(name, temperature=temperature, pivot=pivot)

    def __str__(self) -> str:
        numbers = [self.temperature, self.pivot] if self.temperature is not None else []
        return ":".join([self.name, *(_short(number) for number in numbers if number is not None)])


def checked_scorer(scorer: object) -> Scorer:
    """A scorer as it was passed, or its text parsed; InputError for anything else."""
    if isinstance(scorer, Scorer):
        return scorer
    if isinstance(scorer, str):
        return Scorer.parse(scorer)
    raise InputError(
        f"expected a uwe.Scorer, or its text such as 'soft:0.5:4', got {shown(scorer)}: pass one"
    )


class CoreScorer(TypedDict):
    """A scorer as the functions of `_core` take it."""

    scorer: str
    temperature: float
    pivot: float | None


def core_scorer(scorer: Scorer) -> CoreScorer:
    """A scorer as keywords for `_core`; a temperature of 1 where it has none, which is ignored."""
    temperature = 1.0 if scorer.temperature is None else scorer.temperature
    return {"scorer": scorer.name, "temperature": temperature, "pivot": scorer.pivot}


def _short(number: float) -> str:
    short = f"{number:g}"
    return short if float(short) == number else str(number)
