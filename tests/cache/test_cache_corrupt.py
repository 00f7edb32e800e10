"""Damage: every truncation and every changed byte of a small cache, missing and foreign files.

Unverified, it gives wrong numbers or one of our errors, never a crash; `verify` finds all of it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conftest import HashEncoder
from uwe import _core
from uwe.cache.target_cache import TargetCache
from uwe.errors import CacheCorruptError, CacheError, CacheFormatError, CacheNotFoundError
from uwe.scorer import Scorer

SOFT = Scorer("soft", temperature=0.5)


@pytest.fixture
def path(encoder: HashEncoder, tmp_path: Path) -> Path:
    """A small cache with everything in it: two data files, a tombstone, ids, aliases, metadata."""
    path = tmp_path / "space.uwe"
    cache = TargetCache.build(
        encoder,
        ["Spark", "gone", "law"],
        path=path,
        ids=["a", "b", None],
        aliases=[["spärk"], [], []],
        metadata={"kind": ["tool", None, "skill"], "level": [1, None, 2.5]},
        scorer=SOFT,
    )
    cache = cache.append(["ice cream"], metadata={"kind": ["food"], "level": [3]})
    cache.remove([1])
    return path


def files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.stat().st_size > 0)


def use(cache: TargetCache, encoder: HashEncoder) -> None:
    """Everything that reads the files; our own errors are fine, anything else is not."""
    query = encoder.encode(["apache spark", "law"])
    core = cache.core
    for read in (
        lambda: list(cache.labels),
        lambda: list(cache.ids),
        lambda: [cache.aliases[i] for i in range(len(cache))],
        lambda: [cache.metadata[i] for i in range(len(cache))],
        lambda: cache.mask({"kind": None}),
        lambda: [core.token_vectors(i, 0) for i in range(len(cache))],
        core.pooled,
        core.text_targets,
        cache.info,
        *(
            lambda name=name: _core.cache_rank(
                core, query.values, query.offsets, scorer=name, temperature=0.5, k=2
            )
            for name in ("soft_target", "soft_query", "soft", "max", "pooled")
        ),
    ):
        with contextlib.suppress(CacheCorruptError):
            read()


def damaged(file: Path) -> Iterator[tuple[str, bytes]]:
    sound = file.read_bytes()
    for i in range(len(sound)):
        yield f"{file.name} cut to {i}", sound[:i]
    for i, byte in enumerate(sound):
        yield f"{file.name} byte {i}", sound[:i] + bytes([byte ^ (1 << i % 8)]) + sound[i + 1 :]
    yield f"{file.name} longer", sound + b"\0"


@pytest.mark.parametrize("number", range(3))
def test_damage_is_found_and_never_a_crash(path: Path, encoder: HashEncoder, number: int) -> None:
    assert len(files(path)) == 3
    file = files(path)[number]
    sound = file.read_bytes()
    unnoticed = 0
    for name, content in damaged(file):
        # A new file each time: a mapped one must not change.
        file.unlink()
        file.write_bytes(content)
        try:
            cache = TargetCache.open(path)
        except CacheError:
            continue
        unnoticed += 1
        use(cache, encoder)
        found = "nothing"
        try:
            cache.verify()
        except CacheCorruptError as error:
            found = str(error)
        assert file.name in found, name
    # Otherwise only opening was tested.
    assert unnoticed > 100 or file.name == "manifest.json"
    file.unlink()
    file.write_bytes(sound)
    TargetCache.open(path).verify()


def test_vectors_of_any_value_do_not_crash(path: Path, encoder: HashEncoder) -> None:
    for file in files(path):
        if file.name == "manifest.json":
            continue
        sound = file.read_bytes()
        start = 8 + int.from_bytes(sound[:8], "little")
        for value in (np.nan, np.inf, -np.inf, 3e38, -0.0):
            # Norms come first, then units: both are damaged, offsets and texts are not.
            bad = np.full(15, value, dtype="<f4").tobytes()
            file.unlink()
            file.write_bytes(sound[:start] + bad + sound[start + len(bad) :])
            use(TargetCache.open(path), encoder)
        file.unlink()
        file.write_bytes(sound)


def test_missing_files_are_named(path: Path, encoder: HashEncoder) -> None:
    manifest, segment, _ = files(path)
    content = segment.read_bytes()
    segment.unlink()
    with pytest.raises(CacheCorruptError, match=segment.name + r".*missing"):
        TargetCache.open(path)
    segment.write_bytes(content)
    manifest.unlink()
    with pytest.raises(CacheNotFoundError, match=r"TargetCache\.build"):
        TargetCache.open(path)
    with pytest.raises(FileNotFoundError):
        _core.cache_compact(str(path))
    assert segment.exists(), "a wrong call removes nothing"
    cache = TargetCache.build(encoder, ["again"], path=path, scorer=SOFT)
    assert list(cache.labels) == ["again"]
    assert len(list(path.iterdir())) == 3


def test_the_lock_file_may_be_missing(path: Path) -> None:
    (path / "writer.lock").unlink()
    assert len(TargetCache.open(path).remove([0])) == 2


def test_compact_does_not_seal_damage(path: Path) -> None:
    segment = files(path)[1]
    content = bytearray(segment.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    content[start] ^= 1
    segment.unlink()
    segment.write_bytes(content)
    cache = TargetCache.open(path)
    with pytest.raises(CacheCorruptError, match=segment.name):
        cache.compact()
    assert len(TargetCache.open(path)) == 3


def test_a_folder_of_someone_else_is_not_touched(tmp_path: Path, encoder: HashEncoder) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"beach")
    with pytest.raises(CacheFormatError, match=r"holiday\.jpg.*nothing was touched"):
        TargetCache.build(encoder, ["a"], path=tmp_path, scorer=SOFT)
    assert [file.name for file in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(CacheFormatError, match="found a file"):
        TargetCache.build(encoder, ["a"], path=tmp_path / "holiday.jpg", scorer=SOFT)
    with pytest.raises(CacheNotFoundError):
        TargetCache.open(tmp_path / "holiday.jpg")
    with pytest.raises(CacheFormatError, match=r"holiday\.jpg"):
        TargetCache.build(encoder, ["a"], path=tmp_path / "holiday.jpg" / "x", scorer=SOFT)


def test_a_copied_cache_is_a_cache(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    TargetCache.open(copy).verify()
    assert list(TargetCache.open(copy).labels) == list(TargetCache.open(path).labels)


def test_a_resident_cache_outlives_its_files(path: Path, encoder: HashEncoder) -> None:
    cache = TargetCache.open(path, model=encoder, resident=True)
    wanted = cache.core.pooled()
    for file in path.glob("segment-*"):
        with file.open("r+b") as opened:
            opened.truncate(0)
    use(cache, encoder)
    cache.verify()
    assert np.array_equal(cache.core.pooled(), wanted)
    assert cache.core.resident
    with pytest.raises(CacheCorruptError):
        pickle.loads(pickle.dumps(cache))


def test_what_a_resident_cache_reads_is_verified(path: Path) -> None:
    file = max(path.glob("segment-*"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    assert not TargetCache.open(path).core.resident
    with pytest.raises(CacheCorruptError):
        TargetCache.open(path, resident=True)
    os.truncate(file, 1 << 38)  # more than there is memory, and nothing on the disk
    with pytest.raises(CacheCorruptError, match="bytes"):
        TargetCache.open(path, resident=True)
