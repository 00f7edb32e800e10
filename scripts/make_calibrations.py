"""Fit the calibrations that come with a model, and show how far they can be trusted.

    python scripts/make_calibrations.py DATA_FOLDER [--model FOLDER] [--plots FOLDER]

DATA_FOLDER has `typed/`, `lexicon/` and `workbench/`. Replaces the model's `calibration.json` and
prints a table of five-fold cross-validation, in which no query was fitted on; --plots also draws
`confidence.svg`.

A term of the lexicon is a name in the built-in spaces, so it would find itself. A part of them, by
hash, is left out of a space built for this alone: they stand for what people type and no name
equals. Half of the terms without an answer in ESCO, by hash too, are only measured.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import uwe
from uwe.bench import calibration
from uwe.bench.calibration import JudgedMatches
from uwe.bench.calibrator import RISKS
from uwe.bench.reliability_plot import draw_reliability
from uwe.calibration import CALIBRATION_FILE, FEATURES, Calibration, calibrations_json
from uwe.corpus import read_task
from uwe.data.adverts import MarkedPlace, read_adverts
from uwe.data.tables import TableFile, tabbed_rows
from uwe.data.typed import NO_ANSWER, TYPED_SETS, typed_lines
from uwe.extraction.pieces import PLACE_FEATURES, PieceRanker
from uwe.files.atomic import write_text
from uwe.ranking.rank import ranked_features

Floats = NDArray[np.float64]
SKILLS, OCCUPATIONS = "esco-skills", "esco-occupations"
SHIPPED = Path(uwe.__file__).parent / "assets" / "uwe-mini"
HIDDEN, MOST = 0.15, 1500
"""Share of the lexicon's terms that are left out of the space, and how many are taken at most."""
MOST_SENTENCES = 600
COLUMNS = ("line", "ask", "skills")
OWN, NAMES, SILENT, IDLE = "own", "names", "silent", "nonsense"
HEADER = """\
| queries | number | right first | confidence | error | answerable | at most 5 / 10 / 20 % wrong \
| terms without an answer | nonsense |
|---|---|---|---|---|---|---|---|---|"""
NONSENSE = (
    "asdf", "qwerty uiop", "xx", "N/A", "n/a", "none", "TBC", "to be confirmed", "see above",
    "test", "lorem ipsum", "???", "-", "1234", "misc", "various", "other", "unknown", "hello",
    "yes", "Berlin", "London", "New York", "Leeds, West Yorkshire", "Galway, Ireland", "Mumbai",
    "Ontario", "Nairobi", "Texas 75001", "Remote (EU)", "Goldman Sachs", "Microsoft", "Siemens AG",
    "Tesco plc", "Brightwater Holdings Ltd", "Northgate & Sons", "Acme Corp", "Fairmont Group",
    "John Smith", "Maria Gonzalez", "jane.doe@example.com", "www.example.com", "+44 20 7946 0958",
    "Monday", "Jan 2020 - Mar 2021", "2019", "full time", "permanent", "immediate start",
    "competitive salary", "pension", "25 days holiday", "page 1 of 2", "references on request",
    "curriculum vitae", "date of birth", "married", "non smoker", "own transport", "hobbies",
)  # fmt: skip


class Part(NamedTuple):
    """Judged queries of one source.

    Attributes:
        matches: Their best matches.
        fitted: (queries,), bool: which are fitted on.
        source: `OWN`, whose reliability is shown; names of the lexicon; its terms without an
            answer; nonsense.
    """

    matches: JudgedMatches
    fitted: NDArray[np.bool_]
    source: str = OWN


