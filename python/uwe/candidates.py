"""Candidates from an approximate index over pooled vectors, kept beside the cache.

For spaces where scoring every target takes too long: the index proposes, the scorer decides. It
misses targets that score well token by token but not pooled, which is why it is off unless asked
for.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from uwe.errors import MissingExtraError
from uwe.tokens import TokenVectors

if TYPE_CHECKING:
    from uwe.cache import TargetCache

__all__ = ["index_path", "propose"]

_FORMAT = 1
# hnswlib's own recommendation for high recall at hundreds of dimensions; a fixed seed and one
# thread make the index, and so the candidates, the same on every machine.
_LINKS, _BUILD_EFFORT, _SEED = 32, 200, 0
_BLOCK = 1 << 20
# A filter that keeps less than this part is scored exactly in less time than the walk needs, which
# asks Python about every target that it meets.
_NARROW = 10


@dataclass(frozen=True)
class _Index:
    """An open index; its `ef` is a setting of the index, so one call at a time may use it."""

    handle: Any
    alone: threading.Lock


_open: WeakKeyDictionary[TargetCache, _Index] = WeakKeyDictionary()
if hasattr(os, "register_at_fork"):
    # A lock that another thread held at the fork would never be free in the child.
    os.register_at_fork(after_in_child=_open.clear)


def propose(
    queries: TokenVectors,
    targets: TargetCache,
    *,
    count: int,
    subset: NDArray[np.int64] | None = None,
) -> list[NDArray[np.int64]]:
    """Targets whose pooled vectors are near each query's.

    The index is read from beside the cache; it is built there at first use, and anew if the cache
    has changed since or its file is damaged. Where it can not be written it lives in memory.

    Args:
        queries: Token vectors.
        targets: The target space.
        count: How many targets to propose for each query, at least one.
        subset: Target indices, strictly increasing, that may be proposed; None allows all. One of
            at most `count`, or of at most a tenth of all targets, is proposed whole.

    Returns:
        For each query target indices, strictly increasing: `count` of them, or as many as the
        index finds.

    Raises:
        MissingExtraError: If hnswlib is not installed.
    """
    hnswlib = _library()
    everything = np.arange(len(targets)) if subset is None else subset
    if len(everything) <= max(count, len(targets) // _NARROW if subset is not None else 0):
        return [everything] * len(queries)
    index = _open.get(targets)
    if index is None:
        handle = _read(hnswlib, targets) or _build(hnswlib, targets)
        index = _open.setdefault(targets, _Index(handle, threading.Lock()))
    owners = targets.core.text_targets()
    texts = len(owners)
    # A target may come back once for each of its aliases.
    wanted = min(texts, count * -(-texts // len(targets)))
    keep = None
    if subset is not None:
        mask = np.zeros(len(targets), dtype=np.bool_)
        mask[subset] = True
        texts_kept = mask[owners]
        wanted = min(wanted, int(texts_kept.sum()))
        keep = texts_kept.__getitem__
    with index.alone:
        # ef is not saved with an index, and must be at least what is asked for.
        index.handle.set_ef(max(2 * wanted, _BUILD_EFFORT))
        return [
            _nearest(index.handle, row, wanted, keep, owners, count, everything)
            for row in _pooled(queries)
        ]


def index_path(targets: TargetCache) -> Path:
    """Where the index of a cache lies; its seal has the same name and ends in `.json`."""
    return targets.path.with_name(targets.path.name + ".hnsw")


def _nearest(
    index: Any,
    vector: NDArray[np.float32],
    wanted: int,
    keep: Any,
    owners: NDArray[np.int64],
    count: int,
    everything: NDArray[np.int64],
) -> NDArray[np.int64]:
    try:
        texts, _ = index.knn_query(vector, k=wanted, num_threads=1, filter=keep)
    except RuntimeError:
        # A filter may leave the graph's walk with fewer than it was asked for. Then the filter is
        # narrow, and everything that it allows is proposed.
        return everything
    near: NDArray[np.int64] = owners[texts[0].astype(np.int64)]
    # The first place of each target, in the order of nearness.
    _, first = np.unique(near, return_index=True)
    return np.sort(near[np.sort(first)[:count]])


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
    index.add_items(pooled, np.arange(len(pooled)), num_threads=1)
    try:
        _write(index, targets)
    except OSError as error:
        warnings.warn(
            f"the index of candidates can not be kept beside {targets.path} ({error}), so every "
            "process builds it anew: move the cache to a folder that can be written",
            RuntimeWarning,
            stacklevel=2,
        )
    return index


def _write(index: Any, targets: TargetCache) -> None:
    """The index first, its seal last: without a fitting seal an index is not read."""
    path = index_path(targets)
    with _written_beside(path) as part:
        index.save_index(str(part))
        seal = {**_identity(targets), "bytes": part.stat().st_size, "sha256": _sha256(part)}
    with _written_beside(_seal_path(path)) as part:
        part.write_text(json.dumps(seal, indent=2) + "\n", encoding="utf-8")


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
        if seal["sha256"] != _sha256(path):
            return None
    except (OSError, ValueError, KeyError):
        return None
    index = hnswlib.Index(space="ip", dim=targets.dim)
    index.load_index(str(path))
    return index


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


@contextmanager
def _written_beside(path: Path) -> Iterator[Path]:
    """A name to write to, that replaces `path` when it is complete."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _library() -> Any:
    try:
        import hnswlib
    except ImportError as error:
        raise MissingExtraError("ann", "candidates=") from error
    return hnswlib
