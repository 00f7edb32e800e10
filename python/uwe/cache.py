"""`TargetCache`: a target space encoded once and kept on disk, ready to be ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np

from uwe import _core
from uwe.blocks import (
    Dtype,
    Progress,
    TargetTexts,
    Tokens,
    check_form,
    check_model,
    check_run,
    write,
)
from uwe.checks import listed, path_of, text_of
from uwe.config import Scorer, checked_scorer
from uwe.errors import CacheError, CacheMismatchError, InputError, ModelError
from uwe.filters import Scalar, Where
from uwe.tokens import Encoder
from uwe.view import CacheView

__all__ = ["TargetCache"]


class TargetCache(CacheView):
    """The targets of one space: their token vectors, labels, ids, aliases and metadata, on disk.

    A value is a snapshot: it keeps showing what it opened, whatever is written to the folder
    afterwards, by this process or another. `append`, `remove` and `compact` write to the folder
    and return a newly opened cache: `skills = skills.append(["Rust"])`. One writer at a time, any
    number of readers; safe to share between threads; a pickle holds the path and opens it anew
    (and loads the model anew, from the source that the cache names).

    A target's index is its position among the targets that are there, in the order of building.
    Several targets may have the same label; ids differ.
    """

    def __init__(self, core: _core.TargetCache, path: Path, model: Encoder | None) -> None:
        """Use `TargetCache.build` or `TargetCache.open`."""
        super().__init__(core, path)
        self._model = model

    @classmethod
    def build(
        cls,
        model: Encoder,
        labels: Iterable[str],
        *,
        path: str | PathLike[str],
        ids: Sequence[str | None] | None = None,
        aliases: Sequence[Sequence[str]] | None = None,
        metadata: Mapping[str, Sequence[Scalar]] | None = None,
        scorer: Scorer | str | None = None,
        dtype: Dtype = "float32",
        tokens: Tokens = "all",
        block: int = 1024,
        progress: Progress = False,
    ) -> TargetCache:
        """Encode a target space into the folder `path` and open it.

        Texts are encoded and written a block at a time: token vectors are never held whole.
        The cache appears when it is complete: a build that fails, is interrupted or killed leaves
        what was at `path` before, and a cache that was there is replaced at once.

        Args:
            model: Anything with `encode(texts) -> TokenVectors`; `uwe.load()` gives one.
            labels: The targets' texts, none of them blank; at least one.
            path: Folder of the cache. One that holds other files is refused.
            ids: An id or None for each target; ids differ.
            aliases: Other texts of each target: it scores as the best of all its texts.
            metadata: Columns to filter by, each with texts, numbers or booleans, one kind in a
                column; None for a target that has none.
            scorer: What ranks against this cache by default; None takes `model.config.scorer`.
            dtype: How unit vectors are stored: `"float32"`, exact, `"float16"`, half the size, or
                `"int8"`, a quarter. What is stored is what a score is exact for.
            tokens: `"all"` stores every token vector, as the soft scorers want them; `"pooled"`
                only the mean of each text: the smallest, and all that the scorer `pooled` needs.
            block: Texts encoded and held in memory at a time.
            progress: True for a bar on standard error (if that is a terminal), or a callable that
                takes the number of finished texts and of all texts.

        Raises:
            InputError: If an argument is of another kind (a model's name is no model), a text is
                blank or no text, an id occurs twice (the message names both targets), lengths
                differ, a metadata value is no scalar or of another kind than its column's others,
                the model gives no usable token vectors, or names no scorer and none was given.
            CacheFormatError: If `path` holds something else than a cache, or a newer format.
            CacheError: If another writer is at work there.
            OSError: If the disk is full or refuses.
        """
        check_model(model)
        check_form(dtype, tokens)
        check_run(block, progress)
        folder = _folder(path)
        targets = TargetTexts.checked(labels, ids=ids, aliases=aliases, metadata=metadata)
        source, fingerprint = (
            text_of(f"the model's {name}", getattr(model, name, "") or "")
            for name in ("source", "fingerprint")
        )
        scorer = _scorer_of(model) if scorer is None else checked_scorer(scorer)
        writer = _core.CacheWriter.create(
            str(folder),
            source=source,
            fingerprint=fingerprint,
            scorer=scorer.name,
            temperature=scorer.temperature,
            pivot=scorer.pivot,
            dtype=dtype,
            tokens=tokens,
            columns=list(targets.columns),
        )
        write(writer, model, targets, block, progress)
        return cls(_core.TargetCache.open(str(folder)), folder, model)

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        model: Encoder | None = None,
        resident: bool = False,
    ) -> TargetCache:
        """Open a cache in milliseconds: everything but the vectors and texts is checked.

        Args:
            path: Folder of the cache.
            model: The model that built it, to encode queries with; None loads it at first use,
                from the source that the cache names.
            resident: Whether to read and verify everything now and hold it in memory. Otherwise
                files are mapped, and one that others truncate meanwhile ends the process.

        Raises:
            InputError: If `path` is no path, or `model` no model.
            CacheNotFoundError: If there is no cache.
            CacheFormatError: If it is something else, or a newer format.
            CacheCorruptError: If the files are not those that the manifest names.
            CacheMismatchError: If `model` is not the one that built it.
        """
        folder = _folder(path)
        if model is not None:
            check_model(model)
        cache = cls(_core.TargetCache.open(str(folder), resident=resident), folder, model)
        if model is not None:
            cache._check_model(model)
        return cache

    @property
    def model(self) -> Encoder:
        """The model that built it, to encode queries with; loaded at first use if not given.

        Raises:
            InputError: If the cache names no source to load it from: open it with `model=`.
            ModelError: If the source is no model any more.
            CacheMismatchError: If the source is another model by now.
        """
        if self._model is None:
            source = self._manifest["model"]["source"]
            if not source:
                raise InputError(
                    f"{self._path}: was built with an encoder that can not be loaded by name: "
                    "pass it, TargetCache.open(path, model=...)"
                )
            from uwe.loading import load

            try:
                model = load(source)
            except ModelError as error:
                raise ModelError(
                    f"{self._path}: its model can not be loaded: {error}; or pass the model, "
                    "TargetCache.open(path, model=...)"
                ) from error
            self._check_model(model)
            self._model = model
        return self._model

    # What changes the folder.

    def append(
        self,
        labels: Iterable[str],
        *,
        ids: Sequence[str | None] | None = None,
        aliases: Sequence[Sequence[str]] | None = None,
        metadata: Mapping[str, Sequence[Scalar]] | None = None,
        block: int = 1024,
        progress: Progress = False,
    ) -> TargetCache:
        """Encode more targets with the cache's model, after those that are there.

        Each call adds a data file; `compact` joins them.

        Args:
            labels: As in `build`, like all that follows.
            ids: They differ from those in the cache too.
            aliases: Other texts of each new target.
            metadata: The same columns as the cache has, no more and no fewer.
            block: Texts encoded and held in memory at a time.
            progress: True for a bar, or a callable.

        Returns:
            The cache with the new targets, newly opened; this one stays as it is.

        Raises:
            InputError: As `build`; if the columns are not the cache's, or of another kind.
            CacheMismatchError: If the cache's model is another by now, or the cache was built anew
                with another one since this one was opened.
            CacheError: If another writer is at work, or the cache was built anew with other
                columns.
        """
        check_run(block, progress)
        targets = TargetTexts.checked(labels, ids=ids, aliases=aliases, metadata=metadata)
        if set(targets.columns) != set(self.columns):
            raise InputError(
                f"expected metadata with the cache's columns {self.columns}, got "
                f"{list(targets.columns)}"
            )
        targets = targets.with_columns(self.columns)
        targets.check_kinds(self._column)
        if targets.has_ids():
            targets.check_new(self.ids)
        model = self.model
        writer = _core.CacheWriter.append(str(self._path))
        try:
            # Under the lock: another process may have built another cache here meanwhile.
            self._check_same_kind()
        except BaseException:
            writer.abort()
            raise
        write(writer, model, targets, block, progress)
        return self._reopened()

    def remove(
        self,
        where: Where | None = None,
        *,
        ids: Iterable[str] | None = None,
        labels: Iterable[str] | None = None,
    ) -> TargetCache:
        """Remove targets; give exactly one of the three arguments.

        The space is marked as free; `compact` gives it back. Targets that another process removed
        meanwhile are passed over.

        Args:
            where: A filter as in `mask`, or indices; a filter of no column is refused.
            ids: Ids of the targets.
            labels: Labels of the targets; every target with such a label goes.

        Returns:
            The cache without them, newly opened; this one stays as it is.

        Raises:
            InputError: If none or several arguments are given, `where` is `{}`, or an id or label
                is unknown.
            CacheError: If another writer is at work, or the cache was compacted or built anew
                since this one was opened.
        """
        if sum(given is not None for given in (where, ids, labels)) != 1:
            raise InputError("expected exactly one of where=, ids= and labels=")
        if isinstance(where, Mapping) and not where:
            raise InputError(
                "expected where={column: value or list of values}, got {}, which every target "
                "matches: nothing was removed"
            )
        if where is not None:
            indices = np.flatnonzero(self.mask(where)).tolist()
        elif labels is not None:
            indices = self._indices(labels, self.find, "label")
        else:
            by_id = {known: [i] for i, known in enumerate(self.ids) if known is not None}
            indices = self._indices(cast(Iterable[str], ids), lambda i: by_id.get(i, []), "id")
        if indices:
            _core.cache_remove(self._core, np.array(indices, dtype=np.int64))
        return self._reopened()

    def compact(self) -> TargetCache:
        """Rewrite everything to one data file without removed targets.

        Returns:
            The same targets, newly opened; this one stays as it is.

        Raises:
            CacheCorruptError: If a data file is damaged: nothing is rewritten.
            CacheError: If another writer is at work.
        """
        _core.cache_compact(str(self._path))
        return self._reopened()

    def verify(self) -> None:
        """Hash every data file; CacheCorruptError names the one that is damaged."""
        self._core.verify()

    # Inside.

    def _reopened(self) -> TargetCache:
        core = _core.TargetCache.open(str(self._path), resident=self._core.resident)
        # Another process may have built another cache here meanwhile: its model is not ours.
        same = CacheView(core, self._path).fingerprint == self.fingerprint
        return type(self)(core, self._path, self._model if same else None)

    def _check_same_kind(self) -> None:
        now = CacheView(_core.TargetCache.open(str(self._path)), self._path)
        if now.fingerprint != self.fingerprint:
            raise CacheMismatchError(
                f"{self._path}: was built anew with another model since it was opened: expected "
                f"fingerprint {self.fingerprint or 'none'}, found {now.fingerprint or 'none'}: "
                "open it again",
                expected=self.fingerprint,
                found=now.fingerprint,
            )
        if now.columns != self.columns:
            raise CacheError(
                f"{self._path}: was built anew since it was opened: expected the metadata columns "
                f"{self.columns}, found {now.columns}: open it again"
            )

    def _check_model(self, model: Encoder) -> None:
        found = getattr(model, "fingerprint", "") or ""
        if found != self.fingerprint:
            raise CacheMismatchError(
                f"{self._path}: expected the model that built it, fingerprint "
                f"{self.fingerprint or 'none'}, got {model!r} with fingerprint {found or 'none'}: "
                "pass that model, or build the cache anew",
                expected=self.fingerprint,
                found=found,
            )

    @staticmethod
    def _indices(names: Iterable[str], find: Callable[[str], list[int]], what: str) -> list[int]:
        indices: set[int] = set()
        for name in listed(f"{what}s", names):
            found = find(text_of(f"each {what}", name))
            if not found:
                raise InputError(f"no target has the {what} {name!r}: nothing was removed")
            indices.update(found)
        return sorted(indices)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self).open, resident=self._core.resident), (str(self._path),)


def _folder(path: str | PathLike[str]) -> Path:
    return path_of("path, the folder of a cache,", path).absolute()


def _scorer_of(model: Encoder) -> Scorer:
    scorer = getattr(getattr(model, "config", None), "scorer", None)
    if not isinstance(scorer, Scorer):
        raise InputError("the model names no scorer of its own: pass one, scorer='pooled'")
    return scorer
