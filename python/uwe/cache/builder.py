"""Targets on their way into a cache: checked as a whole, then encoded block by block."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from uwe import _core
from uwe.cache.filters import Scalar
from uwe.checks import positive
from uwe.encoder.text_encoder import checked_texts
from uwe.encoder.tokens import TokenVectors, checked_vectors
from uwe.encoder.truncation import Truncations, gathered
from uwe.errors import InputError
from uwe.progress import Progress, check_progress, reporting

__all__ = [
    "Dtype",
    "TargetTexts",
    "Tokens",
    "check_form",
    "check_model",
    "check_run",
    "write",
]

T = TypeVar("T")

_KINDS = {'"': "a text", "t": "a boolean", "f": "a boolean", "n": None}

Dtype = Literal["float32", "float16", "int8"]
"""How unit vectors are stored."""

Tokens = Literal["all", "pooled"]
"""What a target keeps: all its token vectors, or their mean alone."""


@dataclass(frozen=True)
class TargetTexts:
    """Some targets: for each of them its texts (label, then aliases), an id, metadata.

    Attributes:
        texts: One list for each target.
        ids: One for each target.
        columns: For each metadata column one value for each target, as JSON.
    """

    texts: list[list[str]]
    ids: list[str | None]
    columns: dict[str, list[str]]

    @classmethod
    def checked(
        cls,
        labels: Iterable[str],
        *,
        ids: Sequence[str | None] | None,
        aliases: Sequence[Sequence[str]] | None,
        metadata: Mapping[str, Sequence[Scalar]] | None,
    ) -> TargetTexts:
        """Check what a user passed.

        Raises:
            InputError: Names the argument and the target.
        """
        texts = [[label] for label in _checked_texts(labels, "labels")]
        count = len(texts)
        if aliases is not None:
            for i, others in enumerate(_listed(aliases, "aliases", count)):
                if isinstance(others, str) or not isinstance(others, Iterable):
                    raise InputError(
                        f"aliases of target {i}: expected a list of texts, got {others!r}"
                    )
                others = list(others)
                texts[i].extend(_checked_texts(others, f"aliases of target {i}") if others else ())
        columns: dict[str, list[str]] = {}
        if metadata is not None:
            if not isinstance(metadata, Mapping):
                raise InputError(
                    "metadata: expected {column: one value for each target}, got "
                    f"{type(metadata).__name__}"
                )
            for name, values in metadata.items():
                _check_string(name, "the name of a metadata column")
                listed = _listed(values, f"metadata column {name!r}", count)
                columns[name] = [_json(value, name, i) for i, value in enumerate(listed)]
                _check_kind(name, columns[name])
        return cls(texts, _checked_ids(ids, count), columns)

    def has_ids(self) -> bool:
        """Whether any target has one."""
        return any(known is not None for known in self.ids)

    def check_new(self, ids: Iterable[str | None]) -> None:
        """InputError if an id is among `ids`, which are those of a cache."""
        new = {known: i for i, known in enumerate(self.ids) if known is not None}
        for i, known in enumerate(ids):
            if known is not None and known in new:
                raise InputError(
                    f"ids: target {new[known]} has {known!r}, which target {i} of the cache has: "
                    "ids must differ; remove that one first to replace it"
                )

    def check_kinds(self, read: Callable[[str], list[Scalar]]) -> None:
        """InputError if a column's kind is not that of a cache, whose values `read` gives."""
        for name, values in self.columns.items():
            if any(map(_kind, values)):
                known = next((value for value in read(name) if value is not None), None)
                _check_kind(name, values, _kind(json.dumps(known)))

    def with_columns(self, order: Sequence[str]) -> TargetTexts:
        """The same with the columns in another order."""
        return replace(self, columns={name: self.columns[name] for name in order})

    def count(self) -> int:
        """Number of texts."""
        return sum(map(len, self.texts))

    def blocks(self, size: int) -> Iterator[Block]:
        """Whole targets, about `size` texts at a time."""
        start, texts = 0, 0
        for i, of_target in enumerate(self.texts):
            if i > start and texts + len(of_target) > size:
                yield self._block(start, i)
                start, texts = i, 0
            texts += len(of_target)
        yield self._block(start, len(self.texts))

    def _block(self, start: int, end: int) -> Block:
        return Block(
            texts=self.texts[start:end],
            ids=self.ids[start:end],
            metadata=[values[start:end] for values in self.columns.values()],
        )


