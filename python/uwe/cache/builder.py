"""Targets on their way into a cache: checked as a whole, then encoded block by block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, get_args

from uwe import _core
from uwe.cache.filters import Scalar, kinded
from uwe.checks import listed, text_of, texts_of
from uwe.columns import columns_of
from uwe.encoder.tokens import TokenVectors, checked_vectors
from uwe.encoder.truncation import Truncations, gathered
from uwe.errors import InputError, shown
from uwe.progress import Progress, reporting

Dtype = Literal["float32", "float16", "int8"]
"""How unit vectors are stored."""

Tokens = Literal["all", "pooled"]
"""What a target keeps: all its token vectors, or their mean alone."""


@dataclass(frozen=True)
class TargetTexts:
    """Some targets: for each of them its texts (label, then aliases), an id, metadata."""

    texts: list[list[str]]  # one list for each target
    ids: list[str | None]  # one for each target
    columns: dict[str, list[str]]  # of each metadata column one value for each target, as JSON

    @classmethod
    def checked(
        cls,
        labels: Iterable[str],
        *,
        ids: Sequence[str | None] | None,
        aliases: Sequence[Sequence[str]] | None,
        metadata: Mapping[str, Sequence[Scalar]] | None,
    ) -> TargetTexts:
        """Check what a user passed; an InputError names the argument and the target."""
        texts = [[label] for label in texts_of("labels", labels, "label")]
        count = len(texts)
        if aliases is not None:
            for i, others in enumerate(_listed("aliases", aliases, count)):
                what = f"aliases of target {i}"
                others = [] if others is None else listed(what, others)
                texts[i] += texts_of(what, others, f"{what}: alias") if others else []
        columns: dict[str, list[str]] = {}
        metadata = columns_of("metadata", metadata)
        if not isinstance(metadata, Mapping | None):
            raise InputError(
                "metadata: expected {column: one value for each target}, or a table, got "
                f"{type(metadata).__name__}"
            )
        for name, values in (metadata or {}).items():
            _check_name("the name of a metadata column", name)
            of_targets = _listed(f"metadata column {shown(name)}", values, count)
            columns[name] = _column(name, of_targets)
        return cls(texts, _checked_ids(ids, count), columns)

    def check_new(
        self, ids: Iterable[str | None], column: Callable[[str], Iterable[Scalar]]
    ) -> None:
        """Check that they can join the targets of a cache.

        `ids` are those of the cache, and `column` gives the values of one of its columns.
        """
        for name, values in self.columns.items():
            i, value = next(((i, v) for i, v in enumerate(values) if v != "null"), (0, "null"))
            there = next((known for known in column(name) if known is not None), None)
            kind, expected = (kinded(one, name)[0] for one in (json.loads(value), there))
            if "None" not in (kind, expected) and kind != expected:
                raise _other_kind(name, i, expected, "the cache", value, kind)
        new = {known: i for i, known in enumerate(self.ids) if known is not None}
        for i, known in enumerate(ids if new else ()):
            if known is not None and known in new:
                raise InputError(
                    f"ids: target {new[known]} has {known!r}, which target {i} of the cache has: "
                    "ids must differ; remove that one first to replace it"
                )

    def count(self) -> int:
        """Number of texts."""
        return sum(map(len, self.texts))

    def blocks(self, size: int) -> Iterator[slice]:
        """Neighbouring targets that are encoded together: about `size` texts at a time."""
        start, texts = 0, 0
        for i, of_target in enumerate(self.texts):
            if i > start and texts + len(of_target) > size:
                yield slice(start, i)
                start, texts = i, 0
            texts += len(of_target)
        yield slice(start, len(self.texts))


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
            raise InputError(f"expected {name} {' or '.join(map(repr, known))}, got {shown(value)}")


def write(
    writer: _core.CacheWriter,
    encode: Callable[[list[str]], TokenVectors],
    targets: TargetTexts,
    block: int,
    progress: Progress,
    at_commit: AbstractContextManager[None] | None = None,
) -> None:
    """Encode about `block` texts at a time, in their order, and write them; commit within a block.

    Whatever goes wrong, the folder stays as it was.
    """
    cuts = Truncations("targets")
    try:
        with reporting(progress, targets.count(), "Encoding") as report, gathered(cuts):
            done = 0
            for part in targets.blocks(block):
                of_targets = targets.texts[part]
                texts = [text for of_target in of_targets for text in of_target]
                vectors = checked_vectors(encode(texts), len(texts))
                metadata = [values[part] for values in targets.columns.values()]
                writer.add(vectors.values, vectors.offsets, of_targets, targets.ids[part], metadata)
                done += len(vectors)
                report(done)
        cuts.warn()
        with at_commit or nullcontext():
            writer.commit()
    except BaseException:
        writer.abort()
        raise


def _checked_ids(ids: Sequence[str | None] | None, count: int) -> list[str | None]:
    if ids is None:
        return [None] * count
    found: list[str | None] = _listed("ids", ids, count)
    seen: dict[str, int] = {}
    for i, known in enumerate(found):
        if known is None:
            continue
        _check_name(f"ids: target {i}", known)
        if known in seen:
            raise InputError(
                f"ids: targets {seen[known]} and {i} both have {shown(known)}: ids must differ, "
                "labels need not"
            )
        seen[known] = i
    return found


def _listed(what: str, values: object, count: int) -> list[Any]:
    found = listed(what, values)
    if len(found) != count:
        raise InputError(f"{what}: expected one for each of {count} targets, got {len(found)}")
    return found


def _check_name(what: str, name: object) -> None:
    if not text_of(what, name):
        raise InputError(f"{what}: expected a text that is not empty, got {name!r}: name it")


def _column(name: str, values: list[Any]) -> list[str]:
    """The values as JSON, all of one kind."""
    # A filter refuses values of a kind that its column has not: one stray value would end that.
    expected, owner = "None", ""
    column, called = [], f"metadata column {shown(name)}"
    for i, given in enumerate(values):
        what = f"{called}, target {i}"
        kind, value = kinded(given, what)
        if kind == "text":
            text_of(what, value)
        column.append(json.dumps(value, ensure_ascii=False))
        if expected == "None":
            expected, owner = kind, f"target {i}"
        elif kind not in ("None", expected):
            raise _other_kind(name, i, expected, owner, column[-1], kind)
    return column


def _other_kind(
    name: str, target: int, expected: str, owner: str, value: str, kind: str
) -> InputError:
    return InputError(
        f"metadata column {shown(name)}, target {target}: expected a {expected} or None, as "
        f"{owner} has, got {value}, a {kind}: a column holds one kind"
    )
