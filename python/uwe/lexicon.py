"""What people shorten: abbreviations, and the readings of a text that has some."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from os import PathLike
from pathlib import Path

from uwe.checks import is_blank, is_iterable, path_of, text_of
from uwe.errors import DataError, InputError, shown

UNKNOWN = "?"
"""How an unknown word is read: every tokenizer has this token, and it says nothing."""

_BUILT_IN = Path(__file__).parent / "assets" / "lexicon" / "abbreviations.tsv"
_HEADER = ["as typed", "written out"]

# Ambiguous abbreviations multiply: of more readings than these the first are taken.
_MOST_READINGS = 8
_SHOWN = 5

_WORD = re.compile(r"\w+")
# What is part of the same word or abbreviation: the R of "R&D", the C of "C++", the HR of "hr.com".
_BEFORE, _AFTER = re.compile(r"[\w&]$|\w\.$"), re.compile(r"[\w&+#]|\.\w")
_VOWEL = re.compile("[AEIOUY]")
_CAPITALS = re.compile(r"(?<![\w&/.+#-])[A-Z][A-Z0-9]{1,4}(?![\w&/+#-]|\.\w)")


class Abbreviations(Mapping[str, tuple[str, ...]]):
    """A table of abbreviations, each with the texts that it stands for; it does not change.

    An entry is found as it is typed in the table, and in capitals where it has small letters
    ("MGR" for "Mgr"). In small letters it is found only where the table says that it is no word
    then: "mgr" is a manager, "it" and "send" are left alone. A full stop behind an entry with
    small letters belongs to it. Of entries that begin at one place the longest counts.

    Args:
        table: What each one stands for: a text, or several for an ambiguous one.
        words: Which of them are found in small letters too.

    Raises:
        InputError: If the table is none, a text is blank, or entries stand for one another.
    """

    def __init__(
        self, table: Mapping[str, str | Sequence[str]], *, words: Iterable[str] = ()
    ) -> None:
        if not isinstance(table, Mapping):
            raise InputError(
                "expected abbreviations as {as typed: written out}, got "
                f"{type(table).__name__}: pass a mapping, or a file's path"
            )
        checked = {_checked_entry(typed): _checked_readings(typed, table[typed]) for typed in table}
        if cycle := _cycle(checked):
            raise InputError(_cycle_text(cycle))
        self._table, self._words = checked, _checked_words(words, checked)
        self._forms: dict[str, str] = {}
        for typed in checked:
            self._forms |= dict.fromkeys(self._forms_of(typed), typed)
        # By the first word of a form: where that word begins in it and how long the form is,
        # longest first.
        shapes: dict[str, set[tuple[int, int]]] = {}
        self._known: set[str] = set()
        for form in self._forms:
            words_of_form = list(_WORD.finditer(form))
            self._known.update(word[0] for word in words_of_form)
            first = words_of_form[0]
            shapes.setdefault(first[0], set()).add((first.start(), len(form)))
        self._shapes = {
            word: sorted(of, key=lambda shape: -shape[1]) for word, of in shapes.items()
        }

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Abbreviations:
        """Read a table: lines of what is typed, a tab, what it stands for, and perhaps a kind.

        Several meanings are separated by ";" between blanks. The kind `word` makes an entry be
        found in small letters too; others are for people. A first line `as typed`, `written out`,
        blank lines, and lines that begin with `#` are passed over.

        Raises:
            InputError: If the path is blank.
            DataError: If a line has no tab or a blank side, an entry comes twice, or entries stand
                for one another; it names the file and the line.
        """
        file = path_of("the file of a table of abbreviations", path)
        if not str(path).strip():
            raise InputError(
                f"expected the file of a table of abbreviations, got {shown(path)}: name it"
            )
        table: dict[str, tuple[str, ...]] = {}
        lines: dict[str, int] = {}
        words = []
        number: int | None = None
        try:
            content = file.read_text(encoding="utf-8-sig")
            for number, line in enumerate(content.split("\n"), 1):
                cells = line.rstrip("\r").split("\t")
                header = number == 1 and cells[:2] == _HEADER
                if header or not line.strip() or line.startswith("#"):
                    continue
                if len(cells) < 2:
                    raise InputError(
                        f"expected an abbreviation, a tab, and what it stands for, got {line!r}: "
                        "add a tab and its meaning"
                    )
                typed, meaning, *kind = cells[0].strip(), *cells[1:]
                if typed in lines:
                    raise InputError(
                        f"{typed!r} stands in line {lines[typed]} already: join the two, separated "
                        "by ' ; '"
                    )
                table[_checked_entry(typed)] = _checked_readings(typed, meaning.split(" ; "))
                lines[typed] = number
                if kind and kind[0].strip() == "word":
                    words.append(typed)
        except UnicodeDecodeError as error:
            raise DataError(f"expected UTF-8, got {error}: save it so", path=file) from None
        except InputError as error:
            raise DataError(str(error), path=file, line=number) from None
        if cycle := _cycle(table):
            raise DataError(_cycle_text(cycle), path=file, line=lines[cycle[0]])
        return cls(table, words=words)

    @classmethod
    @cache
    def built_in(cls) -> Abbreviations:
        """The table that comes with the package, in English."""
        return cls.read(_BUILT_IN)

    def updated(self, table: Mapping[str, str | Sequence[str]]) -> Abbreviations:
        """This table with entries of yours added, or put in place of those it has.

        Raises:
            InputError: As the constructor.
        """
        return Abbreviations({**self, **Abbreviations(table)}, words=self._words)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, typed: str) -> tuple[str, ...]:
        return self._table[typed]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Abbreviations):
            return NotImplemented
        return (self._table, self._words) == (other._table, other._words)

    def __hash__(self) -> int:
        return hash((frozenset(self._table.items()), self._words))

    def __repr__(self) -> str:
        return f"Abbreviations({len(self)} entries)"

    def knows(self, word: str) -> bool:
        """Whether a word stands in an entry, in one of the forms in which that is found."""
        return text_of("a word", word) in self._known

    def readings(self, text: str) -> tuple[str, ...]:
        """The text with its abbreviations written out, in each of their meanings.

        Returns:
            Up to eight texts, none of them the given one; none at all without an abbreviation.

        Raises:
            InputError: If it is no text.
        """
        if not isinstance(text, str):
            raise InputError(f"expected a text to read, got {shown(text)}: pass one")
        pieces: list[tuple[str, ...]] = []
        done = 0
        for start, end, typed in self._found(text):
            pieces += [(text[done:start],), self._table[typed]]
            done = end
            if text[end - 1] == "." and text[end : end + 1].strip():
                pieces.append((" ",))  # of "Sr.Developer" the stop parts two words
        if not pieces:
            return ()
        pieces.append((text[done:],))
        chosen = itertools.islice(itertools.product(*pieces), _MOST_READINGS)
        texts = (" ".join("".join(parts).split()) for parts in chosen)
        return tuple(dict.fromkeys(read for read in texts if read != text))

    def _found(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where abbreviations stand, from front to back, and their entries."""
        done = 0
        for word in _WORD.finditer(text):
            for offset, length in self._shapes.get(word[0], ()):
                begin = word.start() - offset
                end = begin + length
                form = text[max(begin, 0) : end]
                if begin < done or end > len(text) or form not in self._forms:
                    continue
                # "Sr.", "SR." and "Sr.Developer"; the stop behind "QA" ends a sentence.
                typed = self._forms[form]
                stop = typed != typed.upper() and text[end : end + 1] == "."
                bounded = begin == done or not _BEFORE.search(text[max(begin - 2, 0) : begin])
                if not bounded or (not stop and _AFTER.match(text, end)):
                    continue
                done = end + stop
                yield begin, done, typed
                break

    def _forms_of(self, typed: str) -> list[str]:
        forms = {typed: None}
        if typed != typed.upper():
            forms[typed.upper()] = None
            if typed in self._words:
                forms[typed.lower()] = None
        # An entry of its own is not hidden by a form of another one.
        return [form for form in forms if form == typed or form not in self._table]


