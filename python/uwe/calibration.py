"""`Calibration`: from what a ranking has at hand to the probability that a match is accepted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.errors import DataError, InputError, shown

CALIBRATION_FILE = "calibration.json"
"""Its name in a model's folder."""

KINDS = ("title", "keyword", "span", "sentence")
"""What a query can be: a job title; a skill as people type it; a phrase that experts marked in an
advert; a sentence."""

FEATURES = (
    "score",  # of the match
    "above_background",  # its score less that of the tenth match
    "best_above_background",  # the same of the best match
    "above_others",  # its score less the best of any other target
    "near",  # share of the best ten that score within 0.05 of the best
    "rank",  # how many targets score more, up to ten, of ten
    "label_score",  # score of the label alone
    "by_alias",  # whether an alias scored better than the label
    "exact",  # whether query and matched text are the same words
    "overlap",  # character trigrams of both, of those of either
    "covered",  # character trigrams of both, of those of the matched text
    "query_words",  # logarithm of 1 + the number of words
    "text_words",  # the same of the matched text
)
"""What the calibration of a ranking looks at, in this order."""

_VERSION = 1


@dataclass(frozen=True, eq=False)
class Calibration:
    """Logistic regression on standardised features of a match."""

    features: tuple[str, ...]  # their names
    mean: NDArray[np.float64]  # (features,), float64: what is subtracted from each
    scale: NDArray[np.float64]  # (features,), float64: what it is divided by, > 0
    weights: NDArray[np.float64]  # (features,), float64: log-odds a unit
    bias: float  # log-odds of a match whose features are `mean`
    scorer: str  # text of the scorer whose scores it was fitted on; others have no confidence
    fitted_on: str  # what it was fitted on, for people

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Calibration):
            return NotImplemented
        # Arrays give an answer for each number, and dictionaries forget the order.
        return (self.features, self.to_dict()) == (other.features, other.to_dict())

    def __hash__(self) -> int:
        return hash((self.features, self.bias, self.scorer, self.fitted_on))

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of matches whose features are (matches, features): (matches,), float64."""
        result: NDArray[np.float64] = np.tanh(0.5 * self.log_odds(features))
        result *= 0.5
        result += 0.5
        return result

    def log_odds(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The logarithms of the odds of `probabilities`: (matches,), float64."""
        found: NDArray[np.float64] = (features - self.mean) / self.scale @ self.weights + self.bias
        return found

    def to_dict(self) -> dict[str, Any]:
        """What `json.dumps` takes and `from_dict` reads."""
        rows = zip(self.features, self.mean, self.scale, self.weights, strict=True)
        features = {
            name: {"mean": float(mean), "scale": float(scale), "weight": float(weight)}
            for name, mean, scale, weight in rows
        }
        return {
            "fitted_on": self.fitted_on,
            "scorer": self.scorer,
            "bias": self.bias,
            "features": features,
        }

    @classmethod
    def from_dict(cls, document: Any) -> Calibration:
        """The calibration that `to_dict` wrote.

        Anything else raises ValueError, KeyError, TypeError or OverflowError.
        """
        features = dict(document["features"])
        columns = [
            np.array([float(one[part]) for one in features.values()])
            for part in ("mean", "scale", "weight")
        ]
        bias = float(document["bias"])
        finite = all(np.isfinite(column).all() for column in columns) and math.isfinite(bias)
        if not finite or (columns[1] <= 0).any():
            raise ValueError("expected finite numbers, and scales above 0")
        scorer, fitted_on = document["scorer"], document["fitted_on"]
        if not isinstance(scorer, str) or not isinstance(fitted_on, str):
            raise TypeError("expected scorer and fitted_on to be texts")
        return cls(tuple(features), columns[0], columns[1], columns[2], bias, scorer, fitted_on)


@dataclass(frozen=True)
class CalibrationFile:
    """The content of a file of calibrations at one moment, which is understood where it is used."""

    path: Path
    content: bytes | None  # None where there is no file
    problem: str = ""  # why it cannot be read, if so

    @classmethod
    def at(cls, path: Path) -> CalibrationFile:
        """The file as it is now."""
        try:
            return cls(path, path.read_bytes())
        except FileNotFoundError:
            return cls(path, None)
        except OSError as error:
            return cls(path, None, str(error))

    def calibrations(self, *, model: str = "") -> dict[str, Calibration]:
        """The calibrations by the kind of query; none where there is no file.

        `model` is the fingerprint of the model that ranks: a file for another one is a DataError.
        """
        if self.problem:
            raise DataError(
                f"cannot be read ({self.problem}): make it a file that you may read", path=self.path
            )
        if self.content is None:
            return {}
        try:
            document = json.loads(self.content.decode("utf-8"))
            if document["version"] != _VERSION:
                raise ValueError(f"expected version {_VERSION}, got {document['version']!r}")
            if document.get("model", model) != model:
                raise ValueError("those of another model")
            return {
                str(kind): Calibration.from_dict(one)
                for kind, one in document["calibrations"].items()
            }
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            OverflowError,
        ) as error:
            raise DataError(
                f"expected calibrations, found something else ({error}): write the file again "
                "with  uwe calibrate, or remove it",
                path=self.path,
            ) from None


def calibrations_of(model: object) -> dict[str, Calibration]:
    """The calibrations of an encoder by the kind of query; one of another make may have none."""
    found = getattr(model, "calibrations", None)
    pairs = found.items() if isinstance(found, Mapping) else ()
    return {kind: one for kind, one in pairs if isinstance(one, Calibration)}


def checked_calibrations(given: object) -> dict[str, Calibration]:
    """The calibrations that a cache is to have, by their kinds; InputError for anything else."""
    kinds = (*KINDS, "default", "place")
    if not isinstance(given, Mapping):
        raise InputError(f"expected calibrations by their kinds, got {shown(given)}: pass a dict")
    for kind, one in given.items():
        if kind not in kinds or not isinstance(one, Calibration):
            raise InputError(
                f"{shown(kind)}: expected a calibration of one of the kinds {', '.join(kinds)}, "
                f"got {shown(one)}: correct it"
            )
    try:
        return {kind: Calibration.from_dict(one.to_dict()) for kind, one in given.items()}
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(
            f"expected calibrations of finite numbers, got others ({error}): fit them again"
        ) from None


def calibrations_json(calibrations: Mapping[str, Calibration], *, model: str | None = None) -> str:
    """What `CalibrationFile` reads; by the model of a fingerprint alone, if one is given."""
    document = {
        "version": _VERSION,
        **({} if model is None else {"model": model}),
        "calibrations": {kind: one.to_dict() for kind, one in calibrations.items()},
    }
    return json.dumps(document, indent=1) + "\n"
