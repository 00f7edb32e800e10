"""What an evaluation ran on: processor, memory, versions."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from uwe import _core
from uwe.parallelism import available_threads

# What may take part in the figures; those that are not installed are left out.
_PACKAGES = (
    "numpy", "onnxruntime", "tokenizers", "bm25s", "scikit-learn", "sentence-transformers",
    "transformers", "torch", "workrb",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in bytes, SIMD level, system.

    Windows does not say how much memory there is.
    """
    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": available_threads(),
        "simd": _core.simd_level(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if sys.platform != "win32":
        found["memory"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return found


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that may take part in the figures."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def peak_bytes() -> int:
    """Most memory that this process ever held, mapped files included; 0 on Windows."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