def _cycle(table: Mapping[str, Sequence[str]]) -> list[str]:
    """Entries that stand for one another; empty if there are none."""
    # Meanings are not read again. Yet such entries say nothing.
    leads = {typed: set(table[typed]) & table.keys() for typed in table}
    try:
        TopologicalSorter({typed: others for typed, others in leads.items() if others}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _cycle_text(cycle: Sequence[str]) -> str:
    chain = " -> ".join(map(repr, cycle[:_SHOWN])) + (" -> ..." if len(cycle) > _SHOWN else "")
    return f"abbreviations {chain} stand for one another: write one of them out"


def _checked_text(text: object, typed: object) -> str:
    if not isinstance(text, str) or is_blank(text):
        raise InputError(
            f"abbreviation {shown(typed)}: expected texts that are not blank, got {shown(text)}: "
            "write out what it stands for, or leave it out"
        )
    return " ".join(text_of(f"abbreviation {shown(typed)}", text).split())


def _checked_entry(typed: object) -> str:
    text = _checked_text(typed, typed)
    if not _WORD.search(text):
        raise InputError(
            f"abbreviation {shown(typed)}: expected a letter or digit in it: leave it out"
        )
    return text


def _checked_readings(typed: object, readings: object) -> tuple[str, ...]:
    listed = [readings] if isinstance(readings, str) else readings
    if not isinstance(listed, Sequence) or isinstance(listed, bytes) or not listed:
        raise InputError(
            f"abbreviation {shown(typed)}: expected a text or a list of texts, got "
            f"{shown(readings)}: write out what it stands for, or leave it out"
        )
    return tuple(_checked_text(reading, typed) for reading in listed)


def _checked_words(words: object, table: Mapping[str, object]) -> frozenset[str]:
    if isinstance(words, str) or not is_iterable(words):
        raise InputError(f"expected words as a list of entries, got {shown(words)}: pass a list")
    listed = list(words)
    for word in listed:
        if not isinstance(word, str) or word not in table:
            raise InputError(
                f"expected words to be entries of the table, got {shown(word)}: add it"
            )
    return frozenset(listed)


def checked_abbreviations(given: object) -> Abbreviations | None:
    """The argument `abbreviations` of a ranking: a table, or None for no other reading."""
    if given is True:
        return Abbreviations.built_in()
    if given is False:
        return None
    if isinstance(given, Abbreviations):
        return given
    if isinstance(given, str | PathLike):
        return Abbreviations.read(given)
    if isinstance(given, Mapping):
        return Abbreviations(given)
    raise InputError(
        "expected abbreviations to be True, False, uwe.Abbreviations, a mapping or a path, got "
        f"{shown(given)}: pass False for none"
    )


def with_unknown_words(text: str, known: Callable[[str], bool]) -> str:
    """The text with `UNKNOWN` for each unknown short word in capitals.

    The pieces that a tokenizer cuts such a word into resemble those of other abbreviations by
    chance, and would score high.
    """
    words = set(_CAPITALS.findall(text))
    # Where all is in capitals, they say nothing of what could be spoken.
    if text.upper() == text and len(_WORD.findall(text)) > 1:
        words = {word for word in words if not _VOWEL.search(word)}
    unknown = {word for word in words if not known(word)}
    return _CAPITALS.sub(lambda word: UNKNOWN if word[0] in unknown else word[0], text)
