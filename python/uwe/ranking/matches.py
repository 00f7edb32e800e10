"""What a ranking finds: matches, as objects, as a table, as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from uwe.columns import arrow, metadata_array
from uwe.markup import cell, escaped

if TYPE_CHECKING:
    import pyarrow as pa


_SHOWN = 100
"""Rows of a table in a notebook."""


@dataclass(frozen=True)
class Match:
    """One ranked target; hashable.

    Attributes:
        label: The target's label.
        score: Score of its best text, a float32 value.
        index: Its place in the target space, which breaks ties among those matched by their label,
            and among those matched by an alias.
        id: Its id, or None where the space has none.
        alias: The alias that matched better than the label, or None where the label did best.
        read_as: The query as it was read for this match, with abbreviations written out, or None
            where it was taken as it stands.
        confidence: Probability that an expert would accept it for the query, or None where nothing
            is calibrated: neither the model for its scorer, nor the cache.
        metadata: Its values in the space's metadata columns.
    """

    label: str
    score: float
    index: int
    id: str | None
    alias: str | None
    metadata: dict[str, Any] = field(hash=False)
    read_as: str | None = None
    confidence: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The attributes as a dictionary that `json.dumps` takes."""
        rest = {name: value for name, value in vars(self).items() if name != "metadata"}
        return {**rest, "metadata": dict(self.metadata)}


class Ranking(list[Match]):
    """The matches of one query, best first: a list that a notebook shows as a table.

    Args:
        query: The text that was ranked.
        matches: Best first.
        columns: The metadata columns of the space, which a table has without a match, too.
    """

    def __init__(
        self, query: str, matches: Iterable[Match] = (), columns: Iterable[str] = ()
    ) -> None:
        super().__init__(matches)
        self.query = query
        self.columns = tuple(columns)

    def to_arrow(self) -> pa.Table:
        """`Rankings.to_arrow` for this query alone."""
        return _arrow([self], self.columns)

    def _repr_html_(self) -> str:
        return _html([self])


class Rankings(list[Ranking]):
    """One `Ranking` for each query, in their order.

    Args:
        rankings: Those of each query.
        columns: As in `Ranking`.
    """

    def __init__(self, rankings: Iterable[Ranking] = (), columns: Iterable[str] = ()) -> None:
        super().__init__(rankings)
        self.columns = tuple(columns)

    def to_arrow(self) -> pa.Table:
        """All matches as one table, which pandas and polars take.

        `rankings.to_arrow().to_pandas()`, `polars.from_arrow(rankings.to_arrow())`.

        Returns:
            A `pyarrow.Table` with a row for each match and the columns `query` (its number, from
            0), `query_text`, `rank` (from 1), `label`, `score`, `confidence`, `index`, `id`,
            `alias`, `read_as`, and for each metadata column one named `metadata.COLUMN`. A query
            without a match has one row, whose other columns are null.

        Raises:
            MissingExtraError: If pyarrow is not installed.
        """
        return _arrow(self, self.columns)

    def _repr_html_(self) -> str:
        return _html(self)


def _arrow(rankings: list[Ranking], columns_of_space: tuple[str, ...]) -> pa.Table:
    pa = arrow("to_arrow")
    rows: list[tuple[int, str, int | None, Match | None]] = []
    for number, of_query in enumerate(rankings):
        rows += [(number, of_query.query, rank, match) for rank, match in enumerate(of_query, 1)]
        if not of_query:  # so that no query is lost
            rows.append((number, of_query.query, None, None))
    matches = [match for *_, match in rows]
    columns = {
        "query": pa.array([number for number, *_ in rows], pa.int64()),
        "query_text": pa.array([query for _, query, *_ in rows], pa.string()),
        "rank": pa.array([rank for _, _, rank, _ in rows], pa.int32()),
    }
    kinds = {"score": pa.float32(), "confidence": pa.float32(), "index": pa.int64()}
    for name in ("label", "score", "confidence", "index", "id", "alias", "read_as"):
        values = [match and getattr(match, name) for match in matches]
        columns[name] = pa.array(values, kinds.get(name, pa.string()))
    of_matches = (match.metadata for match in matches if match)
    of_queries = (of_query.columns for of_query in rankings)
    for name in dict.fromkeys(chain(columns_of_space, *of_queries, *of_matches)):
        values = [match and match.metadata.get(name) for match in matches]
        columns[f"metadata.{name}"] = metadata_array(values)
    return pa.table(columns)


def _html(rankings: list[Ranking]) -> str:
    judged = any(match.confidence is not None for of_query in rankings for match in of_query)
    columns = ["query", "match", "score", *(["confidence"] if judged else [])]
    head = "".join(cell(name, right=i > 1, tag="th") for i, name in enumerate(columns))
    rows, free, caption = sum(max(1, len(of_query)) for of_query in rankings), _SHOWN, ""
    if rows > free:
        fact = f"the first {free} of {rows:,} rows; queries: {len(rankings):,}"
        caption = f'<caption style="text-align: left">{fact}</caption>'
    parts = [f"<table>{caption}<thead><tr>{head}</tr></thead>"]
    for of_query in rankings:
        if free <= 0:
            break
        parts.append("<tbody>")
        query = cell(escaped(of_query.query), more="vertical-align: top")
        if not of_query:
            parts.append(f"<tr>{query}{cell('<i>no match</i>')}{'<td></td>' * (1 + judged)}</tr>")
        for match in of_query[:free]:
            notes = [escaped(match.alias)] if match.alias else []
            notes += [f"read as: {escaped(match.read_as)}"] if match.read_as else []
            note = f"<br><small>{'; '.join(notes)}</small>" if notes else ""
            numbers = [f"{match.score:.3f}"]
            if judged:
                numbers.append("" if match.confidence is None else f"{match.confidence:.0%}")
            found = cell(f"{escaped(match.label)}{note}")
            parts.append(
                f"<tr>{query}{found}{''.join(cell(text, right=True) for text in numbers)}</tr>"
            )
            query = "<td></td>"
        parts.append("</tbody>")
        free -= max(1, len(of_query))
    return "".join([*parts, "</table>"])
