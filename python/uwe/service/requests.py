"""What may be asked of the service and what it answers: pydantic models, limits included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from uwe.checks import VISIBLE

MOST_QUERIES, MOST_QUERY_CHARACTERS = 100, 10_000
MOST_TEXTS, MOST_TEXT_CHARACTERS = 8, 100_000
MOST_MATCHES = 1000
MOST_WITH_WORDS = 1000
"""Matches of a request that get their words, which take longer than to rank them."""
_MOST_NAMES, _MOST_NAME_CHARACTERS = 1000, 1000
_MOST_COLUMNS = 20
_MOST_WRONG = 20
"""Wrong fields that an answer names."""
_OF_PYDANTIC = {  # how its messages begin or go on, and how ours do
    r"^\w+ should be (?=less|greater)": "expected a number ",
    r"^\w+ should (be|have) ": "expected ",
    " after validation": "",
}

Query = Annotated[
    str, StringConstraints(min_length=1, max_length=MOST_QUERY_CHARACTERS, pattern=VISIBLE)
]
Document = Annotated[
    str, StringConstraints(min_length=1, max_length=MOST_TEXT_CHARACTERS, pattern=VISIBLE)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=_MOST_NAME_CHARACTERS)]


def _whole(value: Any) -> Any:
    """A whole number as an int, which JSON may write as 3.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
Share = Annotated[float, Field(ge=0, le=1)]
_Scalar = (
    Annotated[str, StringConstraints(max_length=_MOST_NAME_CHARACTERS)]
    | bool
    | Annotated[int, Field(ge=-(2**63), lt=2**63)]
    | Annotated[float, Field(allow_inf_nan=False)]
    | None
)
_Scalars = Annotated[list[_Scalar], Field(max_length=_MOST_NAMES, fail_fast=True)]

Targets = Annotated[
    Name | None,
    Field(description="Name of a target space of `/v1/spaces`; the default is the first of them."),
]


def _few_columns(given: Any) -> Any:
    """As `_few_fields`, of columns: each wrong value is several errors."""
    if isinstance(given, dict) and len(given) > _MOST_COLUMNS:
        raise ValueError(f"expected at most {_MOST_COLUMNS} columns, got {len(given):,}")
    return given


_Columns = Annotated[
    dict[Name, _Scalar | _Scalars],
    Field(max_length=_MOST_COLUMNS),
    BeforeValidator(_few_columns),
]
Filter = Annotated[
    _Columns | None,
    Field(
        description="Restricts the targets before they are scored: metadata columns and the value, "
        "or the values, that they may have. All columns must match.",
        examples=[{"skill_type": ["knowledge"]}],
    ),
]
Kind = Annotated[
    Literal["title", "keyword", "span", "sentence"] | None,
    Field(
        description="What the queries are, for their confidence: a job title, a skill as people "
        "type it, a phrase marked in an advert, a sentence. The default tells by the space and "
        "the length."
    ),
]
Abbreviations = Annotated[
    bool, Field(description="Whether queries are also read with abbreviations written out.")
]
_EITHER = "expected exactly one of {} and {}"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, given: Any) -> Any:
        """Each unknown field is an error of its own: thousands would take seconds to list."""
        if isinstance(given, dict) and len(given) > len(cls.model_fields):
            raise ValueError(
                f"expected no fields but {', '.join(cls.model_fields)}, got {len(given):,} fields"
            )
        return given


def _one_of(single: str, several: str) -> dict[str, Any]:
    """JSON Schema that asks for one of two fields, and not for null."""
    return {
        "oneOf": [
            {"required": [single], "properties": {single: {"type": "string"}}},
            {"required": [several], "properties": {several: {"type": "array"}}},
        ]
    }


class RankRequest(_Request):
    """Queries to rank the targets of a space for."""

    model_config = ConfigDict(json_schema_extra=_one_of("query", "queries"))

    query: Annotated[Query | None, Field(description="One query.", examples=["data engineer"])] = (
        None
    )
    queries: Annotated[
        list[Query] | None,
        Field(min_length=1, max_length=MOST_QUERIES, description="Several queries."),
    ] = None
    targets: Targets = None
    k: Annotated[
        int,
        Field(ge=1, le=MOST_MATCHES, description="How many matches of each query at most."),
        WHOLE,
    ] = 10
    min_score: Annotated[
        float | None, Field(allow_inf_nan=False, description="Leaves out matches that score less.")
    ] = None
    min_confidence: Annotated[
        Share | None,
        Field(description="Leaves out matches less likely to be accepted by an expert."),
    ] = None
    kind: Kind = None
    where: Filter = None
    abbreviations: Abbreviations = True
    words: Annotated[
        bool,
        Field(
            description="Whether matches say which words of the query earned them: the best "
            f"{MOST_WITH_WORDS:,} of a request, as many of each query."
        ),
    ] = False

    @model_validator(mode="after")
    def _one(self) -> RankRequest:
        if (self.query is None) == (self.queries is None):
            raise ValueError(_EITHER.format("query", "queries"))
        return self

    @property
    def texts(self) -> list[str]:
        """The queries."""
        return [self.query] if self.query is not None else self.queries or []


