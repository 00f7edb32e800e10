"""Extraction: targets of whole texts, with their places, by the shipped model."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import uwe
from conftest import HashEncoder
from uwe.errors import InputError
from uwe.extraction.pieces import _lines
from uwe.extraction.source import plain_text

# For calls that a type checker would refuse.
WRONGLY: Any = uwe
SKILLS = [
    "SQL", "Python (computer programming)", "use spreadsheets software", "drive vehicles",
    "carry out wound care", "speak different languages", "work in teams", "manage a team",
    "prepare desserts", "apply arc welding techniques", "contract law", "customer service",
    "write job descriptions", "types of pensions", "childcare",
]  # fmt: skip
ADVERT = """Data Analyst, Leeds

About us
Brightwater is a family firm with nine depots in the north.

Requirements:
- Good knowledge of SQL and Python
- Experience with Microsoft Excel spreadsheets
• Able to work well in a team

What we offer
• Workplace pension
• 25 days of holiday
"""
PAGE = """<html><body><h1>Data Analyst, Leeds</h1>
<h2>About us</h2><p>Brightwater is a family firm with nine depots in the north.</p>
<h2>Requirements:</h2><ul><li>Good knowledge of <b>SQL</b> and Python</li>
<li>Experience with Microsoft Excel spreadsheets</li><li>Able to work well in a team</li></ul>
<h2>What we offer</h2>
<ul><li>Workplace pension</li><li>25 days of holiday</li></ul>
</body></html>"""


@pytest.fixture(scope="module")
def skills() -> uwe.TargetCache:
    return uwe.TargetCache.build(
        uwe.load(), SKILLS, ids=[f"S-{i}" for i in range(len(SKILLS))], dtype="int8"
    )


def test_finds_what_an_advert_asks_for_and_where(skills: uwe.TargetCache) -> None:
    found = uwe.extract(ADVERT, skills)
    by_label = {finding.label: finding for finding in found}
    assert {"SQL", "Python (computer programming)", "work in teams"} <= set(by_label)
    assert not {"types of pensions", "contract law", "childcare", "prepare desserts"} & set(
        by_label
    )
    best = by_label["SQL"].places[0]
    assert "SQL" in ADVERT[best.start : best.end]
    assert by_label["SQL"].id == "S-0"
    assert "SQL" in {word.text for word in best.words}


def test_findings_keep_their_contract(skills: uwe.TargetCache) -> None:
    found = uwe.extract(ADVERT, skills, min_confidence=0.05)
    assert len(found) > 3
    assert len({finding.index for finding in found}) == len(found)
    confidences = [finding.confidence for finding in found]
    assert confidences == sorted(confidences, reverse=True)
    for finding in found:
        assert SKILLS[finding.index] == finding.label
        assert finding.confidence == max(place.confidence for place in finding.places)
        assert finding.confidence == finding.places[0].confidence >= 0.05
        spans = sorted((place.start, place.end) for place in finding.places)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
        for place in finding.places:
            assert ADVERT[place.start : place.end] == place.text
            assert place.text in place.line
            for word in place.words:
                assert ADVERT[word.start : word.end] == word.text
                assert place.start <= word.start < word.end <= place.end
    strict = uwe.extract(ADVERT, skills, min_confidence=0.6)
    assert [f.label for f in strict] == [f.label for f in found if f.confidence >= 0.6]


def test_a_page_gives_what_its_text_gives(skills: uwe.TargetCache) -> None:
    plain, page = uwe.extract(ADVERT, skills), uwe.extract(PAGE, skills)
    assert {finding.label for finding in page} == {finding.label for finding in plain}
    (sql,) = (finding for finding in page if finding.label == "SQL")
    assert "SQL" in PAGE[sql.places[0].start : sql.places[0].end]


def test_texts_do_not_touch_each_other(skills: uwe.TargetCache) -> None:
    texts = [ADVERT, PAGE, "Welder wanted: arc welding of steel.", ADVERT.upper(), "No."]
    together = uwe.extract_many(texts, skills, min_confidence=0.2)
    assert len(together) == len(texts)

    def shown(extraction: Any) -> list[Any]:
        return [(f.label, round(f.confidence, 4), f.places[0].start) for f in extraction]

    for text, found in zip(texts, together, strict=True):
        assert found.text == text
        assert shown(found) == shown(uwe.extract(text, skills, min_confidence=0.2))


def test_a_stream_takes_texts_as_they_come(skills: uwe.TargetCache) -> None:
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield ADVERT

    stream = uwe.extract_stream(texts(), skills)
    next(stream)
    assert taken <= 64


def test_a_filter_leaves_the_others(skills: uwe.TargetCache) -> None:
    found = uwe.extract(ADVERT, skills, where=[0, 1], min_confidence=0)
    assert {finding.index for finding in found} <= {0, 1}
    assert found


@pytest.mark.parametrize(
    "text",
    ["." * 100_000, "\x00\x01.\x02", "★★★★☆ 😀", "-\n" * 5_000, "<" * 50_000, "&nbsp;", "\ufeff?"],
)
def test_what_says_nothing_finds_nothing(skills: uwe.TargetCache, text: str) -> None:
    assert list(uwe.extract(text, skills)) == []


def test_the_end_of_a_long_line_is_read_too(skills: uwe.TargetCache) -> None:
    line = "Experience with " + ", ".join(["nursing", "accounting", "Photoshop"] * 60)
    text = f"Requirements:\n{line}, SQL and arc welding."
    found = {finding.label: finding for finding in uwe.extract(text, skills)}
    assert "SQL" in found
    place = found["SQL"].places[0]
    assert "SQL" in text[place.start : place.end]


def test_a_filter_does_not_change_confidence(skills: uwe.TargetCache) -> None:
    whole = {f.index: f.confidence for f in uwe.extract(ADVERT, skills)}
    some = uwe.extract(ADVERT, skills, where=[0])
    assert [f.confidence for f in some] == pytest.approx([whole[0]])


def test_a_short_word_that_nobody_knows_is_read_all_the_same(skills: uwe.TargetCache) -> None:
    text = "It would help if you have RGI registration, or ZZQ, and drive: a full B licence."
    found = uwe.extract(f"Requirements:\n- {text}", skills, min_confidence=0)
    assert {place.line for finding in found for place in finding.places} == {text}


def test_a_text_with_a_lone_surrogate_is_named(skills: uwe.TargetCache) -> None:
    with pytest.raises(InputError, match="text 1"):
        uwe.extract_many([ADVERT, "a\nb\nc \ud83d SQL"], skills)


def test_threads_find_the_same(skills: uwe.TargetCache) -> None:
    texts = [ADVERT, PAGE, ADVERT.upper(), "Arc welding of steel; SQL."] * 2
    wanted = [uwe.extract(text, skills).to_dict() for text in texts]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda text: uwe.extract(text, skills).to_dict(), texts)
    assert list(found) == wanted


@pytest.mark.parametrize(("words", "lines"), [(254, 0), (255, 1)])
def test_only_a_line_that_was_cut_is_said_to_be(
    skills: uwe.TargetCache, words: int, lines: int
) -> None:
    """The model reads 256 tokens, two of them special."""
    assert len(uwe.extract("a " * words, skills).left_out) == lines


def test_a_very_long_text_says_what_was_left_out(skills: uwe.TargetCache) -> None:
    found = uwe.extract("Knowledge of SQL is needed.\n" + "x\n" * 3_000, skills)
    assert "SQL" in {finding.label for finding in found}
    assert found.left_out
    assert not uwe.extract(ADVERT, skills).left_out


@pytest.mark.parametrize("words", ["bake bread and ", "word ", "sql, "])
def test_a_line_without_end_is_cut_too(words: str) -> None:
    lines, left_out = _lines(plain_text("Needed: SQL.\n" + words * (250_000 // len(words))))
    assert 199_000 < sum(len(line.text) for line, _ in lines) <= 200_000
    assert left_out
    for line, items in lines:
        assert all(line.text[a:b].strip() for a, b in items)


@pytest.mark.parametrize("blanks", [599, 600, 601, 1_300, 1_900])
@pytest.mark.parametrize("line", ["| Skill | good SQL{}x |", "good SQL{}x", "a, SQL,{}x"])
def test_a_wide_gap_in_a_line_is_no_text(skills: uwe.TargetCache, line: str, blanks: int) -> None:
    text = f"Requirements:\n{line.format(' ' * blanks)}\nAble to work well in a team\n"
    found = uwe.extract(text, skills, min_confidence=0)
    assert {"SQL", "work in teams"} <= {finding.label for finding in found}
    for finding in found:
        assert all(text[place.start : place.end] == place.text for place in finding.places)


def test_a_line_of_what_nobody_sees_is_no_text(skills: uwe.TargetCache) -> None:
    text = "Requirements:\n- \u2060\n\ufe0f\n- good SQL\n"
    assert "SQL" in {finding.label for finding in uwe.extract(text, skills, min_confidence=0)}


@pytest.mark.parametrize("blank", ["\xa0", "\u2009", "\u3000"])
def test_words_end_at_any_blank(skills: uwe.TargetCache, blank: str) -> None:
    text = f"- Knowledge of{blank}SQL{blank}and databases"
    (sql,) = (f for f in uwe.extract(text, skills, min_confidence=0) if f.label == "SQL")
    words = [word for place in sql.places for word in place.words]
    assert words
    assert all(word.text in text.split() for word in words)
    assert all(text[word.start : word.end] == word.text for word in words)


@pytest.mark.parametrize("text", ["", " \n\t", None, 5, b"bytes", ["list"]])
def test_no_text_is_refused(skills: uwe.TargetCache, text: Any) -> None:
    with pytest.raises(InputError):
        WRONGLY.extract(text, skills)
    with pytest.raises(InputError, match="text 1"):
        uwe.extract_many([ADVERT, text], skills)


def test_a_text_beyond_bounds_is_refused(skills: uwe.TargetCache) -> None:
    with pytest.raises(InputError, match="10,000,000"):
        uwe.extract("x" * 10_000_001, skills)


@pytest.mark.parametrize("bound", [-0.1, 1.1, "much", float("nan"), True])
def test_a_wrong_bound_is_refused(skills: uwe.TargetCache, bound: Any) -> None:
    with pytest.raises(InputError, match="min_confidence"):
        uwe.extract(ADVERT, skills, min_confidence=bound)


@pytest.mark.parametrize("wrong", [{"where": {"nowhere": 1}}, {"abbreviations": 3}])
def test_a_wrong_option_is_refused_at_the_call(
    skills: uwe.TargetCache, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        WRONGLY.extract_many([], skills, **wrong)
    with pytest.raises(InputError):
        WRONGLY.extract_stream([ADVERT], skills, **wrong)


def test_several_texts_are_no_text(skills: uwe.TargetCache) -> None:
    for wrong in (ADVERT, None, {ADVERT: 1}, np.array(ADVERT)):
        with pytest.raises(InputError, match="iterable"):
            WRONGLY.extract_many(wrong, skills)


def test_a_model_that_sees_no_skills_is_refused(skills: uwe.TargetCache) -> None:
    bare = uwe.TargetCache.build(HashEncoder(), SKILLS, scorer="soft:0.5")
    with pytest.raises(InputError, match="skill head"):
        uwe.extract(ADVERT, bare)
    other = uwe.TargetCache.build(uwe.load(), SKILLS, scorer="pooled")
    with pytest.raises(InputError, match="scorer"):
        uwe.extract(ADVERT, other)
    pooled = uwe.TargetCache.build(uwe.load(), SKILLS, tokens="pooled")
    with pytest.raises(InputError, match="pooled tokens"):
        uwe.extract(ADVERT, pooled)
