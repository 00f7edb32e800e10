"""Graphs from folders: what is one node, what an edge weighs, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiny_graphs import graph_of, nodes_of, write_graphs
from uwe.errors import DataError, InputError
from uwe.graphs.files import read_graphs
from uwe.graphs.graph import Graph, Nodes

NODES = {
    "job": {"j/1": "Baker", "j/2": "  baker ", "j/3": "miller", "j/4": "never used"},
    "skill": {"s/1": "bake  bread", "s/2": "mill grain", "s/3": "BAKE BREAD", "s/4": "Miller"},
}
ROWS = [
    ("j/1", "s/1", "esco"),
    ("j/2", "s/3", "onet"),
    ("j/2", "s/2", "is-a(weak)"),
    ("j/3", "s/2", "esco"),
    ("j/1", "s/4", "is-a(weak)"),
    ("j/1", "s/4", "esco"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_graphs(tmp_path / "graphs", NODES, {"J": ("job", "skill", ROWS)})


def edges_of(graph: Graph) -> dict[tuple[str, str], float]:
    return {
        (graph.left.texts[a], graph.right.texts[b]): float(weight)
        for (a, b), weight in zip(graph.edges, graph.weights, strict=True)
    }


def test_equal_texts_are_one_node_with_the_edges_of_all(folder: Path) -> None:
    (graph,) = read_graphs(folder)
    assert (graph.name, graph.left.kind, graph.right.kind) == ("J", "job", "skill")
    assert graph.left.texts == ("Baker", "miller")
    assert graph.left.ids == (("j/1", "j/2"), ("j/3",))
    assert graph.right.texts == ("bake bread", "mill grain", "Miller")
    assert graph.right.ids == (("s/1", "s/3"), ("s/2",), ("s/4",))
    assert edges_of(graph) == {
        ("Baker", "bake bread"): 1,
        ("Baker", "mill grain"): 0,  # weak
        ("Baker", "Miller"): 1,  # weak by one relation, and not by another
        ("miller", "mill grain"): 1,
        ("miller", "Miller"): 0,  # equal texts that no edge joins
    }
    assert graph.relations == {"esco": 3, "onet": 1, "is-a(weak)": 2, "(equal texts)": 1}
    assert graph.edges.dtype == np.int64
    assert graph.weights.dtype == np.float32


def test_relations_weigh_what_is_said(folder: Path) -> None:
    (graph,) = read_graphs(folder, ["J"], weights={"J": {"is-a(weak)": 0.25, "onet": 0}})
    assert edges_of(graph) == {
        ("Baker", "bake bread"): 1,
        ("Baker", "mill grain"): 0.25,
        ("Baker", "Miller"): 1,
        ("miller", "mill grain"): 1,
        ("miller", "Miller"): 0,
    }


def test_graphs_come_in_the_order_of_their_names(folder: Path) -> None:
    write_graphs(folder, {}, {"B": ("job", "skill", ROWS), "A": ("skill", "job", [
        ("s/1", "j/1", "x"), ("s/2", "j/3", "x"),
    ])})  # fmt: skip
    assert [graph.name for graph in read_graphs(folder)] == ["A", "B", "J"]
    assert [graph.name for graph in read_graphs(folder, ["J", "A"])] == ["J", "A"]


@pytest.mark.parametrize(
    ("names", "weights", "said"),
    [
        (["V"], None, "graphs J, .*'V'"),
        ([], None, "names of graphs"),
        (["J", "J"], None, "each once"),
        (None, {"V": {"x": 1}}, "some for V"),
        (None, {"J": {"x": 1}}, "esco, onet, .*'x'"),
        (None, {"J": {"esco": -1}}, "'esco', got -1"),
        (None, {"J": {"esco": float("nan")}}, "finite weight"),
        (None, {"J": {"esco": float("inf")}}, "finite weight"),
        (None, {"J": {"esco": True}}, "finite weight"),
        (None, {"J": {"esco": "1"}}, "finite weight"),
    ],
)
def test_wrong_arguments_are_named(folder: Path, names: Any, weights: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_graphs(folder, names, weights=weights)


def test_weights_of_a_graph_that_is_not_read_are_refused(folder: Path) -> None:
    write_graphs(folder, {}, {"B": ("job", "skill", ROWS)})
    with pytest.raises(InputError, match=r"B.* J"):
        read_graphs(folder, ["B"], weights={"J": {"esco": 1}})


def test_an_edge_to_a_missing_node_is_named(folder: Path) -> None:
    write_graphs(folder, {}, {"J": ("job", "skill", [*ROWS, ("j/9", "s/1", "esco")])})
    with pytest.raises(DataError, match=r"J\.edges\.tsv\.gz:8: .*j/9"):
        read_graphs(folder)


def test_a_blank_text_is_named(folder: Path) -> None:
    write_graphs(folder, {"job": {**NODES["job"], "j/5": " "}}, {})
    with pytest.raises(DataError, match=r"nodes\.job\.jsonl\.gz:5"):
        read_graphs(folder)


def test_a_side_of_one_node_is_refused(folder: Path) -> None:
    write_graphs(folder, {}, {"J": ("job", "skill", [("j/1", "s/1", "x"), ("j/2", "s/2", "x")])})
    with pytest.raises(DataError, match=r"J\.edges.*job"):
        read_graphs(folder)


@pytest.mark.parametrize(
    ("edges", "weights", "said"),
    [
        ([(0, 0), (2, 1)], [1, 1], r"\(2, 1\)"),
        ([(0, 0), (1, -1)], [1, 1], r"got \(1, -1\)"),
        ([(1, 0), (0, 1)], [1, 1], "differ and ascend"),
        ([(0, 1), (0, 1)], [1, 1], "differ and ascend"),
        ([(0, 0), (1, 1)], [1], r"shape \(1, 2\)"),
        ([(0, 0), (1, 1)], [1, -1], "weights >= 0"),
        ([(0, 0), (1, 1)], [1, np.nan], "weights >= 0"),
    ],
)
def test_a_wrong_graph_is_refused(edges: Any, weights: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Graph(
            "G", nodes_of(2, "a"), nodes_of(3, "b"), np.array(edges, np.int64),
            np.array(weights, np.float32),
        )  # fmt: skip


def test_wrong_nodes_are_refused() -> None:
    with pytest.raises(InputError, match="1 and 2"):
        Nodes("job", (("a",),), ("a", "b"))
    with pytest.raises(InputError, match="skill"):
        graph_of([(0, 0), (1, 0)])


def test_adjacency_has_the_edges_of_both_sides() -> None:
    graph = graph_of({(0, 1): 1, (1, 0): 2, (1, 1): 0, (3, 0): 3})
    left, right = graph.adjacency
    rows, places = left.edges_of(np.array([1, 2, 0]))
    assert rows.tolist() == [0, 0, 2]
    assert left.others[places].tolist() == [0, 1, 1]
    assert left.weights[places].tolist() == [2, 0, 1]
    rows, places = right.edges_of(np.array([1, 0]))
    assert rows.tolist() == [0, 0, 1, 1]
    assert right.others[places].tolist() == [0, 1, 1, 3]
    assert right.weights[places].tolist() == [1, 0, 2, 3]


def test_the_fingerprint_tells_graphs_apart() -> None:
    plain = graph_of({(0, 1): 1, (1, 0): 1})
    assert plain.fingerprint() == graph_of({(0, 1): 1, (1, 0): 1}).fingerprint()
    others = [
        graph_of({(0, 1): 1, (1, 0): 0.5}),
        graph_of({(0, 1): 1, (1, 1): 1}, right=2),
        graph_of({(0, 1): 1, (1, 0): 1}, right=3),
        graph_of({(0, 1): 1, (1, 0): 1}, name="H"),
        graph_of({(0, 1): 1, (1, 0): 1}, kinds=("job", "tool")),
    ]
    assert len({graph.fingerprint() for graph in (plain, *others)}) == 6


@pytest.mark.slow
def test_the_graphs_of_the_data_folder(train_graphs: dict[str, Graph]) -> None:
    graphs = train_graphs
    assert list(graphs) == ["A", "D", "J", "N", "V"]
    sizes = {name: (len(g.left), len(g.right)) for name, g in graphs.items()}
    assert sizes["J"] == (782, 28808)
    assert sizes["V"] == (16120, 34665)  # texts that differ, as its documentation counts them
    drawn = {name: int((graph.weights > 0).sum()) for name, graph in graphs.items()}
    assert drawn["A"] == 862 + 338 + 65  # without what is weak
    assert drawn["D"] == 3900
    for graph in graphs.values():
        for nodes in (graph.left, graph.right):
            assert len({" ".join(text.split()).casefold() for text in nodes.texts}) == len(nodes)
