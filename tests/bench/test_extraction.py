"""Precision and recall of findings: by hand, against a plain loop, and of the plain extractor."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import uwe
from conftest import HashEncoder
from tiny_typed import use_space, write_typed
from uwe import spaces
from uwe.bench import extraction
from uwe.bench.extraction import (
    Figures,
    Finding,
    draw_extraction,
    evaluate_extraction,
    sentence_extractor,
    uwe_extractor,
)
from uwe.cache.target_cache import TargetCache
from uwe.cli.app import app
from uwe.data.adverts import MarkedPlace, MarkedText
from uwe.errors import InputError
from uwe.extraction.findings import Place

#        0123456789012345678 901234567890123456789 01234567890
_TEXT = "Baker wanted, York\nbakes bread and rolls\nFree lunch"
_MARKED = MarkedText(
    "a",
    _TEXT,
    (
        MarkedPlace(19, 30, frozenset({"bake", "cook"})),  # bakes bread
        MarkedPlace(35, 40, frozenset({"bake rolls"})),  # rolls
    ),
)
_FOUND: list[Finding] = [
    ("bake", 0.9, [(0, 5)]),  # the heading
    ("bake", 0.6, [(25, 30), (0, 5)]),  # the same finding, right from here on
    ("eat", 0.8, [(41, 51)]),  # the benefit
    ("bake rolls", 0.5, [(19, 35)]),  # ends where its place begins
    ("bake rolls", 0.4, [(30, 36)]),
    ("cook", 0.3, [(0, 51)]),
]


def _counts(figures: Figures) -> tuple[int, ...]:
    return figures.found, figures.right, figures.marked, figures.recalled, figures.idle


def test_figures_by_hand() -> None:
    result = evaluate_extraction(lambda _: _FOUND, [_MARKED], threshold=0.6)
    assert result.labels is not None
    labels, places = result.labels, result.places
    assert _counts(labels.default) == (2, 1, 2, 1, 2)
    assert labels.thresholds == (0.9, 0.8, 0.6, 0.5, 0.4, 0.3)
    assert labels.precision == pytest.approx((0, 0, 1 / 2, 1 / 3, 2 / 3, 3 / 4))
    assert labels.recall == (0, 0, 0.5, 0.5, 1, 1)
    assert labels.best.threshold == 0.3
    assert _counts(labels.best) == (4, 3, 2, 2, 2)
    assert labels.best.f1.mean == pytest.approx(2 * 0.75 / 1.75)
    # Places: (0, 5), (25, 30), (41, 51); then (19, 35); then (30, 36), and the whole text.
    assert _counts(places.default) == (3, 1, 2, 1, 2)
    assert places.thresholds == (0.9, 0.8, 0.6, 0.5, 0.4, 0.3)
    assert places.precision == pytest.approx((0, 0, 1 / 3, 2 / 4, 3 / 5, 4 / 6))
    assert places.recall == (0, 0, 0.5, 0.5, 1, 1)


def test_without_a_threshold_all_counts() -> None:
    labels = evaluate_extraction(lambda _: _FOUND, [_MARKED]).labels
    assert labels is not None
    assert labels.default.threshold is None
    assert _counts(labels.default) == (4, 3, 2, 2, 2)


def test_texts_are_summed_and_the_interval_is_over_them() -> None:
    other = MarkedText("b", "no bread", ())
    result = evaluate_extraction(
        lambda text: [("bake", 1.0, [(3, 8) if text == "no bread" else (19, 24)])],
        [_MARKED, other],
    )
    assert result.labels is not None
    assert _counts(result.labels.default) == (2, 1, 2, 1, 1)
    precision = result.labels.default.precision
    assert (precision.low, precision.mean, precision.high) == (0, 0.5, 1)


def test_marks_without_labels_give_places_alone() -> None:
    text = MarkedText("a", "bake bread", (MarkedPlace(0, 4),))
    result = evaluate_extraction(lambda _: [("x", 1.0, [(0, 10)])], [text])
    assert result.labels is None
    assert _counts(result.places.default) == (1, 1, 1, 1, 0)


def test_nothing_found_is_0() -> None:
    labels = evaluate_extraction(lambda _: [], [_MARKED], threshold=0.5).labels
    assert labels is not None
    assert (labels.thresholds, labels.best) == ((), labels.default)
    assert _counts(labels.default) == (0, 0, 2, 0, 0)
    assert labels.default.f1.mean == 0


@pytest.mark.parametrize(
    ("finding", "message"),
    [
        (("a", math.nan, [(0, 1)]), "score"),
        (("a", 1.0, []), "places"),
        (("a", 1.0, [(1, 1)]), "places"),
        (("a", 1.0, [(0, 99)]), "places"),
        (("a", 1.0, [(-1, 1)]), "places"),
    ],
)
def test_what_is_no_finding_is_refused(finding: Finding, message: str) -> None:
    with pytest.raises(InputError, match=f"a: .*{message}"):
        evaluate_extraction(lambda _: [finding], [_MARKED])


def test_texts_without_a_mark_are_refused() -> None:
    with pytest.raises(InputError, match="marked"):
        evaluate_extraction(lambda _: [], [MarkedText("a", "text", ())])


_LENGTH = 12
_places = st.tuples(st.integers(0, _LENGTH - 1), st.integers(1, 5)).map(
    lambda pair: (pair[0], min(_LENGTH, sum(pair)))
)
_labels = st.sampled_from("abc")
_scores = st.sampled_from([0.1, 0.2, 0.3])
_findings = st.lists(
    st.tuples(_labels, _scores, st.lists(_places, min_size=1, max_size=3)), max_size=5
)
_cases = st.lists(
    st.tuples(
        st.text("x\n", min_size=_LENGTH, max_size=_LENGTH),
        st.lists(st.tuples(_places, st.frozensets(_labels, min_size=1)), min_size=1, max_size=4),
        _findings,
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip


def _plain(
    text: str, marks: list[MarkedPlace], found: Iterable[Finding], threshold: float
) -> tuple[int, ...]:
    """found, right, marked, recalled of labels, then of places, character by character."""
    kept = [finding for finding in found if finding[1] >= threshold]
    marked = [set(range(m.start, m.end)) for m in marks]
    found_places = {place for *_, places in kept for place in places}
    right, recalled = set(), set()
    for label, _, places in kept:
        for number, mark in enumerate(marks):
            if label in mark.labels and any(
                set(range(*place)) & marked[number] for place in places
            ):
                right.add(label)
                recalled.add(number)
    return (
        len({label for label, *_ in kept}),
        len(right),
        len(marks),
        len(recalled),
        len(found_places),
        sum(any(set(range(*place)) & each for each in marked) for place in found_places),
        len(marks),
        sum(any(set(range(*place)) & each for place in found_places) for each in marked),
    )


@settings(max_examples=60, deadline=None)
@given(_cases, _scores)
def test_counts_are_those_of_a_plain_loop(
    cases: list[tuple[str, list[tuple[tuple[int, int], frozenset[str]]], list[Finding]]],
    threshold: float,
) -> None:
    texts = [
        MarkedText(str(i), f"{i}{text}", tuple(MarkedPlace(*place, of) for place, of in marks))
        for i, (text, marks, _) in enumerate(cases)
    ]  # fmt: skip
    result = evaluate_extraction(lambda text: cases[int(text[0])][2], texts, threshold=threshold)
    assert result.labels is not None

    def sums(least: float) -> tuple[int, ...]:
        counted = [
            _plain(text.text, list(text.places), case[2], least)
            for text, case in zip(texts, cases, strict=True)
        ]
        return tuple(map(sum, zip(*counted, strict=True)))

    for measure, part in ((result.labels, slice(0, 4)), (result.places, slice(4, 8))):
        assert _counts(measure.default)[:4] == sums(threshold)[part]
        best = measure.best.f1.mean
        for least, precision, recall in zip(
            measure.thresholds, measure.precision, measure.recall, strict=True
        ):
            found, right, marked, recalled = sums(least)[part]
            assert (precision, recall) == (right / found, recalled / marked)
            assert 2 * precision * recall <= best * (precision + recall) + 1e-12


def test_the_plain_extractor_gives_each_sentence_its_best_label(encoder: HashEncoder) -> None:
    cache = TargetCache.build(encoder, ["bake bread", "drive a van"], scorer="max")
    text = "• bake bread\r\n\r\n1. drive a van! bake bread"
    found = list(sentence_extractor(cache)(text))
    assert [(label, text[slice(*places[0])]) for label, _, places in found] == [
        ("bake bread", "bake bread"), ("drive a van", "drive a van!"), ("bake bread", "bake bread"),
    ]  # fmt: skip
    assert list(sentence_extractor(cache)(" \n")) == []


def test_places_of_findings_count_by_their_own_confidence(
    encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = tuple(Place(a, a + 4, "bake", "bake", p) for a, p in ((5, 0.8), (0, 0.3)))
    found = uwe.Extraction("", [uwe.Finding("bake", None, 0, 1.0, 0.8, places)])
    monkeypatch.setattr(extraction, "extract", lambda *_, **__: found)
    cache = TargetCache.build(encoder, ["bake"], scorer="max")
    text = MarkedText("a", "bake bake", (MarkedPlace(0, 4, frozenset({"bake"})),))
    labels = evaluate_extraction(uwe_extractor(cache), [text], threshold=0.5).labels
    assert labels is not None
    assert (labels.thresholds, labels.precision) == ((0.8, 0.3), (0, 1))


def test_precision_over_recall_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = evaluate_extraction(lambda _: _FOUND, [_MARKED], threshold=0.5)
    nothing = evaluate_extraction(lambda _: [], [_MARKED])
    draw_extraction({"found": result.places, "nothing": nothing.places}, tmp_path / "curve.svg")
    drawn = (tmp_path / "curve.svg").read_text()
    assert "found: best F1 0.800 at 0.3" in drawn
    assert "nothing" in drawn


def test_the_command_prints_and_writes_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: HashEncoder
) -> None:
    pytest.importorskip("matplotlib")
    use_space(monkeypatch)
    write_typed(tmp_path)
    cache = TargetCache.build(encoder, ["baker", "cook"], scorer="max")
    monkeypatch.setattr(spaces, "space_cache", lambda _: cache)
    out, plot = tmp_path / "r.json", tmp_path / "r.svg"
    arguments = ["bench", "extraction", "--data", str(tmp_path), "--threshold", "0"]
    arguments += ["--extractor", "sentences"]
    found = CliRunner().invoke(app, [*arguments, "-o", str(out), "--plot", str(plot)])
    assert found.exit_code == 0, found.output
    assert "typed/adverts, labels" in found.stdout
    figures = json.loads(out.read_text())["sets"]["typed/adverts"]["labels"]["default"]
    assert figures["marked"] == 2
    assert plot.is_file()
    as_json = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(as_json.stdout)["sets"]["typed/adverts"]["labels"]["default"] == figures


def test_the_command_refuses_a_folder_without_adverts(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["bench", "extraction", "--data", str(tmp_path)])
    assert found.exit_code == 1
    assert "typed/adverts" in found.output


def test_the_command_refuses_one_file_for_figures_and_drawing(tmp_path: Path) -> None:
    out = str(tmp_path / "a.svg")
    found = CliRunner().invoke(app, ["bench", "extraction", "-o", out, "--plot", out])
    assert found.exit_code == 1
    assert out in found.output


def test_the_command_refuses_an_extractor_that_is_not_there(tmp_path: Path) -> None:
    arguments = ["bench", "extraction", "--extractor", "magic", "--data", str(tmp_path)]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 1
    assert "sentences" in found.output
