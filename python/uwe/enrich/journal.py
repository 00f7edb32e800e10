"""The journal of what was asked and answered: JSON lines that only grow, so nothing is paid twice.

A line is `{"key", "model", "prompt_version", "skill", "answer", "tokens"}`; or, of an attempt that
may have been paid for but brought no answer, `{"key", "lost"}`: tokens that count as spent; or, of
a request that was refused, `{"key", "skill", "refused"}`: what the endpoint said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from uwe.checks import path_of
from uwe.errors import DataError, InputError

_START = b'{"key": '
"""How every line begins: a file of something else is not cut."""


class Journal:
    """An open journal; a context manager. One process at a time writes it.

    Its file is made when it is not there. A last line that a kill tore is cut off; any other that
    is no entry is a DataError.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path_of("the journal", path)
        self.answers: dict[str, str] = {}  # of each request, by its key
        self.tokens = 0  # what all requests in it have cost
        self.path.parent.mkdir(parents=True, exist_ok=True)
        binary = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | binary, 0o644)
        try:
            if not lock_descriptor(self._file, blocking=False):
                raise InputError(
                    f"{self.path}: expected a journal that nobody writes, but another run has it "
                    "open: wait for it, or name another"
                )
            self._read()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def add(
        self, key: str, answer: str, *, model: str, version: str, skill: str, tokens: int
    ) -> None:
        """Write an answer down; when this returns it is on the disk."""
        entry = {"key": key, "model": model, "prompt_version": version, "skill": skill}
        self._append({**entry, "answer": answer, "tokens": tokens})

    def add_lost(self, key: str, tokens: int) -> None:
        """Write down that an attempt may have cost so much, and brought nothing."""
        self._append({"key": key, "lost": tokens})

    def add_refused(self, key: str, skill: str, problem: str) -> None:
        """Write down what the endpoint said in place of an answer; it is no answer."""
        self._append({"key": key, "skill": skill, "refused": problem})

    def _append(self, entry: Mapping[str, Any]) -> None:
        # Escaped, so that half a character out of an answer can be written too.
        line = memoryview(json.dumps(entry).encode() + b"\n")
        while line:
            line = line[os.write(self._file, line) :]
        os.fsync(self._file)
        self._take(entry)

    def _read(self) -> None:
        with open(self._file, "rb", closefd=False) as file:
            lines = file.read().splitlines(keepends=True)
        kept = 0
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n") and line.startswith(_START[: len(line)]):
                # A run that was killed while it wrote: what came before counts.
                os.ftruncate(self._file, kept)
                break
            kept += len(line)
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
                raise DataError(
                    f"expected an entry of a journal of  uwe enrich, got {error!r}: remove the "
                    "line, or name another journal",
                    path=self.path,
                    line=number,
                ) from None

    def _take(self, entry: Mapping[str, Any]) -> None:
        if "refused" in entry:
            return
        if "lost" in entry:
            self.tokens += int(entry["lost"])
            return
        key, answer = entry["key"], entry["answer"]
        if not isinstance(key, str) or not isinstance(answer, str):
            raise TypeError("key and answer must be texts")
        self.tokens += int(entry["tokens"])
        self.answers[key] = answer
