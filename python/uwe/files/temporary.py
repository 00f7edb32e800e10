"""A folder of this process alone, which goes with the last object that holds it."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path


class TemporaryFolder:
    """A folder at `path`, made at once, removed with its last reference or as the process ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="uwe-"))
        weakref.finalize(self, _remove, self.path, os.getpid())


def _remove(path: Path, owner: int) -> None:
    # A forked child drops its copies too; the folder is not its own.
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
