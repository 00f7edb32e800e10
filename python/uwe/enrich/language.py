"""Whether a text is English: a heuristic that knows common words, for telling others off."""

from __future__ import annotations

from uwe.enrich.near import words_of

__all__ = ["is_english"]

_ENGLISH = frozenset(
    words_of(
        "a about all also an and any are as at be by can for from has have if in into is it "
        "its more must not of on or our should such that the their them these this through to "
        "under up use using we well when who will with within you your"
    )
)
_FOREIGN = frozenset(
    words_of(
        "aber als auf auch aus avec bei con dans das de dei del della den der des die du een "
        "ein eine el en es et für het il im ist la las le les los met mit na nach não nicht "
        "nie och oder os para per pour que se sie sind su sur un una und une van von voor "
        "werden wir y zu zum zur är að av och som till för"
    )
)


def is_english(text: str) -> bool:
    """Whether a text may be English: a heuristic, for telling other languages off.

    Nine in ten letters are ASCII. Of six words and more, no more are function words of German,
    French, Spanish, Italian, Dutch and others than of English; of ten and more, one is English.
    """
    letters = [c for c in text if c.isalpha()]
    if not letters or sum(c.isascii() for c in letters) < 0.9 * len(letters):
        return False
    words = words_of(text)
    if len(words) < 6:
        return True
    english, foreign = (sum(word in known for word in words) for known in (_ENGLISH, _FOREIGN))
    return english >= foreign and (english > 0 or len(words) < 10)
