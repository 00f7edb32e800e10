"""The data folder: where it is, and the ranking tasks in it.

A task is a folder with `targets.jsonl.gz` (`{"id", "text"}`, `"aliases"` if it has any), and for
each split `<split>.queries.jsonl.gz` (`{"id", "text"}`) and `<split>.qrels.tsv.gz` (query id, 0,
target id, grade; tab-separated, without a header).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uwe.checks import file_name, is_blank, path_of
from uwe.corpus import RankingTask, read_queries, read_task
from uwe.errors import DataError, InputError
from uwe.files.atomic import check_nothing_lost, replaced, settled, write_lines
from uwe.files.hashing import file_sha256

ENVIRONMENT = "UWE_DATA"
TARGETS = "targets.jsonl.gz"
_QUERIES, _QRELS = ".queries.jsonl.gz", ".qrels.tsv.gz"


@dataclass(frozen=True)
class TaskSplit:
    """One split of a ranking task, as it was read."""

    folder: Path  # where it was read
    split: str  # such as `val` or `test`
    task: RankingTask
    aliases: list[list[str]]  # other texts of each target; empty lists where the folder has none
    notes: tuple[str, ...] = ()  # what to know of the figures, such as targets with equal texts
    # For each query the targets that must score below its best relevant one; empty where the task
    # has none.
    traps: tuple[tuple[int, ...], ...] = ()
    source: Path | None = None  # it was made from this file, whose own SHA-256 is among its `seals`

    def seals(self) -> dict[str, str]:
        """SHA-256 of the ids and texts, or judgements, in each of its three files, by its name.

        It is that of the file, unpacked, as `write_task` writes it without aliases.
        """
        task = self.task
        seals = {
            TARGETS: _seal(_texts(task.target_ids, task.targets)),
            f"{self.split}{_QUERIES}": _seal(_texts(task.query_ids, task.queries)),
            f"{self.split}{_QRELS}": _seal(_judgements(task)),
        }
        if self.source is not None:
            seals[self.source.name] = file_sha256(self.source, unpacked=True)
        return seals


def data_folder(given: str | Path | None = None) -> Path:
    """The folder of data: the given one, or what the environment variable UWE_DATA names."""
    source = given if given is not None else os.environ.get(ENVIRONMENT) or None
    if source is None:
        raise InputError(
            f"expected a folder of data, got none: pass data= (--data FOLDER), or set {ENVIRONMENT}"
            "; `uwe data import` makes one"
        )
    folder = path_of("data", source)
    if not folder.is_dir():
        named = "data" if given is not None else ENVIRONMENT
        raise InputError(
            f"{folder}: expected {named} to name a folder, found none: correct it, or make the "
            "folder with  uwe data import"
        )
    return folder


def splits_of(folder: Path) -> list[str]:
    """Names of the splits that a task folder has, ascending; empty if it has none."""
    queries, qrels = (
        {path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}")}
        for suffix in (_QUERIES, _QRELS)
    )
    for split in sorted(queries ^ qrels):
        has, lacks = (_QUERIES, _QRELS) if split in queries else (_QRELS, _QUERIES)
        raise DataError(
            f"expected {split}{lacks} beside {split}{has}, found none: add it, or remove the other",
            path=folder,
        )
    return sorted(queries)


def read_split(folder: Path, split: str) -> TaskSplit:
    """Read one split of a task."""
    if not (folder / TARGETS).is_file():
        raise DataError(f"expected a task folder with {TARGETS}, found none", path=folder)
    known = splits_of(folder)
    if split not in known:
        raise DataError(
            f"expected the split {split!r}, found {', '.join(known) or 'none'}: name another",
            path=folder,
        )
    task = read_task(folder, split)
    if not any(task.relevant):
        raise DataError(
            "expected at least one judgement with a grade above 0, got none: add one",
            path=folder / f"{split}{_QRELS}",
        )
    notes = []
    twins = sum(count - 1 for count in Counter(task.targets).values() if count > 1)
    if twins:
        notes.append(
            f"{twins} targets have the text of an earlier one: no model can tell them apart, and "
            "the earlier one ranks first"
        )
    repeated = sum(count - 1 for count in Counter(task.queries).values() if count > 1)
    if repeated:
        notes.append(f"{repeated} queries have the text of an earlier one: each counts")
    return TaskSplit(
        folder=folder,
        split=split,
        task=task,
        aliases=_aliases(folder / TARGETS),
        notes=tuple(notes),
    )


def write_task(
    folder: Path,
    splits: Mapping[str, RankingTask],
    *,
    aliases: Sequence[Sequence[str]] | None = None,
) -> None:
    """Write a task folder, whole or not at all; one that is there is replaced.

    Args:
        folder: The folder to write; its parents are made.
        splits: What each split holds. All have the same targets.
        aliases: Other texts of each target.

    Raises:
        InputError: If there is no split, their targets differ, or an id is empty or has a tab or a
            line end in it, which would break its judgements, or a split's name can name no file;
            if the folder has something else in it.
        OSError: If the disk is full or refuses.
    """
    tasks = list(splits.values())
    if not tasks:
        raise InputError("expected at least one split of a task, got none")
    for split in splits:
        file_name("the name of a split", split)
    unfit = next((id_ for t in tasks for id_ in (*t.target_ids, *t.query_ids) if _unfit(id_)), None)
    if unfit is not None:
        raise InputError(f"expected ids without tabs and line ends, got {unfit!r}: rename it")
    if any(t.target_ids != tasks[0].target_ids or t.targets != tasks[0].targets for t in tasks):
        raise InputError("expected all splits of a task to have the same targets, got others")
    check_nothing_lost(folder, (TARGETS, f"*{_QUERIES}", f"*{_QRELS}"), "a task")
    with replaced(folder) as new:
        first = tasks[0]
        write_lines(new / TARGETS, _texts(first.target_ids, first.targets, aliases))
        for split, task in splits.items():
            write_lines(new / f"{split}{_QUERIES}", _texts(task.query_ids, task.queries))
            write_lines(new / f"{split}{_QRELS}", _judgements(task))


def check_no_split_lost(folder: Path, splits: Collection[str]) -> None:
    """InputError if a task folder that is there has other splits than those to be written."""
    if lost := sorted(set(splits_of(settled(folder))) - set(splits)):
        raise InputError(
            f"{folder}: expected no splits but {', '.join(splits)}, which the new task has, found "
            f"{', '.join(lost)} too: move the folder away"
        )


def _unfit(id_: str) -> bool:
    return not id_ or any(character in id_ for character in "\t\r\n")


def _texts(
    ids: Sequence[str], texts: Sequence[str], aliases: Sequence[Sequence[str]] | None = None
) -> Iterator[str]:
    """Lines of a file of targets or queries."""
    for id_, text, others in zip(ids, texts, aliases or [()] * len(ids), strict=True):
        entry: dict[str, Any] = {"id": id_, "text": text}
        if others:
            entry["aliases"] = list(others)
        yield json.dumps(entry, ensure_ascii=False)


def _judgements(task: RankingTask) -> Iterator[str]:
    """Lines of a file of judgements."""
    for id_, relevant in zip(task.query_ids, task.relevant, strict=True):
        for target in relevant:
            yield f"{id_}\t0\t{task.target_ids[target]}\t1"


def _seal(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _aliases(path: Path) -> list[list[str]]:
    aliases: list[list[str]] = []
    for record in read_queries(path):
        found = record.fields.get("aliases") or []
        texts = isinstance(found, list) and all(isinstance(alias, str) for alias in found)
        if not texts or any(map(is_blank, found)):
            raise DataError(
                f"expected 'aliases' to be a list of texts, none blank, got {found!r}: mend the "
                "line",
                path=path,
                line=record.line,
            )
        aliases.append(found)
    return aliases
