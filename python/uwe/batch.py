"""`rank` and `extract` over Arrow tables: what the workers of Ray, Spark or Daft call.

    ranker = uwe.batch.Ranker("/data/skills.uwe", column="title", k=5)
    ranker(table)

An object holds its options alone, so its pickle is small. A worker opens the target cache by its
path at the first batch. The cache is mapped: the workers of a machine share its pages.
docs/cluster.md has the recipes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from uwe.cache.columns import read_column
from uwe.cache.filters import Where
from uwe.cache.target_cache import TargetCache
from uwe.checks import flag, is_blank, is_iterable, listed, path_of, text_of
from uwe.columns import arrow, metadata_array
from uwe.errors import InputError, shown
from uwe.extraction.extract import extract_many
from uwe.extraction.findings import Extraction, Extractions
from uwe.parallelism import set_worker_threads
from uwe.ranking.matches import Ranking, Rankings
from uwe.ranking.rank import Abbreviate, rank_many
from uwe.scorer import Scorer
from uwe.spaces import space_cache, target_spaces

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Extractor", "Ranker"]

_ROWS = 1024
"""Rows whose matches are held as objects at once."""
_TEXTS = ("string", "large_string", "string_view", "null")
"""Types of Arrow that a column of texts may have, also as those of a dictionary's values."""


class _Batch(ABC):
    """What `Ranker` and `Extractor` share: rows in, rows out, and when the cache is opened."""

    def __init__(
        self,
        targets: str | PathLike[str],
        column: str,
        keep: Sequence[str] | Mapping[str, str] | None,
        skip_invalid: bool,
        **options: Any,
    ) -> None:
        path = path_of("targets", targets)
        self._targets = str(path if str(targets) in target_spaces() else path.absolute())
        self._column = text_of("column", column)
        self._keep = None if keep is None else _names(keep)
        self._skip_invalid = flag("skip_invalid", skip_invalid)
        self._options = options

    def __call__(self, batch: pa.Table | pa.RecordBatch) -> pa.Table:
        """The matches or findings of one batch.

        Args:
            batch: A `pyarrow.Table` or `RecordBatch`, or anything else with Arrow's C interface,
                such as a DataFrame of polars.

        Returns:
            A `pyarrow.Table` with a row for each match or finding, in the order of the batch: the
            kept columns, then those of the result. A row without any has one row, in which the
            columns of the result are null. Batches with the same columns give tables of one
            schema, also an empty one.

        Raises:
            InputError: If it is no table, lacks a column, or a kept column has the name of one of
                the result; if an option is wrong; if a text is invalid and not to be skipped.
            CacheError: If there is no cache at the path, or it cannot be used.
            ModelError: If the cache's model cannot be loaded.
            DataError: If a file of abbreviations, or of calibrations, is wrong.
            MissingExtraError: If pyarrow is not installed.
        """
        return arrow("uwe.batch").concat_tables(self._parts(batch))

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """`__call__` over an iterator, as `mapInArrow` of Spark wants it.

        Args:
            batches: Any number of what `__call__` takes.

        Returns:
            An iterator over the same rows; a batch is taken when the ones before are done.

        Raises:
            InputError: As `__call__`, when the batch is reached, like all its errors.
        """
        if not is_iterable(batches):
            raise InputError(f"expected an iterable of batches, got {shown(batches)}: pass a list")
        for batch in batches:
            for part in self._parts(batch):
                yield from part.to_batches()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_cache"}

    @cached_property
    def _cache(self) -> TargetCache:
        set_worker_threads()
        if self._targets in target_spaces():
            cache = space_cache(self._targets)
        else:
            cache = TargetCache.open(self._targets)
        self._many([], cache)  # checks the options: their errors are not those of a text
        return cache

    def _parts(self, batch: Any) -> Iterator[pa.Table]:
        """What `__call__` gives, some rows of the batch at a time; at least one table."""
        pa = arrow("uwe.batch")
        try:
            if hasattr(batch, "__arrow_c_stream__") or hasattr(batch, "__arrow_c_array__"):
                table = pa.table(batch)
            else:
                raise TypeError("no table of Arrow")
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InputError(
                f"expected a pyarrow.Table or RecordBatch, got {type(batch).__name__} ({error}): "
                'with Ray, pass batch_format="pyarrow"'
            ) from None
        keep = self._keep
        if keep is None:
            keep = {name: name for name in table.column_names if name != self._column}
        kept = {name: _takeable(column, _column(table, column)) for column, name in keep.items()}
        texts = _column(table, self._column)
        kind = texts.type.value_type if pa.types.is_dictionary(texts.type) else texts.type
        if str(kind) not in _TEXTS:
            raise InputError(
                f"expected texts in the column {self._column!r}, got {texts.type}: name another"
            )
        for start in range(0, max(1, len(texts)), _ROWS):
            some = [self._text(value) for value in texts.slice(start, _ROWS)]
            found = self._table(some, self._answers(some, start))
            if clash := kept.keys() & set(found.column_names[1:]):
                name = min(clash)
                raise InputError(
                    f"expected kept columns with other names than those of the result, got "
                    f"{name!r}: rename it by keep={{'{name}': 'my_{name}'}}"
                )
            rows = pa.array(found.column(0).to_numpy() + start)
            columns = [values.take(rows) for values in kept.values()] + found.columns[1:]
            yield pa.table(columns, [*kept, *found.column_names[1:]])

    def _text(self, value: pa.Scalar) -> Any:
        """The value of a cell."""
        try:
            return value.as_py()
        except UnicodeDecodeError as error:
            if self._skip_invalid:
                return None
            raise InputError(
                f"expected texts in UTF-8 in the column {self._column!r}, got {error}: decode it "
                "otherwise, or pass over such rows by skip_invalid=True"
            ) from None

    def _answers(self, texts: list[Any], start: int) -> list[Any]:
        """What is found in each text; None for one that is passed over."""
        cache = self._cache
        if not self._skip_invalid:
            try:
                return self._many(texts, cache)
            except InputError as error:
                raise InputError(
                    f"column {self._column!r}, rows from {start} on: {error}; or pass over such "
                    "rows by skip_invalid=True"
                ) from error
        asked = [i for i, text in enumerate(texts) if isinstance(text, str) and not is_blank(text)]
        try:
            found = self._many([texts[i] for i in asked], cache)
        except InputError:
            found = [self._one(texts[i], cache) for i in asked]
        by_row = dict(zip(asked, found, strict=True))
        return [by_row.get(i) for i in range(len(texts))]

    def _one(self, text: str, cache: TargetCache) -> Any:
        try:
            return self._many([text], cache)[0]
        except InputError:
            return None

    @abstractmethod
    def _many(self, texts: list[str], cache: TargetCache) -> list[Any]:
        """What is found in each text."""

    @abstractmethod
    def _table(self, texts: list[Any], found: list[Any]) -> pa.Table:
        """That as a table, with the number of the text first; None has a row of nulls."""


