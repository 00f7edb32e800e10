"""The SHA-256 of a file."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

_BLOCK = 1 << 20


def file_sha256(path: Path, *, unpacked: bool = False) -> str:
    """SHA-256 of a file; 64 hexadecimal digits.

    `unpacked` hashes what is packed in a .gz: packing the same lines twice need not give the same
    bytes. Then a .gz that is none, is cut off, or is damaged within raises `gzip.BadGzipFile`,
    EOFError or zlib.error.
    """
    digest = hashlib.sha256()
    with gzip.open(path) if unpacked and path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
