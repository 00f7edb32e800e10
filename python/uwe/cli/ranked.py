"""What `uwe rank` writes of the matches of a query: a table, lines, JSON, or a file of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from uwe.cli import output
from uwe.cli.bulk import Answer, Form, text_of_cell

if TYPE_CHECKING:
    from uwe.explanation import Explanation
    from uwe.ranking.matches import Match


_COLUMNS = {
    "query": "string", "rank": "int32", "label": "string", "score": "float32",
    "confidence": "float32", "id": "string", "alias": "string", "read_as": "string",
}  # fmt: skip


class Ranked(NamedTuple):
    """What was found for a query."""

    query: str
    matches: list[Match]  # best first
    reasons: list[Explanation] | None  # one for each match, or None where nobody asked


def print_table(ranked: Ranked) -> None:
    """The matches as a table, with how the query was read."""
    matches, reasons = ranked.matches, ranked.reasons
    judged = any(match.confidence is not None for match in matches)
    columns = [*(["confidence"] if judged else []), *(["earned by"] if reasons is not None else [])]
    rows = [["rank", "label", "score", *columns]]
    for i, match in enumerate(matches):
        label = match.label if match.alias is None else f"{match.label} (alias: {match.alias})"
        sure = "" if match.confidence is None else f"{match.confidence:.0%}"
        rest = [sure] if judged else []
        rest += [] if reasons is None else [_earned(reasons[i])]
        rows.append([str(i + 1), label, f"{match.score:.3f}", *rest])
    for reading in dict.fromkeys(match.read_as for match in matches if match.read_as):
        output.print_line(f"read as {output.one_line(reading)}")
    output.print_table(rows[0], rows[1:], right="023" if judged else "02")


def as_line(answer: Answer[Ranked]) -> str:
    """A line for each match, its columns separated by tabs."""
    return "\n".join(
        "\t".join(
            output.one_line(text_of_cell(cell) or "") for cell in [*row, *answer.kept.values()]
        )
        for row in _rows(answer.found, "{:.4f}", "{:.3f}")
    )


def form(why: bool) -> Form[Ranked]:
    """How rankings are put down; `why` has a column for the words that earned the score."""
    columns = {**_COLUMNS, **({"earned_by": "string"} if why else {})}
    return Form(columns, _rows, _entry)


def _entry(ranked: Ranked) -> dict[str, Any]:
    matches = []
    for i, match in enumerate(ranked.matches):
        entry = {"rank": i + 1, **match.to_dict()}
        if ranked.reasons is not None:
            entry["why"] = [vars(word) for word in ranked.reasons[i].query_words]
        matches.append(entry)
    return {"query": ranked.query, "matches": matches}


def _rows(ranked: Ranked, score: str = "", confidence: str = "") -> list[list[Any]]:
    """A row for each match, its numbers as they are or in a format; one of nulls for none."""
    rows: list[list[Any]] = [
        [
            place,
            match.label,
            score.format(match.score) if score else match.score,
            confidence.format(match.confidence)
            if confidence and match.confidence is not None
            else match.confidence,
            match.id,
            match.alias,
            match.read_as,
        ]
        for place, match in enumerate(ranked.matches, 1)
    ] or [[None] * (len(_COLUMNS) - 1)]
    reasons = ranked.reasons
    if reasons is not None:
        for i, row in enumerate(rows):
            row.append(_earned(reasons[i]) if reasons else None)
    return [[ranked.query, *row] for row in rows]


def _earned(reason: Explanation) -> str:
    # A word's comma or bracket belongs to the sentence that it was in.
    words = ((w.text.lstrip("([").rstrip(",;:.!?)]") or w.text, w.share) for w in reason.top())
    return ", ".join(f"{word} {share:+.3f}" for word, share in words)
