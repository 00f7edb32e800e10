"""What an extraction finds: targets, where the text asks for them, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uwe.columns import arrow
from uwe.extraction.page import to_html
from uwe.markup import escaped

if TYPE_CHECKING:
    import pyarrow as pa


# How JupyterLab and VS Code say that a notebook is light or dark, whatever the system is.
_THEMES = """
:is([data-jp-theme-light=true], .vscode-light) iframe.uwe { color-scheme: light }
:is([data-jp-theme-light=false], .vscode-dark) iframe.uwe { color-scheme: dark }
"""


@dataclass(frozen=True)
class Word:
    """A word of a place that earned a part of the score.

    Attributes:
        text: As it stands in the plain text.
        start: Where it begins in the text as given.
        end: Where it ends in the text as given, exclusive.
        share: What it adds to the score.
    """

    text: str
    start: int
    end: int
    share: float


@dataclass(frozen=True)
class Place:
    """A part of a text that a target was found in.

    Attributes:
        start: Where it begins in the text as given, in characters; of HTML, tags count.
        end: Where it ends in the text as given, exclusive.
        text: The plain text of the place.
        line: The plain text of the line that it stands in.
        confidence: Calibrated probability that the target is right here, from 0 to 1.
        words: The words that earned the score, best first.
    """

    start: int
    end: int
    text: str
    line: str
    confidence: float
    words: tuple[Word, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The attributes as a dictionary that `json.dumps` takes."""
        return {**vars(self), "words": [dict(vars(word)) for word in self.words]}


@dataclass(frozen=True)
class Finding:
    """A target that a text asks for, with all places where it does; hashable.

    Attributes:
        label: The target's label.
        id: Its id, or None where the space has none.
        index: Its place in the target space.
        score: Its score at the best place, a float32 value.
        confidence: Calibrated probability that the target is right, from 0 to 1.
        places: Where it was found, best first; at least one.
        alias: The alias that matched better than the label at the best place, or None.
        metadata: Its values in the space's metadata columns.
    """

    label: str
    id: str | None
    index: int
    score: float
    confidence: float
    places: tuple[Place, ...]
    alias: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        """The attributes as a dictionary that `json.dumps` takes."""
        return {
            **vars(self),
            "places": [place.to_dict() for place in self.places],
            "metadata": dict(self.metadata),
        }


class Extraction(list[Finding]):
    """The findings of one text, best first and each target once.

    Args:
        text: The text as given.
        findings: Best first.
        left_out: What was left out and why, a sentence each, such as lines beyond a limit.
        language: The language that the text seems to be in, or None if that is English.
    """

    def __init__(
        self,
        text: str,
        findings: Iterable[Finding] = (),
        *,
        left_out: Iterable[str] = (),
        language: str | None = None,
    ) -> None:
        super().__init__(findings)
        self.text = text
        self.left_out = tuple(left_out)
        self.language = language

    def to_dict(self) -> dict[str, Any]:
        """Everything but the text, as a dictionary that `json.dumps` takes."""
        return {
            "findings": [finding.to_dict() for finding in self],
            "left_out": list(self.left_out),
            "language": self.language,
        }

    def to_arrow(self) -> pa.Table:
        """`Extractions.to_arrow` for this text alone."""
        return _arrow([self])

    def to_html(self, title: str | None = None) -> str:
        """A page with the text, its places marked, beside the findings.

        It is one file that needs no network, for light and dark screens, mouse, touch and keys.
        What a finding and a place have to do with each other shows where the pointer or the focus
        is, with the words that earned the score underlined.

        Args:
            title: Heading of the page; None has none, and names the page by the text's first line.

        Raises:
            InputError: If `title` is no text.
        """
        return to_html(self, title)

    def _repr_html_(self) -> str:
        # A frame keeps the page's style off the notebook's. It scrolls where the guess is low.
        lines = sum(1 + len(line) // 60 for line in self.text.splitlines())
        height = min(600, 80 + max(26 * lines, 50 * len(self)))
        frame = (
            f'class="uwe" sandbox="allow-scripts" width="100%" height="{height}" frameborder="0"'
        )
        return (
            f'<style>{_THEMES}</style><iframe {frame} srcdoc="{escaped(self.to_html())}"></iframe>'
        )


class Extractions(list[Extraction]):
    """One `Extraction` for each text, in their order."""

    def to_arrow(self) -> pa.Table:
        """All places as one table, which pandas and polars take.

        `extractions.to_arrow().to_pandas()`, `polars.from_arrow(extractions.to_arrow())`.

        Returns:
            A `pyarrow.Table` with a row for each place and the columns `text` (its number, from
            0), `rank` of the finding (from 1), `label`, `id`, `score`, `confidence`, `place` (its
            plain text), `place_confidence`, `start` and `end`. A text without findings has one
            row, in which all columns but `text` are null.

        Raises:
            MissingExtraError: If pyarrow is not installed.
        """
        return _arrow(self)


def _arrow(extractions: list[Extraction]) -> pa.Table:
    pa = arrow("to_arrow")
    kinds = {
        "text": pa.int64(), "rank": pa.int32(), "label": pa.string(), "id": pa.string(),
        "score": pa.float32(), "confidence": pa.float64(), "place": pa.string(),
        "place_confidence": pa.float64(), "start": pa.int64(), "end": pa.int64(),
    }  # fmt: skip
    rows = [
        {"text": number, **row}
        for number, found in enumerate(extractions)
        for row in place_rows(found)
    ]
    return pa.Table.from_pylist(rows, pa.schema(kinds))


def place_rows(extraction: Extraction) -> list[dict[str, Any]]:
    """What a table has of each place; one row with nothing in it if there is none."""
    return [
        {
            "rank": rank, "label": finding.label, "id": finding.id,
            "score": finding.score, "confidence": finding.confidence, "place": place.text,
            "place_confidence": place.confidence, "start": place.start, "end": place.end,
        }
        for rank, finding in enumerate(extraction, 1)
        for place in finding.places
    ] or [{}]  # fmt: skip
