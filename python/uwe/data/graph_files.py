"""A folder of training graphs: node files, and edges that name nodes by id.

`nodes.<kind>.jsonl.gz` has `{"id", "text", "source"}`; `<graph>.edges.tsv.gz` has a header line of
the two kinds and `relation`, then two ids and the relation that each edge came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from uwe.corpus import read_queries
from uwe.errors import DataError
from uwe.records import decoded, lines_of

__all__ = ["Edges", "graph_paths", "read_edges", "read_nodes"]

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


def graph_paths(folder: str | Path) -> list[Path]:
    """The files of edges in a folder, by name.

    Raises:
        DataError: If there is none.
    """
    paths = sorted(Path(folder).glob(f"*{_EDGES}"))
    if not paths:
        raise DataError(f"expected a folder of graphs with <name>{_EDGES}, found none", path=folder)
    return paths


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
    path = Path(path)
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
        DataError: If an entry has no id or text, a blank one, or an id that occurred before; with
            path and line.
        OSError: If the file can not be read.
    """
    path = Path(folder) / _NODES.format(kind)
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
    if columns[2] != "relation" or any("/" in kind or kind.startswith(".") for kind in columns):
        raise DataError(
            "expected a header of two kinds of nodes and 'relation', got "
            f"{' '.join(columns)!r}: put it first",
            path=path,
            line=1,
        )
    return columns[:2]
