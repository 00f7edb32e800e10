"""Which language a text is in, as far as a few words tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from uwe.checks import text_of

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier


LANGUAGES = {
    "am": "Amharic", "ar": "Arabic", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali",
    "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "hy": "Armenian", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh",
    "km": "Khmer", "kn": "Kannada", "ko": "Korean", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam", "mr": "Marathi", "my": "Burmese",
    "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "pa": "Punjabi", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "si": "Sinhala", "sk": "Slovak",
    "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "ta": "Tamil", "te": "Telugu",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip
"""The languages that are told apart, by BCP 47 tag: of fewer, short texts are guessed better."""

_READ = 1000
"""Characters of a text that are looked at: they tell as much as all of them."""
_WORD = re.compile(r"[^\W\d_]+")
_NOT_LATIN = re.compile(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]")

# Chosen on job titles, keywords and lines of adverts: docs/models.md has the rates.
_SURE = 0.6
_UNKNOWN = 1 / 3


class LanguageWarning(UserWarning):
    """A query is in a language that the model does not read. Remedy: translate it."""


def guess_language(text: str) -> tuple[str, float]:
    """The language of a text, and how probable that is.

    By the bytes of its first 1,000 characters (py3langid: naive Bayes over n-grams). The words of a
    title are often too few to tell; the lines of a text together tell more than each.

    Returns:
        A BCP 47 tag out of `LANGUAGES`, or `und` for a text without letters or in a script that
        none of them has; and a probability, 1 where most letters are not Latin.

    Raises:
        InputError: If it is no text.
    """
    head = text_of("text", text)[:_READ]
    letters = sum(map(len, _WORD.findall(head)))
    if not letters:
        return "und", 0.0
    tag, probability = _identifier().classify(head)
    if len(_NOT_LATIN.findall(head)) * 2 > letters:
        return ("und" if tag == "en" else tag), 1.0
    return tag, float(probability)


def foreign(text: str, known: Callable[[str], bool] | None = None) -> str | None:
    """The language of a text that is surely not English; None for all others.

    `known` tells whether a word is English. A text with two thirds of such words is not looked at
    any further: that is quick, and titles full of names are not taken for foreign ones.
    """
    words = _WORD.findall(text_of("text", text)[:_READ])
    if known is not None and sum(not known(word) for word in words) < len(words) * _UNKNOWN:
        return None
    tag, probability = guess_language(text)
    return tag if tag != "en" and probability >= _SURE else None


@cache
def _identifier() -> LanguageIdentifier:
    # It takes most of a second, and only texts with rare words need it.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier
