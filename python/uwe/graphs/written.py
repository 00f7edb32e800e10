"""The training graphs W, M, P, T, K, L and O out of the written texts and the lexicon.

`data/README.md` of the project says what these are and how each of their files is made up.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from uwe.checks import path_of
from uwe.corpus import read_queries
from uwe.data.esco import Concept, EscoRelease, Older, read_releases
from uwe.data.tables import MORE, tabbed_rows
from uwe.data.typed import typed_queries
from uwe.errors import DataError, InputError
from uwe.files.atomic import replaced
from uwe.graphs.builder import WRITTEN_GRAPHS, GraphBuilder
from uwe.graphs.esco import held_out, secret_texts
from uwe.graphs.files import check_replaceable
from uwe.graphs.graph import folded, plain

ATTRIBUTION = "uwe written texts and uwe lexicon, written by a large language model, CC BY 4.0."
NO_CONCEPT = "NONE"
"""Stands for the concept of a term to which ESCO has none."""
_SEPARATOR = " | "

_FORMS = {
    "W": ("written", "wsent", "written-sentence"),
    "M": ("written", "several", "written-several"),
    "P": ("written", "wphrase", "written-phrase"),
    "T": ("written", "wtitle", "written-title"),
    "K": ("written", "wskill", "written-job-skill"),
    "L": ("lexicon", "lex", "lexicon-best"),
    "O": ("lexicon", "lex", "lexicon-best"),
}
"""Of each graph: where its texts come from, how their ids begin, and the relation."""
_OTHER = "lexicon-other"
_OF_ESCO = {"job2skill", "skill2job", "skillnorm", "skillsim_esco"}
"""Tasks whose queries are ESCO's own texts: `_Esco.reason` compares with those itself."""


@dataclass(frozen=True)
class WrittenText:
    """A text, and what it says."""

    graph: str  # one of `WRITTEN_GRAPHS`
    text: str  # not blank
    concepts: tuple[str, ...]  # ids of the concepts that it is of; empty where ESCO has none
    others: tuple[str, ...] = ()  # labels of further concepts that a coder accepts for it


@dataclass(frozen=True)
class WrittenGraphs:
    """What was built."""

    folder: Path
    releases: tuple[str, ...]  # those of ESCO that were read, the newest first
    relations: dict[str, Counter[str]]  # for each graph how many edges it has of each relation
    nodes: dict[str, int]  # how many of each kind there are
    shared: dict[str, int]  # for each graph how many of its texts have edges to several concepts
    left_out: dict[str, Counter[str]]  # pairs of a text and a concept that a graph lacks, by reason


def build_written_graphs(
    data: str | Path, texts: str | Path, out: str | Path, *, heldout: bool = False
) -> WrittenGraphs:
    """Build the graphs, and write them whole or not at all; graphs that are there are replaced.

    The same files give the same bytes.

    Args:
        data: A folder with `esco/<version>/`, each with the zips or files of a release; concepts
            and labels are those of the newest. Queries of the tasks in its `workbench/` and
            `typed/` are left out.
        texts: A folder with `written/` and `lexicon/`, such as `data/` of the project.
        out: Where `nodes.<kind>.jsonl.gz` and `<graph>.edges.tsv.gz` are written.
        heldout: Leave out the tenth of ESCO's concepts that `build_graphs` holds out, in place of
            ESCO's alternative labels of skills, which answer WorkBench.
    """
    data, texts, out = path_of("data", data), path_of("texts", texts), path_of("out", out)
    check_replaceable(out)
    written = list(_texts(texts))
    release, older = read_releases(data, older=not heldout)
    queries = {folded(query) for query in _queries(data)}
    esco = _Esco(release, older, queries, heldout=heldout)
    graphs = GraphBuilder(WRITTEN_GRAPHS)
    left_out: dict[str, Counter[str]] = {name: Counter() for name in WRITTEN_GRAPHS}
    for text in written:
        _add(graphs, text, esco, left_out[text.graph])
    with replaced(out) as new:
        graphs.write(new)
    return WrittenGraphs(
        folder=out,
        releases=(release.version, *(version for version, _ in older)),
        relations=graphs.relations(),
        nodes={kind: len(ids) for kind, ids in graphs.used().items()},
        shared=graphs.shared(),
        left_out=left_out,
    )


def _queries(data: Path) -> Iterator[str]:
    """Queries of all tasks of a data folder but those whose queries are ESCO's own texts."""
    for path in sorted((data / "workbench").glob("*/*.queries.jsonl.gz")):
        if path.parent.name not in _OF_ESCO:
            for record in read_queries(path):
                yield record.text
    yield from typed_queries(data / "typed")


