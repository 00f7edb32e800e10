"""A file that takes hours to write, in parts that are whole, so that a kill costs one of them.

The parts lie in the folder `<file>.parts` beside it until they are joined. `job.json` in it says of
what they are: it is written before the first part and removed when the file is there, so parts
beside it are good, and parts without it are left over.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from uwe.checks import real_path
from uwe.columns import arrow
from uwe.errors import InputError, shown
from uwe.files.atomic import replaced_packed, replaced_path, write_text

_JOB, _LOCK = "job.json", "lock"
_OURS = re.compile(r"lock|job\.json|\d{6,}|\.(job\.json|\d{6,})-\w+")
"""Names in the folder; those with a point are what a kill leaves."""

_ROWS, _ROW_GROUP = 256, 1 << 24
"""Rows that are held as Python objects, and bytes that make a row group of Parquet."""


class Parts:
    """The parts of a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.whole: list[Path] = []  # those that are complete, in their order
        while (path := self._next()).exists():
            self.whole.append(path)

    def _next(self) -> Path:
        return self._folder / f"{len(self.whole):06}"

    @contextmanager
    def new(self) -> Iterator[Path]:
        """A path to write the next part to, which counts when the block ends well."""
        path = self._next()
        with replaced_path(path) as new:
            yield new
        self.whole.append(path)


@contextmanager
def parts_of(
    out: Path,
    join: Callable[[Path, Sequence[Path]], None],
    job: Mapping[str, Any] | None,
    *,
    resume: bool,
) -> Iterator[Parts]:
    """The parts of `out`, which `join` makes of them when the block ends well.

    If it does not, `out` is as it was, and the parts that are whole stay for a call with the same
    `job` that resumes. `job` is everything that the parts depend on, for JSON; it is None for what
    cannot be resumed: then nothing stays. `resume` goes on with parts that are there, if there are
    any.
    """
    out = real_path(out)
    folder = out.with_name(f"{out.name}.parts")
    folder.mkdir(exist_ok=True)
    there = sorted(folder.iterdir())
    begun = any(path.name in (_JOB, _LOCK) for path in there)  # which come before any part
    for path in there:
        if not (begun and _OURS.fullmatch(path.name) and path.is_file()):
            raise InputError(
                f"{folder}: expected a folder of parts or none, found {path.name!r} in it: name "
                "another file to write, or move it away"
            )
    try:
        lock = FileLock(folder / _LOCK, blocking=False).acquire()
    except Timeout:
        raise InputError(f"{out}: another process is writing it: wait for it, or end it") from None
    with lock:
        for left in out.parent.glob(f".{escape(out.name)}-{'[0-9a-f]' * 8}"):
            with suppress(OSError):
                left.unlink()  # a kill while parts were joined left it
        parts = _begun(folder, job, resume=resume)
        try:
            yield parts
            join(out, parts.whole)
        except BaseException:
            if job is None or not parts.whole:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / _JOB).unlink(missing_ok=True)  # first: from here on the parts are left over
        # Another call may wait for the lock already, so nothing is removed after it is given back.
        _remove_parts(folder)
        with suppress(OSError):  # Windows refuses while it is open
            (folder / _LOCK).unlink()
            folder.rmdir()


def _begun(folder: Path, job: Mapping[str, Any] | None, *, resume: bool) -> Parts:
    """The parts that are there, if they are of the job; otherwise none."""
    parts = Parts(folder)
    job = job and json.loads(json.dumps(job))
    if parts.whole and (folder / _JOB).exists():
        if not resume or job is None:
            raise InputError(
                f"{folder} has parts of a call that was interrupted: resume that (--resume), or "
                "remove the folder to start over"
            )
        try:
            found = json.loads((folder / _JOB).read_text(encoding="utf-8"))
            different = next(name for name in job if found[name] != job[name])
        except StopIteration:
            for left in folder.glob(".*"):  # what a kill left of a part
                left.unlink()
            return parts
        except (ValueError, LookupError, TypeError):
            raise InputError(
                f"{folder / _JOB}: expected what the parts are of, got something else: remove the "
                "folder to start over"
            ) from None
        raise InputError(
            f"{folder}: expected the parts of a call as this one, got those of one in which "
            f"{different} was {shown(found[different])}, not {shown(job[different])}: call it as "
            "then, or remove the folder to start over"
        )
    _remove_parts(folder)
    if job is not None:
        write_text(folder / _JOB, json.dumps(job, indent=1))
    return Parts(folder)


def _remove_parts(folder: Path) -> None:
    for left in folder.iterdir():
        if left.name != _LOCK:
            left.unlink()


class Lines:
    """A file of text, a line an item; one whose name ends in .gz is packed.

    `header` is its first line, or None.
    """

    def __init__(self, header: str | None = None) -> None:
        self._header = header

    def write(self, path: Path, lines: Iterable[str]) -> None:
        """Write a part."""
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)

    def join(self, out: Path, parts: Sequence[Path]) -> None:
        """Write the file that is made of parts; it appears whole."""
        with replaced_packed(out) as file:
            if self._header is not None:
                file.write(f"{self._header}\n".encode())
            for part in parts:
                with part.open("rb") as opened:
                    shutil.copyfileobj(opened, file)


class Rows:
    """A file of Parquet; `columns` has the Arrow type of each column, or the type's name."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        pa = arrow("writing Parquet")
        self._batch, self._table = pa.record_batch, pa.Table.from_batches
        self._schema = pa.schema(
            [
                (name, pa.type_for_alias(kind) if isinstance(kind, str) else kind)
                for name, kind in columns.items()
            ]
        )

    def write(self, path: Path, rows: Iterable[Sequence[Any]]) -> None:
        """Write a part; a row has a value for each column."""
        taken = iter(rows)
        with self._writer(path) as writer:
            held: list[Any] = []
            while block := list(islice(taken, _ROWS)):
                columns = list(map(list, zip(*block, strict=True)))
                held.append(self._batch(columns, schema=self._schema))
                if sum(batch.nbytes for batch in held) > _ROW_GROUP:
                    writer.write_table(self._table(held, self._schema))
                    held.clear()
            if held:
                writer.write_table(self._table(held, self._schema))

    def join(self, out: Path, parts: Sequence[Path]) -> None:
        """Write the file that is made of parts; it appears whole."""
        from pyarrow.parquet import ParquetFile

        with replaced_path(out) as new, self._writer(new) as writer:
            for part in parts:
                with ParquetFile(part) as file:
                    for group in range(file.num_row_groups):
                        writer.write_table(file.read_row_group(group))

    def _writer(self, path: Path) -> Any:
        from pyarrow.parquet import ParquetWriter

        return ParquetWriter(path, self._schema)
