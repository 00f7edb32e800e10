"""Caches of built-in spaces: built once, shared by all programs, changed by none."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import uwe
from conftest import HashEncoder
from uwe import spaces
from uwe.encoder.tokens import TokenVectors
from uwe.errors import CacheCorruptError, CacheError, InputError

TARGETS = 300  # with their aliases, two blocks of texts


class Fingerprinted(HashEncoder):
    """Counts how many texts it encoded."""

    def __init__(self, fingerprint: str = "a" * 64) -> None:
        self.fingerprint = fingerprint
        self.source = "test"
        self.encoded = 0

    class config:
        scorer = uwe.Scorer("pooled")

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        self.encoded += len(texts)
        return super().encode(texts)


def texts() -> int:
    """Labels and aliases of the smallest built-in space."""
    space = uwe.target_space("esco-occupations")
    return len(space) + sum(map(len, space.aliases or ()))


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for caches that does not exist yet."""
    folder = tmp_path / "not yet" / "there"
    monkeypatch.setenv("UWE_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def folder(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, for spaces of which this process sees the first targets alone."""
    read, entry = spaces._read_space, spaces._entry

    def first(name: str) -> uwe.TargetSpace:
        space = read(name)
        return replace(
            space,
            labels=space.labels[:TARGETS],
            ids=space.ids[:TARGETS],
            aliases=None if space.aliases is None else space.aliases[:TARGETS],
            metadata={name: column[:TARGETS] for name, column in space.metadata.items()},
        )

    monkeypatch.setattr(spaces, "_read_space", first)
    monkeypatch.setattr(spaces, "_entry", lambda name: entry(name) | {"targets": TARGETS})
    return whole


def test_it_is_built_once_and_holds_the_space(folder: Path) -> None:
    model = Fingerprinted()
    seen: list[tuple[int, int]] = []
    cache = uwe.space_cache(
        "esco-occupations", model=model, progress=lambda done, total: seen.append((done, total))
    )
    space = uwe.target_space("esco-occupations")
    assert seen[-1] == (texts(), texts())
    assert list(cache.labels) == list(space.labels)
    assert list(cache.ids) == list(space.ids)
    assert cache.info()["dtype"] == "int8"
    assert space.aliases is not None
    assert [cache.aliases[i] for i in range(50)] == [list(names) for names in space.aliases[:50]]
    assert cache.metadata[7] == {name: column[7] for name, column in space.metadata.items()}
    assert folder in cache.path.parents
    assert model.encoded == texts()
    count = len(seen)
    again = uwe.space_cache(
        "esco-occupations", model=model, progress=lambda done, total: seen.append((done, total))
    )
    assert again.path == cache.path
    assert len(seen) == count
    assert model.encoded == texts()


def test_aliases_come_along(folder: Path) -> None:
    cache = uwe.space_cache("esco-skills@1.1.1", model=Fingerprinted(), tokens="pooled")
    match = uwe.rank("3D body scan", cache, k=1)[0]
    assert (match.label, match.alias) == ("3D body scanning technologies", "3D body scan")
    assert match.metadata["reuse_level"] == "sector-specific"


def test_every_model_and_storage_has_its_own(folder: Path) -> None:
    paths = {
        uwe.space_cache("esco-occupations", model=Fingerprinted()).path,
        uwe.space_cache("esco-occupations", model=Fingerprinted("b" * 64)).path,
        uwe.space_cache("esco-occupations", model=Fingerprinted(), tokens="pooled").path,
        uwe.space_cache("esco-occupations", model=Fingerprinted(), dtype="float16").path,
    }
    assert len(paths) == 4


def test_a_model_with_another_scorer_has_another(folder: Path) -> None:
    """The fingerprint is that of the weights; a cache keeps the scorer too."""

    class Soft(Fingerprinted):
        class config:
            scorer = uwe.Scorer.parse("soft:0.5:4")

    pooled = uwe.space_cache("esco-occupations", model=Fingerprinted())
    soft = uwe.space_cache("esco-occupations", model=Soft())
    assert soft.path != pooled.path
    assert (str(soft.scorer), str(pooled.scorer)) == ("soft:0.5:4", "pooled")


def test_a_model_without_a_fingerprint_has_no_place(folder: Path) -> None:
    with pytest.raises(InputError, match="fingerprint"):
        uwe.space_cache("esco-occupations", model=HashEncoder())


def test_what_a_killed_build_left_is_built_anew(folder: Path) -> None:
    class Killed(BaseException):
        pass

    class Dying(Fingerprinted):
        def encode(self, texts: Sequence[str], /) -> TokenVectors:
            if self.encoded:
                raise Killed
            return super().encode(texts)

    with pytest.raises(Killed):
        uwe.space_cache("esco-occupations", model=Dying())
    assert len(uwe.space_cache("esco-occupations", model=Fingerprinted())) == TARGETS


def test_a_damaged_one_is_built_anew_with_a_warning(folder: Path) -> None:
    path = uwe.space_cache("esco-occupations", model=Fingerprinted()).path
    manifest = path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    model = Fingerprinted()
    with pytest.warns(RuntimeWarning, match="built again"):
        cache = uwe.space_cache("esco-occupations", model=model)
    assert len(cache) == TARGETS
    assert model.encoded == texts()


def test_one_damage_is_one_warning(folder: Path) -> None:
    path = uwe.space_cache("esco-occupations", model=Fingerprinted()).path
    (path / "manifest.json").write_text("{}")
    with pytest.warns(RuntimeWarning, match="built again") as caught:
        uwe.space_cache("esco-occupations", model=Fingerprinted())
    (warning,) = caught.list
    assert warning.filename == __file__


def test_it_can_not_be_changed(folder: Path) -> None:
    model = Fingerprinted()
    built = uwe.space_cache("esco-occupations", model=model, tokens="pooled")
    opened = uwe.space_cache("esco-occupations", model=model, tokens="pooled")
    for cache in (built, opened, pickle.loads(pickle.dumps(opened))):
        for change in (
            lambda cache=cache: cache.append(["x"]),
            lambda cache=cache: cache.remove(list(range(3000))),
            cache.compact,
        ):
            with pytest.raises(InputError, match=r"TargetCache\.build\(\.\.\., path="):
                change()
    again = uwe.space_cache("esco-occupations", model=model, tokens="pooled")
    assert again.seal == built.seal


@pytest.mark.parametrize("change", ["append", "remove", "remove and compact"])
def test_one_that_was_changed_by_its_path_is_built_anew(folder: Path, change: str) -> None:
    model = Fingerprinted()
    shared = uwe.space_cache("esco-occupations", model=model, tokens="pooled")
    cache = uwe.TargetCache.open(shared.path, model=model)
    if change == "append":
        cache.append(["x"], metadata={name: [None] for name in cache.columns})
    elif change == "remove":
        cache.remove([0])
    else:
        cache.remove([0]).compact()
    with pytest.warns(RuntimeWarning, match=str(TARGETS)):
        again = uwe.space_cache("esco-occupations", model=model, tokens="pooled")
    assert list(again.labels) == list(uwe.target_space("esco-occupations").labels)


def test_damage_that_verify_finds_is_healed(folder: Path) -> None:
    model = Fingerprinted()
    cache = uwe.space_cache("esco-occupations", model=model, tokens="pooled")
    cache.verify()
    (data,) = cache.path.glob("segment-*")
    content = bytearray(data.read_bytes())
    content[-5] ^= 1
    data.write_bytes(content)
    damaged = uwe.space_cache("esco-occupations", model=model, tokens="pooled")
    with pytest.raises(CacheCorruptError, match=r"uwe\.space_cache"):
        damaged.verify()
    uwe.space_cache("esco-occupations", model=model, tokens="pooled").verify()


def test_its_name_has_the_major_version_of_the_format(folder: Path) -> None:
    cache = uwe.space_cache("esco-occupations", model=Fingerprinted(), tokens="pooled")
    assert cache.path.stem.endswith(f"-v{cache.info()['format'].partition('.')[0]}")


@pytest.mark.parametrize(
    "arguments", [{"tokens": "../all"}, {"dtype": "float64"}, {"tokens": None}, {"dtype": 1}]
)
def test_what_enters_its_name_is_checked(folder: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"tokens|dtype"):
        uwe.space_cache("esco-occupations", model=Fingerprinted(), **arguments)
    assert not folder.exists()


def test_fingerprints_may_be_any_text(folder: Path) -> None:
    first, second = (
        uwe.space_cache("esco-occupations", model=Fingerprinted(text), tokens="pooled")
        for text in ("../a model of mine, 1", "../a model of mine, 2")
    )
    assert first.path.parent == second.path.parent == folder
    assert first.path != second.path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_forked_while_building_keeps_nobody_waiting(folder: Path) -> None:
    path = folder / "space.uwe"
    end, child_end = os.pipe()
    with spaces._only_builder(path):
        child = os.fork()
        if child == 0:
            os.close(child_end)
            os.read(end, 1)
            os._exit(0)
    try:
        with FileLock(path.with_suffix(".lock")).acquire(blocking=False) as lock:
            assert lock.is_locked
    finally:
        os.close(child_end)
        os.close(end)
        os.waitpid(child, 0)


@pytest.mark.parametrize("place", ["file/below", "file", "/proc"])
def test_a_folder_that_can_not_be_written_says_what_to_do(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("UWE_CACHE_DIR", str(tmp_path / place))
    with pytest.raises(CacheError, match="UWE_CACHE_DIR"):
        uwe.space_cache("esco-occupations", model=Fingerprinted())


def test_threads_that_want_it_at_once_share_one_build(folder: Path) -> None:
    model = Fingerprinted()
    found: list[uwe.TargetCache] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(uwe.space_cache("esco-occupations", model=model))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({cache.path for cache in found}) == 1
    assert len(found) == 4
    assert model.encoded == texts()


def test_processes_that_want_it_at_once_share_one_build(whole: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import uwe; from test_space_cache import Fingerprinted\n"
        "model = Fingerprinted(); cache = uwe.space_cache('esco-occupations', model=model)\n"
        "print(len(cache), model.encoded)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = sorted(process.communicate(timeout=120)[0].split() for process in running)
    assert said == [["3039", "0"], ["3039", "0"], ["3039", str(texts())]]


def test_the_cache_folder_is_the_users_unless_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    monkeypatch.delenv("UWE_CACHE_DIR", raising=False)
    assert spaces.cache_folder() == platformdirs.user_cache_path("uwe", appauthor=False)
    monkeypatch.setenv("UWE_CACHE_DIR", "~/elsewhere")
    assert spaces.cache_folder() == Path("~/elsewhere").expanduser()
    monkeypatch.setenv("UWE_CACHE_DIR", "~no-such-user/x")
    with pytest.raises(InputError, match="UWE_CACHE_DIR"):
        spaces.cache_folder()

    def homeless(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory for '~/.cache'")

    monkeypatch.delenv("UWE_CACHE_DIR")
    monkeypatch.setattr(platformdirs, "user_cache_path", homeless)  # as in some containers
    with pytest.raises(InputError, match="UWE_CACHE_DIR"):
        spaces.cache_folder()
