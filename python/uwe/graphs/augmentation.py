"""Texts of a batch as people type them: shortened, with noise around them, with slips."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from uwe.lexicon import Abbreviations

_AUGMENTATION = 2
"""Sets these draws apart from those of a batch, and of its padding, with the same number."""

_LETTERS_A_SLIP = 24
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: [other for near in _KEYS[max(0, r - 1) : r + 2] for other in near[max(0, c - 1) : c + 2]
          if other != key]
    for r, row in enumerate(_KEYS) for c, key in enumerate(row)
}  # fmt: skip

_MARKS = ("• ", "- ", "* ", "– ", "· ", "1. ", "2) ", "3. ", "a) ", "o ", "> ", "✓ ")
_ENDS = (".", ";", ",", ":", " etc.")

_LEVELS = (
    "Senior", "Sr", "Sr.", "Junior", "Jr", "Lead", "Principal", "Trainee", "Apprentice", "Graduate",
    "Experienced", "Mid-level", "Entry Level", "Interim", "Relief", "Bank", "Level 2", "Grade 7",
)  # fmt: skip
_SUFFIXES = ("I", "II", "III", "2", "3", "Band 5", "L3")
_TERMS = (
    "Full Time", "Part-time", "FT", "PT", "Permanent", "Perm", "Contract", "12 month FTC", "Temp",
    "Temporary", "Maternity cover", "Remote", "Hybrid", "WFH", "Night Shift", "Nights", "Days",
    "Weekends", "4 on 4 off", "Rotating shifts", "20 hrs", "37.5 hours pw", "0.6 FTE", "Freelance",
    "Immediate start", "Urgent", "Urgently hiring", "2 positions", "x3", "Internship", "Seasonal",
    "m/w/d", "m/f/d", "m/f/x", "H/F", "w/m/d", "all genders",
)  # fmt: skip
_PLACES = (
    "London", "Manchester", "Leeds", "Bristol", "Glasgow", "Dublin", "Cork", "Paris", "Berlin",
    "Munich", "Vienna", "Amsterdam", "Brussels", "Madrid", "Lisbon", "Milan", "Warsaw", "Prague",
    "Athens", "Stockholm", "New York, NY", "Austin, TX", "Chicago", "Denver, CO", "Seattle",
    "Toronto, ON", "Sydney", "Melbourne VIC", "Auckland", "Cape Town", "Nairobi", "Lagos", "Accra",
    "Dubai", "Doha", "Mumbai", "Bangalore", "Delhi NCR", "Manila", "Singapore", "Kuala Lumpur",
    "Hong Kong", "North West", "Midlands", "Home Counties", "EMEA", "APAC", "US", "UK",
)  # fmt: skip
_PAY = ("£{0}k", "£{0},000", "€{0}k", "${0}/hr", "${0}K - ${1}K", "£{0}.50 ph", "up to £{1}k")
_NUMBERS = ("#{0}", "Ref {0}", "Req ID: {0}", "(JR-{0})", "REQ{0}", "Job no. {0}", "[{0}]")
_AROUND = (" - {}", " ({})", ", {}", " | {}", " / {}", " – {}", " @ {}", ": {}")


def augmented(
    texts: Sequence[str], chances: Mapping[str, float], *, seed: int, graph: str, number: int
) -> list[str]:
    """The texts of a batch, some of them changed; the same for the same seed, graph and number.

    `graph` is the name of the batch's graph, `number` the batch's. `chances` says how often a text
    is changed, from 0 to 1, by the names of `CHANGES`, which are made in that order; what is
    missing has 0.
    """
    rng = np.random.default_rng([seed, zlib.crc32(graph.encode()), number, _AUGMENTATION])
    found = []
    for text in texts:
        # Each text draws from a generator of its own, so that one switch does not move another.
        own = np.random.default_rng(rng.integers(1 << 63))
        for name, change in CHANGES.items():
            if own.random() < chances.get(name, 0.0):
                text = change(text, own) or text
        found.append(text)
    return found


def _abbreviated(text: str, rng: np.random.Generator) -> str:
    """With one abbreviation written out, if it has any, or one term shortened."""
    # What has several meanings is not told apart by a rule.
    if len(readings := Abbreviations.built_in().readings(text)) == 1:
        return readings[0]
    pattern, typed = _short_forms()
    # Without case, a pattern takes letters for others that `lower` tells apart: "ſ" for "s".
    places = [place for place in pattern.finditer(text) if place[0].lower() in typed]
    if not places:
        return text
    place = places[rng.integers(len(places))]
    short = _one(typed[place[0].lower()], rng)
    return text[: place.start()] + short + text[place.end() :]


@cache
def _short_forms() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    """Where terms stand that people shorten, and by the term in small letters, how."""
    forms: dict[str, list[str]] = {}
    for typed, meanings in Abbreviations.built_in().items():
        if len(meanings) == 1:
            forms.setdefault(meanings[0].lower(), []).append(typed)
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    pattern = "|".join(map(re.escape, longest_first))
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE), forms


def _with_title_noise(text: str, rng: np.random.Generator) -> str:
    if rng.random() < 0.3:
        text = f"{_one(_LEVELS, rng)} {text}"
    elif rng.random() < 0.1:
        text = f"{text} {_one(_SUFFIXES, rng)}"
    for _ in range(rng.integers(1, 4)):
        kind = rng.random()
        if kind < 0.4:
            added = _one(_TERMS, rng)
        elif kind < 0.75:
            added = _one(_PLACES, rng)
        elif kind < 0.85:
            low = rng.integers(12, 90)
            added = _one(_PAY, rng).format(low, low + rng.integers(2, 20))
        else:
            added = _one(_NUMBERS, rng).format(rng.integers(100, 1_000_000))
        if rng.random() < 0.85:
            text += _one(_AROUND, rng).format(added)
        else:
            text = f"{added}{_one((' - ', ': ', ' | ', ' '), rng)}{text}"
    return text


def _marked(text: str, rng: np.random.Generator) -> str:
    before = _one(_MARKS, rng) if rng.random() < 0.7 else ""
    after = _one(_ENDS, rng) if not before or rng.random() < 0.3 else ""
    return before + text.rstrip(".;,") + after if after else before + text


def _misspelt(text: str, rng: np.random.Generator) -> str:
    """With slips of the keyboard within words, of four letters at least."""
    letters = [place for word in re.finditer(r"[^\W\d_]{4,}", text)
               for place in range(word.start() + 1, word.end())]  # fmt: skip
    if not letters:
        return text
    slips = rng.choice(letters, 1 + rng.poisson(len(letters) / _LETTERS_A_SLIP / 2), replace=True)
    typed = list(text)
    for place in sorted(set(slips.tolist()), reverse=True):
        letter = typed[place]
        kind = rng.integers(4)
        if kind == 0:
            typed[place] = ""
        elif kind == 1:
            typed[place] = letter + letter
        elif kind == 2:
            typed[place - 1], typed[place] = letter, typed[place - 1]
        else:
            typed[place] = _one(_NEIGHBOURS.get(letter.lower(), [letter]), rng)
    return "".join(typed)


CHANGES: dict[str, Callable[[str, np.random.Generator], str]] = {
    "abbreviations": _abbreviated,
    "title_noise": _with_title_noise,
    "marks": _marked,
    "typos": _misspelt,
}
"""What `augmented` can do to a text, in the order in which it is done."""


def _one(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
