"""Augmented texts: what each switch does, how often, and that a batch's texts are its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uwe.graphs.augmentation import CHANGES, augmented

TITLES = ["Warehouse operative", "Sr. Data Engineer", "nurse", "Head of quality control", "C++ dev"]
SWITCHES = tuple(CHANGES)


def changed(texts: list[str], number: int = 0, **switches: float) -> list[str]:
    return augmented(texts, switches, seed=1, graph="T", number=number)


def distance(a: str, b: str) -> int:
    """Levenshtein's."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        above, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            above, row[j + 1] = row[j + 1], min(row[j] + 1, row[j + 1] + 1, above + (x != y))
    return row[-1]


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=6), st.integers(0, 99))
def test_any_text_is_changed_the_same_way_twice(texts: list[str], number: int) -> None:
    switches = dict.fromkeys(SWITCHES, 1.0)
    found = changed(texts, number, **switches)
    assert found == changed(texts, number, **switches)
    assert len(found) == len(texts)
    assert changed(texts, number) == texts


def test_how_often_is_what_the_switch_says() -> None:
    for switch in SWITCHES:
        found = changed(["Warehouse manager"] * 2000, **{switch: 0.3})
        assert sum(text != "Warehouse manager" for text in found) == pytest.approx(600, abs=80)


def test_one_switch_does_not_move_another() -> None:
    """A text's typos are those of the run without marks, so that an ablation tells one thing."""
    plain = changed(TITLES * 20, typos=0.0, marks=0.0, title_noise=0.5)
    marked = changed(TITLES * 20, typos=0.0, marks=1.0, title_noise=0.5)
    assert all(before.rstrip(".;,") in after for before, after in zip(plain, marked, strict=True))


def test_terms_are_shortened_and_written_out() -> None:
    assert set(changed(["quality control"] * 20, abbreviations=1.0)) == {"QC"}
    assert set(changed(["Sr. Engineer"] * 5, abbreviations=1.0)) == {"senior Engineer"}
    assert changed(["PC", "juggler"], abbreviations=1.0) == ["PC", "juggler"]  # two meanings; none


def test_noise_and_marks_stand_around_the_text() -> None:
    for switch in ("title_noise", "marks"):
        for before, after in zip(TITLES * 20, changed(TITLES * 20, **{switch: 1.0}), strict=True):
            assert before in after
            assert len(after) > len(before)


def test_slips_are_few_and_spare_first_letters_and_short_words() -> None:
    found = changed(["Warehouse operative"] * 300, typos=1.0)
    assert all(1 <= distance("Warehouse operative", text) <= 8 for text in found if text[0])
    assert sum(text != "Warehouse operative" for text in found) > 270
    assert changed(["SQL on AWS", "Rn"] * 20, typos=1.0) == ["SQL on AWS", "Rn"] * 20
