"""What is installed, where caches are kept, and whether a query ranks.

This has to run where little else does: every other module of `uwe` and every package is imported
inside a function whose failure is reported.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any

from uwe.errors import ModelError, UweError

_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD")
_AGAIN = "run  pip install --force-reinstall uwe"


def examine() -> dict[str, Any]:
    """The installation, in values that JSON has; `problems` says what keeps it from ranking."""
    problems: list[str] = []
    packages, extras = _packages(problems)
    found: dict[str, Any] = {
        "uwe": _version("uwe"),
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "packages": packages,
        "extras": extras,
        "simd": _tried(
            lambda: import_module("uwe._core").simd_level(),
            problems,
            f"the compiled core does not load: {_AGAIN}",
        ),
        "threads": _tried(lambda: import_module("uwe.parallelism").threads(), problems),
        "environment": {
            name: "(set)" if _SECRET.search(name) else value
            for name, value in sorted(os.environ.items())
            if name.startswith("UWE_")
        },
        "cache": _tried(lambda: _cache(problems), problems),
        "model": _tried(_model, problems, _AGAIN),
        "query_ms": None,
    }
    if not problems:
        found["query_ms"] = _tried(_query, problems, _AGAIN)
    return {**found, "problems": list(dict.fromkeys(problems))}


def _tried(look: Callable[[], Any], problems: list[str], remedy: str = "") -> Any:
    """What `look` finds; None, and a problem, if it cannot."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - an installation can be broken in any way
        said = str(error) if isinstance(error, UweError) else f"{type(error).__name__}: {error}"
        problems.append(f"{said}: {remedy}" if remedy else said)
        return None


def _packages(problems: list[str]) -> tuple[dict[str, str | None], dict[str, list[str]]]:
    """Versions of what `uwe` needs; of each extra, what is missing or too old."""
    try:
        from packaging.requirements import Requirement

        wanted = [Requirement(text) for text in metadata.requires("uwe") or []]
    except (ImportError, metadata.PackageNotFoundError) as error:
        problems.append(f"no metadata of uwe can be read ({error}): {_AGAIN}")
        return {}, {}
    versions: dict[str, str | None] = {}
    extras: dict[str, list[str]] = {}
    made_of_others = set()
    for needed in wanted:
        named = re.search(r"extra == ['\"]([\w-]+)", str(needed.marker or ""))
        extra = named[1] if named else ""
        if needed.marker and not needed.marker.evaluate({"extra": extra}):
            continue
        if needed.name == "uwe":
            made_of_others.add(extra)
            continue
        version = _version(needed.name)
        fits = version is not None and needed.specifier.contains(version, prereleases=True)
        plain = f"{needed.name}{needed.specifier}"
        if extra:
            missing = extras.setdefault(extra, [])
            if not fits:
                missing.append(plain)
            continue
        versions[needed.name] = version
        if not fits:
            problems.append(
                f"expected {plain}, got {version or 'none'}: run  pip install '{plain}'"
            )
    return versions, {name: extras[name] for name in sorted(extras) if name not in made_of_others}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cache(problems: list[str]) -> dict[str, Any]:
    from uwe.spaces import cache_folder

    folder = cache_folder().absolute()
    caches = sorted(path.name for path in folder.glob("*.uwe")) if folder.is_dir() else []
    # What is there of it: the folder is made with the first cache.
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            writable = True
    except OSError as error:
        writable = False
        # A container may bring its caches along.
        if not caches:
            problems.append(
                f"target caches cannot be kept in {folder} ({error.strerror}): set the environment "
                "variable UWE_CACHE_DIR to a folder that can be written"
            )
    return {
        "folder": str(folder),
        "caches": caches,
        "bytes": sum(path.stat().st_size for name in caches for path in (folder / name).rglob("*")),
        "free_bytes": shutil.disk_usage(there).free,
        "writable": writable,
    }


def _model() -> dict[str, str]:
    from uwe.encoder.loading import SHIPPED_MODEL, load

    return {"name": SHIPPED_MODEL, "fingerprint": load().fingerprint}


def _query() -> dict[str, float]:
    """Milliseconds of a first query, which loads the model, and of the next."""
    from uwe.ranking.rank import rank

    taken = {}
    for turn in ("first", "next"):
        start = time.perf_counter()
        best = rank("data engineer", ["pastry baking", "Apache Spark"], k=1)[0].label
        taken[turn] = round((time.perf_counter() - start) * 1000, 1)
        if best != "Apache Spark":
            raise ModelError(f"expected Apache Spark first for 'data engineer', got {best!r}")
    return taken


def report(found: dict[str, Any]) -> list[str]:
    """What `examine` found, a line for each fact and each problem."""
    rows = [(name, found[name]) for name in ("uwe", "python", "system", "simd", "threads")]
    rows += found["packages"].items()
    for extra, missing in found["extras"].items():
        advice = f"pip install 'uwe[{extra}]' (missing: {', '.join(missing)})"
        rows.append((f"extra {extra}", advice if missing else "installed"))
    rows += found["environment"].items()
    cache, model, taken = found["cache"], found["model"], found["query_ms"]
    if cache:
        size, free = (cache[name] / 1e6 for name in ("bytes", "free_bytes"))
        state = "can be written" if cache["writable"] else "cannot be written"
        rows.append(("cache folder", f"{cache['folder']}, {state}"))
        rows.append(
            (
                "caches",
                f"{len(cache['caches'])}, {size:,.0f} MB; {free:,.0f} MB of the disk are free",
            )
        )
    if model:
        rows.append(("model", f"{model['name']}, fingerprint {model['fingerprint']}"))
    if taken:
        rows.append(("queries", "first {first} ms, next {next} ms".format(**taken)))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {_one_line(value or 'none')}" for name, value in rows]
    lines += [f"problem: {_one_line(problem)}" for problem in found["problems"]]
    return lines if found["problems"] else [*lines, "ranking works"]


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
