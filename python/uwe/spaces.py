"""Target spaces that come with the package, and their caches in the user's cache folder."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import shutil
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from uwe.cache.builder import Dtype, Tokens, check_form, check_model
from uwe.cache.target_cache import TargetCache
from uwe.corpus import TargetTable
from uwe.encoder.loading import load
from uwe.encoder.tokens import Encoder
from uwe.errors import (
    CacheCorruptError,
    CacheError,
    CacheFormatError,
    CacheNotFoundError,
    DataError,
    InputError,
    shown,
)
from uwe.progress import Progress

_ASSETS = Path(__file__).parent / "assets" / "spaces"
_POLL_SECONDS = 0.1
# The major version of the caches' format: releases that cannot read each other's caches have
# their own.
_FORMAT = 1
# What has to be rebuilt.
_UNUSABLE = (CacheCorruptError, CacheFormatError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class TargetSpace:
    """A target space by name: texts, ids, and what its publisher says about them.

    The order of the targets is WorkBench's order of the same space, so ranks agree with it.

    Attributes:
        name: What `target_space` takes, such as `esco-skills`.
        title: For people.
        version: The publisher's release.
        language: BCP 47 tag of its texts.
        labels: One text a target.
        ids: One id a target. ESCO's is its URI without `http://data.europa.eu/esco/`; the 110
            skills of 1.2.0 whose official URI is unknown have one that starts with `urn:uwe:`.
        aliases: The other texts of each target; None where the space has none.
        metadata: Columns of one value a target; `uri` is the official one, empty if unknown.
        licence: Terms of use.
        attribution: The sentence that the licence asks for.
        sha256: SHA-256 of the content.
    """

    name: str
    title: str
    version: str
    language: str
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    aliases: tuple[tuple[str, ...], ...] | None
    metadata: Mapping[str, tuple[str, ...]] = field(hash=False)
    licence: str
    attribution: str
    sha256: str

    def __len__(self) -> int:
        return len(self.labels)

    def table(self) -> TargetTable:
        """The targets as `TargetCache.build` takes them."""
        others = self.aliases if self.aliases is not None else ((),) * len(self)
        return TargetTable(
            labels=list(self.labels),
            ids=list(self.ids),
            aliases=[list(texts) for texts in others],
            metadata={column: list(values) for column, values in self.metadata.items()},
        )

    def __repr__(self) -> str:
        return f"TargetSpace({self.name!r}, version={self.version!r}, targets={len(self)})"


def target_spaces() -> tuple[str, ...]:
    """Names of the built-in target spaces."""
    return tuple(_index())


def target_space(name: str) -> TargetSpace:
    """Read a built-in target space; some tens of milliseconds the first time.

    Raises:
        InputError: If there is none of that name; the message lists them.
        DataError: If the installed file is damaged.
    """
    _entry(name)
    space = _read_space(name)
    # Whoever changes the columns changes their own: the space is read once for the process.
    return replace(space, metadata=dict(space.metadata))


@cache
def _read_space(name: str) -> TargetSpace:
    entry = _entry(name)
    path = _ASSETS / entry["file"]
    try:
        content = gzip.decompress(path.read_bytes())
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"damaged ({error}): install uwe again", path=path) from None
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise DataError("its SHA-256 is not the one expected: install uwe again", path=path)
    rows: list[dict[str, Any]] = [json.loads(line) for line in content.splitlines()]
    ids = tuple(row["id"] for row in rows)
    metadata = {
        column: tuple(row[column] for row in rows) for column in entry["columns"] if column != "uri"
    }
    prefix = entry["uri_prefix"]
    metadata["uri"] = tuple("" if id_.startswith("urn:uwe:") else prefix + id_ for id_ in ids)
    return TargetSpace(
        name=name,
        title=entry["title"],
        version=entry["version"],
        language=entry["language"],
        labels=tuple(row["label"] for row in rows),
        ids=ids,
        aliases=tuple(tuple(row["aliases"]) for row in rows) if "aliases" in rows[0] else None,
        metadata=metadata,
        licence=entry["licence"],
        attribution=entry["attribution"],
        sha256=entry["sha256"],
    )


def cache_folder() -> Path:
    """Where caches of built-in spaces are kept: `UWE_CACHE_DIR`, or the user's cache folder."""
    import platformdirs

    chosen = os.environ.get("UWE_CACHE_DIR", "").strip()
    try:
        if chosen:
            return Path(chosen).expanduser()
        return platformdirs.user_cache_path("uwe", appauthor=False)
    except RuntimeError:  # an unknown user, or one without a home
        raise InputError(
            f"UWE_CACHE_DIR is {chosen or 'not set'}, and this user has no home folder: set the "
            "environment variable to a folder"
        ) from None