class _Esco:
    """The concepts that texts belong to, and which texts may not be joined to them.

    The alternative labels that skills had in earlier releases count too. `queries` are those of
    tasks, case-folded. `heldout` says whether a part of the concepts is held out.
    """

    def __init__(
        self,
        release: EscoRelease,
        older: Sequence[Older],
        queries: Collection[str],
        *,
        heldout: bool,
    ) -> None:
        self._queries, self._heldout, self._version = queries, heldout, release.version
        self._by_id: dict[str, dict[str, Concept]] = {
            "skill": {skill.id: skill for skill in release.skills.values()},
            "job": {job.id: job for job in release.occupations.values()},
        }
        # Of concepts with the same label the first counts, as everywhere.
        self._by_label = {
            kind: {plain(concept.label): concept for concept in reversed(concepts.values())}
            for kind, concepts in self._by_id.items()
        }
        self._labels = {kind: set(map(folded, found)) for kind, found in self._by_label.items()}
        self._aliases: dict[str, set[str]] = {}
        self._secret: set[str] = set()
        if heldout:
            self._secret = secret_texts(release.skills) | secret_texts(release.occupations)
        else:
            for skills in (release.skills, *(skills for _, skills in older)):
                for skill in skills.values():
                    self._aliases.setdefault(skill.id, set()).update(map(folded, skill.aliases))

    def concepts(self, text: WrittenText) -> Iterator[tuple[Concept | None, str]]:
        """Each concept that a text is of, None where ESCO lacks it, and the relation."""
        kind = WRITTEN_GRAPHS[text.graph][0]
        for id_ in text.concepts:
            yield self._by_id[kind].get(id_), _FORMS[text.graph][2]
        for label in text.others:
            yield self._by_label[kind].get(plain(label)), _OTHER

    def reason(self, text: WrittenText, concept: Concept | None) -> str:
        """Why a text is not joined to a concept; empty if it is."""
        if concept is None:
            return f"of a concept that ESCO {self._version} lacks"
        if self._heldout and held_out(concept.uri) != "train":
            return "of a concept that is held out"
        compared = folded(text.text)
        if compared in self._secret:
            return "equal to a text of a concept that is held out"
        if text.graph == "K":
            # It says what a job needs, not what a text is called: whatever else the words name,
            # a query among them, the pair gives no answer away.
            return ""
        if compared in self._queries:
            return "equal to a query of a task"
        if compared in self._labels[WRITTEN_GRAPHS[text.graph][0]]:
            return "equal to a label"
        if compared in self._aliases.get(concept.id, ()):
            return "equal to an alternative label of the same skill"
        return ""


def _add(graphs: GraphBuilder, text: WrittenText, esco: _Esco, left_out: Counter[str]) -> None:
    """Join a text to its concepts, and count those to which it is not joined."""
    if not text.concepts:
        left_out["to which ESCO has no answer"] += 1
    source, prefix, _ = _FORMS[text.graph]
    kind, other = WRITTEN_GRAPHS[text.graph]
    for concept, relation in esco.concepts(text):
        reason = esco.reason(text, concept)
        if concept is None or reason:
            left_out[reason] += 1
            continue
        digits = hashlib.sha256(folded(text.text).encode()).hexdigest()[:12]
        graphs.node(kind, concept.id, concept.label, "esco")
        node = graphs.node(other, f"{prefix}/{digits}", text.text, source)
        graphs.edge(text.graph, concept.id, node, relation)


def _texts(folder: Path) -> Iterator[WrittenText]:
    """All texts of a folder, in the order of its files."""
    if missing := [name for name in _FILES if not (folder / name).is_file()]:
        raise InputError(
            f"{folder}: expected the written texts and the lexicon, found no {', '.join(missing)}: "
            "name a folder that has written/ and lexicon/, such as data/ of the project"
        )
    for name, (graphs, columns) in _FILES.items():
        path, line = folder / name, 0
        for line, values in tabbed_rows(path, columns, optional={"others"}):
            if graphs == "M":
                yield _of_several(values, path, line)
            elif columns == _CODED:
                yield _coded(graphs, values, path, line)
            else:  # an id, its label, and texts; the last column's graph is that of all after it
                texts = values[2:]
                for graph, text in zip(graphs.ljust(len(texts), graphs[-1]), texts, strict=True):
                    yield WrittenText(graph, text, (values[0],))
        if not line:
            raise DataError("expected a header and at least one line, got none", path=path)


_CODED = ("term", "id", "label", "others", "source")
_FILES = {
    "written/skills.tsv.gz": (
        "WWPP",
        ("id", "label", "sentence", "sentence without the label's words", "name", "other name"),
    ),
    "written/sentences_several.tsv.gz": ("M", ("sentence", "ids", "labels")),
    "written/occupations.tsv.gz": ("T", ("id", "label", f"titles{MORE}")),
    "written/occupation_skills.tsv.gz": ("K", ("id", "label", f"skills in free words{MORE}")),
    "lexicon/skill_terms.tsv.gz": ("L", _CODED),
    "lexicon/occupation_titles.tsv.gz": ("O", _CODED),
}
"""Of each file the graphs of its texts, and its columns."""


def _of_several(values: Sequence[str], path: Path, line: int) -> WrittenText:
    text, *cells = values
    ids, labels = ([part.strip() for part in cell.split(_SEPARATOR)] for cell in cells)
    if len(ids) != len(labels) or not all((*ids, *labels)):
        raise DataError(
            f"expected a label to each id, separated by {_SEPARATOR!r}, got {len(ids)} ids and "
            f"{len(labels)} labels, none of which may be blank: mend the line",
            path=path,
            line=line,
        )
    return WrittenText("M", text, tuple(ids))


def _coded(graph: str, values: Sequence[str], path: Path, line: int) -> WrittenText:
    term, id_, label, cell, _ = values
    others = tuple(part.strip() for part in cell.split(_SEPARATOR) if part.strip())
    if NO_CONCEPT not in (id_, label, *others):
        return WrittenText(graph, term, (id_,), others)
    if (id_, label, *others) != (NO_CONCEPT, NO_CONCEPT):
        raise DataError(
            f"expected {NO_CONCEPT} as id and label and no others, or a concept, got both: leave "
            "one out",
            path=path,
            line=line,
        )
    return WrittenText(graph, term, ())
