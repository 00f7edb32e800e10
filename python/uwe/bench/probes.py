"""Probes: single cases that a ranking has to get right; accuracy by category, and what fails."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.bench.documents import read_text, to_document, value_of
from uwe.bench.model import BenchModel, EncoderModel
from uwe.bench.probe_cases import CATEGORIES, ORIGINS, ProbeCase, built_in_cases
from uwe.bench.progress import progress_of
from uwe.bench.results import Interval, ModelRecord
from uwe.bench.scoring import Scoring, checked_scorings
from uwe.bench.space import prepared
from uwe.checks import listed, text_of
from uwe.config import Scorer
from uwe.errors import InputError
from uwe.files.atomic import write_text
from uwe.spaces import target_space

__all__ = [
    "ProbeAccuracy", "ProbeCase", "ProbeOutcome", "ProbeResults", "read_probes", "run_probes",
    "wilson",
]  # fmt: skip

FORMAT, VERSION = "uwe-probes", 1
SPACE = "esco-skills"
"""The target space of the built-in cases."""

_BLOCK = 64
"""Queries whose whole rankings are held at once."""
_TEXTS = ("vacancy sentence", "skill")  # what a case asks with, and for, in a task's words


@dataclass(frozen=True)
class ProbeOutcome:
    """What one model with one scorer did with a case.

    Attributes:
        model: Name of the model, in `ProbeResults.models`.
        scorer: Such as `pooled` or `soft:0.5`; empty for models that score by themselves.
        case: Id of the case, in `ProbeResults.cases`.
        passed: Whether it is right.
        wanted: The wanted label that ranked best.
        rank: Its rank in the whole target space, from 1.
        score: Its score.
        against: The trap that ranked best; without traps the best label that is not wanted, or an
            empty text if every label is.
        against_rank: Its rank.
        against_score: Its score.
        clean_passed: Whether the clean text is right; None if there is none.
    """

    model: str
    scorer: str
    case: str
    passed: bool
    wanted: str
    rank: int
    score: float
    against: str
    against_rank: int
    against_score: float
    clean_passed: bool | None = None

    @property
    def label(self) -> str:
        """Model and scorer, as tables show them."""
        return f"{self.model} {self.scorer}".strip()


@dataclass(frozen=True)
class ProbeAccuracy:
    """How many cases of one category and origin one model with one scorer got right.

    Attributes:
        label: Model and scorer.
        category: Name of the category.
        origin: One of `ORIGINS`.
        cases: How many there are.
        passed: How many are right.
        interval: Accuracy with its 95 % Wilson interval; fractions of 1.
        clean_cases: How many have a clean text.
        clean_passed: How many of those clean texts are right.
    """

    label: str
    category: str
    origin: str
    cases: int
    passed: int
    interval: Interval
    clean_cases: int
    clean_passed: int


@dataclass(frozen=True)
class ProbeResults:
    """Everything that one run of the probes found; one JSON file.

    Attributes:
        created: When it began, ISO 8601, UTC.
        uwe: Version of this package.
        space: The target space and its version.
        targets: Its size.
        seconds: Wall time.
        models: By name.
        cases: By id.
        outcomes: One for each model, scorer and case.
    """

    created: str
    uwe: str
    space: str
    targets: int
    seconds: float
    models: dict[str, ModelRecord]
    cases: dict[str, ProbeCase]
    outcomes: tuple[ProbeOutcome, ...]

    @property
    def labels(self) -> list[str]:
        """Every model with every scorer, in the order they ran."""
        return list(dict.fromkeys(outcome.label for outcome in self.outcomes))

    def accuracies(self) -> list[ProbeAccuracy]:
        """By origin, category and model, for whatever has a case."""
        groups: dict[tuple[str, str, str], list[ProbeOutcome]] = {}
        for outcome in self.outcomes:
            case = self.cases[outcome.case]
            groups.setdefault((case.origin, case.category, outcome.label), []).append(outcome)
        keys = [(o, c.name, label) for o in ORIGINS for c in CATEGORIES for label in self.labels]
        return [_accuracy(*key, groups[key]) for key in keys if key in groups]

    def failures(self, label: str, origin: str) -> list[ProbeOutcome]:
        """What one model with one scorer got wrong, in the order of the cases."""
        return [
            outcome
            for outcome in self.outcomes
            if not outcome.passed
            and outcome.label == label
            and self.cases[outcome.case].origin == origin
        ]

    def to_json(self) -> str:
        """The text of the file, which `from_json` reads back to an equal value."""
        return to_document(FORMAT, VERSION, self)

    @classmethod
    def from_json(cls, text: str, *, path: str | Path = "probes") -> ProbeResults:
        """Read the text of a file.

        Raises:
            DataError: If it is no result of this format, or lacks something.
        """
        return value_of(text, FORMAT, VERSION, _results, command="uwe bench probes", path=path)

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        write_text(path, self.to_json())


def read_probes(path: str | Path) -> ProbeResults:
    """Read a file that `ProbeResults.save` wrote.

    Raises:
        DataError: If it holds something else.
        OSError: If it can not be read.
    """
    return ProbeResults.from_json(read_text(path), path=path)


def run_probes(
    models: Sequence[BenchModel],
    *,
    scorer: Scorer | Scoring | str | Sequence[Scorer | Scoring | str] | None = None,
    cases: Sequence[ProbeCase] | None = None,
    labels: Sequence[str] | None = None,
    progress: bool = False,
) -> ProbeResults:
    """Rank every case against the whole target space, by every model and scorer.

    The targets are encoded once for each model.

    Args:
        models: What `uwe.bench.adapters.resolve.bench_model` gives, each with a name of its own.
        scorer: One or several, as `uwe.evaluate` takes them; None takes each model's own. Models
            that score by themselves, or give one vector a text, have none.
        cases: None takes those that come with the package.
        labels: Texts of the target space; None takes ESCO's skills of 1.2.0.
        progress: Whether to show a bar on standard error, if that is a terminal.

    Raises:
        InputError: If there is no model or case, two models share a name or two cases an id, or a
            label of a case is not in the target space.
    """
    started, created = time.perf_counter(), datetime.now(timezone.utc)
    name = "its own"
    models = listed("models", models)
    cases = None if cases is None else listed("cases", cases)
    for kind, given in ((BenchModel, models), (ProbeCase, cases or [])):
        for item in given:
            if not isinstance(item, kind):
                raise InputError(f"expected a {kind.__name__}, got {item!r}: make one of it")
    if labels is not None:
        labels = [text_of("each label", label) for label in listed("labels", labels)]
    if labels is None:
        space = target_space(SPACE)
        labels, name = space.labels, f"ESCO {space.version} skills"
    if cases is None:
        cases = built_in_cases(labels)
    index = {label: i for i, label in reversed(list(enumerate(labels)))}
    for case in cases:
        case.check_labels(index)
    for what, names in (("models", [m.name for m in models]), ("cases", [c.id for c in cases])):
        if not names or len(set(names)) != len(names):
            raise InputError(
                f"expected {what} with different names, at least one, got "
                f"{', '.join(names) or 'none'}"
            )
    outcomes = [
        outcome
        for model in models
        for outcome in _outcomes(model, scorer, cases, labels, index, progress=progress)
    ]
    return ProbeResults(
        created=created.isoformat(timespec="seconds"),
        uwe=metadata.version("uwe"),
        space=name,
        targets=len(labels),
        seconds=time.perf_counter() - started,
        models={model.name: ModelRecord.of(model) for model in models},
        cases={case.id: case for case in cases},
        outcomes=tuple(outcomes),
    )


def wilson(passed: int, cases: int) -> Interval:
    """Share of cases with its 95 % interval (Wilson 1927), which is sound near 0 and 1 too."""
    z = 1.959963984540054
    share = passed / cases
    centre = share + z * z / (2 * cases)
    spread = z * math.sqrt(share * (1 - share) / cases + z * z / (4 * cases * cases))
    scale = 1 + z * z / cases
    return Interval(share, max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def _outcomes(
    model: BenchModel,
    scorer: Scorer | Scoring | str | Sequence[Scorer | Scoring | str] | None,
    cases: Sequence[ProbeCase],
    labels: Sequence[str],
    index: dict[str, int],
    *,
    progress: bool,
) -> Iterator[ProbeOutcome]:
    scorings: tuple[Scoring, ...] = ()
    if isinstance(model, EncoderModel):
        scorings = checked_scorings(None if model.one_vector else scorer, model.scorer)
    clean = [case for case in cases if case.clean]
    work = (len(cases) + len(clean)) * max(1, len(scorings))
    with (
        progress_of(progress, model.name, work) as bar,
        prepared(model, labels, None, scorings, bar.encoded, _TEXTS) as space,
    ):

        def rankings(scoring: str, texts: Sequence[str]) -> Iterator[_Ranking]:
            for start in range(0, len(texts), _BLOCK):
                block = texts[start : start + _BLOCK]
                for order, scores in zip(*space.top(block, scoring, len(labels)), strict=True):
                    yield _Ranking(order, scores)
                bar.done(f"probes {scoring}".strip(), len(block))

        for scoring in space.scorings:
            ranked = zip(clean, rankings(scoring, [case.clean for case in clean]), strict=True)
            passed = {case.id: _found(case, found, labels, index)[0] for case, found in ranked}
            ranked = zip(cases, rankings(scoring, [case.query for case in cases]), strict=True)
            for case, found in ranked:
                right, wanted, against = _found(case, found, labels, index)
                yield ProbeOutcome(
                    model.name, scoring, case.id, right, *wanted, *against, passed.get(case.id)
                )


@dataclass(frozen=True)
class _Ranking:
    """The whole target space in the order of one query.

    Attributes:
        order: (targets,), int64: indices of targets, best first.
        scores: (targets,), float32, in that order.
    """

    order: NDArray[np.int64]
    scores: NDArray[np.float32]


_Place = tuple[str, int, float]
"""A label, its rank from 1, its score."""


def _found(
    case: ProbeCase, ranking: _Ranking, labels: Sequence[str], index: dict[str, int]
) -> tuple[bool, _Place, _Place]:
    """Whether the case passes, the best wanted label, and the best one against it."""

    def best(mask: NDArray[np.bool_]) -> _Place:
        if not mask.any():
            return "", 0, 0.0
        at = int(mask.argmax())
        return labels[ranking.order[at]], at + 1, float(ranking.scores[at])

    is_wanted = np.isin(ranking.order, [index[label] for label in case.wanted])
    wanted = best(is_wanted)
    if not case.traps:
        return wanted[1] <= case.within, wanted, best(~is_wanted)
    trap = best(np.isin(ranking.order, [index[label] for label in case.traps]))
    # By score, since the order of equal scores, such as a word count's 0, says nothing.
    return wanted[2] > trap[2], wanted, trap


def _accuracy(
    origin: str, category: str, label: str, outcomes: Sequence[ProbeOutcome]
) -> ProbeAccuracy:
    passed = sum(outcome.passed for outcome in outcomes)
    clean = [outcome.clean_passed for outcome in outcomes if outcome.clean_passed is not None]
    return ProbeAccuracy(
        label=label,
        category=category,
        origin=origin,
        cases=len(outcomes),
        passed=passed,
        interval=wilson(passed, len(outcomes)),
        clean_cases=len(clean),
        clean_passed=sum(clean),
    )


def _results(document: dict[str, Any]) -> ProbeResults:
    models = {
        name: ModelRecord(**{**value, "trained_on": tuple(value["trained_on"])})
        for name, value in document.pop("models").items()
    }
    cases = {
        id_: ProbeCase(**{**value, **{k: tuple(value[k]) for k in ("wanted", "traps")}})
        for id_, value in document.pop("cases").items()
    }
    outcomes = tuple(ProbeOutcome(**value) for value in document.pop("outcomes"))
    for outcome in outcomes:
        if outcome.model not in models or outcome.case not in cases:
            raise ValueError(f"an outcome of {outcome.model} on {outcome.case}, which it lacks")
    return ProbeResults(models=models, cases=cases, outcomes=outcomes, **document)
