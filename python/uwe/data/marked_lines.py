"""Lines of texts in which experts marked skills, encoded: what a skill head learns from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.checks import is_blank
from uwe.corpus import read_queries
from uwe.data.tables import tabbed_rows
from uwe.encoder.text_encoder import TextEncoder
from uwe.encoder.tokens import TokenVectors
from uwe.errors import DataError
from uwe.extraction.skill_head import token_shapes
from uwe.files.records import checked, entries_in
from uwe.progress import Progress

CLASSES = ("skills", "knowledge")

_WRITTEN = ("id", "label", "sentence", "sentence without the label's words", "name", "other name")
_SEVERAL = ("sentence", "ids", "labels")


@dataclass(frozen=True)
class MarkedLines:
    """Lines of texts, encoded, with what experts marked."""

    vectors: TokenVectors  # token vectors of the lines
    shapes: NDArray[np.float32]  # (tokens, SHAPES), float32
    # (tokens, 2), int64: 0 outside, 1 where a skill (knowledge) begins, 2 inside; -1 for special
    # tokens, and where nobody marked places.
    tags: NDArray[np.int64]
    documents: NDArray[np.int64]  # (lines,), int64, ascending: the text of each
    asks: NDArray[np.float32]  # (lines,), float32: 1 if anything is marked in it
    # For each of `CLASSES`, the marked spans: (line, first token, last token + 1).
    spans: tuple[frozenset[tuple[int, int, int]], ...]


def marked_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of marked texts, in order: JSON lines of `doc`, `text`, `skills` and `knowledge`.

    Spans are [start, end) in characters.
    """
    for number, entry in entries_in(path, "jsonl", path, (), None):
        row = checked(entry, path, number)
        if not _is_marked(row):
            raise DataError(
                "expected the texts doc and text, and lists of [start, end) as skills and "
                "knowledge, found something else: mend the line",
                path=path,
                line=number,
            )
        yield row


def read_marked_lines(path: Path) -> list[dict[str, Any]]:
    """The `marked_rows` whose text is not blank, at least one."""
    marked = [row for row in marked_rows(path) if not is_blank(row["text"])]
    if not marked:
        raise DataError(
            "expected lines with marked skills, found none: name another file", path=path
        )
    return marked


def _is_marked(row: dict[str, Any]) -> bool:
    match row:
        case {
            "doc": str(),
            "text": str(text),
            "skills": list(skills),
            "knowledge": list(knowledge),
        }:
            return all(_is_span(span, len(text)) for span in (*skills, *knowledge))
    return False


def _is_span(span: object, length: int) -> bool:
    match span:
        case [int(start), int(end)]:
            return 0 <= start < end <= length
    return False


def encode_marked_lines(
    lines: Sequence[dict[str, Any]], model: TextEncoder, *, progress: Progress = False
) -> MarkedLines:
    """Encode marked lines for training or evaluation."""
    texts = [str(line["text"]) for line in lines]
    vectors, places = model.encode_with_places(texts, progress=progress)
    tags = np.zeros((len(places), 2), dtype=np.int64)
    tags[places[:, 1] <= places[:, 0]] = -1
    shapes = token_shapes(texts, places, vectors.offsets)
    spans: tuple[set[tuple[int, int, int]], ...] = (set(), set())
    for i, line in enumerate(lines):
        first, last = vectors.offsets[i], vectors.offsets[i + 1]
        starts, ends = places[first:last].T
        for kind, name in enumerate(CLASSES):
            if line[name] is None:
                tags[first:last] = -1
                continue
            for start, end in line[name]:
                inside = np.flatnonzero((starts >= start) & (starts < end) & (ends > starts))
                if len(inside):
                    tags[first + inside, kind] = 2
                    tags[first + inside[0], kind] = 1
                    spans[kind].add((i, int(inside[0]), int(inside[-1]) + 1))
    _, documents = np.unique([str(line["doc"]) for line in lines], return_inverse=True)
    change = np.concatenate([[0], np.cumsum(np.diff(documents) != 0)])
    asks = np.array(
        [line["skills"] != [] or line["knowledge"] != [] for line in lines], dtype=np.float32
    )
    return MarkedLines(vectors, shapes, tags, change, asks, tuple(map(frozenset, spans)))


def read_written_lines(folder: Path, *, most: int = 6_000) -> list[dict[str, Any]]:
    """Lines that were written for ESCO's skills of all trades, and lines that ask for none.

    What experts marked is of few trades. A written line says whether it asks, not where: its
    `skills` are None.

    `folder` is `written/` of the data folder. At most `most` lines that ask are taken, evenly out
    of all.
    """
    asking = []
    for _, values in tabbed_rows(folder / "skills.tsv.gz", _WRITTEN, optional=set(_WRITTEN[4:])):
        asking.extend(values[2:4])
    for _, values in tabbed_rows(folder / "sentences_several.tsv.gz", _SEVERAL):
        asking.append(values[0])
    silent = [record.text.strip() for record in read_queries(folder / "no_skill_lines.txt.gz")]
    if not asking or not silent:
        raise DataError(
            f"expected lines that ask for a skill and lines that do not, found {len(asking)} and "
            f"{len(silent)}: add some",
            path=folder,
        )
    step = math.ceil(len(asking) / most)
    return [
        {"doc": "", "text": text, "skills": marked, "knowledge": marked}
        for texts, marked in ((asking[::step], None), (silent, []))
        for text in texts
    ]
