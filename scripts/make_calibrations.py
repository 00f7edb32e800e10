"""Fit the calibrations that come with a model, and show how far they can be trusted.

    python scripts/make_calibrations.py DATA_FOLDER [--model FOLDER] [--plots FOLDER]

DATA_FOLDER has `typed/`, `lexicon/` and `workbench/`. The model's `calibration.json` is written
anew; figures are those of five-fold cross-validation, so none is of a query that was fitted on.

A term of the lexicon is a name in the built-in spaces, so it would find itself. Of a seventh of the
terms, chosen by hash, the names are left out of a space that is made for this alone: they stand
for what people type and no name equals. Half of the terms that ESCO has no answer to, by hash too,
are fitted on; the others are only looked at.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import uwe
from uwe.bench.calibration import JudgedMatches, Reliability, cross_validated, fit, judged
from uwe.bench.calibration import risk_threshold
from uwe.calibration import CALIBRATION_FILE, Calibration, calibrations_json
from uwe.data.adverts import MarkedPlace, read_adverts
from uwe.extraction.extract import PLACE_FEATURES, Finder
from uwe.files.atomic import write_text
from uwe.ranking.rank import ranked_features

SKILLS, OCCUPATIONS = "esco-skills", "esco-occupations"
SHIPPED = Path(uwe.__file__).parent / "assets" / "uwe-mini"
NONE = "NONE"
HIDDEN = 0.15
MOST = 1500
NONSENSE = (
    "asdf", "qwerty uiop", "xx", "N/A", "n/a", "none", "TBC", "to be confirmed", "see above", "test",
    "lorem ipsum", "???", "-", "1234", "misc", "various", "other", "unknown", "hello", "yes",
    "Berlin", "London", "New York", "Leeds, West Yorkshire", "Galway, Ireland", "Mumbai", "Ontario",
    "Nairobi", "Texas 75001", "Remote (EU)", "Goldman Sachs", "Microsoft", "Siemens AG", "Tesco plc",
    "Brightwater Holdings Ltd", "Northgate & Sons", "Acme Corp", "Fairmont Group", "John Smith",
    "Maria Gonzalez", "jane.doe@example.com", "www.example.com", "+44 20 7946 0958", "Monday",
    "Jan 2020 - Mar 2021", "2019", "full time", "permanent", "immediate start", "competitive salary",
    "pension", "25 days holiday", "page 1 of 2", "references on request", "curriculum vitae",
    "date of birth", "married", "non smoker", "own transport", "hobbies",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--plots", type=Path)
    arguments = parser.parse_args()
    model = uwe.load(arguments.model)
    data = Data(arguments.data, model)
    kinds = {
        "title": ([data.typed("titles", OCCUPATIONS)], data.extra(OCCUPATIONS)),
        "keyword": ([data.typed("keywords", SKILLS)], data.extra(SKILLS)),
        "span": ([data.typed("spans_house", SKILLS), data.typed("spans_tech", SKILLS)], []),
        "sentence": (
            [data.sentences("house"), data.sentences("tech"), data.sentences("skillskape")],
            [],
        ),
    }
    scorer = str(model.config.scorer)
    calibrations: dict[str, Calibration] = {}
    rows = []
    for kind, (own, others) in kinds.items():
        matches = JudgedMatches.joined([part for part, _ in (*own, *others)])
        fitted = np.concatenate([some for _, some in (*own, *others)])
        calibrations[kind] = fit(
            matches.part(fitted), scorer=scorer, fitted_on=f"{int(fitted.sum())} {kind}s"
        )
        confidence = cross_validated(matches, only=fitted)
        shown = np.arange(len(matches)) < sum(len(part) for part, _ in own)
        rows.append(row(kind, matches.part(shown), confidence[shown[matches.query]]))
        if others:
            kept = (
                np.concatenate(
                    [
                        np.full(len(part), name == "none")
                        for name, (part, _) in zip(
                            ["own"] * len(own) + ["terms", "none", "nonsense"], (*own, *others)
                        )
                    ]
                )
                & ~fitted
            )
            highest = np.zeros(len(matches))
            np.maximum.at(highest, matches.query, confidence)
            print(
                kind,
                "NONE terms not fitted on, below .5:",
                (highest[kept] < 0.5).mean(),
                "nonsense",
                (highest[-len(NONSENSE) :] < 0.5).mean(),
            )
    found, fitted = data.places()
    calibrations["place"] = fit(
        found.part(fitted), scorer=scorer, fitted_on="places", features=PLACE_FEATURES
    )
    rows.append(row("place", found, cross_validated(found)))
    print(
        "| kind | queries | right first | confidence | ECE | answerable | at most 5 / 10 / 20 % wrong |"
    )
    print("|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    import pickle

    pickle.dump((data.place_parts, found), open("/tmp/places.pkl", "wb"))
    target = (arguments.model or SHIPPED) / CALIBRATION_FILE
    write_text(target, calibrations_json(calibrations))


def row(kind: str, matches: JudgedMatches, confidence: np.ndarray) -> str:
    """A line of the table of figures."""
    found = Reliability.of(matches, confidence)
    best, right = confidence[matches.best], matches.right[matches.best]
    risks = " / ".join(f"{risk_threshold(best, right, risk):.2f}" for risk in (0.05, 0.1, 0.2))
    answerable = "" if found.answerable is None else f"{found.answerable:.3f}"
    return (
        f"| {kind} | {found.queries} | {found.right:.3f} | {found.confidence:.3f} | "
        f"{found.error:.3f} | {answerable} | {risks} |"
    )


class Data:
    """The judged matches of each set, and which of its queries may be fitted on."""

    def __init__(self, folder: Path, model: uwe.TextEncoder) -> None:
        self.folder, self.model = folder, model
        self.names: list[str] = []
        self.caches = {name: uwe.space_cache(name, model=model) for name in (SKILLS, OCCUPATIONS)}
        self.labels = {
            name: {label: i for i, label in enumerate(cache.labels)}
            for name, cache in self.caches.items()
        }

    def judged(
        self,
        queries: Sequence[str],
        answers: Sequence[Sequence[str]],
        space: str,
        *,
        cache: uwe.TargetCache | None = None,
        weight: float = 1.0,
    ) -> JudgedMatches:
        index = self.labels[space]
        # An answer of another release of ESCO cannot be found: right is never said of it.
        accepted = [{index.get(label, -1) for label in some} for some in answers]
        found = [
            (one.hits.indices, one.features)
            for one in ranked_features(queries, cache or self.caches[space])
        ]
        return judged(queries, accepted, found, weight=weight)

    def typed(self, name: str, space: str) -> tuple[JudgedMatches, np.ndarray]:
        with (self.folder / "typed" / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
        at = 1 if name.startswith("spans") else 0
        answers = [_labels("|".join(row[at + 1 :])) for row in rows]
        found = self.judged([row[at] for row in rows], answers, space)
        return found, np.ones(len(found), dtype=np.bool_)

    def sentences(self, name: str) -> tuple[JudgedMatches, np.ndarray]:
        folder = self.folder / "workbench" / f"skillextract_{name}"
        labels = {row["id"]: row["text"] for row in _json_lines(folder / "targets.jsonl.gz")}
        answers: dict[str, list[str]] = {}
        with gzip.open(folder / "val.qrels.tsv.gz", "rt", encoding="utf-8") as file:
            for line in file:
                query, _, target, *_ = line.split("\t")
                answers.setdefault(query, []).append(labels[target])
        queries = _json_lines(folder / "val.queries.jsonl.gz")[:600]
        found = self.judged(
            [row["text"] for row in queries],
            [answers[row["id"]] for row in queries],
            SKILLS,
            weight=0.3 if name == "skillskape" else 1.0,
        )
        return found, np.ones(len(found), dtype=np.bool_)

    def places(self) -> tuple[JudgedMatches, np.ndarray]:
        """Pieces of whole adverts, in folds of adverts, and of single lines."""
        finder = Finder(self.caches[SKILLS])
        parts = []
        adverts = read_adverts(self.folder / "typed" / "adverts")
        for number, advert in enumerate(adverts):
            parts.append(self._pieces(finder, advert.text, advert.places, number % 5, 1.0))
        with (self.folder / "typed" / "lines.tsv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
        for number, (line, _, labels) in enumerate(rows):
            accepted = frozenset(_labels(labels))
            marked = [MarkedPlace(0, len(line), accepted)] if accepted else []
            parts.append(self._pieces(finder, line, marked, number % 5, 1.0))
        self.place_parts = parts[: len(adverts)], parts[len(adverts) :]
        found = JudgedMatches.joined([part for part in parts if len(part)])
        return found, np.ones(len(found), dtype=np.bool_)

    def _pieces(self, finder, text, marked, fold, weight) -> JudgedMatches:
        (cut,) = finder.pieces([text])
        index = self.labels[SKILLS]
        accepted = []
        for piece in cut.pieces:
            start, end = piece.span(cut.plain)
            right = set()
            for place in marked:
                if place.start < end and start < place.end:
                    right.update(index[label] for label in place.labels if label in index)
            accepted.append(right)
        found = judged(
            [piece.text for piece in cut.pieces],
            accepted,
            [(piece.found.hits.indices, piece.features) for piece in cut.pieces],
            weight=weight,
        )
        return replace(found, fold=np.full(len(found), fold))

    def extra(self, space: str) -> list[tuple[JudgedMatches, np.ndarray]]:
        file = "skill_terms" if space == SKILLS else "occupation_titles"
        with gzip.open(self.folder / "lexicon" / f"{file}.tsv.gz", "rt", encoding="utf-8") as lines:
            rows = [line.rstrip("\n").split("\t") for line in lines][1:]
        table = uwe.target_space(space)
        hidden = [row for row in rows if row[2] != NONE and _share(row[0]) < HIDDEN]
        names = {row[0].casefold() for row in hidden}
        aliases = [
            [alias for alias in some if alias.casefold() not in names]
            for some in table.aliases or ()
        ]
        cache = uwe.TargetCache.build(
            self.model, table.labels, aliases=aliases, ids=table.ids, dtype="int8"
        )
        known = {label.casefold() for label in table.labels}
        hidden = sorted(
            (row for row in hidden if row[0].casefold() not in known),
            key=lambda row: _share(row[0]),
        )[:MOST]
        terms = self.judged(
            [row[0] for row in hidden],
            [_labels("|".join(row[2:4])) for row in hidden],
            space,
            cache=cache,
            weight=0.05,
        )
        silent = [row[0] for row in rows if row[2] == NONE]
        none = self.judged(silent, [[]] * len(silent), space, weight=0.1)
        half = np.array([_share(f"half {text}") < 0.5 for text in silent])
        nonsense = self.judged(NONSENSE, [[]] * len(NONSENSE), space, weight=0.3)
        return [
            (terms, np.ones(len(terms), dtype=np.bool_)),
            (none, half),
            (nonsense, np.ones(len(nonsense), dtype=np.bool_)),
        ]


def _labels(cell: str) -> list[str]:
    labels = [label.strip() for label in cell.split("|")]
    return [label for label in labels if label and label != NONE]


def _share(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def _json_lines(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    main()
