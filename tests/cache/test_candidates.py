"""Candidates: proposed by an index beside the cache, ranked exactly, never read when damaged."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from conftest import HashEncoder
from uwe.cache import candidates
from uwe.cache.candidates import index_path, propose
from uwe.errors import MissingExtraError
from uwe.files.hashing import file_sha256

WORDS = [f"{a}{b}" for a in "abcdefghijklmno" for b in "uvwxyz"]
LABELS = [f"{first} {second}" for first in WORDS[:30] for second in WORDS[:20]]
QUERIES = [f"{a} {b}" for a, b in zip(WORDS, reversed(WORDS), strict=True)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("candidates") / "space.uwe"
    uwe.TargetCache.build(
        HashEncoder(),
        LABELS,
        path=path,
        aliases=[[label[::-1]] if i % 5 == 0 else [] for i, label in enumerate(LABELS)],
        metadata={"half": [i % 2 for i in range(len(LABELS))]},
        scorer=uwe.Scorer("soft", temperature=0.5),
    )
    return path


@pytest.fixture
def space(original: Path, tmp_path: Path) -> uwe.TargetCache:
    shutil.copytree(original, tmp_path / "space.uwe")
    return uwe.TargetCache.open(tmp_path / "space.uwe", model=HashEncoder())


def test_without_the_extra_the_error_has_the_command(
    space: uwe.TargetCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'uwe\[ann\]'"):
        uwe.rank("au bv", space, candidates=5)


@pytest.fixture
def library() -> Any:
    return pytest.importorskip("hnswlib", reason="the extra 'ann' is not installed")


@pytest.mark.usefixtures("library")
class TestWithIndex:
    def test_what_is_proposed_is_ranked_exactly(self, space: uwe.TargetCache) -> None:
        exact = {m.index: m for m in uwe.rank(QUERIES[3], space, k=len(space))}
        found = uwe.rank(QUERIES[3], space, k=8, candidates=20)
        assert len(found) == 8
        assert found == sorted(found, key=lambda m: (-m.score, m.index))
        for match in found:
            assert match == exact[match.index]

    def test_candidates_are_the_nearest_pooled_vectors(self, space: uwe.TargetCache) -> None:
        vectors = HashEncoder().encode(QUERIES)
        proposed = propose(vectors, space, count=10)
        near = [
            {m.index for m in row}
            for row in uwe.rank_many(QUERIES, space, k=10, scorer=uwe.Scorer("pooled"))
        ]
        assert all((np.diff(row) > 0).all() for row in proposed)
        shared = [len(set(row.tolist()) & set_) for row, set_ in zip(proposed, near, strict=True)]
        assert np.mean(shared) > 9.5

    def test_as_many_candidates_as_targets_is_exact(self, space: uwe.TargetCache) -> None:
        wanted = uwe.rank_many(QUERIES[:20], space)
        assert uwe.rank_many(QUERIES[:20], space, candidates=len(space)) == wanted
        assert not index_path(space).exists()

    def test_a_filter_holds(self, space: uwe.TargetCache) -> None:
        exact = uwe.rank(QUERIES[5], space, k=len(space), where={"half": 1})
        found = uwe.rank(QUERIES[5], space, k=5, where={"half": 1}, candidates=50)
        assert len(found) == 5
        assert all(match.metadata["half"] == 1 for match in found)
        assert all(match in exact for match in found)

    def test_a_narrow_filter_is_ranked_whole(self, space: uwe.TargetCache) -> None:
        where = list(range(0, len(space), 20))
        found = uwe.rank(QUERIES[5], space, where=where, k=100, candidates=5)
        assert found == uwe.rank(QUERIES[5], space, where=where, k=100)
        assert uwe.rank(QUERIES[5], space, where=[], candidates=5) == []

    def test_it_is_kept_beside_the_cache(
        self, space: uwe.TargetCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = uwe.rank_many(QUERIES, space, candidates=30)
        name = f"space.uwe.{space.seal[:16]}.hnsw"
        assert index_path(space).name == name
        seal = json.loads(index_path(space).with_name(name + ".json").read_text())
        assert seal["cache"] == space.seal
        monkeypatch.setattr(candidates, "_build", pytest.fail)
        again = uwe.TargetCache.open(space.path, model=HashEncoder())
        assert uwe.rank_many(QUERIES, again, candidates=30) == first
        assert sorted(file.name for file in space.path.parent.iterdir()) == [
            "space.uwe",
            name,
            name + ".json",
        ]

    def test_it_is_the_same_every_time(self, space: uwe.TargetCache) -> None:
        propose(HashEncoder().encode(["au"]), space, count=5)
        bytes_ = index_path(space).read_bytes()
        index_path(space).unlink()
        again = uwe.TargetCache.open(space.path, model=HashEncoder())
        propose(HashEncoder().encode(["au"]), again, count=5)
        assert index_path(space).read_bytes() == bytes_

    def test_another_generation_has_another_index(self, space: uwe.TargetCache) -> None:
        uwe.rank("au bv", space, candidates=5)
        before = index_path(space)
        grown = space.append(["zz zz"], metadata={"half": [0]})
        (match,) = uwe.rank("zz zz", grown, k=1, candidates=5)
        assert match.label == "zz zz"
        assert index_path(grown).is_file()
        assert not before.exists(), "no state has it any more"
        gone = grown.remove(labels=["zz zz"])
        assert all(m.label != "zz zz" for m in uwe.rank("zz zz", gone, candidates=5))

    @pytest.mark.parametrize(
        "damage",
        [
            lambda index, seal: index.write_bytes(index.read_bytes()[:-9]),
            lambda index, seal: index.write_bytes(b""),
            lambda index, seal: index.write_bytes(
                (data := index.read_bytes())[:900] + bytes([data[900] ^ 1]) + data[901:]
            ),
            lambda index, seal: index.unlink(),
            lambda index, seal: seal.unlink(),
            lambda index, seal: seal.write_text("{}"),
            lambda index, seal: seal.write_text("["),
            lambda index, seal: seal.write_text("[]"),
            lambda index, seal: seal.write_bytes(b"\xff"),
        ],
    )
    def test_a_damaged_one_is_built_anew(
        self, space: uwe.TargetCache, damage: Callable[[Path, Path], object]
    ) -> None:
        wanted = uwe.rank_many(QUERIES[:9], space, candidates=30)
        path = index_path(space)
        sound = path.read_bytes()
        damage(path, path.with_name(path.name + ".json"))
        again = uwe.TargetCache.open(space.path, model=HashEncoder())
        assert uwe.rank_many(QUERIES[:9], again, candidates=30) == wanted
        assert path.read_bytes() == sound

    def test_an_older_snapshot_leaves_the_newer_index(
        self, space: uwe.TargetCache, library: Any
    ) -> None:
        grown = space.append(["zz zz"], metadata={"half": [0]})
        uwe.rank("zz zz", grown, candidates=30)
        sound = index_path(grown).read_bytes()
        assert len(uwe.rank("zz zz", space, candidates=30)) == 10
        assert index_path(grown).read_bytes() == sound
        assert not index_path(space).exists()

    def test_what_killed_writers_left_is_swept(self, space: uwe.TargetCache) -> None:
        name = index_path(space).name
        old, new, other = (
            space.path.with_name(part)
            for part in (f".{name}-0123abcd", f".{name}-4567abcd", "other.hnsw.json")
        )
        for file in (old, new, other):
            file.write_bytes(b"x")
        os.utime(old, (0, 0))
        uwe.rank("au bv", space, candidates=5)
        assert [file.exists() for file in (old, new, other)] == [False, True, True]

    def test_an_index_that_the_library_refuses_is_built_anew(self, space: uwe.TargetCache) -> None:
        wanted = uwe.rank_many(QUERIES[:9], space, candidates=30)
        path = index_path(space)
        sound = path.read_bytes()
        path.write_bytes(sound[: len(sound) // 2])
        seal = {
            **candidates._identity(space),
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        path.with_name(path.name + ".json").write_text(json.dumps(seal))
        again = uwe.TargetCache.open(space.path, model=HashEncoder())
        assert uwe.rank_many(QUERIES[:9], again, candidates=30) == wanted
        assert path.read_bytes() == sound

    def test_a_write_that_fell_short_is_no_index(
        self, space: uwe.TargetCache, library: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class FullDisk(library.Index):  # type: ignore[misc]
            def save_index(self, path: str) -> None:
                super().save_index(path)
                os.truncate(path, Path(path).stat().st_size // 2)

        monkeypatch.setattr(library, "Index", FullDisk)
        with pytest.warns(RuntimeWarning, match="No space left"):
            found = uwe.rank("au bv", space, candidates=30)
        assert len(found) == 10
        assert [file.name for file in space.path.parent.iterdir()] == ["space.uwe"]

    def test_a_build_hears_an_interrupt(
        self, space: uwe.TargetCache, library: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        added: list[int] = []

        class Interrupted(library.Index):  # type: ignore[misc]
            def add_items(self, rows: Any, labels: Any, num_threads: int) -> None:
                if len(added) == 3:
                    raise KeyboardInterrupt
                added.append(len(rows))
                super().add_items(rows, labels, num_threads=num_threads)

        monkeypatch.setattr(candidates, "_SLICE", 100)
        with monkeypatch.context() as patched:
            patched.setattr(library, "Index", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                uwe.rank("au bv", space, candidates=30)
        assert added == [100, 100, 100]
        assert [file.name for file in space.path.parent.iterdir()] == ["space.uwe"]
        uwe.rank("au bv", space, candidates=30)
        in_slices = index_path(space).read_bytes()
        index_path(space).unlink()
        monkeypatch.setattr(candidates, "_SLICE", 10_000)
        again = uwe.TargetCache.open(space.path, model=HashEncoder())
        uwe.rank("au bv", again, candidates=30)
        assert index_path(space).read_bytes() == in_slices

    def test_threads_build_it_once(
        self, space: uwe.TargetCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        build = candidates._build
        built: list[int] = []
        together = threading.Barrier(4)

        def counted(library: Any, targets: uwe.TargetCache) -> Any:
            built.append(1)
            return build(library, targets)

        def ask() -> None:
            together.wait()
            uwe.rank("au bv", space, candidates=20)

        monkeypatch.setattr(candidates, "_build", counted)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert built == [1]

    def test_one_target_of_many_near_aliases_takes_one_place(self, tmp_path: Path) -> None:
        space = uwe.TargetCache.build(
            HashEncoder(),
            ["au bv", *LABELS[100:400]],
            path=tmp_path / "aliases.uwe",
            aliases=[[f"au bv au bv {word}" for word in LABELS[:200]], *[[]] * 300],
            scorer=uwe.Scorer("pooled"),
        )
        found = uwe.rank("au bv", space, k=20, candidates=20)
        assert len({match.index for match in found}) == 20
        assert found[0].label == "au bv"

    def test_fewer_candidates_than_wanted_matches_are_as_many(self, space: uwe.TargetCache) -> None:
        found = uwe.rank(QUERIES[3], space, k=15, candidates=5)
        assert found == uwe.rank(QUERIES[3], space, k=15, candidates=15)
        assert len(found) == 15

    def test_where_it_can_not_be_kept_it_says_so(
        self, space: uwe.TargetCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(candidates, "_write", full)
        with pytest.warns(RuntimeWarning, match="No space left"):
            found = uwe.rank("au bv", space, candidates=30)
        assert len(found) == 10
        assert not index_path(space).exists()

    def test_threads_share_it(self, space: uwe.TargetCache) -> None:
        wanted = {n: uwe.rank(QUERIES[7], space, k=n, candidates=n) for n in (3, 40, 400)}
        found: list[bool] = []

        def ask(n: int) -> None:
            answers = (uwe.rank(QUERIES[7], space, k=n, candidates=n) for _ in range(20))
            found.extend(answer == wanted[n] for answer in answers)

        threads = [threading.Thread(target=ask, args=(n,)) for n in wanted for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 120
        assert all(found)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
    def test_a_forked_child_uses_it(self, space: uwe.TargetCache) -> None:
        wanted = uwe.rank(QUERIES[7], space, candidates=20)
        (index,) = [candidates._open[space]]
        with index.alone:  # as another thread may hold it at the fork
            child = os.fork()
            if child == 0:
                same = uwe.rank(QUERIES[7], space, candidates=20) == wanted
                os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
