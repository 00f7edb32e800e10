"""What people shorten: abbreviations, and the readings of a query that has some."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from os import PathLike
from pathlib import Path

from uwe.errors import DataError, InputError

__all__ = ["UNKNOWN", "Abbreviations", "checked_abbreviations", "with_unknown_words"]

UNKNOWN = "?"
"""What a word is read as that nobody knows: every tokenizer has it, and it says nothing."""

_BUILT_IN = Path(__file__).parent / "assets" / "lexicon" / "abbreviations.tsv"
_HEADER = ("as typed", "written out", "kind")
_SEPARATOR = " ; "

# Ambiguous abbreviations multiply: of more readings than these the first are taken.
_MOST_READINGS = 8

# What an abbreviation stands between: neither letters nor digits, and no part of another such as
# the R of "R&D".
_BEFORE, _AFTER = re.compile(r"[\w&]$"), re.compile(r"[\w&]")
_WORD = re.compile(r"\w+")
_CAPITALS = re.compile(r"(?<![\w&/.+#-])[A-Z][A-Z0-9]{1,4}(?![\w&/+#-])")


@dataclass(frozen=True)
class _Entry:
    """A form in which an abbreviation is found."""

    form: str
    typed: str
    readings: tuple[str, ...]


class Abbreviations:
    """A table of abbreviations and what they stand for; a value that does not change.

    An entry is found as it is typed in the table; with a full stop behind it; and in capitals,
    where it has small letters ("MGR" for "Mgr"). In small letters it is found only if the table
    says that it is no word then, by its kind `word`: "mgr" is a manager, "it" and "send" are left
    alone. Of two entries that begin at one place the longer one counts.

    Args:
        table: What each one stands for: a text, or several for an ambiguous one.
        words: Which of them are found in small letters too.

    Raises:
        InputError: If one is blank, stands for nothing or something blank, or for a text that has
            abbreviations of the table which lead back to it.
    """

    def __init__(
        self, table: Mapping[str, str | Sequence[str]], *, words: Sequence[str] = ()
    ) -> None:
        if not isinstance(table, Mapping):
            raise InputError(
                "expected abbreviations as {as typed: written out}, got "
                f"{type(table).__name__}: pass a mapping, or a file's path"
            )
        self._table: dict[str, tuple[str, ...]] = {}
        for typed, readings in table.items():
            listed = (readings,) if isinstance(readings, str) else tuple(readings)
            texts = (typed, *listed)
            if not listed or not all(isinstance(text, str) and text.strip() for text in texts):
                raise InputError(
                    f"abbreviation {typed!r}: expected texts that are not blank, got {readings!r}: "
                    "write out what it stands for, or leave it out"
                )
            if not _WORD.search(typed):
                raise InputError(
                    f"abbreviation {typed!r}: expected a letter or digit in it: leave it out"
                )
            self._table[typed.strip()] = tuple(" ".join(text.split()) for text in listed)
        self._words = frozenset(words)
        # By the first word of the entry, longest first.
        self._by_word: dict[str, list[_Entry]] = {}
        for typed, readings in sorted(self._table.items(), key=lambda item: -len(item[0])):
            for form in self._forms(typed):
                first = _WORD.search(form)
                assert first is not None  # it has a letter, as was checked
                self._by_word.setdefault(first.group(), []).append(_Entry(form, typed, readings))
        self._check_cycles()

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Abbreviations:
        """Read a table: lines of what is typed, a tab, what it stands for, and perhaps a kind.

        Several meanings are separated by " ; ". The kind `word` makes an entry be found in small
        letters too; others are for people. A first line `as typed`, `written out`, `kind`, blank
        lines, and lines that begin with `#` are passed over.

        Raises:
            DataError: If a line has no tab or a blank side, an entry comes twice, or entries lead
                back to themselves; it names the file and the line.
        """
        file = Path(path)
        table: dict[str, tuple[str, ...]] = {}
        lines: dict[str, int] = {}
        words = []
        try:
            content = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"expected UTF-8, got {error}: save it so", path=file) from None
        for number, line in enumerate(content.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            typed, *others = (cell.strip() for cell in line.split("\t"))
            if number == 1 and (typed, *others)[:2] == _HEADER[:2]:
                continue
            readings = (
                tuple(r.strip() for r in others[0].split(_SEPARATOR.strip())) if others else ()
            )
            if not others:
                raise DataError(
                    f"expected an abbreviation, a tab, and what it stands for, got {line!r}: add a "
                    "tab and its meaning",
                    path=file,
                    line=number,
                )
            if not typed or not all(readings):
                raise DataError(
                    f"expected texts on both sides of the tab, got {line!r}: write out what it "
                    "stands for, or remove the line",
                    path=file,
                    line=number,
                )
            if typed in lines:
                raise DataError(
                    f"{typed!r} stands in line {lines[typed]} already: join the two, separated by "
                    f"{_SEPARATOR!r}",
                    path=file,
                    line=number,
                )
            table[typed], lines[typed] = readings, number
            if len(others) > 1 and others[1] == "word":
                words.append(typed)
        try:
            return cls(table, words=words)
        except _TableError as error:
            raise DataError(error.reason, path=file, line=lines.get(error.typed)) from None

    def updated(self, table: Mapping[str, str | Sequence[str]]) -> Abbreviations:
        """This table with entries of yours added, or put in place of those it has."""
        return Abbreviations({**self._table, **table}, words=tuple(self._words))

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, word: object) -> bool:
        return word in self._table

    def __getitem__(self, typed: str) -> tuple[str, ...]:
        return self._table[typed]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def readings(self, text: str) -> tuple[str, ...]:
        """The text with its abbreviations written out, in each of their meanings.

        Returns:
            Up to eight texts, none of them the given one; none at all without an abbreviation.
        """
        pieces: list[tuple[str, ...]] = []
        done = 0
        for start, end, entry in self._found(text):
            pieces += [(text[done:start],), entry.readings]
            done = end
        if not pieces:
            return ()
        pieces.append((text[done:],))
        chosen = itertools.islice(itertools.product(*pieces), _MOST_READINGS)
        texts = (" ".join("".join(parts).split()) for parts in chosen)
        return tuple(dict.fromkeys(read for read in texts if read != text))

    def _found(self, text: str) -> Iterator[tuple[int, int, _Entry]]:
        """Where abbreviations stand, from front to back."""
        done = 0
        for word in _WORD.finditer(text):
            start = word.start()
            if start < done or _BEFORE.search(text[max(0, start - 1) : start]):
                continue
            for entry in self._by_word.get(word.group(), ()):
                first = _WORD.search(entry.form)
                begin = start - (first.start() if first else 0)
                end = begin + len(entry.form)
                if begin >= done and text[begin:end] == entry.form and not _AFTER.match(text, end):
                    # The full stop belongs to it, unless it ends a sentence of several words.
                    if text[end : end + 1] == "." and end + 1 < len(text):
                        end += 1
                    yield begin, end, entry
                    done = end
                    break

    def _forms(self, typed: str) -> list[str]:
        forms = [typed]
        if typed != typed.upper():
            forms.append(typed.upper())
            if typed in self._words:
                forms.append(typed.lower())
        # An entry of its own is not hidden by a form of another one.
        return [form for form in dict.fromkeys(forms) if form == typed or form not in self._table]

    def _check_cycles(self) -> None:
        # Meanings are not read again. Yet entries that stand for one another say nothing.
        leads = {
            typed: {text for text in readings if text in self._table}
            for typed, readings in self._table.items()
        }
        try:
            TopologicalSorter(leads).prepare()
        except CycleError as error:
            cycle = error.args[1]
            raise _TableError(
                cycle[0],
                f"{' -> '.join(map(repr, cycle))}: they stand for one another: write one of them "
                "out",
            ) from None


class _TableError(InputError):
    """What is wrong with one entry of a table."""

    def __init__(self, typed: str, reason: str) -> None:
        super().__init__(f"abbreviation {reason}")
        self.typed, self.reason = typed, reason


@cache
def _built_in() -> Abbreviations:
    return Abbreviations.read(_BUILT_IN)


def checked_abbreviations(given: object) -> Abbreviations | None:
    """The argument `abbreviations` of a ranking: a table, or None for no other reading.

    Args:
        given: True for the built-in table, False for none, a table, a mapping, or a file's path.

    Raises:
        InputError: If it is something else, or a mapping is wrong.
        DataError: If the file is wrong.
    """
    if given is True:
        return _built_in()
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
        f"{given!r}: pass one of them"
    )


def with_unknown_words(text: str, known: Callable[[str], bool]) -> str:
    """The text with `UNKNOWN` for each short word in capitals that nobody knows.

    The pieces that a tokenizer cuts such a word into resemble those of other abbreviations by
    chance, and would score high.

    Args:
        text: A query.
        known: Whether a word is.
    """
    # Where all is in capitals, they say nothing of a word.
    if text.upper() == text and len(_WORD.findall(text)) > 1:
        return text
    return _CAPITALS.sub(lambda word: word[0] if known(word[0]) else UNKNOWN, text)
