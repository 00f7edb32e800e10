"""`TargetCache`: a target space encoded once, in a folder or for this process alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.cache.builder import Dtype, TargetTexts, Tokens, check_form, check_model, write
from uwe.cache.columns import Lazy, read_aliases, read_column, read_metadata
from uwe.cache.filters import Filters, Scalar, Where
from uwe.cache.manifest import read_manifest
from uwe.cache.own_calibration import (
    calibration_set_aside,
    opened,
    restore_calibration,
    write_calibration,
)
from uwe.calibration import (
    Calibration,
    calibrations_json,
    calibrations_of,
    checked_calibrations,
)
from uwe.checks import flag, listed, path_of, positive, text_of
from uwe.encoder.loading import load
from uwe.encoder.tokens import Encoder, TokenVectors, name_of
from uwe.errors import (
    CacheError,
    CacheFormatError,
    CacheMismatchError,
    InputError,
    ModelError,
    shown,
)
from uwe.files.temporary import TemporaryFolder
from uwe.progress import Progress, check_progress
from uwe.scorer import Scorer, checked_scorer


class TargetCache:
    """The targets of one space: their token vectors, labels, ids, aliases and metadata.

    A value is a snapshot: it keeps showing what it opened, whatever is written to the folder
    afterwards, by this process or another. `append`, `remove` and `compact` write to the folder
    and return a newly opened cache: `skills = skills.append(["Rust"])`. One writer at a time, any
    number of readers; safe to share between threads; a pickle holds the path and opens it again
    (and loads the model again, from the source that the cache names).

    A target's index is its position among the targets that are there, in the order of building.
    Several targets may have the same label; ids differ.
    """

    def __init__(
        self,
        path: Path,
        model: Encoder | None,
        held: TemporaryFolder | None = None,
        *,
        resident: bool = False,
    ) -> None:
        """Use `TargetCache.build`, `TargetCache.from_vectors` or `TargetCache.open`."""
        core, self._calibration_file = opened(path, resident)
        self._core = core
        self._path = path
        self._model = model
        self._held = held
        self._manifest = read_manifest(core.manifest, path)
        # Bound to the compiled cache, not to this object: a circle of the two would keep the maps
        # of files until the garbage collector comes by.
        self._column = partial(read_column, core, path)
        self._filters = Filters(len(core), core.columns, self._column)
        self._by_label: dict[str, list[int]] | None = None
        self._calibrations: dict[str, Calibration] | None = None

    @classmethod
    def build(
        cls,
        model: Encoder,
        labels: Iterable[str],
        *,
        path: str | PathLike[str] | None = None,
        ids: Sequence[str | None] | None = None,
        aliases: Sequence[Sequence[str]] | None = None,
        metadata: Mapping[str, Sequence[Scalar]] | None = None,
        scorer: Scorer | str | None = None,
        dtype: Dtype = "float32",
        tokens: Tokens = "all",
        block: int = 1024,
        progress: Progress = False,
    ) -> TargetCache:
        """Encode a target space and open it.

        Texts are encoded and written a block at a time: token vectors are never held whole.
        The cache appears when it is complete: a build that fails, is interrupted or killed leaves
        what was at `path` before, and a cache that was there is replaced at once.

        `labels`, `ids`, `aliases` and each column of `metadata` may be columns of Arrow, pandas or
        polars, of which those other than pandas's and polars's need the extra `arrow`.

        Args:
            model: Anything with `encode(texts) -> TokenVectors`; `uwe.load()` gives one.
            labels: The targets' texts, none of them blank; at least one.
            path: Folder of the cache. One that holds other files is refused. None keeps the
                cache for this process: in a temporary folder that goes with the last object that
                uses it.
            ids: An id or None for each target; ids differ.
            aliases: Other texts of each target, or None: it scores as the best of all its texts.
            metadata: Columns to filter by, or a table of them, each with texts, numbers or
                booleans, one kind in a column; None for a target that has none.
            scorer: What ranks against this cache by default; None takes `model.config.scorer`.
            dtype: How unit vectors are stored: `"float32"`, exact, `"float16"`, half the size, or
                `"int8"`, a quarter. What is stored is what a score is exact for.
            tokens: `"all"` stores every token vector, as the soft scorers want them; `"pooled"`
                only the mean of each text: the smallest, and all that the scorer `pooled` needs.
            block: Texts encoded and held in memory at a time.
            progress: True for a bar on standard error (if that is a terminal), or a callable that
                takes the number of texts done and of all texts.

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
        positive("block", block)
        check_progress(progress)
        targets = TargetTexts.checked(labels, ids=ids, aliases=aliases, metadata=metadata)
        return cls._written(
            model.encode, targets, path, model, scorer, dtype, tokens, block, progress
        )

    @classmethod
    def from_vectors(
        cls,
        vectors: TokenVectors,
        labels: Iterable[str],
        *,
        model: Encoder | None = None,
        path: str | PathLike[str] | None = None,
        ids: Sequence[str | None] | None = None,
        aliases: Sequence[Sequence[str]] | None = None,
        metadata: Mapping[str, Sequence[Scalar]] | None = None,
        scorer: Scorer | str | None = None,
        dtype: Dtype = "float32",
        tokens: Tokens = "all",
    ) -> TargetCache:
        """Make a cache of token vectors that you have already.

        Args that are not named here are as in `build`, and so are errors.

        `vectors` are those of all texts: of the first target its label, then its aliases, then of
        the second target, and so on. `model` made them, and encodes queries; without one, queries
        are token vectors too (`top_k`, `scores`, `cache_metrics`), and `scorer` is needed.

        Raises:
            InputError: As `build`; if there are not as many token vectors as texts.
        """
        if model is not None:
            check_model(model)
        check_form(dtype, tokens)
        if not isinstance(vectors, TokenVectors):
            raise InputError(
                f"expected vectors to be uwe.TokenVectors, got {type(vectors).__name__}: make them "
                "with uwe.TokenVectors.from_list"
            )
        targets = TargetTexts.checked(labels, ids=ids, aliases=aliases, metadata=metadata)
        if len(vectors) != targets.count():
            raise InputError(
                f"expected the token vectors of {targets.count()} texts (labels and aliases), got "
                f"those of {len(vectors)}: pass one for each"
            )
        done = 0

        def next_of(texts: list[str]) -> TokenVectors:
            nonlocal done
            first, done = done, done + len(texts)
            return vectors.part(first, done)

        return cls._written(next_of, targets, path, model, scorer, dtype, tokens, 1024, False)

    @classmethod
    def _written(
        cls,
        encode: Callable[[list[str]], TokenVectors],
        targets: TargetTexts,
        path: str | PathLike[str] | None,
        model: Encoder | None,
        scorer: Scorer | str | None,
        dtype: Dtype,
        tokens: Tokens,
        block: int,
        progress: Progress,
    ) -> TargetCache:
        source, fingerprint = (
            text_of(f"the model's {name}", getattr(model, name, "") or "")
            for name in ("source", "fingerprint")
        )
        scorer = _scorer_of(model) if scorer is None else checked_scorer(scorer)
        held = TemporaryFolder() if path is None else None
        folder = _folder(held.path / "cache.uwe" if held else cast(str, path))
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
        aside = calibration_set_aside(folder)
        write(writer, encode, targets, block, progress, at_commit=aside)
        return cls(folder, model, held)

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
            InputError: If `path` is no path, `model` no model, or `resident` no boolean.
            CacheNotFoundError: If there is no cache.
            CacheFormatError: If it is something else, or a newer format.
            CacheCorruptError: If the files are not those that the manifest names.
            CacheMismatchError: If `model` is not the one that built it.
        """
        folder = _folder(path)
        if model is not None:
            check_model(model)
        cache = cls(folder, model, resident=flag("resident", resident))
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
                    f"{self._path}: was built without a model that can be loaded by name: pass "
                    "queries as token vectors, or the model, TargetCache.open(path, model=...)"
                )
            try:
                model = load(source)
            except ModelError as error:
                raise ModelError(
                    f"{self._path}: its model cannot be loaded: {error}; or pass the model, "
                    "TargetCache.open(path, model=...)"
                ) from error
            self._check_model(model)
            self._model = model
        return self._model

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """What makes `Match.confidence`, by the kind of query; empty if nothing is calibrated.

        Those that `uwe calibrate` had written beside it when it was opened, or else, where the
        cache has all tokens, the model's, which were fitted on such.

        Raises:
            DataError: If that file is not a calibration, or is for another model.
            ModelError: As `model`.
        """
        if self._calibrations is None:
            own = self._calibration_file.calibrations(model=self.fingerprint)
            if not own and self._core.tokens == "all":
                own = calibrations_of(self.model)
            self._calibrations = own
        return self._calibrations

    # What it holds.

    def __len__(self) -> int:
        return len(self._core)

    @property
    def path(self) -> Path:
        """Its folder; that of a cache without a path of its own goes with it."""
        return self._path

    @property
    def core(self) -> _core.TargetCache:
        """The compiled cache: what the scoring functions of `uwe._core` take."""
        return self._core

    @property
    def scorer(self) -> Scorer:
        """What ranks against it by default.

        Raises:
            CacheFormatError: If this release knows no such scorer.
        """
        scorer = self._manifest["scorer"]
        try:
            return Scorer(
                scorer["name"], temperature=scorer.get("temperature"), pivot=scorer.get("pivot")
            )
        except InputError as error:
            raise CacheFormatError(
                f"{self._path}: is ranked by a scorer that this release does not know: {error}; "
                "update uwe, or pass scorer="
            ) from None

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model that built it; empty if that has none."""
        return str(self._manifest["model"]["fingerprint"])

    @property
    def seal(self) -> str:
        """sha256 of the manifest, which names everything else by its sha256."""
        return str(self._manifest["sha256"])

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._core.dim

    @property
    def labels(self) -> Sequence[str]:
        """The label of every target, read where it is used."""
        return Lazy(self._core.labels, len(self))

    @property
    def ids(self) -> Sequence[str | None]:
        """The id of every target or None, read where it is used."""
        return Lazy(self._core.ids, len(self))

    @property
    def aliases(self) -> Sequence[list[str]]:
        """The aliases of every target, read where they are used."""
        return Lazy(partial(read_aliases, self._core), len(self))

    @property
    def columns(self) -> list[str]:
        """Names of the metadata columns."""
        return self._core.columns

    @property
    def metadata(self) -> Sequence[dict[str, Scalar]]:
        """The value of every target in every column, read where it is used."""
        return Lazy(partial(read_metadata, self._core, self._path), len(self))

    def find(self, label: str) -> list[int]:
        """Indices of the targets with this label, ascending; empty if there is none."""
        text_of("label", label)
        if self._by_label is None:
            by_label: dict[str, list[int]] = {}
            for i, known in enumerate(self.labels):
                by_label.setdefault(known, []).append(i)
            self._by_label = by_label
        return list(self._by_label.get(label, ()))

    def mask(self, where: Where | None) -> NDArray[np.bool_]:
        """Which targets a filter keeps.

        Args:
            where: `{column: value or list of values}`, of which all columns must match (a list
                matches if one of its values does); or a boolean mask; or indices, in any order,
                a repeated one counting once; None keeps all.

        Returns:
            (len(self),), bool.

        Raises:
            InputError: If a column is unknown, a value has a kind that the column has not, a mask
                has another length, or an index is out of range.
        """
        return self._filters.mask(where)

    def info(self) -> dict[str, Any]:
        """What there is to know, ready for JSON: counts, sizes, model, scorer, format."""
        segments = self._manifest["segments"]
        return {
            "path": str(self._path),
            "targets": len(self),
            "texts": self._core.texts,
            "token_vectors": self._core.token_count,
            "dim": self.dim,
            "dtype": self._core.dtype,
            "tokens": self._core.tokens,
            "columns": self.columns,
            "scorer": str(self.scorer),
            "model": self._manifest["model"]["source"],
            "fingerprint": self.fingerprint,
            "generation": self._manifest["generation"],
            "format": ".".join(map(str, self._manifest["version"])),
            "written_by": self._manifest["written_by"],
            "data_files": len(segments),
            "removed": sum(end - start for s in segments for start, end in s["removed"]),
            "bytes": sum(segment["bytes"] for segment in segments),
        }

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

        Each call adds a data file; `compact` joins them. Arguments are as in `build`; ids differ
        from those in the cache too, and `metadata` has its columns, no more and no fewer.

        Returns:
            The cache with the new targets, newly opened; this one stays as it is.

        Raises:
            InputError: As `build`; if the columns are not the cache's, or of another kind.
            CacheMismatchError: If the cache's model is another by now, or the cache was built again
                with another one since this one was opened.
            CacheError: If another writer is at work, or the cache was built again with other
                columns.
        """
        positive("block", block)
        check_progress(progress)
        targets = TargetTexts.checked(labels, ids=ids, aliases=aliases, metadata=metadata)
        if set(targets.columns) != set(self.columns):
            raise InputError(
                f"expected metadata with the cache's columns {self.columns}, got "
                f"{list(targets.columns)}"
            )
        targets = replace(targets, columns={name: targets.columns[name] for name in self.columns})
        model = self.model
        restore_calibration(self._path)
        writer = _core.CacheWriter.append(str(self._path))
        try:
            # Under the lock: another process may have changed the cache meanwhile.
            now = self._same_space()
            targets.check_new(now.ids, partial(read_column, now.core, now.path))
        except BaseException:
            writer.abort()
            raise
        write(writer, model.encode, targets, block, progress)
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
            CacheError: If another writer is at work, or the cache was compacted or built again
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
            restore_calibration(self._path)
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
        restore_calibration(self._path)
        _core.cache_compact(str(self._path))
        return self._reopened()

    def calibrated(self, calibrations: Mapping[str, Calibration]) -> TargetCache:
        """Write calibrations beside the folder, which are used in place of the model's.

        Args:
            calibrations: By the kind of query; one for all kinds is named `default`. None at all
                leave the model's in use.

        Returns:
            The same targets, newly opened.

        Raises:
            InputError: If they are no calibrations, or of another kind.
            CacheMismatchError: If the cache was built again with another model since this one was
                opened.
            CacheError: If it was changed or built again since then, or another writer is at work.
            OSError: If the disk is full or refuses.
        """
        text = calibrations_json(checked_calibrations(calibrations), model=self.fingerprint)
        lock = _core.CacheWriter.append(str(self._path))
        try:
            # Under the lock: a calibration holds for the targets that it was fitted on alone.
            if self._same_space().seal != self.seal:
                raise CacheError(
                    f"{self._path}: expected the targets of when it was opened, found a cache that "
                    "was changed or built again since: open it again, and calibrate that"
                )
            write_calibration(self._path, text, seal=self.seal)
        finally:
            lock.abort()
        return self._reopened()

    def verify(self) -> None:
        """Hash every data file; CacheCorruptError names the one that is damaged."""
        self._core.verify()

    # Inside.

    def _reopened(self) -> TargetCache:
        now: TargetCache = self._now()
        # Another process may have built another cache here meanwhile: its model is not ours.
        if now.fingerprint == self.fingerprint:
            now._model = self._model
        return now

    def _now(self) -> TargetCache:
        return type(self)(self._path, None, self._held, resident=self._core.resident)

    def _same_space(self) -> TargetCache:
        """What is at the folder now, if it can be joined by what this one takes."""
        now = self._now()
        self._check_fingerprint(
            now.fingerprint, "the cache was rebuilt with another model: open it again"
        )
        if now.columns != self.columns:
            raise CacheError(
                f"{self._path}: was built again since it was opened: expected the metadata columns "
                f"{self.columns}, found {now.columns}: open it again"
            )
        return now

    def _check_model(self, model: Encoder) -> None:
        found = getattr(model, "fingerprint", "") or ""
        built = self._manifest["model"]["source"] or "the one that built it"
        name = name_of(model)
        what = f"{name}, not {built}" if name != built else f"another {name} by now"
        remedy = f"got {what}: pass the right one, or build the cache again"
        self._check_fingerprint(found, remedy)

    def _check_fingerprint(self, found: str, remedy: str) -> None:
        if found != self.fingerprint:
            raise CacheMismatchError(
                f"{self._path}: expected the model with fingerprint {self.fingerprint or 'none'}, "
                f"found {found or 'none'}: {remedy}",
                expected=self.fingerprint,
                found=found,
            )

    @staticmethod
    def _indices(names: Iterable[str], find: Callable[[str], list[int]], what: str) -> list[int]:
        indices: set[int] = set()
        for name in listed(f"{what}s", names):
            found = find(text_of(f"each {what}", name))
            if not found:
                raise InputError(f"no target has the {what} {shown(name)}: nothing was removed")
            indices.update(found)
        return sorted(indices)

    def __copy__(self) -> TargetCache:
        """Itself, for it never changes; a pickle would lose its model and temporary folder."""
        return self

    def __deepcopy__(self, memo: dict[int, Any], /) -> TargetCache:
        """As `__copy__`."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self).open, resident=self._core.resident), (str(self._path),)

    def __repr__(self) -> str:
        place = "in a temporary folder" if self._held else repr(str(self._path))
        return (
            f"{type(self).__name__}({place}, targets={len(self)}, dim={self.dim}, "
            f"dtype={self._core.dtype!r}, scorer={str(self.scorer)!r})"
        )


def _folder(path: str | PathLike[str]) -> Path:
    return path_of("path, the folder of a cache,", path).absolute()


def _scorer_of(model: Encoder | None) -> Scorer:
    scorer = getattr(getattr(model, "config", None), "scorer", None)
    if not isinstance(scorer, Scorer):
        raise InputError("no model names a scorer: pass one, such as scorer='pooled'")
    return scorer
