"""What a model was trained on, read again from its files: their relations, and pairs of texts."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from uwe.corpus import RankingTask
from uwe.encoder.config import TrainingSource
from uwe.files.hashing import file_sha256
from uwe.graphs.files import read_edges
from uwe.graphs.graph import folded

_EDGES, _NODES = "*.edges.tsv.gz", "nodes.*.jsonl.gz"


@dataclass(frozen=True, eq=False)
class TrainingEdges:
    """The edges of training files, as far as these could be read."""

    relations: Counter[str]  # how many edges each relation has
    pairs: NDArray[np.int64]  # (pairs,): keys of texts that an edge joins, ascending and different
    problems: tuple[str, ...]  # for each file that could not be read, its name and why


def read_training(data: Path | None, sources: Sequence[TrainingSource]) -> TrainingEdges:
    """Find the training files of a model below a folder, and read their edges.

    The names of `sources`, which the model declares, start at `data`; None finds none of them. A
    file counts only if its sha256 is the declared one, of its bytes or of what they unpack to:
    packing the same edges twice need not give the same bytes. Texts come from the files of nodes
    beside it, which a model may declare too.
    """
    relations: Counter[str] = Counter()
    keys, problems = [], []
    nodes: dict[Path, dict[str, dict[str, str]]] = {}
    for source in sources:
        path, problem = _verified(data, source)
        if path is None:
            problems.append(f"{source.name} {problem}")
        elif path.match(_EDGES):
            texts = nodes.setdefault(path.parent, {})
            edges = read_edges(path, nodes=texts)
            relations.update(edges.relations)
            left, right = (
                {id_: folded(text) for id_, text in texts[kind].items()}
                for kind in (edges.left_kind, edges.right_kind)
            )
            ends = zip(edges.left, edges.right, strict=True)
            keys.append(_keys((left[a], right[b]) for a, b in ends))
    return TrainingEdges(
        relations, np.unique(np.concatenate([np.zeros(0, np.int64), *keys])), tuple(problems)
    )


def found_pairs(task: RankingTask, edges: TrainingEdges) -> tuple[int, int]:
    """How many (query, target) pairs a task has, and how many of them an edge joins.

    Texts are case-folded, with single blanks, and an edge counts in either direction.
    """
    queries, targets = (list(map(folded, texts)) for texts in (task.queries, task.targets))
    keys = _keys(
        (query, targets[target])
        for query, relevant in zip(queries, task.relevant, strict=True)
        for target in relevant
    )
    places = np.searchsorted(edges.pairs, keys)
    return len(keys), int((np.append(edges.pairs, 0)[places] == keys).sum())


def _verified(data: Path | None, source: TrainingSource) -> tuple[Path | None, str]:
    """The file that a source names, or why it cannot be used."""
    name = PurePosixPath(source.name)
    if not (name.match(_EDGES) or name.match(_NODES)):
        return None, "is no file of a graph, so its pairs cannot be counted"
    if name.is_absolute() or ".." in name.parts:
        return None, "names no file below the data folder"
    if data is None:
        return None, "cannot be looked up without a data folder"
    path = data / name
    if not path.is_file():
        return None, "is not in the data folder"
    declared = source.sha256.lower()
    try:
        if declared in (file_sha256(path), file_sha256(path, unpacked=True)):
            return path, ""
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return None, "is damaged in the data folder"
    return None, "is another version in the data folder: its sha256 differs"


def _keys(pairs: Iterable[tuple[str, str]]) -> NDArray[np.int64]:
    # 64-bit hashes of this process in place of texts: 3 MB for 360,000 pairs. That two of these
    # and 130,000 pairs of a task agree by chance has odds of one in hundreds of millions.
    ordered = ((a, b) if a <= b else (b, a) for a, b in pairs)
    return np.fromiter(map(hash, ordered), dtype=np.int64)
