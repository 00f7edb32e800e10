"""Calibrations: fitted on queries with known answers, and how far they can be trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uwe.bench.statistics import roc_auc
from uwe.calibration import FEATURES, Calibration
from uwe.checks import real_number
from uwe.errors import InputError, extra, shown

_OTHERS = 0.3
"""Weight of a match that is not its query's best: ten of one query say less than ten queries."""
_STRENGTH = 0.1  # C of scikit-learn: how little the weights are shrunk
FOLDS = 5
"""Parts that are left out in turn by cross-validation."""


@dataclass(frozen=True)
class JudgedMatches:
    """The best matches of queries, and which of them are right."""

    features: NDArray[np.float64]  # (matches, features)
    right: NDArray[np.bool_]  # (matches,)
    query: NDArray[np.int64]  # (matches,), the number of its query: ascending, the best match first
    answered: NDArray[np.bool_]  # (queries,), whether the space has an answer at all
    fold: NDArray[np.int64]  # (queries,), for cross-validation; equal texts share theirs
    weight: NDArray[np.float64]  # (queries,)

    def __len__(self) -> int:
        return len(self.answered)

    @property
    def best(self) -> NDArray[np.bool_]:
        """(matches,): whether it is the best of its query."""
        found: NDArray[np.bool_] = np.diff(self.query, prepend=-1) != 0
        return found

    @property
    def match_weight(self) -> NDArray[np.float64]:
        """(matches,): what each counts in a fit."""
        weight: NDArray[np.float64] = self.weight[self.query] * np.where(self.best, 1.0, _OTHERS)
        return weight

    def part(self, queries: NDArray[np.bool_]) -> JudgedMatches:
        """Those of some queries, given as a mask of (queries,)."""
        rows = queries[self.query]
        return JudgedMatches(
            self.features[rows],
            self.right[rows],
            (np.cumsum(queries) - 1)[self.query[rows]],
            self.answered[queries],
            self.fold[queries],
            self.weight[queries],
        )

    @classmethod
    def joined(cls, parts: Sequence[JudgedMatches]) -> JudgedMatches:
        """Several sets as one."""
        first = np.cumsum([0, *(len(part) for part in parts)])
        return cls(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.query + at for part, at in zip(parts, first, strict=False)]),
            np.concatenate([part.answered for part in parts]),
            np.concatenate([part.fold for part in parts]),
            np.concatenate([part.weight for part in parts]),
        )


def judged(
    queries: Sequence[str],
    accepted: Sequence[Collection[int]],
    found: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
    *,
    weight: float = 1.0,
) -> JudgedMatches:
    """The matches of queries with their features, held against the accepted targets.

    `accepted` has the indices of each query's right targets, none where the space has no answer;
    `found` has the indices and features of its matches, as `ranked_features` gives them. `weight`
    is that of each query in a fit.
    """
    counts = [len(indices) for indices, _ in found]
    pairs = zip(found, accepted, strict=True)
    right = [index in some for (indices, _), some in pairs for index in indices.tolist()]
    folds = [int(hashlib.sha256(text.lower().encode()).hexdigest()[:8], 16) for text in queries]
    return JudgedMatches(
        np.concatenate([features for _, features in found] or [np.zeros((0, len(FEATURES)))]),
        np.array(right, dtype=np.bool_),
        np.repeat(np.arange(len(counts)), counts),
        np.array([bool(some) for some in accepted], dtype=np.bool_),
        np.array(folds, dtype=np.int64) % FOLDS,
        np.full(len(counts), weight),
    )


def fit(
    matches: JudgedMatches, *, scorer: str, fitted_on: str, features: Sequence[str] = FEATURES
) -> Calibration:
    """Fit a logistic regression on standardised features, by scikit-learn.

    Some matches have to be right and some wrong. `scorer` is the text of the scorer that ranked
    them; `fitted_on` tells people what they are.
    """
    _check_sorts(matches)
    mean = matches.features.mean(axis=0)
    scale = matches.features.std(axis=0)
    scale[scale < 1e-6] = 1.0
    standard = (matches.features - mean) / scale
    weights, bias = _logistic(standard, matches, _STRENGTH)
    return Calibration(tuple(features), mean, scale, weights, bias, scorer, fitted_on)


def rescaled(calibration: Calibration, matches: JudgedMatches, *, fitted_on: str) -> Calibration:
    """A calibration with its log-odds stretched and shifted to fit matches: Platt scaling.

    Two numbers are fitted, so some fifty queries are enough.
    """
    _check_sorts(matches)
    log_odds = calibration.log_odds(matches.features)[:, None]
    (slope,), bias = _logistic(log_odds, matches, 1.0)
    return Calibration(
        calibration.features,
        calibration.mean,
        calibration.scale,
        calibration.weights * slope,
        calibration.bias * float(slope) + bias,
        calibration.scorer,
        f"{fitted_on}, rescaled from {calibration.fitted_on}",
    )