def space_cache(
    name: str,
    *,
    model: Encoder | None = None,
    tokens: Tokens = "all",
    dtype: Dtype = "int8",
    progress: Progress = False,
) -> TargetCache:
    """The target cache of a built-in space; built at first use, then opened in milliseconds.

    It lies in `cache_folder()` under a name made of the space, its content, and the model's
    fingerprint and scorer, so another model or another release of the space has another cache.
    Of two processes that want to build it at once, one builds and the other waits and uses the
    result. A build that was killed, or a damaged cache, is built again.

    All programs of a user share it, so `append`, `remove`, `compact` and `calibrated` refuse to
    change it; and `verify` removes it if it is damaged.

    Args:
        name: One of `target_spaces()`.
        model: Any model with a `fingerprint`; None takes the shipped one.
        tokens: What a target keeps: all its token vectors, or their mean alone.
        dtype: How the vectors are stored; `"int8"` takes a quarter of the room and ranks alike.
        progress: True for a bar on standard error (if that is a terminal), or a callable that takes
            the number of finished texts and of all texts; unused if the cache is there.

    Raises:
        InputError: If there is no such space, an argument is wrong, or the model has no
            fingerprint.
        CacheError: If the folder cannot be written; the message names `UWE_CACHE_DIR`.
        ModelError: If the model cannot be used.
    """
    entry = _entry(name)
    check_form(dtype, tokens)
    if model is None:
        model = load()
    check_model(model)
    fingerprint = getattr(model, "fingerprint", "")
    if not isinstance(fingerprint, str) or not fingerprint:
        raise InputError(
            f"the cache of '{name}' is found by its model's fingerprint, and this model has none: "
            "build one with TargetCache.build(model, target_space(...).labels, path=...)"
        )
    stem = Path(entry["file"]).name.partition(".jsonl")[0]
    # Hashed, since the fingerprint of a model that is not ours may be any text. A cache keeps the
    # scorer of its model, which the fingerprint leaves out.
    scorer = getattr(getattr(model, "config", None), "scorer", "")
    of_model = hashlib.sha256(f"{fingerprint} {scorer}".encode()).hexdigest()[:16]
    path = cache_folder() / (
        f"{stem}-{entry['sha256'][:8]}-{of_model}-{tokens}-{dtype}-v{_FORMAT}.uwe"
    )
    found = None
    with suppress(*_UNUSABLE):
        found = _open(path, model, entry["targets"])
    if found is not None:
        return found
    with _only_builder(path):
        try:
            found = _open(path, model, entry["targets"])
        except _UNUSABLE as error:
            warnings.warn(f"{error}; it is built again", RuntimeWarning, stacklevel=2)
        if found is None:
            table = target_space(name).table()
            _log.info("building the target cache of %s, once, in %s", name, path)
            # What is left of a killed build, or damaged: nothing in it is of use.
            shutil.rmtree(path, ignore_errors=True)
            found = SharedCache.build(
                model,
                **vars(table),
                path=path,
                tokens=tokens,
                dtype=dtype,
                progress=progress,
            )
    return found


class SharedCache(TargetCache):
    """The cache of a built-in space: what one program changed, all others would see."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        """InputError, whatever is asked for."""
        raise InputError(
            f"{self.path}: the cache of a built-in space is shared by all programs and cannot be "
            "changed: build your own with TargetCache.build(..., path=...)"
        )

    append = remove = compact = calibrated = _refuse

    def verify(self) -> None:
        """Hash every data file; if one is damaged, remove the cache and raise CacheCorruptError."""
        try:
            super().verify()
        except CacheCorruptError as error:
            with suppress(CacheError), _only_builder(self.path):
                shutil.rmtree(self.path, ignore_errors=True)
            done = f"remove the folder {self.path}" if self.path.exists() else "it was removed"
            raise CacheCorruptError(
                f"{error}; {done}, and uwe.space_cache builds it again"
            ) from error


def _open(path: Path, model: Encoder, targets: int) -> TargetCache | None:
    """The cache; None if there is none; one of `_UNUSABLE` if it is not the whole space."""
    try:
        cache = SharedCache.open(path, model=model)
    except CacheNotFoundError:
        return None
    info = cache.info()
    if (info["targets"], info["data_files"], info["removed"]) != (targets, 1, 0):
        raise CacheCorruptError(
            f"{path}: was changed: expected the {targets} targets of the space alone"
        )
    return cache


@contextmanager
def _only_builder(path: Path) -> Iterator[None]:
    """Hold the lock file beside `path`; the system frees it when its holder dies."""
    lock = FileLock(path.with_suffix(".lock"), poll_interval=_POLL_SECONDS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # filelock takes a folder in which nothing can be made for one whose lock another holds.
        Path(lock.lock_file).touch()
        try:
            lock.acquire(blocking=False)
        except Timeout:
            _log.info("another process is building %s: waiting for it", path)
            lock.acquire()
    except OSError as error:
        raise CacheError(
            f"expected a folder that can be written for target caches, got {path.parent} "
            f"({error.strerror}): set the environment variable UWE_CACHE_DIR to another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _entry(name: str) -> dict[str, Any]:
    index = _index()
    if not isinstance(name, str) or name not in index:
        raise InputError(
            f"expected one of the built-in target spaces {', '.join(index)}, got {shown(name)}: "
            "correct the name, or build a cache of your own with TargetCache.build"
        )
    return index[name]


@cache
def _index() -> dict[str, dict[str, Any]]:
    document = json.loads((_ASSETS / "spaces.json").read_text(encoding="utf-8"))
    spaces: dict[str, dict[str, Any]] = document["spaces"]
    return spaces
