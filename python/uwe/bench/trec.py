"""Runs and judgements as files for trec_eval, ir-measures and ranx, and as JSON lines.

Those tools sort a query's targets by score and have rules of their own for equal ones: trec_eval
takes the last id first. So in a `.run`, a score that is not below the one before it is lowered to
the next float32 below that: every reader has our order. JSON lines keep scores as they are, and
their order is the ranking.

Columns of TREC files end at white space. White space and `%` in an id or a tag are written as in
a web address (`a b` is `a%20b`), in runs and judgements alike. A query without a relevant target is
in the JSON lines alone: TREC's judgements have no line for it, and tools refuse a run of other
queries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, quote_plus

import numpy as np
from numpy.typing import NDArray

from uwe.checks import file_name
from uwe.corpus import RankingTask
from uwe.errors import InputError, shown
from uwe.files.atomic import replaced_path

AddBlock = Callable[[Sequence[int], NDArray[np.int64], NDArray[np.float32]], None]

_UNSAFE = re.compile(r"[\s%]")
_TINY = np.finfo(np.float32).tiny


@contextmanager
def new_run(folder: Path, name: str, task: RankingTask) -> Iterator[AddBlock]:
    """Write `<name>.run` and `<name>.run.jsonl`, which appear, whole, when the block ends well.

    A line of the first is `query Q0 target rank score tag`, its tag the name; of the second
    `{"query": id, "ranking": [[target id, score], ...]}`. The folder is made. In the files' names,
    a space of `name`, such as `job2skill.test.uwe-mini pooled`, becomes `+`, and what no file name
    may hold becomes `%` and a number.

    The function that it yields takes the best targets of a block of queries: which queries of the
    task, then indices and scores of their targets, (queries, k), int64 and float32, best first,
    finite.
    """
    tag = _stem(name)
    ids = task.target_ids
    with _new_files(folder, f"{tag}.run", f"{tag}.run.jsonl") as (run, lines):

        def add(
            rows: Sequence[int], indices: NDArray[np.int64], scores: NDArray[np.float32]
        ) -> None:
            lowered = _strictly_descending(scores).astype(np.float64).tolist()
            columns = {i: _column(ids[i]) for i in np.unique(indices).tolist()}
            for number, row in enumerate(rows):
                query, targets = task.query_ids[row], indices[number].tolist()
                column = _column(query)
                if task.relevant[row]:
                    run.writelines(
                        f"{column} Q0 {columns[i]} {rank} {score:.9g} {tag}\n"
                        for rank, (i, score) in enumerate(
                            zip(targets, lowered[number], strict=True), 1
                        )
                    )
                kept = [float(f"{score:.9g}") for score in scores[number].tolist()]
                ranking = [[ids[i], score] for i, score in zip(targets, kept, strict=True)]
                lines.write(_json({"query": query, "ranking": ranking}))

        yield add


def write_qrels(folder: Path, name: str, task: RankingTask, rows: Sequence[int]) -> None:
    """Write `<name>.qrels`, lines of `query 0 target 1`, and `<name>.qrels.jsonl`.

    A line of the second is `{"query": id, "relevant": [target id, ...]}`. The folder is made.
    `rows` says which of the task's queries are written.
    """
    stem = _stem(name)
    with _new_files(folder, f"{stem}.qrels", f"{stem}.qrels.jsonl") as (qrels, lines):
        for row in rows:
            query = task.query_ids[row]
            ids = [task.target_ids[i] for i in task.relevant[row]]
            column = _column(query)
            qrels.writelines(f"{column} 0 {_column(id_)} 1\n" for id_ in ids)
            lines.write(_json({"query": query, "relevant": ids}))


@contextmanager
def _new_files(folder: Path, *names: str) -> Iterator[list[IO[str]]]:
    """New text files that get their names together when the block ends well."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files: list[IO[str]] = []
        for name in names:
            new = stack.enter_context(replaced_path(folder / name))
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
    if not name.strip():
        raise InputError(f"expected a name for the files, got {shown(name)}")
    return file_name("the name of the files", quote_plus(name, safe=":,@=", errors="replace"))


def _column(id_: str) -> str:
    if not id_:
        raise InputError("expected an id, got an empty text, which TREC's files cannot hold")
    return _UNSAFE.sub(lambda found: quote(found.group()), id_)


def _json(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"
