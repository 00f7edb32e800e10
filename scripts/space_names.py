"""What people call the targets of ESCO's spaces: which names become aliases.

Three sources under the data folder (their READMEs say how they were made): `lexicon/` has terms
and titles from the side of who types them, each with the concept that a coder chooses; `written/`
has names and titles written from the side of the concept. A term is an alias of its best concept.
A written name is one of its own concept, unless

- it is a label of the space, or the lexicon says that people mean another concept by it;
- the model does not see that it belongs there: ranked against labels and terms alone, its concept
  scores more than `FAR` below the best. Such a name draws other queries to the wrong target, and is
  of little use to its own (chosen on the validation sets of what people type).
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import uwe
from uwe.ranking.queries import best_targets

FAR, BLOCK = 0.05, 1024
# Columns of the written files that hold names, and the lexicon's file of the same space.
SOURCES = {
    "esco-skills": ("skills.tsv.gz", slice(4, 6), "skill_terms.tsv.gz"),
    "esco-occupations": ("occupations.tsv.gz", slice(2, None), "occupation_titles.tsv.gz"),
}

Aliases = list[list[str]]


def names_of(space: str, ids: Sequence[str], labels: Sequence[str], data: Path) -> Aliases:
    """The aliases of each target: terms, then written names, in the order of their files."""
    written, columns, terms = SOURCES[space]
    index = {id_: i for i, id_ in enumerate(ids)}
    taken = [{_folded(label)} for label in labels]
    all_labels = {_folded(label) for label in labels}
    meant: dict[str, str] = {}
    aliases: Aliases = [[] for _ in labels]
    for term, id_, *_ in _rows(data / "lexicon" / terms):
        meant[_folded(term)] = id_
        folded = _folded(term)
        if id_ in index and folded not in all_labels and folded not in taken[index[id_]]:
            taken[index[id_]].add(folded)
            aliases[index[id_]].append(term)
    names: list[tuple[int, str]] = []
    for row in _rows(data / "written" / written):
        for name in filter(None, row[columns]):
            folded = _folded(name)
            own = meant.get(folded, row[0]) == row[0] and row[0] in index
            if own and folded not in all_labels and folded not in taken[index[row[0]]]:
                taken[index[row[0]]].add(folded)
                names.append((index[row[0]], name))
    for target, name in _near(names, labels, aliases):
        aliases[target].append(name)
    return aliases


def _near(
    names: Sequence[tuple[int, str]], labels: Sequence[str], terms: Aliases
) -> Iterator[tuple[int, str]]:
    """The names whose target is at most `FAR` below the best one."""
    model = uwe.load()
    with TemporaryDirectory() as folder:
        cache = uwe.TargetCache.build(
            model, labels, path=Path(folder) / "terms.uwe", aliases=terms, dtype="int8"
        )
        for start in range(0, len(names), BLOCK):
            some = names[start : start + BLOCK]
            vectors = model.encode([name for _, name in some])
            found = best_targets(vectors, cache, scorer=cache.scorer, k=50)
            for (target, name), (indices, scores, *_) in zip(some, found, strict=True):
                own = scores[indices == target].tolist()
                if own and float(scores[0]) - own[0] < FAR:
                    yield target, name


def _rows(path: Path) -> Iterator[list[str]]:
    """The lines of a table behind its header, blanks of each cell collapsed."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        for row in rows:
            yield [" ".join(cell.split()) for cell in row]


def _folded(text: str) -> str:
    return text.casefold()
