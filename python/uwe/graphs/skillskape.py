"""SkillSkape's training sentences, from the file as its authors publish it, for the graph V."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from uwe.corpus import read_queries
from uwe.errors import DataError, shown
from uwe.graphs.builder import GraphBuilder
from uwe.graphs.graph import plain

RELATION = "skillskape-train"


def read_sentences(path: str | Path) -> dict[str, list[str]]:
    """Read sentences and the labels of their skills, in the order of the sentences.

    The file is CSV or JSON lines with `sentence`, and `skills`, which is a list or a text such as
    `['teamwork principles', 'UNK']`, or `label`, one a row.
    """
    found: dict[str, dict[str, None]] = {}
    for record in read_queries(path, field="sentence"):
        labels = _labels(record.fields, path, record.line)
        found.setdefault(record.text, {}).update(dict.fromkeys(labels))
    return {sentence: list(found[sentence]) for sentence in sorted(found)}


def add_sentences(
    graphs: GraphBuilder,
    sentences: Mapping[str, list[str]],
    labels: Mapping[str, str],
    without: Iterable[str],
) -> Counter[str]:
    """Add sentences to V, each with the skills that it was written for; count what is left out.

    `graphs` has the skills already. `labels` has the id of the skill that each label stands for,
    `without` the sentences that are queries of a task.
    """
    known, queries = graphs.texts("skill"), {plain(text) for text in without}
    left_out: Counter[str] = Counter()
    for i, (sentence, names) in enumerate(sentences.items()):
        if plain(sentence) in queries:
            left_out["sentences that are queries of a task"] += 1
            continue
        for name in names:
            skill = labels.get(plain(name), "")
            if skill not in known:
                left_out["labels of no skill that is here"] += 1
                continue
            # Equal sentences share a number: those of the file, in the order of all.
            node = graphs.node("sentence", f"{RELATION}/{i:05d}", sentence, RELATION)
            graphs.edge("V", skill, node, RELATION)
    return left_out


def _labels(fields: Mapping[str, object], path: str | Path, line: int) -> list[str]:
    given = fields.get("skills", fields.get("label"))
    labels = given
    if isinstance(given, str) and "skills" in fields:
        with suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            labels = ast.literal_eval(given)
    elif isinstance(given, str):
        labels = [given]
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise DataError(
            f"expected 'skills' as a list of labels, or 'label', got {shown(given)}",
            path=path,
            line=line,
        )
    return labels
