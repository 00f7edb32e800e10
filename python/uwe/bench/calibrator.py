"""`uwe.calibrate`: confidence for a target space of one's own, from labelled queries."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.bench.calibration import (
    JudgedMatches,
    Reliability,
    cross_validated,
    fit,
    judged,
    rescaled,
    risk_threshold,
)
from uwe.cache.target_cache import TargetCache
from uwe.calibration import FEATURES, Calibration, calibrations_of
from uwe.checks import listed
from uwe.errors import InputError, extra, shown
from uwe.progress import Progress, check_progress, reporting
from uwe.ranking.queries import chosen_scorer
from uwe.ranking.rank import Abbreviate, ranked_features
from uwe.scorer import Scorer
from uwe.spaces import SharedCache

RISKS = (0.05, 0.1, 0.2)
"""Shares of queries with a wrong first match that a `min_confidence` is given for."""
_FEWEST = 50
_RESCALED = 300
"""Queries up to which a calibration of the model is rescaled: a fit of its own has more numbers."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What `calibrate` made, and how far it can be trusted.

    Figures are those of five-fold cross-validation: of calibrations that had not seen the query.

    Attributes:
        targets: The cache with its calibration, newly opened.
        calibration: What was written.
        reliability: Of the best matches.
        min_confidence: By the share of queries that get a wrong first match at most (`RISKS`); None
            where the queries are too few, or no bound will do.
        confidence: (queries,), of the best match of each.
        right: (queries,), whether it is right.
    """

    targets: TargetCache
    calibration: Calibration
    reliability: Reliability
    min_confidence: dict[float, float | None]
    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]

    def to_dict(self) -> dict[str, Any]:
        """The figures as a dictionary that `json.dumps` takes."""
        found = self.reliability
        return {
            "cache": str(self.targets.path),
            "fitted_on": self.calibration.fitted_on,
            "scorer": self.calibration.scorer,
            "queries": found.queries,
            "right_first": found.right,
            "mean_confidence": found.confidence,
            "expected_calibration_error": found.error,
            "answerable_auc": found.answerable,
            "min_confidence": {str(risk): bound for risk, bound in self.min_confidence.items()},
        }


def calibrate(
    answers: Mapping[str, Collection[str | int]],
    targets: TargetCache,
    *,
    scorer: Scorer | str | None = None,
    abbreviations: Abbreviate = True,
    progress: Progress = False,
) -> Calibrated:
    """Calibrate `Match.confidence` for a target space, from queries with known answers.

    Up to 300 queries, a calibration of the model is rescaled (Platt scaling, two numbers); from
    more, or for a model without one, a new one is fitted where that has the lower log loss. The
    calibration is written beside the cache's folder and used for every kind of query.

    Args:
        answers: The right targets of each query, as labels, ids or indices; none where the space
            has no answer. At least 50 queries, drawn as those to come will be.
        targets: A cache of your own.
        scorer: What ranks; None takes the cache's own. Others will have no confidence.
        abbreviations: As in `rank`.
        progress: True for a bar, or a callable that takes the number of queries done and of all.

    Returns:
        The cache newly opened, its calibration, and figures by cross-validation.

    Raises:
        InputError: If the queries are too few, one is blank, a target is unknown, all best matches
            are wrong, or the cache is that of a built-in space.
        MissingExtraError: If scikit-learn is not installed (extra `bench`).
        CacheMismatchError: If the cache was built with another model, or meanwhile is.
        CacheError: If the cache was changed or built again since it was opened.
        ModelError: If the cache's model cannot be loaded.
        OSError: If the file cannot be written; then what was there is as it was.
    """
    check_progress(progress)
    _check_own(targets)
    if not isinstance(answers, Mapping):
        raise InputError(
            f"expected a mapping of queries to their right targets, got {type(answers).__name__}: "
            "pass {query: [labels]}"
        )
    if len(answers) < _FEWEST:
        raise InputError(
            f"expected {_FEWEST} queries or more to calibrate on, got {len(answers)}: label more"
        )
    find = target_finder(targets)
    accepted = []
    for query, names in answers.items():
        listed_names = listed(f"the right targets of {shown(query)}", names)
        accepted.append({index for name in listed_names for index in find(name)})
    chosen = str(chosen_scorer(targets, scorer))
    queries, found = list(answers), []
    with reporting(progress, len(queries), "Ranking") as report:
        ranked = ranked_features(queries, targets, scorer=scorer, abbreviations=abbreviations)
        for done, one in enumerate(ranked, 1):
            found.append((one.hits.indices, one.features))
            report(done)
    matches = judged(queries, accepted, found)
    bases = [
        one
        for one in calibrations_of(targets.model).values()
        if one.scorer == chosen and one.features == FEATURES
    ]
    calibration, confidence = _best(matches, bases, chosen)
    bounds = {risk: risk_threshold(matches, confidence, risk) for risk in RISKS}
    return Calibrated(
        targets.calibrated({"default": calibration}),
        calibration,
        Reliability.of(matches, confidence),
        {risk: bound if math.isfinite(bound) else None for risk, bound in bounds.items()},
        confidence[matches.best],
        matches.right[matches.best],
    )


def shared_space(what: object) -> InputError:
    """The error for a built-in space, by its name or folder."""
    return InputError(
        f"{what}: the cache of a built-in space is shared by all programs and has the model's "
        "calibration: build your own, as by  uwe cache build own.uwe --space NAME"
    )


def _check_own(targets: object) -> None:
    """InputError if a cache cannot have a calibration of its own."""
    if not isinstance(targets, TargetCache):
        raise InputError(
            f"expected targets to be a uwe.TargetCache, got {shown(targets)}: open one with "
            "uwe.TargetCache.open(path)"
        )
    if isinstance(targets, SharedCache):
        raise shared_space(targets.path)


def target_finder(targets: TargetCache) -> Callable[[object], list[int]]:
    """A function that finds the targets of a label, an id or an index; InputError for another."""
    by_id = {known: [index] for index, known in enumerate(targets.ids) if known is not None}

    def find(name: object) -> list[int]:
        found: list[int] = []
        if isinstance(name, str):
            found = targets.find(name) or by_id.get(name, [])
        elif not isinstance(name, bool):
            with suppress(TypeError):
                index = operator.index(name)  # type: ignore[arg-type]
                found = [index] if 0 <= index < len(targets) else []
        if not found:
            raise InputError(
                f"expected the label, the id or the index of a target, got {shown(name)}, which no "
                "target has: correct it"
            )
        return found

    return find


def _best(
    matches: JudgedMatches, bases: list[Calibration], scorer: str
) -> tuple[Calibration, NDArray[np.float64]]:
    """The calibration with the least log loss, and the confidence of every match without it."""
    with extra("bench", "a calibration"):
        from sklearn.metrics import log_loss

    tried: list[Calibration | None] = [*bases]
    if not bases or len(matches) > _RESCALED:
        tried.append(None)
    confidences = [cross_validated(matches, of=base) for base in tried]
    losses = [
        log_loss(matches.right, confidence, sample_weight=matches.match_weight)
        for confidence in confidences
    ]
    least = int(np.argmin(losses))
    base, fitted_on = tried[least], f"{len(matches)} labelled queries"
    calibration = (
        fit(matches, scorer=scorer, fitted_on=fitted_on)
        if base is None
        else rescaled(base, matches, fitted_on=fitted_on)
    )
    return calibration, confidences[least]
