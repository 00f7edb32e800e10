"""What `uwe rank` writes of the matches of a query: a table, lines, JSON, or a file of these."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from uwe.cli import arguments, output
from uwe.errors import InputError

if TYPE_CHECKING:
    from uwe.corpus import Record
    from uwe.explanation import Explanation
    from uwe.ranking.matches import Match

__all__ = ["Ranked", "as_json", "as_line", "check_file", "print_table", "write"]

_DELIMITERS = {".jsonl": "", ".csv": ",", ".tsv": "\t"}
_COLUMNS = ["query", "rank", "label", "score", "confidence", "id", "alias", "read_as"]


class Ranked(NamedTuple):
    """What was found for a query.

    Attributes:
        query: The text.
        record: The entry that it comes from, or None for one of the command line.
        matches: Best first.
        reasons: Of each match, or None where nobody asked.
    """

    query: str
    record: Record | None
    matches: list[Match]
    reasons: list[Explanation] | None


def print_table(ranked: Ranked) -> None:
    """The matches as a table, with how the query was read."""
    matches, reasons = ranked.matches, ranked.reasons
    judged = any(match.confidence is not None for match in matches)
    columns = [*(["confidence"] if judged else []), *(["earned by"] if reasons is not None else [])]
    rows = [["rank", "label", "score", *columns]]
    for i, match in enumerate(matches):
        label = match.label if match.alias is None else f"{match.label} (alias: {match.alias})"
        rest = [_percent(match.confidence)] if judged else []
        rest += [] if reasons is None else [_earned(reasons[i])]
        rows.append([str(i + 1), label, f"{match.score:.3f}", *rest])
    for reading in dict.fromkeys(match.read_as for match in matches if match.read_as):
        output.print_line(f"read as {output.one_line(reading)}")
    output.print_table(rows[0], rows[1:], right="023" if judged else "02")


def as_line(ranked: Ranked) -> str:
    """A line for each match, its columns separated by tabs."""
    rows = _rows(ranked, "{:.4f}", "{:.3f}")
    return "\n".join("\t".join(map(output.one_line, row)) for row in rows)


def as_json(ranked: Ranked) -> dict[str, Any]:
    """One object, with the line of the query and its id if it comes from a file."""
    matches = []
    for i, match in enumerate(ranked.matches):
        entry = {"rank": i + 1, **match.to_dict()}
        if ranked.reasons is not None:
            entry["why"] = [vars(word) for word in ranked.reasons[i].query_words]
        matches.append(entry)
    place = {} if ranked.record is None else arguments.place_of(ranked.record)
    return {**place, "query": ranked.query, "matches": matches}


def check_file(out: str, source: str | None) -> None:
    """InputError if rankings cannot be written there: better before the work than after."""
    from uwe.cli.bench.options import check_out

    _delimiter(out)
    check_out(out, source)


def write(out: str, answers: Iterable[Ranked], why: bool) -> int:
    """Write a file, whole or not at all, as its suffix says; the number of queries.

    A file that is there is replaced.

    Raises:
        OSError: If the disk is full or refuses; then what was there is as it was.
    """
    from uwe.files.atomic import write_lines

    done = 0
    delimiter = _delimiter(out)

    def lines() -> Iterator[str]:
        nonlocal done
        if delimiter:
            yield _joined([*_COLUMNS, *(["earned_by"] if why else [])], delimiter)
        for ranked in answers:
            done += 1
            if delimiter:
                # Nine digits are what a float32 needs.
                yield from (_joined(row, delimiter) for row in _rows(ranked, "{:.9g}", "{:.6f}"))
            else:
                yield output.as_json(as_json(ranked))

    write_lines(Path(out), lines())
    return done


def _delimiter(out: str) -> str:
    """What separates columns in a file of this name; an empty text for JSON lines."""
    from uwe.files.records import suffix_of

    found = _DELIMITERS.get(suffix_of(Path(out)))
    if found is None:
        raise InputError(
            f"cannot tell the form of {out} by its suffix; known are {', '.join(_DELIMITERS)}, "
            "with or without .gz: name the file so"
        )
    return found


def _joined(row: list[str], delimiter: str) -> str:
    text = io.StringIO()
    # Values with one of these characters are put in quotes.
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n")


def _rows(ranked: Ranked, score: str, confidence: str) -> list[list[str]]:
    """A row for each match; one with the query alone if there is none."""
    rows: list[list[str | None]] = [
        [
            str(place),
            m.label,
            score.format(m.score),
            None if m.confidence is None else confidence.format(m.confidence),
            m.id,
            m.alias,
            m.read_as,
        ]
        for place, m in enumerate(ranked.matches, 1)
    ]
    if not rows:
        rows.append([None] * (len(_COLUMNS) - 1))
    reasons = ranked.reasons
    if reasons is not None:
        for i, row in enumerate(rows):
            row.append(_earned(reasons[i]) if reasons else None)
    return [[ranked.query, *(column or "" for column in row)] for row in rows]


def _percent(confidence: float | None) -> str:
    return "" if confidence is None else f"{confidence:.0%}"


def _earned(reason: Explanation) -> str:
    # A word's comma or bracket belongs to the sentence that it was in.
    words = ((w.text.lstrip("([").rstrip(",;:.!?)]") or w.text, w.share) for w in reason.top())
    return ", ".join(f"{word} {share:+.3f}" for word, share in words)
