"""What reads texts of users takes time in proportion to their length, whatever stands in them."""

from __future__ import annotations

import string
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from uwe.bench.tables import _safe
from uwe.bench.trec import _column
from uwe.corpus import read_queries
from uwe.data.esco_files import _VERSION_GIVEN
from uwe.encoder.text_encoder import Token
from uwe.encoder.words import words_of as words_of_tokens
from uwe.enrich.background import Fact
from uwe.enrich.grounding import Grounding
from uwe.enrich.hiding import Hider
from uwe.enrich.near import runs_of, words_of
from uwe.enrich.prompt import parse_answer
from uwe.enrich.validation import has_form, is_english
from uwe.extraction.segments import split_sentences
from uwe.extraction.skill_head import token_shapes
from uwe.graphs.graph import folded
from uwe.lexicon import Abbreviations, with_unknown_words

LENGTH = 15_000
"""Characters. Linear readers take some 10 ms of the processor, and a loop of C that goes over the
rest at each of them takes more than a quarter of a second."""

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
    from uwe.graphs.augmentation import CHANGES
    from uwe.graphs.augmentation import augmented as changed

    return changed([text], dict.fromkeys(CHANGES, 1.0), seed=0, graph="J", number=0)


def parsed(text: str) -> object:
    skill = Fact("skill", "bake bread")
    return parse_answer(text, Grounding(skill, "", None, (), (), (), ()), "", sentences=1)


def shaped(text: str) -> object:
    return token_shapes([f"a{text}"], np.array([[0, 1]]), np.array([0, 1]))


READERS: dict[str, Callable[[str], object]] = {
    "split_sentences": split_sentences,
    "readings": Abbreviations.built_in().readings,
    "unknown words": lambda text: with_unknown_words(text, lambda _: False),
    "words of tokens": spelt,
    "token_shapes": shaped,
    "augmented": augmented,
    "folded": folded,
    "has_form": has_form,
    "words_of": words_of,
    "runs_of": lambda text: runs_of(text, 3),
    "is_english": is_english,
    "hide": Hider("sk-aaaaaaaaaaaaaaaa").hide,
    "parse_answer": parsed,
    "markdown": _safe,
    "trec": _column,
    "version": _VERSION_GIVEN.fullmatch,
}


def seconds_of(read: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    read(text)
    return time.process_time() - start


@pytest.mark.parametrize("reader", READERS)
def test_long_texts_of_one_thing_are_read_quickly(reader: str) -> None:
    read = READERS[reader]
    if reader == "augmented":
        pytest.importorskip("torch")
    # These two are slow per letter: a few kinds of texts will do.
    several, seconds = (12, 1.5) if reader in ("augmented", "words of tokens") else (1, 0.25)
    for unit in UNITS[::several]:
        text = (unit * LENGTH)[:LENGTH]
        for whole in (text, f"manage {text} a!"):
            # Once more where something else, such as the garbage collector, came between.
            assert any(seconds_of(read, whole) < seconds for _ in range(2))


@pytest.mark.parametrize("mark", [".", ". ", "e.g. ", "…", " "])
def test_the_sentences_of_a_long_text_are_found_quickly(mark: str) -> None:
    assert seconds_of(split_sentences, (mark * 200_000)[:200_000]) < 3


def test_a_csv_of_open_quotes_is_read_quickly() -> None:
    """Each line leaves a quote open, whether it begins within one or not."""
    lines = [b"text,b\n", *[b'a",",c\n'] * 16_000]
    wrong: list[object] = []

    def read(_: str) -> object:
        return list(read_queries(lines, format="csv", on_invalid=wrong.append))

    assert seconds_of(read, "") < 5
    assert len(wrong) == 16_000


def test_letters_that_a_pattern_takes_for_others_change_nothing() -> None:
    pytest.importorskip("torch")
    for text in ("ſoftware engineer", "human reſources", "\u212aey account manager"):
        assert augmented(text)


def test_a_text_without_end_is_no_recursion() -> None:
    assert parsed("[" * (10 * sys.getrecursionlimit())) is None
