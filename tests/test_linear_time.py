"""What reads texts of users takes time in proportion to their length, whatever stands in them."""

from __future__ import annotations

import re
import string
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from uwe.bench.tables import _safe
from uwe.bench.trec import _column
from uwe.data.esco_files import _VERSION_GIVEN
from uwe.data.graph_files import folded
from uwe.enrich.answer import parse_answer
from uwe.enrich.language import is_english
from uwe.enrich.near import runs_of, words_of
from uwe.enrich.phrases import _without_brackets, clause_of, detail_of, phrase_of
from uwe.enrich.validation import has_form
from uwe.lexicon import Abbreviations, with_unknown_words
from uwe.sentences import split_sentences
from uwe.text import Token
from uwe.words import words_of as words_of_tokens

LENGTHS = [pytest.param(20_000, 1.0), pytest.param(200_000, 10.0, marks=pytest.mark.slow)]
"""Characters, and seconds of the processor at most: the square takes many times as long."""

# Each is repeated; a letter before and after some keeps them from being stripped at once.
UNITS = [
    *string.punctuation, *" \t\n…。！？“”’»•·–é\u00a0\u200b\U0001f680", "a", "A", "0", "qu", "ſ",
    ". ", ".a", "a.", "a. ", "e.g. ", "no. ", ".)", ". a", "! ", "- ", "a) ", "o ", "1. ", "( ",
    "()", "((", "A ", "AB ", "AB.", "Sr.", "Sr. ", "QA. ", "R&D ", "C++ ", " by ", " by aing ",
    " such as ", "ignore ", "a@", "w.", "a.b ", "'a", "\\", "{\"", "[", "\"\"", "a\n", "\r\n.",
]  # fmt: skip


def spelt(text: str) -> object:
    """Words of a model that cuts a text into single letters."""

    class Letters:
        def tokenize(self, text: str) -> list[Token]:
            return [Token(c, i, i + 1, None, special=False) for i, c in enumerate(text)]

    return words_of_tokens(Letters(), text, len(text))


def augmented(text: str) -> object:
    from uwe.training.augmentation import Augmentation
    from uwe.training.augmentation import augmented as changed

    every = Augmentation(abbreviations=1, title_noise=1, marks=1, typos=1)
    return changed([text], every, seed=0, graph="J", number=0)


VERBS = frozenset({"manage", "bake"})
READERS: dict[str, Callable[[str], object]] = {
    "split_sentences": split_sentences,
    "readings": Abbreviations.built_in().readings,
    "unknown words": lambda text: with_unknown_words(text, lambda _: False),
    "words of tokens": spelt,
    "augmented": augmented,
    "folded": folded,
    "has_form": has_form,
    "words_of": words_of,
    "runs_of": lambda text: runs_of(text, 3),
    "is_english": is_english,
    "phrase_of": lambda text: phrase_of(text, "skill", VERBS),
    "clause_of": lambda text: clause_of(text, "skill", VERBS),
    "detail_of": detail_of,
    "parse_answer": parse_answer,
    "markdown": _safe,
    "trec": _column,
    "version": _VERSION_GIVEN.fullmatch,
}


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


@pytest.mark.parametrize(("length", "seconds"), LENGTHS)
@pytest.mark.parametrize("reader", READERS)
def test_long_texts_of_one_thing_are_read_quickly(reader: str, length: int, seconds: float) -> None:
    read = READERS[reader]
    if reader == "augmented":
        pytest.importorskip("torch")
    # These two are slow per letter: a few kinds of texts will do.
    several = 12 if reader in ("augmented", "words of tokens") and length < 10**5 else 1
    for unit in UNITS[::several]:
        text = (unit * length)[:length]
        for whole in (text, f"manage {text} a!"):
            with at_most(seconds):
                read(whole)


@pytest.mark.parametrize("mark", [*string.punctuation, "…", "。", "e.g. ", ". ", " "])
def test_the_sentences_of_a_long_text_are_found_quickly(mark: str) -> None:
    with at_most(3.0):
        split_sentences((mark * 200_000)[:200_000])


def test_brackets_are_left_out_as_before() -> None:
    texts = ["Java (programming)", "a (b (c) d)", "((", "a  ()", "(a) b", "a (b", "a)(b)", " ( ) "]
    for text in texts:
        assert _without_brackets(text) == re.sub(r"\s*\([^)]*\)", "", text)


def test_letters_that_a_pattern_takes_for_others_change_nothing() -> None:
    pytest.importorskip("torch")
    for text in ("ſoftware engineer", "human reſources", "\u212aey account manager"):
        assert augmented(text)


def test_a_text_without_end_is_no_recursion() -> None:
    assert parse_answer("[" * (10 * sys.getrecursionlimit())) is None
