"""The SHA-256 of a file."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

_BLOCK = 1 << 20


def file_sha256(path: Path, *, unpacked: bool = False) -> str:
    """SHA-256 of a file; 64 hexadecimal digits.

    Args:
        path: The file.
        unpacked: Whether a .gz is hashed as what is packed in it: packing the same lines twice
            need not give the same bytes.

    Raises:
        OSError: If the file cannot be read, or is no .gz though its name says so (then a
            `gzip.BadGzipFile`).
        EOFError: If a .gz is cut off; zlib.error if it is damaged within.
    """
    digest = hashlib.sha256()
    with gzip.open(path) if unpacked and path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
