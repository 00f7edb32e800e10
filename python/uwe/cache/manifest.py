"""The manifest of a cache: the JSON that names everything else in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from uwe import _core
from uwe.errors import CacheCorruptError


def read_manifest(text: str, path: Path) -> dict[str, Any]:
    """The manifest, which has a right checksum: parts of another shape may have one too."""
    try:
        manifest = json.loads(text)
        parts = [manifest, manifest["model"], manifest["scorer"], *manifest["segments"]]
        sound = all(isinstance(part, dict) for part in parts)
    except (ValueError, RecursionError, TypeError, KeyError):
        sound, manifest = False, {}
    if not sound:
        raise CacheCorruptError(
            f"{path}: its manifest has another shape than any release writes: rebuild the cache"
        )
    return cast(dict[str, Any], manifest)


def seal_of(core: _core.TargetCache, path: Path) -> str:
    """sha256 of the manifest of an open cache."""
    return str(read_manifest(core.manifest, path)["sha256"])
