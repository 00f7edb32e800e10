"""Runs and judgements as files for trec_eval, ir-measures and ranx, and as JSON lines.

Those tools sort a query's targets by score and have rules of their own for equal ones: trec_eval
takes the last id first. So in a `.run`, a score that is not below the one before it is lowered to
the next float32 below that: every reader has our order. JSON lines keep scores as they are, and
their order is the ranking.

Columns of TREC files end at white space. White space and `%` in an id or a tag are written as in
a web address (`a b` is `a%20b`), in runs and judgements alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote, quote_plus

import numpy as np
from numpy.typing import NDArray

from uwe.checks import file_name, listed, natural, path_of, text_of
from uwe.errors import InputError
from uwe.files.atomic import replaced_path

__all__ = ["RunWriter", "write_qrels"]

_UNSAFE = re.compile(r"[\s%]")
_TINY = np.finfo(np.float32).tiny


class RunWriter:
    """Writes `<name>.run` and `<name>.run.jsonl`, a block of queries at a time.

    Use it in a `with`: the files appear, whole, when the block ends well. A line of the first is
    `query Q0 target rank score tag`, its tag the name; of the second
    `{"query": id, "ranking": [[target id, score], ...]}`.

    Args:
        folder: Where; it is made.
        name: Such as `job2skill.test.uwe-mini pooled`; a space becomes `+` in the files' names,
            and what no file name may hold becomes `%` and a number.

    Raises:
        InputError: If the name is blank.
        OSError: If the disk is full or refuses.
    """

    def __init__(self, folder: str | Path, name: str) -> None:
        stem = _stem(name)
        self._tag = stem
        self._files = _new_files(path_of("folder", folder), f"{stem}.run", f"{stem}.run.jsonl")

    def __enter__(self) -> RunWriter:
        self._opened = self._files.__enter__()
        return self

    def add(
        self,
        query_ids: Sequence[str],
        indices: NDArray[np.int64],
        scores: NDArray[np.float32],
        target_ids: Sequence[str],
        *,
        judged: Sequence[bool] | None = None,
    ) -> None:
        """Write the best targets of a block of queries.

        Args:
            query_ids: One for each query; each comes once in a run.
            indices: (queries, k), int64: which targets, best first.
            scores: (queries, k), float32: theirs, not ascending.
            target_ids: One for each target of the space.
            judged: Whether each query has a relevant target; None: all have. Of one that has none
                TREC's judgements have no line, and tools refuse a run of other queries: it is in
                the JSON lines alone.

        Raises:
            InputError: If shapes do not fit, an index is out of range, a score is not finite or
                above the one before it, or an id is empty.
        """
        if indices.ndim != 2 or indices.shape != scores.shape or len(query_ids) != len(indices):
            raise InputError(
                f"expected indices and scores of ({len(query_ids)}, k), got {indices.shape} and "
                f"{scores.shape}"
            )
        if indices.size and not 0 <= indices.min() <= indices.max() < len(target_ids):
            raise InputError(
                f"expected indices of {len(target_ids)} targets, got some from {indices.min()} to "
                f"{indices.max()}"
            )
        if not np.isfinite(scores).all():
            raise InputError("expected finite scores, got NaN or infinity, which has no place")
        if (np.diff(scores, axis=1) > 0).any():
            raise InputError("expected the best targets first, got a score above the one before it")
        run, lines = self._opened
        escaped = {i: _column(target_ids[i]) for i in np.unique(indices).tolist()}
        for query, known, row, kept, lowered in zip(
            query_ids,
            [True] * len(query_ids) if judged is None else judged,
            indices.tolist(),
            scores.astype(np.float64).tolist(),
            _strictly_descending(scores).astype(np.float64).tolist(),
            strict=True,
        ):
            column = _column(query)
            if known:
                run.writelines(
                    f"{column} Q0 {escaped[i]} {rank} {score:.9g} {self._tag}\n"
                    for rank, (i, score) in enumerate(zip(row, lowered, strict=True), 1)
                )
            ranking = [[target_ids[i], float(f"{s:.9g}")] for i, s in zip(row, kept, strict=True)]
            lines.write(_json({"query": query, "ranking": ranking}))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)


def write_qrels(
    folder: str | Path,
    name: str,
    query_ids: Sequence[str],
    relevant: Sequence[Sequence[int]],
    target_ids: Sequence[str],
) -> None:
    """Write `<name>.qrels`, lines of `query 0 target 1`, and `<name>.qrels.jsonl`.

    A line of the second is `{"query": id, "relevant": [target id, ...]}`. A query without a
    relevant target is in the second alone: TREC's form has no line for it, and no mean counts it.

    Args:
        folder: Where; it is made.
        name: Such as `job2skill.test`.
        query_ids: One for each query.
        relevant: For each query the indices of its relevant targets.
        target_ids: One for each target of the space.

    Raises:
        InputError: If the name is blank or an id empty.
        OSError: If the disk is full or refuses.
    """
    stem = _stem(name)
    query_ids, target_ids = (
        [text_of("each id", id_) for id_ in listed(what, ids)]
        for what, ids in (("query_ids", query_ids), ("target_ids", target_ids))
    )
    rows = [
        [natural("each index in relevant", index) for index in listed("each row of relevant", row)]
        for row in listed("relevant", relevant)
    ]
    if len(rows) != len(query_ids) or any(i >= len(target_ids) for row in rows for i in row):
        raise InputError(
            f"expected for each of {len(query_ids)} queries indices below {len(target_ids)}, got "
            f"{len(rows)} rows up to {max(map(max, filter(None, rows)), default=0)}: correct them"
        )
    place = path_of("folder", folder)
    with _new_files(place, f"{stem}.qrels", f"{stem}.qrels.jsonl") as (
        qrels,
        lines,
    ):
        for query, targets in zip(query_ids, rows, strict=True):
            ids = [target_ids[i] for i in targets]
            column = _column(query)
            qrels.writelines(f"{column} 0 {_column(id_)} 1\n" for id_ in ids)
            lines.write(_json({"query": query, "relevant": ids}))


@contextmanager
def _new_files(folder: Path, *names: str) -> Iterator[list[IO[str]]]:
    """New text files that get their names together when the block ends well."""
    with ExitStack() as stack:
        files: list[IO[str]] = []
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            new = stack.enter_context(replaced_path(path))
            files.append(stack.enter_context(new.open("w", encoding="utf-8", newline="\n")))
        yield files
        for file in files:
            file.flush()  # all are complete before the first gets its name


def _strictly_descending(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each score, or the next float32 below its predecessor: (queries, k), float32."""
    lowered = scores.astype(np.float32)
    for rank in range(1, scores.shape[1]):
        with np.errstate(over="ignore", under="ignore"):
            below = np.nextafter(lowered[:, rank - 1], np.float32(-np.inf))
        # No number below the normal ones: a reader may take it for 0.
        below = np.where(np.abs(below) < _TINY, -_TINY, below)
        np.minimum(lowered[:, rank], below, out=lowered[:, rank])
    if not np.isfinite(lowered).all():
        raise InputError("expected scores within float32, got equal ones at its lower end")
    return lowered


def _stem(name: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"expected a name for the files, got {name!r}")
    return file_name("the name of the files", quote_plus(name, safe=":,@=", errors="replace"))


def _column(id_: str) -> str:
    if not id_:
        raise InputError("expected an id, got an empty text, which TREC's files cannot hold")
    return _UNSAFE.sub(lambda found: quote(found.group()), id_)


def _json(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"
