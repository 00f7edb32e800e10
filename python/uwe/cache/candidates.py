"""Candidates from an approximate index over pooled vectors, kept beside the cache.

For spaces where scoring every target takes too long: the index proposes, the scorer decides. It
misses targets that score well token by token but not pooled, which is why it is off unless asked
for.
"""

from __future__ import annotations

import errno
import json
import os
import re
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.cache.target_cache import TargetCache
from uwe.encoder.tokens import TokenVectors
from uwe.errors import CacheError, extra
from uwe.files.atomic import replaced_path, write_text
from uwe.files.hashing import file_sha256

_FORMAT = 1
# hnswlib's own recommendation for high recall at hundreds of dimensions; a fixed seed and one
# thread make the index, and so the candidates, the same on every machine.
_LINKS, _BUILD_EFFORT, _SEED = 32, 200, 0
# Vectors that are added at a time: between two slices Ctrl-C is heard.
_SLICE = 1_000
# What a writer that was killed left; a live one is done within this time.
_STALE_SECONDS = 3600
# A filter that keeps less than this part is scored exactly in less time than the walk needs, which
# asks Python about every target that it meets.
_NARROW = 10


@dataclass(frozen=True)
class _Index:
    """An open index; its `ef` is a setting of the index, so one call at a time may use it."""

    handle: Any
    alone: threading.Lock


_open: WeakKeyDictionary[TargetCache, _Index] = WeakKeyDictionary()
_opening = threading.Lock()