def cross_validated(
    matches: JudgedMatches, *, of: Calibration | None = None, only: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """The confidence of every match, (matches,), by a calibration that saw nothing of its query.

    Five folds are left out in turn; what is left has to have right and wrong matches. `of` is a
    calibration to rescale; None fits new ones. `only`, (queries,), says which queries may be fitted
    on; None stands for all.
    """
    confidence = np.zeros(len(matches.right))
    for fold in range(FOLDS):
        kept = matches.fold != fold
        seen = matches.part(kept if only is None else kept & only)
        names = tuple(map(str, range(matches.features.shape[1])))
        calibration = (
            fit(seen, scorer="", fitted_on="", features=names)
            if of is None
            else rescaled(of, seen, fitted_on="")
        )
        rows = ~kept[matches.query]
        confidence[rows] = calibration.probabilities(matches.features[rows])
    return confidence


@dataclass(frozen=True)
class Reliability:
    """How confidence and truth agree, over the best match of each query."""

    queries: int  # how many
    right: float  # share of best matches that are right
    confidence: float  # mean confidence of the best matches
    error: float  # expected calibration error, in ten bins of equal width
    # Area under the ROC curve of the highest confidence of a query, queries with an answer against
    # those without; None where all are of one sort.
    answerable: float | None

    @classmethod
    def of(cls, matches: JudgedMatches, confidence: NDArray[np.float64]) -> Reliability:
        """That of matches with their confidence, (matches,)."""
        best, right = confidence[matches.best], matches.right[matches.best]
        return cls(
            len(matches),
            float(right.mean()),
            float(best.mean()),
            expected_calibration_error(best, right),
            roc_auc(highest(matches, confidence), matches.answered),
        )


def highest(matches: JudgedMatches, confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest confidence of each query, (queries,), of that of each match."""
    found = np.zeros(len(matches))
    np.maximum.at(found, matches.query, confidence)
    return found


def expected_calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean distance of confidence and accuracy over ten equal bins (Naeini et al., 2015).

    Both arguments are (n,); confidence is from 0 to 1.
    """
    number = np.minimum((confidence * 10).astype(np.int64), 9)
    surplus = np.bincount(number, confidence - right, minlength=10)
    return float(np.abs(surplus).sum() / max(1, len(confidence)))


def conformal_threshold(
    losses: NDArray[np.float64], queries: int, thresholds: NDArray[np.float64], risk: float
) -> float:
    """The lowest threshold whose expected loss is at most `risk`: conformal risk control.

    Angelopoulos et al., *Conformal Risk Control* (2022), equation 4: for exchangeable queries the
    loss of the next one is at most `risk` in expectation. `thresholds`, (thresholds,), are
    ascending; `losses`, (thresholds,), are the sums over the queries of the loss at each. The loss
    of a query is from 0 to 1 and never grows with the threshold. If no threshold will do, the
    result is infinity.
    """
    enough = np.flatnonzero((losses + 1) / (queries + 1) <= risk)
    return float(thresholds[enough[0]]) if len(enough) else float("inf")


def risk_threshold(matches: JudgedMatches, confidence: NDArray[np.float64], risk: float) -> float:
    """The lowest `min_confidence` at which at most `risk` of all queries get a wrong first match.

    Where a bound leaves the best match out, the next one that it keeps comes first. The queries are
    like those to come; `confidence`, (matches,), is that of calibrations that had not seen them.
    The result is from 0 to 1, or infinity if there are too few queries to say, or no bound will do.
    """
    number = real_number(risk)
    if number is None or not 0 < number < 1:
        raise InputError(f"expected a risk above 0 and below 1, got {shown(risk)}: pass 0.1, say")
    wrong = np.sort(_wrong_up_to(matches, confidence))
    thresholds = np.unique(np.concatenate([[0.0], np.nextafter(wrong, 2.0)]))
    thresholds = thresholds[thresholds <= 1]
    losses = len(wrong) - np.searchsorted(wrong, thresholds)
    return conformal_threshold(losses.astype(np.float64), len(matches), thresholds, number)


def _wrong_up_to(matches: JudgedMatches, confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """The highest bound at which the first match that it keeps is wrong, of queries with one.

    A match comes first at some bound if none before it is as confident. At a lower bound the query
    counts as wrong too, right or not: a loss may not grow with the bound.
    """
    found: dict[int, float] = {}
    query, top = -1, 0.0
    rows = zip(matches.query.tolist(), confidence.tolist(), matches.right.tolist(), strict=True)
    for of, value, right in rows:
        if of != query or value > top:
            query, top = of, value
            if not right:
                found[of] = value
    return np.array(list(found.values()))


def _check_sorts(matches: JudgedMatches) -> None:
    right = matches.right
    if right.all() or not right.any():
        raise InputError(
            f"expected right and wrong matches to calibrate on, got {int(right.sum())} right of "
            f"{len(right)}: add queries of the other sort"
        )


def _logistic(
    features: NDArray[np.float64], matches: JudgedMatches, c: float
) -> tuple[NDArray[np.float64], float]:
    with extra("bench", "a calibration"):
        from sklearn.linear_model import LogisticRegression
    model = LogisticRegression(C=c, max_iter=1000)
    found = model.fit(features, matches.right, sample_weight=matches.match_weight)
    return found.coef_[0], float(found.intercept_[0])
