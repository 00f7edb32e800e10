"""Batches: every node with a positive, every edge marked, the same for the same number."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_graphs import graph_of
from uwe.errors import InputError
from uwe.graphs.graph import Graph
from uwe.graphs.sampler import Batch, BatchSampler, StepSampler
from uwe.graphs.siblings import Siblings


def same(one: Batch, other: Batch) -> bool:
    return one.graph == other.graph and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("left", "right", "positives", "ignored")
    )


def drawable(graph: Graph) -> int:
    """How many nodes with an edge of positive weight the smaller side has."""
    ends = graph.edges[graph.weights > 0]
    return min(len(set(ends[:, side].tolist())) for side in (0, 1))


def check(graph: Graph, batch: Batch, size: int) -> None:
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
def graphs(draw: Any) -> Graph:
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
    graph=graphs(), seed=st.integers(0, 99), hard=st.sampled_from([0.0, 0.5, 0.9]), data=st.data()
)
def test_any_graph_gives_whole_batches(graph: Graph, seed: int, hard: float, data: Any) -> None:
    most = drawable(graph)
    if most < 2:
        with pytest.raises(InputError, match=f"at most {most}"):
            BatchSampler(graph, 2)
        return
    size = data.draw(st.integers(2, most))
    left, right = (
        Siblings.from_groups(len(nodes), [range(0, len(nodes), 2), range(len(nodes) // 2)])
        for nodes in (graph.left, graph.right)
    )
    sampler = BatchSampler(graph, size, seed=seed, hard_negatives=hard, siblings=(left, right))
    for number in range(3):
        check(graph, sampler.batch(number), size)


def star_and_pairs() -> Graph:
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


def test_nodes_come_by_the_root_of_the_weight_of_their_edges() -> None:
    # Job 0 has two skills; the others keep the sides full.
    edges = {(0, 0): 3.0, (0, 1): 1.0} | {(i, i + 1): 1.0 for i in range(1, 20)}
    graph = graph_of(edges)
    sampler = BatchSampler(graph, 2, seed=0)
    drawn = [0, 0]
    for number in range(6000):
        for skill in sampler.batch(number).right:
            if skill < 2:
                drawn[skill] += 1
    assert 1.5 < drawn[0] / drawn[1] < 2.3  # the root of 3 / 1


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


def test_a_batch_larger_than_the_graph_is_refused() -> None:
    with pytest.raises(InputError, match="10 nodes"):
        BatchSampler(graph_of([(i, i) for i in range(10)]), 11)


@pytest.mark.slow
def test_the_graphs_of_the_data_folder_give_whole_batches(train_graphs: dict[str, Graph]) -> None:
    for graph in train_graphs.values():
        sampler = BatchSampler(graph, 512)
        for number in range(3):
            batch = sampler.batch(number)
            assert batch.left.shape == batch.right.shape == (512,)
            assert batch.positives.any(axis=0).all()
            assert batch.positives.any(axis=1).all()


def samplers(size: int = 8) -> list[BatchSampler]:
    jobs = graph_of([(i // 2, i) for i in range(60)], name="J")
    skills = graph_of([(i, i) for i in range(80)], name="V", kinds=("skill", "sentence"))
    others = graph_of([(i, i) for i in range(30)], name="X", kinds=("a", "b"))
    return [BatchSampler(graph, size, seed=2) for graph in (jobs, skills, others)]


def test_one_graph_a_step_by_its_share() -> None:
    steps = StepSampler(samplers(), [1, 2, 1], seed=5)
    found = [steps.batch(number) for number in range(800)]
    counts = Counter(batch.graph for batch in found)
    assert 330 < counts["V"] < 470
    assert 140 < counts["J"] < 260
    number = next(n for n, batch in enumerate(found) if batch.graph == "V")
    assert same(found[number], samplers()[1].batch(number))
    again = StepSampler(samplers(), [3, 6, 3], seed=5)
    assert all(same(found[n], again.batch(n)) for n in reversed(range(20)))


def test_what_draws_otherwise_has_another_fingerprint() -> None:
    steps = [
        StepSampler(samplers()),
        StepSampler(samplers(), seed=1),
        StepSampler(samplers(4)),
        StepSampler(samplers()[:2]),
        StepSampler(samplers(), [1, 1, 2]),
    ]
    assert len({each.fingerprint() for each in steps}) == len(steps)
    assert StepSampler(samplers(), [2, 2, 2]).fingerprint() == steps[0].fingerprint()


def test_shares_without_a_finite_sum_are_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        StepSampler(samplers(), [1, 1e308, 1e308])
