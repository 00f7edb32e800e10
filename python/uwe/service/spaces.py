"""The target spaces that a service answers for, by name; a cache that was rebuilt is reopened."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from uwe.cache.columns import read_column
from uwe.cache.own_calibration import calibration_path
from uwe.cache.target_cache import TargetCache
from uwe.checks import real_path
from uwe.encoder.loading import load
from uwe.encoder.text_encoder import TextEncoder
from uwe.errors import InputError, UweError
from uwe.extraction.extract import extract_stream
from uwe.spaces import space_cache, target_space, target_spaces

DEFAULT_SPACES = ("esco-skills", "esco-occupations")

_log = logging.getLogger("uwe.service")

_LOOK_SECONDS = 1.0
"""How often a folder is looked at, to see whether it was built again."""
_RETRY_SECONDS = 10.0
"""The same of one that could not be opened: a try may load a model."""
_FEW = 50
"""Values of a column that are listed."""


class UnknownNameError(InputError):
    """No target space, or no metadata column, has that name. Remedy: one that the message lists."""


class _Served:
    """One space: its cache, and what its files looked like when it was opened."""

    def __init__(self, name: str, source: str, cache: TargetCache, state: object) -> None:
        self.name = name
        self.source = source
        self.cache = cache
        self.built_in = source in target_spaces()
        self.state = state
        self.looked = time.monotonic()
        self.failure = ""
        self.description = _described(name, source, cache)

    def fresh(self, now: float) -> bool:
        """Whether it was looked at a moment ago."""
        return now - self.looked < (_RETRY_SECONDS if self.failure else _LOOK_SECONDS)


class Spaces:
    """Target spaces by name, safe to use from several threads.

    Each of `spaces` is the name of a built-in space, the folder of a target cache, or
    `NAME=FOLDER`. The first is the default.
    """

    def __init__(self, spaces: Sequence[str]) -> None:
        if not spaces:
            raise InputError("expected at least one target space to serve, got none: name one")
        # Weak, so that the model of an older build goes with its cache.
        self._models: WeakValueDictionary[str, TextEncoder] = WeakValueDictionary()
        self._lock = threading.Lock()
        self._served: dict[str, _Served] = {}
        for text in spaces:
            name, folder = name_and_folder(text)
            if name in self._served:
                raise InputError(
                    f"expected target spaces of different names, got {name!r} twice: name one of "
                    f"them by  NAME=FOLDER"
                )
            source = folder or name
            state = _state(Path(source))  # before: what changes meanwhile is seen later
            self._served[name] = _Served(name, source, self._opened(source), state)

    @property
    def names(self) -> list[str]:
        """The names; the first is the default."""
        return list(self._served)

    def name_of(self, name: str | None) -> str:
        """The name, or that of the default; UnknownNameError if there is no such space."""
        name = self.names[0] if name is None else name
        if name not in self._served:
            raise UnknownNameError(
                f"expected one of the target spaces {', '.join(self.names)}, got {name[:80]!r}: "
                "correct targets"
            )
        return name

    def cache(self, name: str | None) -> TargetCache:
        """The cache of a space, reopened if its folder was rebuilt or calibrated since.

        Without a name it is that of the default. One that cannot be opened stays in use as it was,
        the log says so, and it is tried again later.
        """
        served = self._served[self.name_of(name)]
        now = time.monotonic()
        if served.built_in or served.fresh(now):
            return served.cache
        with self._lock:
            if served.fresh(now):
                return served.cache
            served.looked = now
            state = _state(served.cache.path)
            failure = ""
            if state != served.state:
                try:
                    cache = self._opened(str(served.cache.path))
                    served.description = _described(served.name, served.source, cache)
                except (UweError, OSError) as error:
                    failure = str(error)
                    if failure != served.failure:
                        _log.warning("space %s stays as it was: %s", served.name, failure)
                else:
                    served.cache, served.state = cache, state
                    _log.info("space %s was built again: opened", served.name)
            served.failure = failure
        return served.cache

    def descriptions(self) -> list[dict[str, Any]]:
        """What there is to know of each space, as `requests.Space` has it."""
        for name in self.names:
            self.cache(name)
        return [served.description for served in self._served.values()]

    def _opened(self, source: str) -> TargetCache:
        """A cache with its model, which caches of the same model share."""
        if source in target_spaces():
            model = load()
            model = self._models.setdefault(model.fingerprint, model)
            return space_cache(source, model=model, progress=True)
        cache = TargetCache.open(Path(source))
        known = self._models.get(cache.fingerprint)
        if known is not None:
            return TargetCache.open(Path(source), model=known)
        own = cache.model
        if isinstance(own, TextEncoder):
            self._models[own.fingerprint] = own
        return cache


def name_and_folder(text: str) -> tuple[str, str | None]:
    """The name under which a space is served, and its folder unless it is a built-in one.

    `text` is as `Spaces` takes it.
    """
    name, equals, folder = text.partition("=")
    if equals:
        if not name.strip() or not folder:
            raise InputError(f"expected NAME=FOLDER, got {text!r}: correct it")
        return name, folder
    if text in target_spaces():
        return text, None
    path = Path(text)
    if not path.exists() and path.name == text:
        raise InputError(
            f"expected a folder or one of the built-in target spaces {', '.join(target_spaces())}, "
            f"got {text!r}: correct it"
        )
    return real_path(path).stem, text


def _state(folder: Path) -> object:
    """What tells one build of a cache from the next, and from another calibration."""

    def look(path: Path) -> tuple[int, int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    return look(folder / "manifest.json"), look(calibration_path(folder))


def _described(name: str, source: str, cache: TargetCache) -> dict[str, Any]:
    built_in = target_space(source) if source in target_spaces() else None
    return {
        "name": name,
        "title": built_in.title if built_in else name,
        "version": built_in.version if built_in else None,
        "targets": len(cache),
        "extracts": _extracts(cache),
        "columns": [
            {"name": column, "values": _few(read_column(cache.core, cache.path, column))}
            for column in cache.columns
        ],
        "attribution": built_in.attribution if built_in else "",
    }


def _extracts(cache: TargetCache) -> bool:
    try:
        extract_stream((), cache)
    except UweError:
        return False
    return True


def _few(values: Iterable[Any]) -> list[Any] | None:
    """The different values of a column in order, if there are few."""
    found: set[Any] = set()
    for value in values:
        if value is not None:
            found.add(value)
        if len(found) > _FEW:
            return None
    return sorted(found)
