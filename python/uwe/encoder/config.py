"""What a model says about itself: the settings in `uwe.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from uwe.checks import real_number
from uwe.errors import InputError, ModelError
from uwe.scorer import Scorer

FORMAT = 1
"""Version of `uwe.json` that this release writes, and the newest that it reads."""

WeightForm = Literal["float32", "float16", "int8", "int8-rows"]
"""How an exported model stores its weights; `uwe.model.quantize` says what each one is."""
WEIGHT_FORMS: tuple[str, ...] = get_args(WeightForm)
"""All of them, by name."""


_MOST = 1_000_000  # tokens and dimensions: more than any model has, and memory for them is there


@dataclass(frozen=True)
class TrainingSource:
    """A file that a model was trained on, so that no task is called clean that is not."""

    name: str  # what it is, such as `train/J.edges.tsv.gz`
    sha256: str  # its SHA-256, 64 hexadecimal digits


@dataclass(frozen=True)
class ModelConfig:
    """The content of `uwe.json`."""

    name: str  # name of the model, for people
    scorer: Scorer  # how the model wants its token vectors compared
    # Whether the vectors of the tokenizer's special tokens are kept.
    special_tokens: Literal["keep", "drop"]
    max_tokens: int  # longest text that is read, special tokens included
    dim: int  # width of a token vector
    # How the ONNX file stores the weights; one of `WEIGHT_FORMS` where `uwe export` wrote it. It
    # says so for people: the ONNX file itself knows how to be read.
    weights: str
    language: str = ""  # what it reads, as BCP 47 tags separated by commas; empty if undeclared
    licence: str = ""  # SPDX identifier of the weights' licence; empty if undeclared
    base_model: str = ""  # the model that these weights started from; empty if none
    # Everything that the weights were trained on by `uwe`; empty for weights that are used as they
    # were published.
    trained_on: tuple[TrainingSource, ...] = ()

    def __post_init__(self) -> None:
        if self.special_tokens not in ("keep", "drop"):
            raise InputError(
                f"expected special_tokens 'keep' or 'drop', got {self.special_tokens!r}: correct it"
            )
        for field, value in (("max_tokens", self.max_tokens), ("dim", self.dim)):
            if type(value) is not int or not 1 <= value <= _MOST:
                raise InputError(
                    f"expected {field} to be an integer from 1 to {_MOST:,}, got {value!r}: "
                    "correct it"
                )

    def to_json(self) -> str:
        """The text of `uwe.json`, which `from_json` reads back to an equal value."""
        scorer = {name: value for name, value in vars(self.scorer).items() if value is not None}
        sources = [vars(source) for source in self.trained_on]
        document = {"format": FORMAT, **vars(self), "scorer": scorer, "trained_on": sources}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, path: str | Path = "uwe.json") -> ModelConfig:
        """Read the text of `uwe.json`; strict, so that a misspelt setting is never ignored.

        Messages name `path`.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{path}: expected JSON, got {error}: export it again") from None
        if not isinstance(document, dict):
            raise ModelError(
                f"{path}: expected a JSON object, got {_kind(document)}: export the model again"
            )
        _check_format(document.pop("format", None), path)
        fields = _checked(document, _FIELDS, str(path), optional=_OPTIONAL)
        scorer = _checked(
            fields.pop("scorer"),
            _SCORER_FIELDS,
            f"{path}: scorer",
            optional={"temperature", "pivot"},
        )
        sources = [
            _checked(source, _SOURCE_FIELDS, f"{path}: trained_on[{i}]")
            for i, source in enumerate(fields.pop("trained_on", []))
        ]
        try:
            return cls(
                scorer=Scorer(
                    scorer["name"],
                    temperature=scorer.get("temperature"),
                    pivot=scorer.get("pivot"),
                ),
                trained_on=tuple(TrainingSource(**source) for source in sources),
                **fields,
            )
        except InputError as error:
            raise ModelError(f"{path}: {error}") from None


_FIELDS: dict[str, type] = {
    "name": str,
    "scorer": dict,
    "special_tokens": str,
    "max_tokens": int,
    "dim": int,
    "weights": str,
    "language": str,
    "licence": str,
    "base_model": str,
    "trained_on": list,
}
_OPTIONAL = {"language", "licence", "base_model", "trained_on"}
_SCORER_FIELDS: dict[str, type] = {"name": str, "temperature": float, "pivot": float}
_SOURCE_FIELDS: dict[str, type] = {"name": str, "sha256": str}
_KINDS = {
    str: "text",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
    bool: "true or false",
    type(None): "null",
}


def _check_format(found: object, path: str | Path) -> None:
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ModelError(
            f"{path}: expected the key 'format' with an integer >= 1, got {found!r}: "
            "export the model again with  uwe export"
        )
    if found > FORMAT:
        raise ModelError(
            f"{path}: this release reads model format {FORMAT} or older, got format {found}: "
            "update uwe"
        )


def _checked(
    value: object,
    types: dict[str, type],
    place: str,
    *,
    optional: set[str] | frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """`value` as a dictionary with exactly the known keys and types, or ModelError."""
    if not isinstance(value, dict):
        raise ModelError(f"{place}: expected an object, got {_kind(value)}: correct it")
    unknown = sorted(set(value) - set(types))
    if unknown:
        raise ModelError(
            f"{place}: unknown key {unknown[0]!r}; known are {', '.join(types)}: "
            "correct it, or update uwe"
        )
    missing = [key for key in types if key not in value and key not in optional]
    if missing:
        raise ModelError(f"{place}: the key {missing[0]!r} is missing: export the model again")
    for key, item in value.items():
        wanted = types[key]
        fits = real_number(item) is not None if wanted is float else type(item) is wanted
        if not fits:
            raise ModelError(
                f"{place}: expected {key!r} to be {_KINDS[wanted]}, got {_kind(item)}: correct it"
            )
    return dict(value)


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)