def _after_fork() -> None:
    """A lock that another thread held at the fork would never be free in the child."""
    global _opening
    _opening = threading.Lock()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def propose(
    queries: TokenVectors,
    targets: TargetCache,
    *,
    count: int,
    subset: NDArray[np.int64] | None = None,
) -> list[NDArray[np.int64]]:
    """Targets whose pooled vectors are near each query's, as strictly increasing target indices.

    Each query gets `count` of them, which is at least 1, or as many as the index finds. `subset`
    has the target indices that may be proposed, strictly increasing; None allows all. A subset of
    at most `count`, or of at most a tenth of all targets, is proposed whole.

    The index is read from beside the cache; it is built there at first use, and again if the cache
    has changed since or its file is damaged. Where it cannot be written it lives in memory.
    """
    with extra("ann", "candidates="):
        import hnswlib
    everything = np.arange(len(targets)) if subset is None else subset
    if len(everything) <= max(count, len(targets) // _NARROW if subset is not None else 0):
        return [everything] * len(queries)
    index = _opened(hnswlib, targets)
    owners = targets.core.text_targets()
    texts = most = len(owners)
    # A target may come back once for each of its aliases.
    wanted = min(texts, count * -(-texts // len(targets)))
    keep = None
    if subset is not None:
        mask = np.zeros(len(targets), dtype=np.bool_)
        mask[subset] = True
        texts_kept = mask[owners]
        most = int(texts_kept.sum())
        wanted = min(wanted, most)
        keep = texts_kept.__getitem__

    def nearest(vector: NDArray[np.float32]) -> NDArray[np.int64]:
        texts = wanted
        while True:
            # ef is not saved with an index, and must be at least what is asked for.
            index.handle.set_ef(max(texts, _BUILD_EFFORT))
            try:
                found, _ = index.handle.knn_query(vector, k=texts, num_threads=1, filter=keep)
            except RuntimeError:
                # A narrow filter, or many texts alike, may leave the graph's walk with fewer than
                # it was asked for. Then everything that is allowed is proposed.
                return everything
            near: NDArray[np.int64] = owners[found[0].astype(np.int64)]
            # The first place of each target, in the order of nearness.
            _, first = np.unique(near, return_index=True)
            if len(first) >= count or texts >= most:
                return np.sort(near[np.sort(first)[:count]])
            # The aliases of few targets took all places.
            texts = min(most, 2 * texts)

    with index.alone:
        return [nearest(vector) for vector in _pooled(queries)]


def index_path(targets: TargetCache) -> Path:
    """Where the index of a cache lies; its seal has the same name and ends in `.json`.

    Every state of the cache has its own: one that is read is never replaced by that of another.
    """
    return targets.path.with_name(f"{targets.path.name}.{targets.seal[:16]}.hnsw")


def _opened(hnswlib: Any, targets: TargetCache) -> _Index:
    with _opening:
        index = _open.get(targets)
        if index is None:
            handle = _read(hnswlib, targets) or _build(hnswlib, targets)
            index = _open[targets] = _Index(handle, threading.Lock())
    return index


def _pooled(queries: TokenVectors) -> NDArray[np.float32]:
    """(queries, dim), float32: unit vectors of the raw means; zero where a mean is zero."""
    sums = np.add.reduceat(queries.values.astype(np.float64), queries.offsets[:-1], axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    units: NDArray[np.float32] = (sums / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return units


def _build(hnswlib: Any, targets: TargetCache) -> Any:
    pooled = targets.core.pooled()
    index = hnswlib.Index(space="ip", dim=targets.dim)
    index.init_index(
        max_elements=len(pooled), M=_LINKS, ef_construction=_BUILD_EFFORT, random_seed=_SEED
    )
    for start in range(0, len(pooled), _SLICE):
        rows = np.arange(start, min(start + _SLICE, len(pooled)))
        index.add_items(pooled[rows], rows, num_threads=1)
    try:
        # An index of a state that is no more would never be read again.
        if _is_current(targets):
            _write(index, targets)
            _sweep(targets)
    except OSError as error:
        warnings.warn(
            f"the index of candidates cannot be kept beside {targets.path} ({error}), so every "
            "process builds it again: move the cache to a folder that can be written",
            RuntimeWarning,
            stacklevel=2,
        )
    return index


def _write(index: Any, targets: TargetCache) -> None:
    """The index first, its seal last: without a fitting seal an index is not read."""
    path = index_path(targets)
    with replaced_path(path) as part:
        index.save_index(str(part))
        # hnswlib does not look whether its writes succeed.
        if part.stat().st_size != index.index_file_size():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        seal = {**_identity(targets), "bytes": part.stat().st_size, "sha256": file_sha256(part)}
    write_text(_seal_path(path), json.dumps(seal, indent=2) + "\n")


def _read(hnswlib: Any, targets: TargetCache) -> Any:
    """The index, or None where it is missing, stale or damaged.

    hnswlib reads whatever it is given, and a damaged graph crashes it: the seal is checked first.
    """
    path = index_path(targets)
    try:
        seal = json.loads(_seal_path(path).read_text(encoding="utf-8"))
        wanted = {**_identity(targets), "bytes": path.stat().st_size}
        if not isinstance(seal, dict) or {**seal, "sha256": ""} != {**wanted, "sha256": ""}:
            return None
        if seal["sha256"] != file_sha256(path):
            return None
    except (OSError, ValueError, KeyError, RecursionError):
        return None
    index = hnswlib.Index(space="ip", dim=targets.dim)
    try:
        index.load_index(str(path))
    except RuntimeError:
        return None
    return index


def _is_current(targets: TargetCache) -> bool:
    """Whether the folder still holds what `targets` opened."""
    try:
        manifest = json.loads(_core.TargetCache.open(str(targets.path)).manifest)
    except CacheError:
        return False
    return bool(manifest["sha256"] == targets.seal)


def _sweep(targets: TargetCache) -> None:
    """Remove the indexes of the cache's earlier states, and what killed writers left."""
    own = index_path(targets).name
    name = re.escape(targets.path.name) + r"\.[0-9a-f]{16}\.hnsw(\.json)?"
    stale = re.compile(rf"{name}|(?P<part>\.{name}-[a-z0-9_]{{8}})")
    for file in list(targets.path.parent.iterdir()):
        found = stale.fullmatch(file.name)
        if found is None:
            continue
        with suppress(OSError):  # another process may have swept it
            if found["part"]:
                if time.time() - file.stat().st_mtime > _STALE_SECONDS:
                    file.unlink()
            elif not file.name.startswith(own):
                file.unlink()


def _identity(targets: TargetCache) -> dict[str, Any]:
    """What an index was made of, and how."""
    return {
        "format": _FORMAT,
        "cache": targets.seal,
        "dim": targets.dim,
        "texts": targets.core.texts,
        "links": _LINKS,
        "build_effort": _BUILD_EFFORT,
    }


def _seal_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")
