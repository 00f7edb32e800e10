"""Graphs as they grow: nodes and edges one after the other, written as a folder."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from uwe.files.atomic import write_lines
from uwe.graphs.files import EDGES, NODES, graph_name
from uwe.graphs.graph import plain

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

ADVERT_GRAPHS = {"U": ("skill", "sentence"), "S": ("skill", "skill_alias")}
"""Those that `uwe data graphs --adverts` makes of real adverts."""


class GraphBuilder:
    """Graphs as they grow: what is said first of a node or an edge stands.

    Texts are kept with single blanks. Nodes without an edge are not written. `graphs` has the names
    of the graphs, and the kinds of their left and right ends.
    """

    def __init__(self, graphs: Mapping[str, tuple[str, str]] = GRAPHS) -> None:
        for name in (*graphs, *(kind for kinds in graphs.values() for kind in kinds)):
            graph_name(name)
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
        """Write nodes and edges in the order of their ids into a folder that is there."""
        for kind, ids in self.used().items():
            of = self._nodes[kind]
            entries = ({"id": i, "text": of[i][0], "source": of[i][1]} for i in sorted(ids))
            lines = (json.dumps(entry, ensure_ascii=False) for entry in entries)
            write_lines(folder / NODES.format(kind), lines)
        for name, edges in self._edges.items():
            lines = ("\t".join((*ends, relation)) for ends, relation in sorted(edges.items()))
            header = "\t".join((*self._graphs[name], "relation"))
            write_lines(folder / f"{name}{EDGES}", chain([header], lines))
