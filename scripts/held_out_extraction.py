"""Measure extraction from whole adverts by calibrations that did not see the advert.

    python scripts/held_out_extraction.py DATA_FOLDER [--model FOLDER]

The calibration of places that ships is fitted on the adverts of `typed/`. Here five are fitted as
`make_calibrations.py` fits that one, each without a fifth of the adverts, which it then reads.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from make_calibrations import SKILLS, Data

import uwe
from uwe.bench import calibration
from uwe.bench.extraction import Figures, Finding, evaluate_extraction
from uwe.data.adverts import read_adverts
from uwe.extraction.extract import MIN_CONFIDENCE, extraction_of
from uwe.extraction.pieces import PLACE_FEATURES, PieceRanker

LEAST = 0.05
"""Where the curve ends, whose best F1 is shown."""


def main() -> None:
    """Fit, read, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    data = Data(arguments.data, uwe.load(arguments.model))
    matches = data.places().matches
    fitted = [
        calibration.fit(
            matches.part(matches.fold != fold), scorer="", fitted_on="", features=PLACE_FEATURES
        )
        for fold in range(calibration.FOLDS)
    ]
    adverts = read_adverts(arguments.data / "typed" / "adverts")
    numbers = {advert.text: number for number, advert in enumerate(adverts)}
    ranker = PieceRanker(data.caches[SKILLS])

    def extract(text: str) -> Iterator[Finding]:
        (cut,) = ranker.pieces([text])
        found = extraction_of(text, cut, ranker, fitted[numbers[text] % calibration.FOLDS], LEAST)
        for finding in found:
            for place in finding.places:
                yield finding.label, place.confidence, [(place.start, place.end)]

    found = evaluate_extraction(extract, adverts, threshold=MIN_CONFIDENCE)
    print("| of | score ≥ | findings | in idle lines | precision | recall | F1 |")
    print("|---|---|---|---|---|---|---|")
    for name, measure in (("labels", found.labels), ("places alone", found.places)):
        if measure is not None:
            for figures in (measure.default, measure.best):
                print(row(name, figures))


def row(name: str, figures: Figures) -> str:
    """A line of the table, in per cent with 95 % intervals."""
    intervals = (figures.precision, figures.recall, figures.f1)
    shown = [f"{100 * i.mean:.1f} ({100 * i.low:.1f}–{100 * i.high:.1f})" for i in intervals]
    cells = [name, f"{figures.threshold:.2f}", str(figures.found), str(figures.idle), *shown]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
