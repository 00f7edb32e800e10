"""Files that are read when they are needed, and may not have changed in between.

A model's files are read at first use, and again for a second session or in a child after a fork.
By then somebody may have put another model in their place, whose vectors are compared with those
of the first one: wrong answers, of which nobody hears. So the first reading is the one that counts.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from uwe.errors import ModelError

__all__ = ["PinnedFile"]


class PinnedFile:
    """A file of a model whose content is decided by its first reading.

    Args:
        path: The file.
        digest: sha256 of the content that it must have; None takes what is read first.
    """

    def __init__(self, path: Path, digest: bytes | None = None) -> None:
        self.path = path
        self._pin: dict[str, bytes] = {} if digest is None else {"sha256": digest}

    @property
    def pinned(self) -> bytes | None:
        """sha256 of its content; None as long as nobody has read it."""
        return self._pin.get("sha256")

    @property
    def digest(self) -> bytes:
        """sha256 of its content, which is read for it if nobody has.

        Raises:
            ModelError: As `read`.
        """
        if self.pinned is None:
            self.read()
        return self._pin["sha256"]

    def read(self) -> bytes:
        """Its content, the same at each call.

        Raises:
            ModelError: If it is gone, or another by now.
            OSError: If it cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise ModelError(
                f"{self.path}: is gone since the model was loaded: load the model anew"
            ) from None
        found = hashlib.sha256(content).digest()
        # In one step: of two threads that read first, one decides for both.
        if self._pin.setdefault("sha256", found) != found:
            raise ModelError(
                f"{self.path}: was replaced since the model was loaded: load the model anew"
            )
        return content