def main() -> None:
    """Fit, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--plots", type=Path)
    arguments = parser.parse_args()
    model = uwe.load(arguments.model)
    calibrations: dict[str, Calibration] = {}
    best: dict[str, tuple[Floats, NDArray[np.bool_]]] = {}
    print(HEADER)
    for kind, parts in Data(arguments.data, model).kinds():
        matches = JudgedMatches.joined([part.matches for part in parts])
        fitted = np.concatenate([part.fitted for part in parts])
        calibrations[kind] = calibration.fit(
            matches.part(fitted),
            scorer=str(model.config.scorer),
            fitted_on=f"{np.count_nonzero(fitted)} {kind}s",
            features=PLACE_FEATURES if kind == "place" else FEATURES,
        )
        confidence = calibration.cross_validated(matches, only=fitted)
        sources = np.repeat([part.source for part in parts], [len(part.fitted) for part in parts])
        own = sources == OWN
        shown, of_own = matches.part(own), confidence[own[matches.query]]
        best[kind] = of_own[shown.best], shown.right[shown.best]
        empty = calibration.highest(matches, confidence) <= 0.5
        idle = empty[(sources == SILENT) & ~fitted], empty[sources == IDLE]
        print(row(kind, shown, of_own, idle))
    if arguments.plots is not None:
        draw_reliability(best, arguments.plots / "confidence.svg")
    write_text((arguments.model or SHIPPED) / CALIBRATION_FILE, calibrations_json(calibrations))


def row(
    kind: str, matches: JudgedMatches, confidence: Floats, idle: Sequence[NDArray[np.bool_]]
) -> str:
    """A line of the table; `idle` says of queries without an answer whether they got no match."""
    found = calibration.Reliability.of(matches, confidence)
    risks = [calibration.risk_threshold(matches, confidence, risk) for risk in RISKS]
    cells = [kind, f"{found.queries:,}", f"{found.right:.1%}", f"{found.confidence:.1%}"]
    cells += [f"{found.error:.3f}", f"{found.answerable:.3f}" if found.answerable else ""]
    cells.append(" / ".join(f"{risk:.2f}" for risk in risks))
    cells += [f"{empty.mean():.0%} of {len(empty)}" if len(empty) else "" for empty in idle]
    return f"| {' | '.join(cells)} |"


class Data:
    """The judged matches of each set, and which of its queries are fitted on."""

    def __init__(self, folder: Path, model: uwe.TextEncoder) -> None:
        self.folder, self.model = folder, model
        self.caches = {name: uwe.space_cache(name, model=model) for name in (SKILLS, OCCUPATIONS)}
        self.labels = {
            name: {label: i for i, label in enumerate(cache.labels)}
            for name, cache in self.caches.items()
        }

    def kinds(self) -> Iterator[tuple[str, list[Part]]]:
        """The sets of each kind of query."""
        yield "title", [self.typed("titles", OCCUPATIONS), *self.of_lexicon(OCCUPATIONS)]
        yield "keyword", [self.typed("keywords", SKILLS), *self.of_lexicon(SKILLS)]
        yield "span", [self.typed(f"spans_{name}", SKILLS) for name in ("house", "tech")]
        yield "sentence", [self.sentences(name) for name in ("house", "tech", "skillskape")]
        yield "place", [self.places()]

    def judged(
        self,
        queries: Sequence[str],
        answers: Sequence[Sequence[str]],
        space: str,
        *,
        cache: uwe.TargetCache | None = None,
        weight: float = 1.0,
    ) -> JudgedMatches:
        """The matches of queries, held against the labels that answer each."""
        index = self.labels[space]
        # An answer of another release of ESCO cannot be found: right is never said of it.
        accepted = [{index.get(label, -1) for label in some} for some in answers]
        found = [
            (one.hits.indices, one.features)
            for one in ranked_features(queries, cache or self.caches[space])
        ]
        return calibration.judged(queries, accepted, found, weight=weight)

    def typed(self, name: str, space: str) -> Part:
        """What people type, or what experts marked."""
        lines = typed_lines(self.folder / "typed" / f"{name}.tsv", TYPED_SETS[name])
        _, queries, answers = zip(*lines, strict=True)
        return _all(self.judged(queries, answers, space))

    def sentences(self, name: str) -> Part:
        """Sentences of adverts, validation split."""
        task = read_task(self.folder / "workbench" / f"skillextract_{name}", "val")
        answers = [[task.targets[index] for index in some] for some in task.relevant]
        queries, weight = task.queries[:MOST_SENTENCES], 0.3 if name == "skillskape" else 1.0
        return _all(self.judged(queries, answers[: len(queries)], SKILLS, weight=weight))

    def of_lexicon(self, space: str) -> list[Part]:
        """Terms that no name of a space equals, terms without an answer, and nonsense."""
        name = "skill_terms" if space == SKILLS else "occupation_titles"
        file = TableFile(self.folder / "lexicon" / f"{name}.tsv.gz")
        rows = [row for _, row in file.rows("tabs", ("term", "label", "others"))]
        table = uwe.target_space(space)
        hidden = [row for row in rows if row["label"] != NO_ANSWER and _share(row["term"]) < HIDDEN]
        names = {row["term"].casefold() for row in hidden}
        aliases = [
            [alias for alias in some if alias.casefold() not in names]
            for some in table.aliases or ()
        ]
        cache = uwe.TargetCache.build(
            self.model, table.labels, aliases=aliases, ids=table.ids, dtype="int8"
        )
        known = {label.casefold() for label in table.labels}
        hidden = [row for row in hidden if row["term"].casefold() not in known]
        hidden = sorted(hidden, key=lambda row: _share(row["term"]))[:MOST]
        queries = [row["term"] for row in hidden]
        answers = [_labels(f"{row['label']}|{row['others']}") for row in hidden]
        terms = self.judged(queries, answers, space, cache=cache, weight=0.05)
        silent = [row["term"] for row in rows if row["label"] == NO_ANSWER]
        half = np.array([_share(f"half {text}") < 0.5 for text in silent])
        none = self.judged(silent, [[]] * len(silent), space, weight=0.1)
        nonsense = self.judged(NONSENSE, [[]] * len(NONSENSE), space, weight=0.3)
        return [_all(terms, NAMES), Part(none, half, SILENT), _all(nonsense, IDLE)]

    def places(self) -> Part:
        """Pieces of whole adverts, in folds of adverts, and of single lines."""
        ranker = PieceRanker(self.caches[SKILLS])
        texts: list[tuple[int, str, Sequence[MarkedPlace]]] = [
            (number, advert.text, advert.places)
            for number, advert in enumerate(read_adverts(self.folder / "typed" / "adverts"))
        ]
        rows = tabbed_rows(self.folder / "typed" / "lines.tsv", COLUMNS, optional=COLUMNS[1:])
        for number, (_, (line, _, cell)) in enumerate(rows):
            labels = frozenset(_labels(cell))
            texts.append((number, line, [MarkedPlace(0, len(line), labels)] if labels else []))
        parts = [
            self._pieces(ranker, text, at, number % calibration.FOLDS) for number, text, at in texts
        ]
        return _all(JudgedMatches.joined([part for part in parts if len(part)]))

    def _pieces(
        self, ranker: PieceRanker, text: str, marked: Sequence[MarkedPlace], fold: int
    ) -> JudgedMatches:
        (cut,) = ranker.pieces([text])
        index = self.labels[SKILLS]
        accepted = []
        for piece in cut.pieces:
            start, end = piece.span(cut.plain)
            at = [place for place in marked if place.start < end and start < place.end]
            accepted.append({index[x] for place in at for x in place.labels if x in index})
        found = calibration.judged(
            [piece.text for piece in cut.pieces],
            accepted,
            [(piece.found.hits.indices, piece.features) for piece in cut.pieces],
        )
        return replace(found, fold=np.full(len(found), fold))


def _all(matches: JudgedMatches, source: str = OWN) -> Part:
    return Part(matches, np.ones(len(matches), dtype=np.bool_), source)


def _labels(cell: str) -> list[str]:
    return [label.strip() for label in cell.split("|") if label.strip()]


def _share(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


if __name__ == "__main__":
    main()
