"""Steps on several graphs: which graph comes when, what they share, and going on mid-epoch."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiny_graphs import graph_of
from uwe.errors import InputError
from uwe.training.graph import read_graphs
from uwe.training.sampler import BatchSampler
from uwe.training.step_sampler import StepSampler


def samplers(size: int = 8) -> list[BatchSampler]:
    """Jobs with skills, the same skills with sentences, and a graph that shares nothing."""
    jobs = graph_of([(i // 2, i) for i in range(60)], name="J")
    skills = graph_of([(i, i) for i in range(80)], name="V", kinds=("skill", "sentence"))
    others = graph_of([(i, i) for i in range(30)], name="X", kinds=("a", "b"))
    return [BatchSampler(graph, size, seed=2) for graph in (jobs, skills, others)]


def numbers(batches: Any) -> Any:
    return [(b.graph, b.left.tolist(), b.right.tolist(), b.positives.tolist()) for b in batches]


def test_one_graph_a_step_by_its_probability() -> None:
    steps = StepSampler(samplers(), mode="one", probabilities=[1, 2, 1], seed=5)
    found = [steps.step(number) for number in range(800)]
    assert {len(batches) for batches in found} == {1}
    counts = Counter(batches[0].graph for batches in found)
    assert 330 < counts["V"] < 470
    assert 140 < counts["J"] < 260
    own = samplers()[1]
    number = next(n for n, batches in enumerate(found) if batches[0].graph == "V")
    assert numbers(found[number]) == numbers([own.batch(number)])


@pytest.mark.parametrize("mode", ["one", "all"])
def test_a_step_depends_on_its_number_alone(mode: Any) -> None:
    steps = StepSampler(samplers(), mode=mode, seed=1)
    first = [numbers(next(steps)) for _ in range(12)]
    again = StepSampler(samplers(), mode=mode, seed=1)
    assert [numbers(again.step(number)) for number in reversed(range(12))][::-1] == first
    other = StepSampler(samplers(), mode=mode, seed=2)
    if mode == "one":
        assert [numbers(other.step(number)) for number in range(12)] != first


def test_all_graphs_of_a_step_share_their_nodes() -> None:
    steps = StepSampler(samplers(), mode="all")
    for number in range(10):
        jobs, skills, others = steps.step(number)
        assert (jobs.graph, skills.graph, others.graph) == ("J", "V", "X")
        shared = set(jobs.right.tolist()) & set(skills.left.tolist())
        # 60 of the 80 skills of V are in J too, so 6 of 8 may be those that J has drawn.
        assert len(shared) >= 6
        assert skills.positives.any(axis=1).all()
    drawn = {int(node) for number in range(200) for node in steps.step(number)[1].left}
    assert drawn == set(range(80))  # what only V has is not starved


def test_shared_nodes_are_told_by_their_folded_text() -> None:
    jobs, skills, _ = samplers()
    graph = skills.graph
    texts = tuple(reversed([f" {text.upper()} " for text in graph.left.texts]))
    shouted = type(graph)(
        "V", type(graph.left)("skill", graph.left.ids, texts), graph.right, graph.edges,
        graph.weights,
    )  # fmt: skip
    steps = StepSampler([jobs, BatchSampler(shouted, 8)], mode="all")
    one, other = steps.step(0)
    names = {f" {jobs.graph.right.texts[i].upper()} " for i in one.right}
    assert len(names & {texts[i] for i in other.left}) >= 6


def test_goes_on_where_it_was() -> None:
    steps = StepSampler(samplers(), mode="all", seed=9)
    for _ in range(5):
        next(steps)
    state = json.loads(json.dumps(steps.state_dict()))
    expected = [numbers(next(steps)) for _ in range(3)]
    again = StepSampler(samplers(), mode="all", seed=9)
    again.load_state_dict(state)
    assert again.position == 5
    assert [numbers(next(again)) for _ in range(3)] == expected


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: StepSampler(samplers(), mode="one", seed=1), "the seed 1, got that of one with 0"),
        (lambda: StepSampler(samplers(), mode="all"), "fingerprint"),
        (lambda: StepSampler(samplers(4)), "fingerprint"),
        (lambda: StepSampler(samplers()[:2]), "fingerprint"),
        (lambda: StepSampler(samplers(), probabilities=[1, 1, 2]), "fingerprint"),
    ],
)
def test_the_state_of_others_is_refused(other: Any, said: str) -> None:
    state = StepSampler(samplers(), mode="one").state_dict()
    with pytest.raises(InputError, match=said):
        other().load_state_dict(state)


def test_probabilities_in_proportion_are_the_same() -> None:
    one, other = (StepSampler(samplers(), probabilities=p) for p in ([1, 1, 2], [3, 3, 6]))
    other.load_state_dict(one.state_dict())
    assert [numbers(one.step(n)) for n in range(20)] == [numbers(other.step(n)) for n in range(20)]


def test_a_state_without_a_step_is_refused() -> None:
    steps = StepSampler(samplers())
    with pytest.raises(InputError, match="step"):
        steps.load_state_dict({**steps.state_dict(), "step": None})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"samplers": []}, "different names"),
        ({"samplers": samplers() + samplers()}, "different names"),
        ({"mode": "both"}, "'one' or 'all', got 'both'"),
        ({"probabilities": [1, 2]}, "3 probabilities"),
        ({"probabilities": [1, 2, 0]}, "above 0"),
        ({"probabilities": [1, 2, float("nan")]}, "above 0"),
        ({"probabilities": ["x", 1, 1]}, "above 0"),
        ({"mode": "all", "probabilities": [1, 1, 1]}, "leave them out"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        StepSampler(**{"samplers": samplers(), **arguments})


def test_steps_on_the_graphs_of_the_data_folder(data_folder: Path) -> None:
    graphs = read_graphs(data_folder / "train", ["J", "V", "N", "D"])
    steps = StepSampler([BatchSampler(graph, 256) for graph in graphs], mode="all")
    batches = steps.step(0)
    jobs = {graphs[0].left.texts[i].casefold() for i in batches[0].left}
    named = {graphs[2].left.texts[i].casefold() for i in batches[2].left}
    described = {graphs[3].left.texts[i].casefold() for i in batches[3].left}
    assert len(described - jobs - named) < 5
    assert 40 < len(jobs & named) < 256  # N has five times as many jobs as J
    assert np.mean([batch.positives.any(axis=0).all() for batch in batches]) == 1