@dataclass(frozen=True)
class Block:
    """Neighbouring targets that are encoded together."""

    texts: list[list[str]]
    ids: list[str | None]
    metadata: list[list[str]]


def check_model(model: object) -> None:
    """InputError unless it can encode: the name of a model is a likely slip."""
    if isinstance(model, str | PathLike):
        raise InputError(
            f"expected a model, got its name {str(model)!r}: pass uwe.load({str(model)!r})"
        )
    if not callable(getattr(model, "encode", None)):
        raise InputError(
            "expected a model with encode(texts) -> uwe.TokenVectors, got "
            f"{type(model).__name__}: pass uwe.load()"
        )


def check_form(dtype: object, tokens: object) -> None:
    """InputError unless a cache can be stored so."""
    for name, value, known in (
        ("dtype", dtype, get_args(Dtype)),
        ("tokens", tokens, get_args(Tokens)),
    ):
        if not isinstance(value, str) or value not in known:
            raise InputError(f"expected {name} {' or '.join(map(repr, known))}, got {value!r}")


def check_run(block: object, progress: object) -> None:
    """InputError unless `write` takes these."""
    positive("block", block)
    check_progress(progress)


def write(
    writer: _core.CacheWriter,
    encode: Callable[[list[str]], TokenVectors],
    targets: TargetTexts,
    block: int,
    progress: Progress,
) -> None:
    """Encode and write block after block; whatever goes wrong, the folder stays as it was.

    Args:
        writer: Takes the targets.
        encode: Gives the token vectors of some texts; it is asked for all texts in their order.
        targets: What is written.
        block: Texts that are encoded at once, about.
        progress: Told of the texts that are done.
    """
    cuts = Truncations()
    try:
        with reporting(progress, targets.count(), "Encoding") as report, gathered(cuts):
            done = 0
            for part in targets.blocks(block):
                texts = [text for of_target in part.texts for text in of_target]
                vectors = checked_vectors(encode(texts), len(texts))
                writer.add(vectors.values, vectors.offsets, part.texts, part.ids, part.metadata)
                done += len(vectors)
                report(done)
        cuts.warn()
        writer.commit()
    except BaseException:
        writer.abort()
        raise


def _checked_texts(texts: Iterable[str], what: str) -> list[str]:
    try:
        return checked_texts(texts)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _checked_ids(ids: Sequence[str | None] | None, count: int) -> list[str | None]:
    if ids is None:
        return [None] * count
    listed = _listed(ids, "ids", count)
    seen: dict[str, int] = {}
    for i, known in enumerate(listed):
        if known is None:
            continue
        _check_string(known, f"ids: target {i}")
        if known in seen:
            raise InputError(
                f"ids: targets {seen[known]} and {i} both have {known!r}: ids must differ, labels "
                "need not"
            )
        seen[known] = i
    return listed


def _listed(values: Sequence[T], what: str, count: int) -> list[T]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InputError(f"{what}: expected a list, got {type(values).__name__}")
    listed = list(values)
    if len(listed) != count:
        raise InputError(f"{what}: expected one for each of {count} targets, got {len(listed)}")
    return listed


def _check_string(value: Any, what: str) -> None:
    if not isinstance(value, str) or not value:
        raise InputError(f"{what}: expected a text that is not empty, got {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(f"{what}: has a lone surrogate, which is no text: {value!r}") from None


def _json(value: Any, column: str, target: int) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        if value:
            _check_string(value, f"metadata column {column!r}, target {target}")
    elif not (
        value is None
        or isinstance(value, bool | int)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        raise InputError(
            f"metadata column {column!r}, target {target}: expected a text, a finite number, a "
            f"boolean or None, got {value!r}"
        )
    return json.dumps(value, ensure_ascii=False)


def _kind(value: str) -> str | None:
    """The kind of a scalar in JSON, which its first character tells; None for a missing one."""
    return _KINDS.get(value[0], "a number")


def _check_kind(column: str, values: list[str], expected: str | None = None) -> None:
    # A filter refuses values of a kind that its column has not: one stray value would end that.
    owner = "the cache"
    for i, value in enumerate(values):
        kind = _kind(value)
        if expected is None and kind is not None:
            expected, owner = kind, f"target {i}"
        elif kind is not None and kind != expected:
            raise InputError(
                f"metadata column {column!r}, target {i}: expected {expected} or None, as {owner} "
                f"has, got {value}, {kind}: a column holds one kind"
            )
