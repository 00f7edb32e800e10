"""The journal of what was asked and answered: JSON lines that only grow, so nothing is paid twice.

A line is `{"key", "model", "prompt_version", "skill", "answer", "tokens"}`; or, of an attempt that
may have been paid for but brought no answer, `{"key", "lost"}`: tokens that count as spent; or, of
a request that was refused, `{"key", "skill", "refused"}`: what the endpoint said.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from uwe.checks import path_of
from uwe.errors import DataError, InputError

__all__ = ["Journal", "request_key"]

_START = b'{"key": '
"""How every line begins: a file of something else is not cut."""


def request_key(payload: Mapping[str, Any]) -> str:
    """sha256 of a request's content: equal requests have equal keys, wherever they are sent."""
    canonical = json.dumps(payload, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


class Journal:
    """An open journal; a context manager. One process at a time writes it.

    Attributes:
        path: The file; made when it is not there.
        answers: The answer of each request, by its key.
        tokens: What all requests in it have cost.

    Raises:
        InputError: If another process has it open.
        DataError: If a line other than a torn last one is no entry; with its line.
        OSError: If the file can not be read or written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path_of("the journal", path)
        self.answers: dict[str, str] = {}
        self.tokens = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = os.open(self.path, flags, 0o644)
        try:
            _lock(self._file, self.path)
            self._read()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def add(
        self, key: str, answer: str, *, model: str, version: str, skill: str, tokens: int
    ) -> None:
        """Write an answer down; when this returns it is on the disk.

        Raises:
            OSError: If the disk is full or refuses.
        """
        entry = {"key": key, "model": model, "prompt_version": version, "skill": skill}
        self._append({**entry, "answer": answer, "tokens": tokens})
        self._take(key, answer, tokens)

    def add_lost(self, key: str, tokens: int) -> None:
        """Write down that an attempt may have cost so much, and brought nothing.

        Raises:
            OSError: If the disk is full or refuses.
        """
        self._append({"key": key, "lost": tokens})
        self.tokens += tokens

    def add_refused(self, key: str, skill: str, problem: str) -> None:
        """Write down what the endpoint said in place of an answer; it is no answer.

        Raises:
            OSError: If the disk is full or refuses.
        """
        self._append({"key": key, "skill": skill, "refused": problem})

    def _append(self, entry: Mapping[str, Any]) -> None:
        # Escaped, so that half a character out of an answer can be written too.
        line = memoryview(json.dumps(entry).encode() + b"\n")
        while line:
            line = line[os.write(self._file, line) :]
        os.fsync(self._file)

    def _read(self) -> None:
        content = self.path.read_bytes()
        kept = 0
        for number, line in enumerate(content.splitlines(keepends=True), 1):
            if not line.endswith(b"\n") and line.startswith(_START[: len(line)]):
                # A run that was killed while it wrote: what came before counts.
                os.ftruncate(self._file, kept)
                break
            kept += len(line)
            self._read_entry(line, number)

    def _read_entry(self, line: bytes, number: int) -> None:
        try:
            entry = json.loads(line)
            if "refused" in entry:
                return
            if "lost" in entry:
                self.tokens += int(entry["lost"])
                return
            key, answer = entry["key"], entry["answer"]
            if not isinstance(key, str) or not isinstance(answer, str):
                raise TypeError("key and answer must be texts")
            self._take(key, answer, int(entry["tokens"]))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise DataError(
                f"expected an entry of a journal of  uwe enrich, got something else ({error!r}): "
                "remove the line, or name another journal",
                path=self.path,
                line=number,
            ) from None

    def _take(self, key: str, answer: str, tokens: int) -> None:
        self.answers[key] = answer
        self.tokens += tokens


if sys.platform == "win32":

    def _lock(descriptor: int, path: Path) -> None:
        import msvcrt

        try:
            # Far behind the end, where no reader is in the way.
            os.lseek(descriptor, 1 << 40, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise _taken(path) from None

else:

    def _lock(descriptor: int, path: Path) -> None:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(path) from None


def _taken(path: Path) -> InputError:
    return InputError(
        f"{path}: expected a journal that nobody writes, but another run has it open: wait for "
        "it, or name another"
    )
