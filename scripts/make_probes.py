"""Make python/uwe/assets/probes-rules.jsonl.gz by rule from ESCO's and O*NET's texts.

    python scripts/make_probes.py DATA_FOLDER

The same bytes in, the same out: which texts are taken is decided by a hash, not by a model.
DATA_FOLDER has `esco/1.1.1/*.zip` and `onet/*.csv.gz`.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uwe.files.atomic import write_lines
from uwe.spaces import target_space

ASSET = Path(__file__).parents[1] / "python" / "uwe" / "assets" / "probes-rules.jsonl.gz"
ESCO = "esco/1.1.1/ESCO_dataset_v1.1.1_classification_en_csv.zip"
SEED = "uwe-probes-1"
CASES = 200
"""Most cases of a category."""

Case = dict[str, Any]
Change = Callable[[str, int], "str | None"]

# Of a spelling that is not British, as a regular expression, and what it becomes.
AMERICAN = (
    (r"colour", "color"), (r"labour", "labor"), (r"behaviour", "behavior"),
    (r"flavour", "flavor"), (r"harbour", "harbor"), (r"fibre", "fiber"), (r"\bcentre", "center"),
    (r"theatre", "theater"), (r"\b(milli|centi|kilo|)metres?\b", r"\1meter"),
    (r"\btyre", "tire"), (r"jewellery", "jewelry"), (r"jeweller", "jeweler"),
    (r"aluminium", "aluminum"), (r"defence", "defense"),
    (r"\blicence", "license"), (r"catalogue", "catalog"), (r"\bmould", "mold"),
    (r"programme(?!d|r)", "program"), (r"\bplough", "plow"), (r"draught", "draft"),
    (r"\bkerb", "curb"), (r"\bgrey", "gray"), (r"sulph", "sulf"), (r"paediatr", "pediatr"),
    (r"anaesth", "anesth"), (r"haemat", "hemat"), (r"haemo", "hemo"), (r"gynaec", "gynec"),
    (r"orthopaed", "orthoped"), (r"archaeolog", "archeolog"), (r"analyse(?!s)", "analyze"),
    (r"analysing", "analyzing"), (r"(travel|model|label|counsel|signal)l(ing|ed|er|or)", r"\1\2"),
    ((r"(organ|optim|special|standard|custom|util|minim|maxim|recogn|priorit|digit|personal|"
     r"steril|visual|real|synchron|summar|categor|character|author|local|general|mobil)is"
     r"(e|es|ed|er|ers|ing|ation|ations)\b"), r"\1iz\2"),
)  # fmt: skip
BULLETS = ("• {}", "- {}", "* {}", "– {}", "1. {}", "2) {}", "a) {}", "▪ {}", "· {}", "→ {}")
UNCHANGED = ("ss", "us", "is", "ics", "ves", "ing", "news", "goods", "arts", "clothes")
STOP = frozenset((
    "and", "or", "of", "in", "on", "at", "to", "for", "from", "by", "with", "the", "a", "an",
    "as", "into", "other", "own", "using", "use", "up",
))  # fmt: skip
CAPITALS = re.compile(r"\b[A-Z]{3,6}\b")
# Words that say too little to be shared in another sense.
COMMON_FROM = 40


@dataclass(frozen=True)
class Alias:
    """An alternative label that belongs to one skill alone."""

    text: str
    label: str
    uri: str
    kind: str


def main(folder: Path) -> None:
    """Write the cases of every category."""
    write_lines(ASSET, (json.dumps(case, ensure_ascii=False) for case in cases(folder)))


def cases(folder: Path) -> Iterator[Case]:
    """All cases in the order of the file."""
    labels = frozenset(target_space("esco-skills").labels)
    skills = esco_rows(folder, "skills_en.csv")
    aliases = one_skill_aliases(skills, labels)
    words = Counter(w for text in labels for w in text.casefold().split())
    words.update(w for alias in aliases for w in alias.text.casefold().split())
    yield from lexical(aliases, labels, ancestors(folder))
    for category, change in (
        ("case", change_case),
        ("plural", lambda text, _: change_number(text, words)),
        ("bullet", lambda text, i: BULLETS[i % len(BULLETS)].format(text)),
        ("typo", lambda text, i: change_letters(text, i, words)),
        ("spelling", lambda text, _: american(text)),
    ):
        yield from changed(category, aliases, labels, change)
    yield from abbreviations(folder, skills, labels)
    yield from long_sentences(folder, labels)


def esco_rows(folder: Path, name: str) -> list[dict[str, str]]:
    """The rows of one CSV of ESCO 1.1.1."""
    with zipfile.ZipFile(folder / ESCO) as zipped, zipped.open(name) as raw:
        return list(csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline="")))


def onet_column(folder: Path, name: str, column: str) -> list[str]:
    """Different texts of one column of O*NET, ascending."""
    with gzip.open(folder / "onet" / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return sorted({row[column] for row in csv.DictReader(file)})


def one_skill_aliases(skills: Iterable[dict[str, str]], labels: frozenset[str]) -> list[Alias]:
    """Aliases of 2 to 6 words that no other skill has, of skills whose label stayed in 1.2.0."""
    owners: dict[str, list[Alias]] = defaultdict(list)
    taken = {label.casefold() for label in labels}
    for row in skills:
        label = row["preferredLabel"].strip()
        for text in {" ".join(line.split()) for line in row["altLabels"].splitlines()}:
            owners[text.casefold()].append(Alias(text, label, row["conceptUri"], row["skillType"]))
    found = [
        aliases[0]
        for key, aliases in sorted(owners.items())
        if len(aliases) == 1
        and key not in taken
        and aliases[0].label in labels
        and 2 <= len(key.split()) <= 6
        and re.fullmatch(r"[A-Za-z][A-Za-z' -]*", aliases[0].text)
    ]
    return sorted(found, key=lambda alias: alias.text)


def ordered(category: str, aliases: Iterable[Alias]) -> list[Alias]:
    """In the order of a hash, one alias a skill, so that no skill counts twice."""
    kept: dict[str, Alias] = {}
    for alias in sorted(aliases, key=lambda alias: key_of(category, alias.text)):
        kept.setdefault(alias.uri, alias)
    return list(kept.values())


def key_of(category: str, text: str) -> str:
    """What decides the order in which texts are taken."""
    return hashlib.sha256(f"{SEED} {category} {text}".encode()).hexdigest()


def numbered(category: str, found: Iterable[Case]) -> Iterator[Case]:
    """The first cases, each with its id."""
    for i, case in zip(range(1, CASES + 1), found, strict=False):
        yield {"id": f"{category}-rule-{i:03}", "category": category, **case}


def changed(
    category: str, aliases: list[Alias], labels: frozenset[str], change: Change
) -> Iterator[Case]:
    """Aliases in another form, where that is not the label of any skill."""
    taken = {label.casefold() for label in labels}

    def found() -> Iterator[Case]:
        made = 0
        for alias in ordered(category, aliases):
            text = change(alias.text, made)
            if text is None or text == alias.text:
                continue
            if category != "case" and text.casefold() in taken:
                continue
            made += 1
            yield {"query": text, "clean": alias.text, "wanted": [alias.label], "traps": []}

    yield from numbered(category, found())


def change_case(text: str, i: int) -> str:
    """All capitals, a capital at each word, capitals and small letters swapped, in turn."""
    return (text.upper(), text.title(), text.swapcase())[i % 3]


def change_number(text: str, words: Counter[str]) -> str | None:
    """The last word with or without its s, where ESCO has that word elsewhere.

    It gets an s where ESCO has it with one at least half as often, which mass nouns are not.
    """
    *others, last = text.casefold().split()
    if len(last) < 4 or last.endswith(UNCHANGED) or {"a", "an"} & set(others):
        return None
    if last.endswith("s"):
        return text[:-1] if words[last[:-1]] > 1 else None
    return f"{text}s" if 2 * words[f"{last}s"] >= words[last] else None


def change_letters(text: str, i: int, words: Counter[str]) -> str | None:
    """In the longest word a letter left out, two swapped, or one doubled, in turn."""
    longest = max(text.split(), key=len)
    if len(longest) < 6:
        return None
    place = 1 + int(key_of("place", text), 16) % (len(longest) - 3)
    head, letter, after, tail = (
        longest[:place],
        longest[place],
        longest[place + 1],
        longest[place + 2 :],
    )
    made = (
        f"{head}{after}{tail}",
        f"{head}{after}{letter}{tail}",
        f"{head}{letter}{letter}{after}{tail}",
    )[i % 3]
    if made == longest or made.casefold() in words:
        return None
    return text.replace(longest, made, 1)


def american(text: str) -> str:
    """In American spelling."""
    for british, spelt in AMERICAN:
        text = re.sub(british, spelt, text)
    return text


def ancestors(folder: Path) -> dict[str, set[str]]:
    """For each skill everything above it."""
    above: dict[str, set[str]] = defaultdict(set)
    for row in esco_rows(folder, "broaderRelationsSkillPillar_en.csv"):
        above[row["conceptUri"]].add(row["broaderUri"])

    def climb(uri: str, seen: set[str]) -> set[str]:
        for broader in above.get(uri, ()):
            if broader not in seen:
                seen.add(broader)
                climb(broader, seen)
        return seen

    return {uri: climb(uri, set()) for uri in list(above)}


def lexical(
    aliases: list[Alias], labels: frozenset[str], above: dict[str, set[str]]
) -> Iterator[Case]:
    """Aliases that share no word with their label, and labels far from it that share one."""
    space = target_space("esco-skills")
    uris = dict(zip(space.labels, space.metadata["uri"], strict=True))
    tops = {uri for uri in above if not above[uri]} | {
        uri for found in above.values() for uri in found if not above.get(uri)
    }
    sharing: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        for word in content(label):
            sharing[word].append(label)
    own: dict[str, set[str]] = defaultdict(set)
    for alias in aliases:
        own[alias.label] |= content(alias.text) | content(alias.label)

    def found() -> Iterator[Case]:
        for alias in ordered("lexical", aliases):
            shared = content(alias.text)
            if len(shared) < 2 or shared & content(alias.label):
                continue
            traps = [
                label
                for word in sorted(shared, key=lambda w: (len(sharing[w]), w))
                if 0 < len(sharing[word]) < COMMON_FROM
                for label in sharing[word]
                if len(content(label)) == 2
                and len(content(label) & own[alias.label]) == 1
                and above.get(uris[label])
                and not (above[uris[label]] & above.get(alias.uri, set())) - tops
            ]
            if traps:
                chosen = list(dict.fromkeys(traps))[:3]
                yield {"query": alias.text, "wanted": [alias.label], "traps": chosen}

    yield from numbered("lexical", found())


def content(text: str) -> set[str]:
    """Words that say something, without the s of a plural."""
    words = re.findall(r"[a-z]+", text.casefold())
    return {w[:-1] if w.endswith("s") and len(w) > 4 else w for w in words if w not in STOP}


def abbreviations(
    folder: Path, skills: list[dict[str, str]], labels: frozenset[str]
) -> Iterator[Case]:
    """Capitals, and the words they stand for: both in ESCO, or one after the other in O*NET."""
    texts = {
        label: {label, *row["altLabels"].splitlines()}
        for row in skills
        if (label := row["preferredLabel"].strip()) in labels
    }
    stands_for: dict[str, Counter[str]] = defaultdict(Counter)
    for found in texts.values():
        known = {initials for text in found for initials in CAPITALS.findall(text)}
        for text in sorted(found):
            for initials, phrase in spans(text):
                if initials in known:
                    stands_for[initials][phrase] += 1
    for name in ("technology_skills", "tools_used"):
        for title in onet_column(folder, name, "Commodity Title"):
            for initials, phrase in spans(title):
                if re.search(rf"\b{initials}\b", title):
                    stands_for[initials][phrase] += 1
    marked = {label: " | ".join(sorted(found)) for label, found in texts.items()}

    def found_cases() -> Iterator[Case]:
        for initials in sorted(stands_for, key=lambda text: key_of("abbreviation", text)):
            phrase = min(stands_for[initials], key=lambda text: (-stands_for[initials][text], text))
            wanted = sorted(
                label
                for label, text in marked.items()
                if phrase in re.sub("[^a-z |]+", " ", text.casefold())
                or initials in CAPITALS.findall(label)
            )
            if wanted:
                yield {"query": initials, "clean": phrase, "wanted": wanted, "traps": []}

    yield from numbered("abbreviation", found_cases())


def spans(text: str) -> Iterator[tuple[str, str]]:
    """Runs of 3 to 6 words, and their initials in capitals."""
    words = re.findall(r"[a-z]+", text.casefold())
    for length in range(3, 7):
        for start in range(len(words) - length + 1):
            run = words[start : start + length]
            if not STOP.intersection(run):
                yield "".join(word[0] for word in run).upper(), " ".join(run)


def long_sentences(folder: Path, labels: frozenset[str]) -> Iterator[Case]:
    """Statements of 20 words and more that contain a label or alias of 3 words and more."""
    texts: dict[str, set[str]] = defaultdict(set)
    for row in esco_rows(folder, "skills_en.csv"):
        label = row["preferredLabel"].strip()
        if label in labels:
            for text in {label, *(line.strip() for line in row["altLabels"].splitlines())}:
                if len(text.split()) >= 3:
                    texts[text.casefold()].add(label)

    def found() -> Iterator[Case]:
        seen: set[str] = set()
        statements = onet_column(folder, "task_statements", "Task")
        for statement in sorted(statements, key=lambda text: key_of("long", text)):
            words = re.findall(r"[a-z0-9'-]+", statement.casefold())
            if len(words) < 20:
                continue
            runs = {
                " ".join(words[start : start + length])
                for length in range(3, 9)
                for start in range(len(words) - length + 1)
            }
            wanted = sorted({label for run in runs & texts.keys() for label in texts[run]})
            if wanted and not seen.intersection(wanted):
                seen.update(wanted)
                yield {"query": statement, "wanted": wanted, "traps": []}

    yield from numbered("long", found())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
