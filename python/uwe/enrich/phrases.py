"""English phrases out of labels and descriptions: verb phrases, their -ing forms, clauses.

Rules for the regular language of ESCO and O*NET, not a parser: where a rule is not sure it gives
nothing, and the caller takes another template.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from uwe.enrich.near import words_of
from uwe.sentences import split_sentences

__all__ = [
    "Detail",
    "Phrase",
    "capitalised",
    "clause_of",
    "detail_of",
    "gerund",
    "joined",
    "phrase_of",
    "with_article",
]

# Verbs of more syllables that double their last letter, those of one do by rule.
_DOUBLED = frozenset(
    words_of(
        "admit cancel channel commit compel control debug dispel distil enrol equip "
        "excel expel format fulfil input kidnap label level model occur offset output panel permit "
        "prefer program propel refer regret signal submit tunnel transfer transmit travel upset"
    )
)
_ONE_SYLLABLE = re.compile(r"(?:[^aeiou]|qu)*[aeiou][^aeiouwxy]")
_ADVERB = re.compile(r"[a-z]+ly")
_NO_ADVERBS = frozenset(
    words_of("apply comply supply rely reply multiply fly ally assembly family")
)
_DETERMINERS = frozenset(words_of("a an the all any each other their its his her your our"))

# Blanks of no width, and accents for apostrophes, as descriptions have them.
_CLEAN = {0x200B: None, 0x200C: None, 0x200D: None, 0xFEFF: None, 0xA0: " ", ord("`"): "'"}

# A clause ends before one of these: what follows explains, restricts or goes on.
_END = re.compile(
    r"[;:(]|,? (?:such as|including|in order to|so that|so as to|e\.g|i\.e|for example|for instance"
    r"|which|that|who|whose|where|when|while|whether|if|because|according to|taking into account"
    r"|as well as|etc)\b"
)
_MEANS = re.compile(r",? by ((?:means of )?[a-z]+ing [^.;:()]+)")
_PURPOSE = re.compile(r",? (?:in order|so as) (to [a-z]+ [^.;:()]+)")
_INSTANCES = re.compile(r" (?:such as|including|e\.g\.?|for example) ([^.;:()]+)")
# Without what they refer to these mislead; a finite verb makes a sentence of what should be none.
_UNFIT = re.compile(
    r"\b(?:they|them|their|theirs|these|this|those|it|its|itself|such|he|she|his|her|him|is|are|was"
    r"|were|has|have|had|can|could|may|might|will|would|should|must|does|do|etc|other|former|latter"
    r"|above|below|same|themselves|certain)\b|[\"“”‘]"
)
_OPEN_END = frozenset(
    words_of(
        "a an and any as at by for from in into like of on or over per than the their to under up "
        "using various via with within without between both either not"
    )
)
_NO_START = frozenset(words_of("about and by during for how in of on or that to with within"))
_KNOWING = re.compile(
    r"(?:thoroughly )?(?:know|understand|possess|have|comprehend|knowledge of|understanding of"
    r"|study of)(?: and (?:understand|know|apply))? (?:knowledge (?:of|in|about) )?",
    re.IGNORECASE,
)
# Descriptions leave out the article that a sentence needs.
_BARE = re.compile(
    r"(?:branch|discipline|field|group|method|process|range|set|study|system|technique|type|variety)"
    r" of "
)
_ACTING = frozenset(words_of("be have know understand distinguish possess read use apply"))


@dataclass(frozen=True)
class Phrase:
    """A label, or a part of a description, as it stands within a sentence.

    Attributes:
        text: `manage staff`, or `lean manufacturing`.
        ing: `managing staff`; an empty text for a noun phrase, and where the form is not sure.
        verbal: Whether it is a verb phrase.
    """

    text: str
    ing: str
    verbal: bool


@dataclass(frozen=True)
class Detail:
    """What a description adds to its first clause; each may be empty.

    Attributes:
        means: `calibrating each part of the machine`.
        purpose: `to improve efficiency`.
        instances: `radars and landing aids`.
    """

    means: str
    purpose: str
    instances: str


def phrase_of(label: str, kind: str, verbs: Collection[str]) -> Phrase:
    """A label as a phrase.

    Args:
        label: As the taxonomy has it: `Review plans.`, `Java (computer programming)`.
        kind: ESCO's type, which decides where it says `knowledge`; empty where there is none.
        verbs: Words that begin verb phrases.
    """
    label = label.translate(_CLEAN)
    text = _without_brackets(label).strip() or label
    if text.endswith("."):
        text = _lowered(text.removesuffix("."))
    verbal = kind != "knowledge" and _head(text.split(), verbs) is not None
    return Phrase(text, gerund(text, verbs) if verbal else "", verbal)


def _without_brackets(text: str) -> str:
    """A text without what is in brackets, and without the blanks before them."""
    parts = []
    done = 0
    while (opened := text.find("(", done)) >= 0 and (closed := text.find(")", opened)) >= 0:
        parts.append(text[done:opened].rstrip())
        done = closed + 1
    return "".join([*parts, text[done:]])


def gerund(phrase: str, verbs: Collection[str]) -> str:
    """`managing staff` for `manage staff`; an empty text if it is not sure which words change."""
    words = phrase.split()
    head = _head(words, verbs)
    if head is None:
        return ""
    words[head] = _ing(words[head])
    chained = True  # whether all words since the head were verbs: "plan, run and review tests"
    for i in range(head + 1, len(words)):
        joins = words[i - 1].endswith(",") or words[i - 1] in ("and", "or")
        if not joins:
            chained = chained and words[i] in ("and", "or")
            continue
        if words[i].rstrip(",") not in verbs:
            chained = False
        elif chained or _DETERMINERS.intersection(words[i + 1 : i + 2]):
            words[i] = _ing(words[i])
        else:
            return ""  # "and control": a verb or a noun?
    return " ".join(words)


def clause_of(description: str, kind: str, verbs: Collection[str]) -> Phrase | None:
    """The first clause of a description as a phrase, if it can stand alone.

    Args:
        description: `Adjust, set and prepare machines for printing by calibrating each part.`
        kind: As in `phrase_of`.
        verbs: As in `phrase_of`.
    """
    sentences = split_sentences(description.translate(_CLEAN))
    if not sentences:
        return None
    skill = kind.startswith("skill")
    text = sentences[0] if skill else _KNOWING.sub("", sentences[0], count=1)
    text = _lowered(text.rstrip(". "))
    head = _head(text.split(), verbs)
    verbal = head is not None and (kind != "knowledge" or text.split()[head] in _ACTING)
    text = _MEANS.split(text)[0] if verbal else text
    text = _cut(_END.split(text, maxsplit=1)[0].strip())
    words = text.split()
    if not 3 <= len(words) <= 14 or words[0] in _NO_START or not _stands_alone(text):
        return None
    if skill and not verbal:
        return None
    if _BARE.match(text):
        text = f"the {text}"
    return Phrase(text, gerund(text, verbs) if verbal else "", verbal)


def detail_of(description: str) -> Detail:
    """What the first sentence of a description adds to its first clause."""
    sentence = next(iter(split_sentences(description.translate(_CLEAN))), "").rstrip(".")
    means, purpose, instances = (
        match[1] if (match := pattern.search(sentence)) else ""
        for pattern in (_MEANS, _PURPOSE, _INSTANCES)
    )
    return Detail(_part(means), _part(purpose), _list(instances))


def joined(parts: Sequence[str], word: str = "and") -> str:
    """`a, b and c`."""
    *front, last = parts
    return f"{', '.join(front)} {word} {last}" if front else last


def capitalised(text: str) -> str:
    """A text with a capital at its start."""
    return text[:1].upper() + text[1:]


def with_article(noun: str) -> str:
    """`a baker`, `an engineer`."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _head(words: Sequence[str], verbs: Collection[str]) -> int | None:
    """Place of the verb that a phrase begins with, maybe after an adverb."""
    if not words:
        return None
    adverb = bool(_ADVERB.fullmatch(words[0])) and words[0] not in _NO_ADVERBS
    head = 1 if adverb and words[0] not in verbs else 0
    return head if len(words) > head and words[head].rstrip(",") in verbs else None