class ExtractRequest(_Request):
    """Adverts or CVs to find targets in."""

    model_config = ConfigDict(json_schema_extra=_one_of("text", "texts"))

    text: Annotated[
        Document | None,
        Field(
            description="One text: plain, Markdown or HTML.",
            examples=["Baker's assistant, Leeds. You will help with kneading and baking."],
        ),
    ] = None
    texts: Annotated[
        list[Document] | None,
        Field(min_length=1, max_length=MOST_TEXTS, description="Several texts."),
    ] = None
    targets: Targets = None
    min_confidence: Annotated[
        Share, Field(description="Leaves out findings that are less likely to be right.")
    ] = 0.5
    where: Filter = None
    abbreviations: Abbreviations = True

    @model_validator(mode="after")
    def _one(self) -> ExtractRequest:
        if (self.text is None) == (self.texts is None):
            raise ValueError(_EITHER.format("text", "texts"))
        return self

    @property
    def documents(self) -> list[str]:
        """The texts."""
        return [self.text] if self.text is not None else self.texts or []


class ExplainRequest(_Request):
    """A query and a target, whose score is wanted word by word."""

    query: Annotated[Query, Field(description="The query.", examples=["big data"])]
    target: Annotated[
        Name | Annotated[int, Field(ge=0, lt=2**31), WHOLE],
        Field(description="The target's label, id or index.", examples=["Apache Spark"]),
    ]
    targets: Targets = None
    abbreviations: Abbreviations = True


def wrong_fields(
    errors: Iterable[Mapping[str, Any]], given: Any, whole: str = "body"
) -> list[tuple[str, str]]:
    """The path of each wrong field, as in `queries.3`, and what was expected.

    What was sent (`given`) is left out of it: it may be long, and private. So are the names that
    pydantic gives to types. `errors` are as pydantic lists them; `whole` names what is wrong where
    no field is.
    """
    found = []
    for error in islice(errors, _MOST_WRONG):
        parts, value = [], given
        for part in error["loc"][error["loc"][:1] == ("body",) :]:
            inside = isinstance(value, dict | list) and (
                part in value if isinstance(value, dict) else isinstance(part, int)
            )
            if inside:
                value = value[part]
            if inside or error["type"] == "missing":
                parts.append(str(part)[:80])
        message: str = error["msg"].removeprefix("Value error, ")
        if error["type"] == "string_pattern_mismatch":  # of `VISIBLE`
            message = "expected a text with a character that can be seen: write one"
        for theirs, ours in _OF_PYDANTIC.items():
            message = re.sub(theirs, ours, message)
        found.append((".".join(parts) or whole, message[:300]))
    return found


# Answers. They describe; what is sent is made by the library's own `to_dict`.

_Metadata = dict[str, str | int | float | bool | None]


class EarningWord(BaseModel):
    """A word of a query and its share of a score."""

    text: str
    share: float


class RankedMatch(BaseModel):
    """A target that was ranked; see `uwe.Match`."""

    label: str
    score: float
    index: int
    id: str | None
    alias: Annotated[str | None, Field(description="The alias that matched better than the label.")]
    read_as: Annotated[
        str | None, Field(description="The query as it was read, abbreviations written out.")
    ]
    confidence: Annotated[
        float | None, Field(description="Probability that an expert accepts it for the query.")
    ]
    metadata: _Metadata
    words: Annotated[
        list[EarningWord],
        Field(description="Words of the query that earned the score, best first; if asked for."),
    ] = []


class QueryRanking(BaseModel):
    """The matches of one query, best first."""

    query: str
    language: Annotated[
        str | None,
        Field(description="The language that the query seems to be in, if the model reads others."),
    ]
    truncated: Annotated[
        bool, Field(description="Whether the query was longer than the model reads.")
    ]
    matches: list[RankedMatch]


class Ranked(BaseModel):
    """One ranking for each query, in their order."""

    targets: str
    rankings: list[QueryRanking]


class PlaceWord(EarningWord):
    """A word of a place and its share of the score; see `uwe.Place`."""

    start: int
    end: int


class FoundPlace(BaseModel):
    """Where a target was found; `start` and `end` count Unicode code points of the text."""

    start: int
    end: int
    text: str
    line: str
    confidence: float
    words: list[PlaceWord]


class Found(BaseModel):
    """A target that a text asks for; see `uwe.Finding`."""

    label: str
    id: str | None
    index: int
    score: float
    confidence: float
    places: list[FoundPlace]
    alias: str | None
    metadata: _Metadata


class TextExtraction(BaseModel):
    """The findings of one text, most confident first."""

    findings: list[Found]
    left_out: Annotated[
        list[str], Field(description="What was left out of a very long text, a sentence each.")
    ]
    language: Annotated[
        str | None, Field(description="The language that the text seems to be in, if not English.")
    ]


class Extracted(BaseModel):
    """One extraction for each text, in their order."""

    targets: str
    extractions: list[TextExtraction]


class ExplainedWord(EarningWord):
    """A word, or a special token of the model, and its share of the score."""

    special: bool


class Explained(BaseModel):
    """A score word by word; see `uwe.Explanation`."""

    query: str
    label: str
    alias: str | None
    read_as: str | None
    index: int
    score: float
    scorer: str
    query_words: list[ExplainedWord]
    target_words: list[ExplainedWord]
    cells: Annotated[
        list[list[float]], Field(description="Query words by target words; they add up to it.")
    ]


class SpaceColumn(BaseModel):
    """A metadata column that a filter may name."""

    name: str
    values: Annotated[
        list[str | int | float | bool] | None,
        Field(description="Its values, where there are few."),
    ]


class Space(BaseModel):
    """A target space that is served."""

    name: str
    title: str
    version: str | None
    targets: Annotated[int, Field(description="How many targets it has.")]
    extracts: Annotated[bool, Field(description="Whether texts can be searched for its targets.")]
    columns: list[SpaceColumn]
    attribution: Annotated[str, Field(description="What the space's licence asks to be shown.")]


class SpaceList(BaseModel):
    """The target spaces that are served; the first is the default."""

    spaces: list[Space]


class ProblemField(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[ProblemField] = []
