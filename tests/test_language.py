"""Foreign texts are told, English ones are left alone; `foreign.tsv` was written for this test."""

from __future__ import annotations

import csv
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest

import uwe
from cli_shell import Shell
from conftest import HashEncoder
from tiny_model import write_model
from uwe.errors import InputError
from uwe.language import LANGUAGES, foreign, guess_language
from uwe.ranking.foreign import unread_language

FOREIGN = [
    line.split("\t")
    for line in Path(__file__).with_name("foreign.tsv").read_text(encoding="utf-8").splitlines()
]
GERMAN = "Wir suchen einen erfahrenen Koch"
FRENCH = "Nous recherchons un comptable"


@pytest.fixture(scope="module")
def model() -> uwe.TextEncoder:
    return uwe.load()


def share(texts: Iterable[str], model: uwe.TextEncoder | None) -> float:
    found = [foreign(text, model and model.has_word) is not None for text in texts]
    return sum(found) / len(found)


@pytest.mark.parametrize(("kind", "least"), [("title", 0.6), ("line", 0.85), ("text", 1.0)])
def test_foreign_texts_are_told_the_longer_the_more(
    model: uwe.TextEncoder, kind: str, least: float
) -> None:
    texts = [(tag, text) for tag, of, text in FOREIGN if of == kind]
    for known in (None, model.has_word):
        found = [(tag, foreign(text, known)) for tag, text in texts]
        told = [(tag, guess) for tag, guess in found if guess is not None]
        assert len(told) >= least * len(texts)
        assert sum(tag == guess for tag, guess in told) >= 0.9 * len(told)


def test_scripts_other_than_latin_are_certain() -> None:
    for tag, _, text in FOREIGN:
        if tag in ("ru", "el", "ar", "zh", "ja"):
            assert guess_language(text)[1] == 1.0
            assert foreign(text) in LANGUAGES


def test_labels_of_esco_are_english(model: uwe.TextEncoder) -> None:
    skills, occupations = uwe.target_space("esco-skills"), uwe.target_space("esco-occupations")
    for texts in (skills.labels[::7], occupations.labels):
        assert share(texts, None) < 0.01
        assert share(texts, model) < 0.005


@pytest.mark.parametrize(
    ("name", "column"), [("titles", "title"), ("keywords", "keyword"), ("lines", "line")]
)
def test_what_people_type_is_english(
    model: uwe.TextEncoder, data_folder: Path, name: str, column: str
) -> None:
    with (data_folder / "typed" / f"{name}.tsv").open(encoding="utf-8") as file:
        texts = [row[column] for row in csv.DictReader(file, delimiter="\t")]
    assert share(texts, None) < 0.01
    assert share(texts, model) < 0.01


@pytest.mark.parametrize("text", ["", " ", "123", "C++", "x", "€ 5,-", "data engineer", "😀"])
def test_texts_that_say_little_are_not_foreign(text: str) -> None:
    assert foreign(text) is None
    assert foreign(text, lambda _: False) is None


def test_a_long_text_takes_no_longer_and_no_text_is_an_error() -> None:
    assert guess_language(GERMAN + " " * 2000 + "x" * 10**6) == guess_language(GERMAN + " " * 2000)
    for function in (guess_language, foreign):
        with pytest.raises(InputError):
            function(5)  # type: ignore[operator]


# Queries.


def cache_of(folder: Path, language: str) -> uwe.TargetCache:
    model = uwe.TextEncoder(
        write_model(folder / f"model-{language}", language=language, max_tokens=64)
    )
    return uwe.TargetCache.build(model, ["data", "baker"])


@pytest.mark.parametrize("language", ["en", "en-GB", "EN, fr"])
def test_a_foreign_query_is_warned_of(tmp_path: Path, language: str) -> None:
    cache = cache_of(tmp_path, language)
    with pytest.warns(uwe.LanguageWarning, match="^query 0 .*German") as caught:
        found = uwe.rank(GERMAN, cache)
    assert caught[0].filename == __file__
    assert len(found) == 2
    with pytest.warns(uwe.LanguageWarning) as caught:
        uwe.rank_many(["data", GERMAN, *["data"] * 70, GERMAN, GERMAN], cache)
    assert len(caught) == 1
    assert str(caught[0].message).startswith("query 1 (")
    assert "and 2 more of 74 queries" in str(caught[0].message)
    with pytest.warns(uwe.LanguageWarning) as caught:
        assert len(list(uwe.rank_stream([GERMAN] * 9, cache, block=2))) == 9
    assert len(caught) == 1


def test_how_accents_are_encoded_changes_no_language() -> None:
    model = uwe.load()
    query = "F\u00fchrungskraft im Einzelhandel f\u00fcr M\u00f6bel"
    forms = (query, unicodedata.normalize("NFD", query), "\u200b".join(query))
    assert [unread_language(form, model) for form in forms] == ["de"] * 3


def test_who_is_not_warned(tmp_path: Path) -> None:
    english = cache_of(tmp_path, "en")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        uwe.rank(FRENCH, cache_of(tmp_path, "en,fr"))
        for language in ("", "de", "de,en"):
            uwe.rank(GERMAN, cache_of(tmp_path, language))
        uwe.rank(GERMAN, uwe.TargetCache.build(HashEncoder(), ["data"], scorer="pooled"))
        uwe.rank_many(["data engineer", "baker"], english)
        uwe.rank_many([GERMAN, *["data"] * 99], english)  # one in a hundred may be a wrong guess
        with pytest.raises(uwe.LanguageWarning):
            uwe.rank(GERMAN, english)
        warnings.simplefilter("ignore", uwe.LanguageWarning)
        uwe.rank(GERMAN, english)


def test_the_shipped_model_says_what_it_reads(shell: Shell) -> None:
    Path("t.txt").write_text("data\nbaker\n")
    shell("cache", "build", "my.uwe", "-i", "t.txt")
    done = shell("rank", "-i", "-", "-t", "my.uwe", "-k", "1", text=f"data\n{FRENCH}\n{GERMAN}\n")
    assert len(done.stdout.splitlines()) == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("uwe: warning: query 1 ('Nous recherchons")
    assert "French or German" in line