def _ing(verb: str) -> str:
    bare = verb.rstrip(",")
    stem = bare.split("-")[-1]
    if stem == "be" or stem.endswith(("ee", "oe", "ye")):
        ing = bare
    elif stem.endswith("ie"):
        ing = bare[:-2] + "y"
    elif stem.endswith("e"):
        ing = bare[:-1]
    elif stem in _DOUBLED or _ONE_SYLLABLE.fullmatch(stem):
        ing = bare + bare[-1]
    else:
        ing = bare
    return f"{ing}ing{verb[len(bare) :]}"


def _lowered(text: str) -> str:
    """A text without the capital of a sentence's first word; `SQL` and `JavaScript` keep theirs."""
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first[1:] == first[1:].lower() else text


def _cut(clause: str) -> str:
    """A clause up to its first comma, if that leaves enough and cuts no list."""
    front, comma, rest = clause.partition(",")
    in_list = {"and", "or"} & set(rest.split()[:5]) or "," in " ".join(rest.split()[:4])
    return front if comma and len(front.split()) >= 4 and not in_list else clause


def _stands_alone(text: str) -> bool:
    words = text.split()
    balanced = text.count("(") == text.count(")")
    # A comma after one word or two sets something in between, or begins a list.
    aside = any(word.endswith(",") for word in words[:2]) and not words[0].endswith(",")
    return (
        balanced
        and not aside
        and words[-1].rstrip(",") not in _OPEN_END
        and _UNFIT.search(text.lower()) is None
    )


def _part(text: str) -> str:
    """A piece of a description, cut where a clause ends; an empty text if it says too little."""
    text = _cut(_END.split(text, maxsplit=1)[0].strip())
    return text if 3 <= len(text.split()) <= 12 and _stands_alone(text) else ""


def _list(text: str) -> str:
    """The first three of a list of short names."""
    parts = [part.strip() for part in re.split(r",| and | or ", text) if part.strip()]
    fit = [part for part in parts[:3] if len(part.split()) <= 4]
    if len(fit) < min(len(parts), 3) or not fit or not _stands_alone(" ".join(fit)):
        return ""
    return joined(fit)