class Ranker(_Batch):
    """`uwe.rank` of a column of texts, for the workers of a cluster; it can be pickled.

    A row of the result is a match: the kept columns, then `query_text`, `rank`, `label`, `score`,
    `confidence`, `index`, `id`, `alias`, `read_as`, and `metadata.COLUMN` for each column of the
    target space.

    Args:
        targets: Folder of a target cache that every worker reaches by this path, as it must reach
            the model that the cache names; or the name of a built-in space.
        column: The column with the texts.
        keep: Which columns of the batch come with each match: names, or `{name: its name in the
            result}`. None keeps all but `column`, which the result has as `query_text`.
        skip_invalid: Whether a row whose text is null, blank, or otherwise one that `uwe.rank`
            refuses has a row of nulls; otherwise it is an error.
        k: As in `uwe.rank`, like all that follows.
        where: A filter.
        min_score: The least score.
        min_confidence: The least confidence.
        kind: What the texts are.
        scorer: How token vectors are compared.
        candidates: How many an approximate index proposes.
        abbreviations: Whether and how they are written out; a file is read by the worker.

    Raises:
        InputError: If `targets`, `column`, `keep` or `skip_invalid` is of another kind. The other
            options are checked in the worker.
    """

    def __init__(
        self,
        targets: str | PathLike[str],
        *,
        column: str = "text",
        keep: Sequence[str] | Mapping[str, str] | None = None,
        skip_invalid: bool = False,
        k: int = 10,
        where: Where | None = None,
        min_score: float | None = None,
        min_confidence: float | None = None,
        kind: str | None = None,
        scorer: Scorer | str | None = None,
        candidates: int | None = None,
        abbreviations: Abbreviate = True,
    ) -> None:
        super().__init__(
            targets,
            column,
            keep,
            skip_invalid,
            k=k,
            where=where,
            min_score=min_score,
            min_confidence=min_confidence,
            kind=kind,
            scorer=scorer,
            candidates=candidates,
            abbreviations=abbreviations,
        )

    def _many(self, texts: list[str], cache: TargetCache) -> list[Any]:
        return rank_many(texts, cache, **self._options)

    def _table(self, texts: list[Any], found: list[Any]) -> pa.Table:
        pairs = zip(texts, found, strict=True)
        rankings = (Ranking(text) if of is None else of for text, of in pairs)
        table = Rankings(rankings, self._types).to_arrow()
        for name, kind in self._types.items():
            # Its type in the table follows from the matches.
            at = table.column_names.index(f"metadata.{name}")
            column = table.column(at).cast(kind, safe=False)
            table = table.set_column(at, table.column_names[at], column)
        return table

    @cached_property
    def _types(self) -> dict[str, pa.DataType]:
        """The type of each metadata column; strings where all its values are None."""
        pa, core = arrow("uwe.batch"), self._cache.core
        types = {
            name: metadata_array(read_column(core, self._cache.path, name)).type
            for name in core.columns
        }
        return {
            name: pa.string() if pa.types.is_null(kind) else kind for name, kind in types.items()
        }


