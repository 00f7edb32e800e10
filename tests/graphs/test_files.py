"""Folders of graphs: what is read, and what is refused with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from uwe.errors import DataError
from uwe.graphs.files import graph_paths, read_edges, read_nodes

NODES = {
    "job": [("o/1", "baker"), ("o/2", "miller")],
    "skill": [("s/1", "bake bread"), ("s/2", "mill grain")],
}
EDGES = "job\tskill\trelation\no/1\ts/1\tesco-essential\no/2\ts/2\tesco-optional\n"


def folder_of(path: Path, nodes: Any = NODES, edges: str = EDGES) -> Path:
    for kind, entries in nodes.items():
        lines = "".join(
            json.dumps({"id": id_, "text": text, "source": "x"}) + "\n" for id_, text in entries
        )
        (path / f"nodes.{kind}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (path / "J.edges.tsv.gz").write_bytes(gzip.compress(edges.encode()))
    return path


def test_reads_edges_and_nodes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    edges = read_edges(folder / "J.edges.tsv.gz")
    assert (edges.name, edges.left_kind, edges.right_kind) == ("J", "job", "skill")
    assert (edges.left, edges.right) == (["o/1", "o/2"], ["s/1", "s/2"])
    assert edges.relations == ["esco-essential", "esco-optional"]
    assert graph_paths(folder) == {edges.name: edges.path}
    assert read_nodes(folder, "job") == {"o/1": "baker", "o/2": "miller"}


@pytest.mark.parametrize(
    ("edges", "line", "said"),
    [
        ("", None, "empty file"),
        ("job\tskill\n", 1, "3 values"),
        ("o/1\ts/1\tesco-essential\n", 1, "header"),
        ("../job\tskill\trelation\n", 1, "header"),
        (EDGES + "o/1\ts/1\n", 4, "3 values"),
        (EDGES + "o/1\ts/1\tx\ty\n", 4, "3 values"),
        (EDGES + "o/1\ts/1\t \n", 4, "a relation"),
        (EDGES + "\no/1\ts/1\n", 5, "3 values"),
        (EDGES + "o/9\ts/1\tx\n", 4, "'o/9'"),
        (EDGES + "o/1\to/1\tx\n", 4, "'o/1'"),
    ],
)
def test_malformed_edges_are_named(tmp_path: Path, edges: str, line: int | None, said: str) -> None:
    folder = folder_of(tmp_path, edges=edges)
    with pytest.raises(DataError, match=said) as caught:
        read_edges(folder / "J.edges.tsv.gz")
    assert (caught.value.path, caught.value.line) == (folder / "J.edges.tsv.gz", line)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([("o/1", "baker"), ("o/1", "miller")], "a second time"),
        ([("o/1", "baker"), ("o/2", " ")], "blank"),
        ([("o/1", "baker"), (" ", "miller")], "'id'"),
        ([("o/1", "baker"), (2, "miller")], "'id'"),
        ([("o/1", "baker"), (["o/2"], "miller")], "'id'"),
    ],
)
def test_malformed_nodes_are_named(tmp_path: Path, entries: Any, said: str) -> None:
    folder = folder_of(tmp_path, nodes={**NODES, "job": entries})
    with pytest.raises(DataError, match=said) as caught:
        read_edges(folder / "J.edges.tsv.gz")
    assert (caught.value.path, caught.value.line) == (folder / "nodes.job.jsonl.gz", 2)


def test_a_folder_without_graphs_and_a_missing_node_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        graph_paths(tmp_path)
    folder_of(tmp_path)
    (tmp_path / "nodes.skill.jsonl.gz").unlink()
    with pytest.raises(FileNotFoundError):
        read_edges(tmp_path / "J.edges.tsv.gz")


def test_a_cut_archive_is_named(tmp_path: Path) -> None:
    path = folder_of(tmp_path) / "J.edges.tsv.gz"
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(DataError, match="damaged archive"):
        read_edges(path)


def test_real_graphs(data_folder: Path) -> None:
    edges = read_edges(data_folder / "train" / "D.edges.tsv.gz")
    assert (edges.left_kind, edges.right_kind, len(edges.left)) == ("job", "job_text", 3900)
