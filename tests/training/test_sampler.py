"""Batches: every node with a positive, every edge marked, the same for the same number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_graphs import graph_of
from uwe.errors import InputError
from uwe.training.graph import BipartiteGraph, read_graphs
from uwe.training.hard_negatives import Siblings
from uwe.training.sampler import Batch, BatchSampler


def same(one: Batch, other: Batch) -> bool:
    return one.graph == other.graph and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("left", "right", "positives", "ignored")
    )


def drawable(graph: BipartiteGraph) -> int:
    """How many nodes with an edge of positive weight the smaller side has."""
    ends = graph.edges[graph.weights > 0]
    return min(len(set(ends[:, side].tolist())) for side in (0, 1))


def check(graph: BipartiteGraph, batch: Batch, size: int) -> None:
    """Compare a batch with its definition, edge by edge."""
    weights = {(int(a), int(b)): w for (a, b), w in zip(graph.edges, graph.weights, strict=True)}
    assert batch.left.shape == batch.right.shape == (size,)
    assert batch.left.dtype == batch.right.dtype == np.int64
    assert len(set(batch.left.tolist())) == len(set(batch.right.tolist())) == size
    for i, a in enumerate(batch.left.tolist()):
        for j, b in enumerate(batch.right.tolist()):
            weight = weights.get((a, b))
            assert batch.positives[i, j] == (weight is not None and weight > 0)
            assert batch.ignored[i, j] == (weight == 0)
    assert batch.positives.any(axis=1).all()
    assert batch.positives.any(axis=0).all()


@st.composite
def graphs(draw: Any) -> BipartiteGraph:
    """Stars, matchings, dense and sparse graphs, with edges of weight 0 among them."""
    left, right = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    ends = st.tuples(st.integers(0, left - 1), st.integers(0, right - 1))
    edges = draw(st.dictionaries(ends, st.sampled_from([0.0, 0.01, 1.0, 1.0, 7.0]), min_size=2))
    hubs = draw(st.lists(ends, max_size=2))
    for hub, leaf in hubs:
        edges |= {(hub, b): 1.0 for b in range(leaf, right)}
        edges |= {(a, leaf): 1.0 for a in range(hub, left)}
    return graph_of(edges, left, right)


@settings(max_examples=300, deadline=None)
@given(
    graph=graphs(), seed=st.integers(0, 99), exponent=st.sampled_from([0.0, 0.5, 1.0]),
    hard=st.sampled_from([0.0, 0.5, 0.9]), wish=st.sampled_from([None, 0, 1]), data=st.data(),
)  # fmt: skip
def test_any_graph_gives_whole_batches(
    graph: BipartiteGraph, seed: int, exponent: float, hard: float, wish: int | None, data: Any
) -> None:
    most = drawable(graph)
    if most < 2:
        with pytest.raises(InputError, match=f"at most {most}"):
            BatchSampler(graph, 2)
        return
    size = data.draw(st.integers(2, most))
    siblings = [
        Siblings.of(len(nodes), [range(0, len(nodes), 2), range(len(nodes) // 2)])
        for nodes in (graph.left, graph.right)
    ]
    sampler = BatchSampler(
        graph, size, degree_exponent=exponent, seed=seed, hard_negatives=hard,
        left_siblings=siblings[0], right_siblings=siblings[1],
    )  # fmt: skip
    for number in range(3):
        if wish is None:
            check(graph, sampler.batch(number), size)
            continue
        ends = sorted({int(edge[wish]) for edge in graph.edges[graph.weights > 0]})
        wanted = np.array(data.draw(st.lists(st.sampled_from(ends), max_size=size, unique=True)))
        wanted = wanted.astype(np.int64)
        check(graph, sampler.batch(number, **{("left", "right")[wish]: wanted}), size)


def star_and_pairs() -> BipartiteGraph:
    """Hubs with many leaves on either side, and pairs apart."""
    edges = [(0, b) for b in range(1, 60)] + [(a, 0) for a in range(1, 60)]
    return graph_of(edges + [(100 + i, 100 + i) for i in range(40)])


def test_hubs_and_pairs_fill_batches_of_any_size() -> None:
    graph = star_and_pairs()
    most = drawable(graph)
    for size in (2, 3, 41, 42, 43, 60, most - 1, most):
        for number in range(20):
            check(graph, BatchSampler(graph, size).batch(number), size)


def random_graph(seed: int = 0, left: int = 300, right: int = 500, edges: int = 1500) -> Any:
    rng = np.random.default_rng(seed)
    ends = zip(rng.integers(0, left, edges), rng.zipf(1.5, edges) % right, strict=True)
    return graph_of({(int(a), int(b)): 1.0 for a, b in ends}, left, right)


def test_a_batch_depends_on_seed_and_number_alone() -> None:
    graph = random_graph()
    forward, backward = BatchSampler(graph, 64, seed=3), BatchSampler(graph, 64, seed=3)
    first = [forward.batch(number) for number in range(20)]
    last = [backward.batch(number) for number in reversed(range(20))][::-1]
    assert all(map(same, first, last))
    with ThreadPoolExecutor(4) as pool:
        assert all(map(same, first, pool.map(forward.batch, range(20))))
    other = BatchSampler(graph, 64, seed=4)
    assert not any(same(batch, other.batch(number)) for number, batch in enumerate(first))
    assert not any(map(same, first, first[1:]))


def test_graphs_of_other_names_draw_otherwise() -> None:
    one, other = (graph_of([(i, i) for i in range(50)], name=name) for name in "GH")
    assert not np.array_equal(
        BatchSampler(one, 9).batch(0).left, BatchSampler(other, 9).batch(0).left
    )


def frequencies(graph: BipartiteGraph, exponent: float, batches: int = 400) -> Any:
    """How often each left and right node is drawn."""
    sampler = BatchSampler(graph, 16, degree_exponent=exponent, seed=1)
    counts = (np.zeros(len(graph.left)), np.zeros(len(graph.right)))
    for number in range(batches):
        batch = sampler.batch(number)
        counts[0][batch.left] += 1
        counts[1][batch.right] += 1
    return counts


def test_a_smaller_exponent_leaves_the_tail_more_room() -> None:
    # Ten jobs with 40 skills each, and 200 with one; all skills differ.
    edges = [(job, job * 40 + i) for job in range(10) for i in range(40)]
    graph = graph_of(edges + [(10 + i, 400 + i) for i in range(200)])
    heads = [
        counts[0][:10].mean() / counts[0][10:].mean()
        for counts in (frequencies(graph, exponent) for exponent in (0.0, 0.5, 1.0))
    ]
    assert heads[0] < heads[1] < heads[2]
    # Half of the anchors are left nodes, evenly drawn; the others bring the job of an even skill.
    assert heads[0] < 25
    tails = [
        counts[1][400:].mean() / counts[1][:400].mean()
        for counts in (frequencies(graph, exponent) for exponent in (0.0, 0.5, 1.0))
    ]
    assert tails[0] > tails[1] > tails[2]


def test_neighbours_come_by_the_weight_of_their_edge() -> None:
    # Job 0 has two skills; the others keep the sides full.
    edges = {(0, 0): 3.0, (0, 1): 1.0} | {(i, i + 1): 1.0 for i in range(1, 20)}
    graph = graph_of(edges)
    sampler = BatchSampler(graph, 2, degree_exponent=1.0, seed=0)
    drawn = [0, 0]
    for number in range(6000):
        for skill in sampler.batch(number).right:
            if skill < 2:
                drawn[skill] += 1
    assert 2.4 < drawn[0] / drawn[1] < 3.6


def test_edges_of_weight_zero_are_never_drawn_for() -> None:
    edges = {(i, i): 1.0 for i in range(10)} | {(10, i): 0.0 for i in range(10)} | {(0, 1): 0.0}
    graph = graph_of(edges)
    sampler = BatchSampler(graph, 5)
    ignored = 0
    for number in range(50):
        batch = sampler.batch(number)
        check(graph, batch, 5)
        assert 10 not in batch.left
        ignored += int(batch.ignored.sum())
    assert ignored > 0


def test_nodes_that_are_wished_for_are_in_the_batch() -> None:
    graph = random_graph()
    sampler = BatchSampler(graph, 64)
    weights = sampler.anchor_weights(1)
    wanted = np.flatnonzero(weights)[5:45]
    batch = sampler.batch(7, right=wanted)
    check(graph, batch, 64)
    assert set(wanted.tolist()) <= set(batch.right.tolist())


@pytest.mark.parametrize(
    "wanted",
    [{"left": [0, 0]}, {"left": [-1]}, {"left": [99]}, {"left": [10]}, {"left": list(range(6))},
     {"left": [0], "right": [0]}],
)  # fmt: skip
def test_wishes_that_can_not_be_are_refused(wanted: Any) -> None:
    edges = {(i, i): 1.0 for i in range(10)} | {(10, 0): 0.0}
    sampler = BatchSampler(graph_of(edges), 5)
    with pytest.raises(InputError, match="at most 5 nodes of one side"):
        sampler.batch(0, **{side: np.array(nodes) for side, nodes in wanted.items()})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"size": 0}, "size"),
        ({"size": 1}, "at least 2"),
        ({"size": 11}, "at most 10 nodes a side, as it has so many of kind job"),
        ({"size": 2.5}, "size"),
        ({"degree_exponent": 1.5}, "degree_exponent from 0 to 1, got 1.5"),
        ({"degree_exponent": float("nan")}, "degree_exponent"),
        ({"seed": -1}, "seed"),
        ({"hard_negatives": 1.0}, "hard_negatives from 0 to 0.9"),
        ({"hard_negatives": 0.5}, "left_siblings or right_siblings"),
        ({"left_siblings": Siblings.of(3, [])}, "siblings of 10 nodes of kind job, got those of 3"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, said: str) -> None:
    graph = graph_of([(i, i) for i in range(10)])
    with pytest.raises(InputError, match=said):
        BatchSampler(graph, **{"size": 4, **arguments})


def test_a_wrong_number_is_refused() -> None:
    with pytest.raises(InputError, match="number"):
        BatchSampler(graph_of([(0, 0), (1, 1)]), 2).batch(-1)


def test_the_graphs_of_the_data_folder_give_whole_batches(data_folder: Path) -> None:
    for graph in read_graphs(data_folder / "train"):
        sampler = BatchSampler(graph, 512)
        for number in range(3):
            batch = sampler.batch(number)
            assert batch.left.shape == batch.right.shape == (512,)
            assert batch.positives.any(axis=0).all()
            assert batch.positives.any(axis=1).all()