class Extractor(_Batch):
    """`uwe.extract` of a column of adverts or CVs, for the workers of a cluster; can be pickled.

    A row of the result is a place of a finding: the kept columns, then `rank` of the finding,
    `label`, `id`, `score`, `confidence`, `place`, `place_confidence`, `start` and `end`.

    Args:
        targets: As in `Ranker`; the model must have a skill head.
        column: The column with the texts.
        keep: As in `Ranker`; None keeps all but `column`.
        skip_invalid: As in `Ranker`, of a text that `uwe.extract` refuses.
        min_confidence: As in `uwe.extract`, like all that follows.
        where: A filter.
        abbreviations: Whether and how they are written out.

    Raises:
        InputError: As `Ranker`.
    """

    def __init__(
        self,
        targets: str | PathLike[str],
        *,
        column: str = "text",
        keep: Sequence[str] | Mapping[str, str] | None = None,
        skip_invalid: bool = False,
        min_confidence: float | None = None,
        where: Where | None = None,
        abbreviations: Abbreviate = True,
    ) -> None:
        super().__init__(
            targets,
            column,
            keep,
            skip_invalid,
            min_confidence=min_confidence,
            where=where,
            abbreviations=abbreviations,
        )

    def _many(self, texts: list[str], cache: TargetCache) -> list[Any]:
        return extract_many(texts, cache, **self._options)

    def _table(self, texts: list[Any], found: list[Any]) -> pa.Table:
        pairs = zip(texts, found, strict=True)
        return Extractions(Extraction(text) if of is None else of for text, of in pairs).to_arrow()


def _names(keep: object) -> dict[str, str]:
    """Columns to keep, with their names in the result."""
    if not isinstance(keep, Mapping):
        return {text_of("keep", name): name for name in listed("keep", keep)}
    names = {text_of("keep", name): text_of("keep", new) for name, new in keep.items()}
    for name, count in Counter(names.values()).items():
        if count > 1:
            raise InputError(
                f"expected keep to give each column a name of its own, got {shown(name)} {count} "
                "times: name another"
            )
    return names


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """The one column of that name; InputError if there is none, or there are several."""
    if table.column_names.count(name) != 1:
        names = ", ".join(map(repr, table.column_names)) or "none"
        raise InputError(f"expected one column {name!r}, got the columns {names}: correct it")
    return table[name]


def _takeable(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type whose rows can be taken; Arrow takes no views and no encoded runs."""
    pa = arrow("uwe.batch")
    try:
        if pa.types.is_run_end_encoded(column.type):
            from pyarrow.compute import run_end_decode

            column = run_end_decode(column)
        # Rows of a column with an empty chunk, which a stream brought, cannot be taken.
        chunks = [chunk for chunk in column.chunks if len(chunk)]
        column = pa.chunked_array(chunks, column.type).cast(_without_views(column.type))
        column.take(pa.array([], pa.int64()))
    except pa.ArrowException as error:
        raise InputError(
            f"expected a column {name!r} whose rows Arrow can take, got {column.type} ({error}): "
            "cast it, or leave it out of keep="
        ) from None
    return column


def _without_views(kind: pa.DataType) -> pa.DataType:
    """A type without views of texts and bytes, which polars gives, also in lists and structs."""
    pa = arrow("uwe.batch")
    types = pa.types
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_struct(kind):
        return pa.struct([field.with_type(_without_views(field.type)) for field in kind])
    if types.is_list(kind):
        return pa.list_(_without_views(kind.value_type))
    if types.is_large_list(kind):
        return pa.large_list(_without_views(kind.value_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_without_views(kind.value_type), kind.list_size)
    return kind
