"""A folder of training graphs: node files, and edges that name nodes by id.

`nodes.<kind>.jsonl.gz` has `{"id", "text", "source"}`; `<graph>.edges.tsv.gz` has a header line of
the two kinds and `relation`, then two ids and the relation that each edge came from.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from uwe.checks import file_name, path_of
from uwe.corpus import read_queries
from uwe.errors import DataError, InputError
from uwe.files.atomic import settled, write_lines
from uwe.records import decoded, lines_of

__all__ = [
    "GRAPHS",
    "WRITTEN_GRAPHS",
    "Edges",
    "GraphBuilder",
    "check_replaceable",
    "folded",
    "graph_name",
    "graph_paths",
    "plain",
    "read_edges",
    "read_nodes",
    "write_graph_files",
]

GRAPHS = {
    "J": ("job", "skill"),
    "V": ("skill", "sentence"),
    "A": ("skill", "skill_alias"),
    "N": ("job", "job_alias"),
    "D": ("job", "job_text"),
}
"""The graphs that `uwe data graphs` makes of ESCO and O*NET, and the kinds of their ends."""

WRITTEN_GRAPHS = {
    "W": ("skill", "sentence"),
    "M": ("skill", "sentence"),
    "P": ("skill", "skill_alias"),
    "T": ("job", "job_alias"),
    "K": ("job", "skill_phrase"),
    "L": ("skill", "skill_alias"),
    "O": ("job", "job_alias"),
}
"""Those that `uwe data graphs --texts` makes of the written texts and the lexicon."""

_NODES, _EDGES = "nodes.{}.jsonl.gz", ".edges.tsv.gz"


@dataclass(frozen=True)
class Edges:
    """The edges of one bipartite graph; entry i of each list belongs to edge i.

    Attributes:
        name: Of the graph, as its file has it: `J`.
        left_kind: Kind of the left ends, which names their node file: `job`.
        right_kind: Kind of the right ends.
        left: Ids of the left ends.
        right: Ids of the right ends.
        relations: Where each edge comes from: `onet-tool`.
        path: The file.
    """

    name: str
    left_kind: str
    right_kind: str
    left: list[str]
    right: list[str]
    relations: list[str]
    path: Path


def graph_paths(folder: str | Path) -> dict[str, Path]:
    """The files of edges in a folder, by the names of their graphs, in order.

    Raises:
        DataError: If there is none.
    """
    paths = sorted(path_of("folder", folder).glob(f"*{_EDGES}"))
    if not paths:
        raise DataError(
            f"expected a folder of graphs with <name>{_EDGES}, found none: name one, such as "
            "train/ of the data folder, or make one with  uwe data graphs --out FOLDER",
            path=folder,
        )
    return {path.name.removesuffix(_EDGES): path for path in paths}


def read_edges(path: str | Path, *, nodes: dict[str, dict[str, str]] | None = None) -> Edges:
    """Read one `<graph>.edges.tsv.gz`, and see that the node files beside it have all its ends.

    Args:
        path: The file.
        nodes: What `read_nodes` gave for kinds of the same folder; a kind that is missing is read
            and added, so that several graphs read it once.

    Raises:
        DataError: If the header or a line has no three columns, a relation is blank, or an end is
            in no node file; with path and line.
        OSError: If the file, or one of its two node files, can not be read.
    """
    path = path_of("path", path)
    left: list[str] = []
    right: list[str] = []
    relations: list[str] = []
    kinds: list[str] = []
    known: list[dict[str, str]] = []
    held = {} if nodes is None else nodes
    with lines_of(path) as lines:
        for line, raw in decoded(lines):
            columns = raw.rstrip("\r\n").split("\t")
            if len(columns) != 3 or not all(column.strip() for column in columns):
                raise DataError(
                    "expected two ids and a relation, separated by tabs, got "
                    f"{raw.rstrip()!r}: mend the line",
                    path=path,
                    line=line,
                )
            if not kinds:
                kinds = _kinds(columns, path)
                for kind in kinds:
                    if kind not in held:
                        held[kind] = read_nodes(path.parent, kind)
                known = [held[kind] for kind in kinds]
                continue
            for id_, kind, texts in zip(columns, kinds, known, strict=False):
                if id_ not in texts:
                    raise DataError(
                        f"no entry of {_NODES.format(kind)} has the id {id_!r}: add it, or remove "
                        "the edge",
                        path=path,
                        line=line,
                    )
            left.append(columns[0])
            right.append(columns[1])
            relations.append(columns[2])
    if not kinds:
        raise DataError("expected a header and edges, got an empty file", path=path)
    name = path.name.removesuffix(_EDGES)
    return Edges(name, kinds[0], kinds[1], left, right, relations, path)


def read_nodes(folder: str | Path, kind: str) -> dict[str, str]:
    """Read `nodes.<kind>.jsonl.gz`: the text of each id, in the order of the file.

    Raises:
        InputError: If `kind` can not be part of a file's name.
        DataError: If an entry has no id or text, a blank one, or an id that occurred before; with
            path and line.
        OSError: If the file can not be read.
    """
    path = path_of("folder", folder) / _NODES.format(file_name("a kind of nodes", kind))
    nodes: dict[str, str] = {}
    for record in read_queries(path):
        id_ = record.fields.get("id")
        if not isinstance(id_, str) or not id_.strip():
            raise DataError(f"expected 'id' with a text, got {id_!r}", path=path, line=record.line)
        if id_ in nodes:
            raise DataError(f"the id {id_!r} occurs twice", path=path, line=record.line)
        nodes[id_] = record.text
    return nodes


def _kinds(columns: list[str], path: Path) -> list[str]:
    """The two kinds of nodes that a header names."""
    if columns[2] != "relation" or not all(map(_names_nodes, columns)):
        raise DataError(
            "expected a header of two kinds of nodes and 'relation', got "
            f"{' '.join(columns)!r}: put it first",
            path=path,
            line=1,
        )
    return columns[:2]


def _names_nodes(kind: str) -> bool:
    try:
        return not file_name("a kind of nodes", kind).startswith(".")
    except InputError:
        return False


class GraphBuilder:
    """Graphs as they grow: what is said first of a node or an edge stands.

    Texts are kept with single blanks. Nodes without an edge are not written.

    Args:
        graphs: Their names, and the kinds of their ends.
    """

    def __init__(self, graphs: Mapping[str, tuple[str, str]] = GRAPHS) -> None:
        self._graphs = graphs
        self._nodes: dict[str, dict[str, tuple[str, str]]] = {
            kind: {} for kinds in graphs.values() for kind in kinds
        }
        self._edges: dict[str, dict[tuple[str, str], str]] = {name: {} for name in graphs}

    def node(self, kind: str, id_: str, text: str, source: str) -> str:
        """Say what a node is; returns its id."""
        self._nodes[kind].setdefault(id_, (plain(text), source))
        return id_

    def text_node(self, kind: str, prefix: str, text: str, source: str) -> str:
        """A node that is nothing but its text: equal texts are one node. Returns its id."""
        digest = hashlib.sha1(plain(text).encode(), usedforsecurity=False).hexdigest()
        return self.node(kind, f"{prefix}/{digest[:12]}", text, source)

    def edge(self, graph: str, left: str, right: str, relation: str) -> None:
        """Join two nodes that were said, if they are not joined."""
        for kind, id_ in zip(self._graphs[graph], (left, right), strict=True):
            if id_ not in self._nodes[kind]:
                raise KeyError(f"no {kind} {id_!r}")
        self._edges[graph].setdefault((left, right), relation)

    def texts(self, kind: str) -> dict[str, str]:
        """The text of each node of a kind that was said, by id."""
        return {id_: text for id_, (text, _) in self._nodes[kind].items()}

    def relations(self) -> dict[str, Counter[str]]:
        """How many edges each graph has of each relation."""
        return {name: Counter(edges.values()) for name, edges in self._edges.items()}

    def shared(self) -> dict[str, int]:
        """How many right ends of each graph have several edges."""
        degrees = {
            name: Counter(right for _, right in edges) for name, edges in self._edges.items()
        }
        return {name: sum(n > 1 for n in found.values()) for name, found in degrees.items()}

    def used(self) -> dict[str, set[str]]:
        """Ids of the nodes of each kind that have an edge."""
        used: dict[str, set[str]] = {kind: set() for kind in self._nodes}
        for name, edges in self._edges.items():
            for side, kind in enumerate(self._graphs[name]):
                used[kind].update(ends[side] for ends in edges)
        return used

    def write(self, folder: Path) -> None:
        """Write nodes and edges in the order of their ids into a folder that is there.

        Raises:
            OSError: If the disk is full or refuses.
        """
        nodes = {
            kind: {id_: self._nodes[kind][id_] for id_ in ids} for kind, ids in self.used().items()
        }
        edges = {name: (self._graphs[name], edges) for name, edges in self._edges.items()}
        write_graph_files(folder, nodes, edges)


def write_graph_files(
    folder: Path,
    nodes: Mapping[str, Mapping[str, tuple[str, str]]],
    edges: Mapping[str, tuple[tuple[str, str], Mapping[tuple[str, str], str]]],
) -> None:
    """Write nodes and edges in the order of their ids into a folder that is there.

    Args:
        folder: Where to.
        nodes: By kind and id, the text of a node and where it comes from.
        edges: By name of the graph, the kinds of its ends, and the relation by ids of both.

    Raises:
        InputError: If a kind or a name can not be part of a file's name.
        OSError: If the disk is full or refuses.
    """
    for name in (*nodes, *edges):
        graph_name(name)
    for kind, of in nodes.items():
        entries = ({"id": i, "text": of[i][0], "source": of[i][1]} for i in sorted(of))
        lines = (json.dumps(entry, ensure_ascii=False) for entry in entries)
        write_lines(folder / _NODES.format(kind), lines)
    for name, (kinds, of_graph) in edges.items():
        lines = ("\t".join((*ends, relation)) for ends, relation in sorted(of_graph.items()))
        header = "\t".join((*kinds, "relation"))
        write_lines(folder / f"{name}{_EDGES}", chain([header], lines))


def check_replaceable(out: Path) -> None:
    """InputError if something else than graphs would be lost."""
    out = settled(out)
    if out.is_dir() and any(out.iterdir()) and not any(out.glob(f"*{_EDGES}")):
        raise InputError(
            f"{out}: expected a new folder or one of graphs, which is replaced, found something "
            "else: name another, or empty it"
        )


def graph_name(name: str) -> str:
    """A name of a graph or of a kind of nodes, which is part of a file's name.

    Raises:
        InputError: If it is blank or can not be that.
    """
    if "." in file_name("the name of a graph, or of a kind of nodes,", name):
        raise InputError(
            f"expected the name of a graph, or of a kind of nodes, without '.', got {name!r}: name "
            "another"
        )
    return name


def folded(text: str) -> str:
    """A text as it is compared: with single blanks, case-folded."""
    return plain(text).casefold()


def plain(text: str) -> str:
    """A text with single blanks, and none around it."""
    return " ".join(text.split())
