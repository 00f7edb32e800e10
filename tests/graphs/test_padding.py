"""Padded sentences: never by one that matches, never at the cost of the matching one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_graphs import graph_of
from uwe.graphs.graph import Graph, Nodes
from uwe.graphs.padding import SentencePadder
from uwe.graphs.sampler import BatchSampler

SPECIAL = 2


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Two tokens for a word of more than five letters, and two special ones."""
    return [SPECIAL + sum(1 + (len(word) > 5) for word in text.split()) for text in texts]


def sentences(seed: int = 0, skills: int = 30, count: int = 90) -> Graph:
    """Skills with sentences of 1 to 12 words, each word telling its sentence and place."""
    rng = np.random.default_rng(seed)
    ends = {(int(rng.integers(skills)), i): 1.0 for i in range(count)}
    ends |= {(int(rng.integers(skills)), i): 0.0 for i in range(0, count, 3)}
    graph = graph_of(ends, skills, count, name="V", kinds=("skill", "sentence"))
    texts = tuple(
        " ".join(f"s{i}w{j}" + "x" * int(rng.integers(4)) for j in range(rng.integers(1, 13)))
        for i in range(count)
    )
    right = Nodes("sentence", graph.right.ids, texts)
    return Graph("V", graph.left, right, graph.edges, graph.weights)


def pads(graph: Graph, batch: Any, texts: list[str]) -> list[tuple[str, list[str]]]:
    """Where each sentence was padded, and with which words."""
    found: list[tuple[str, list[str]]] = []
    for node, text in zip(batch.right, texts, strict=True):
        own, words = graph.right.texts[node].split(), text.split()
        if words == own:
            found.append(("alone", []))
        elif words[: len(own)] == own:
            found.append(("after", words[len(own) :]))
        else:
            assert words[-len(own) :] == own
            found.append(("before", words[: -len(own)]))
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), max_tokens=st.integers(1, 30), size=st.integers(2, 12))
def test_no_pad_matches_and_none_costs_a_token(seed: int, max_tokens: int, size: int) -> None:
    graph = sentences(seed % 7)
    batch = BatchSampler(graph, size, seed=seed).batch(seed)
    padder = SentencePadder(graph, count_tokens, max_tokens, seed=seed)
    texts = padder.texts(batch, seed)
    assert texts == padder.texts(batch, seed)
    edges = {(int(a), int(b)) for a, b in graph.edges}
    for (where, words), text in zip(pads(graph, batch, texts), texts, strict=True):
        if where == "alone":
            continue
        assert count_tokens([text])[0] <= max_tokens
        (other,) = {int(word[1:].partition("w")[0]) for word in words}
        assert not any((skill, other) in edges for skill in batch.left.tolist())
        # What is left of it is its near end.
        whole = graph.right.texts[other].split()
        assert words == (whole[-len(words) :] if where == "before" else whole[: len(words)])


def test_pads_come_as_often_as_they_shall_on_either_side() -> None:
    graph = sentences()
    sampler = BatchSampler(graph, 8)
    padder = SentencePadder(graph, count_tokens, 1000, probability=0.6)
    counts = Counter(
        where
        for number in range(500)
        for batch in [sampler.batch(number)]
        for where, _ in pads(graph, batch, padder.texts(batch, number))
    )
    assert 1450 < counts["alone"] < 1750
    assert 1080 < counts["before"] < 1320
    assert 1080 < counts["after"] < 1320


def test_numbers_and_seeds_pad_otherwise() -> None:
    graph = sentences()
    batch = BatchSampler(graph, 8).batch(0)
    one, other = (SentencePadder(graph, count_tokens, 64, seed=seed) for seed in (0, 1))
    assert len({tuple(p.texts(batch, n)) for p in (one, other) for n in (0, 1)}) == 4


def test_a_pad_is_cut_to_the_room_that_is_left() -> None:
    graph = graph_of([(i, i) for i in range(6)], name="V")
    texts = ("one two three", *(f"a{i} b{i} c{i} d{i} e{i}" for i in range(5)))
    graph = Graph("V", graph.left, Nodes("s", graph.right.ids, texts), graph.edges, graph.weights)
    batch = next(
        batch for n in range(99) for batch in [BatchSampler(graph, 2).batch(n)] if 0 in batch.right
    )
    padder = SentencePadder(graph, count_tokens, SPECIAL + 5, probability=1.0)
    found = {padder.texts(batch, number)[0] for number in range(60)}
    assert all(len(text.split()) == 5 for text in found)
    assert {text.split()[0][0] for text in found} == {"o", "d"}
    assert {text.split()[-1][0] for text in found} == {"t", "b"}


def test_a_sentence_that_fills_the_model_stays_alone() -> None:
    graph = sentences()
    batch = BatchSampler(graph, 8).batch(0)
    own = [graph.right.texts[i] for i in batch.right]
    assert SentencePadder(graph, count_tokens, 1, probability=1.0).texts(batch, 0) == own


def test_nothing_is_padded_where_every_sentence_matches() -> None:
    graph = graph_of([(a, b) for a in range(3) for b in range(4)], name="V")
    batch = BatchSampler(graph, 3).batch(0)
    padder = SentencePadder(graph, count_tokens, 64, probability=1.0)
    assert padder.texts(batch, 0) == [graph.right.texts[i] for i in batch.right]
    never = SentencePadder(sentences(), count_tokens, 64, probability=0)
    batch = BatchSampler(never.graph, 8).batch(0)
    assert never.texts(batch, 0) == [never.graph.right.texts[i] for i in batch.right]


@pytest.mark.slow
def test_the_sentences_of_the_data_folder(train_graphs: dict[str, Graph]) -> None:
    graph = train_graphs["V"]
    batch = BatchSampler(graph, 512).batch(0)
    texts = SentencePadder(graph, count_tokens, 64).texts(batch, 0)
    found = Counter(where for where, _ in pads(graph, batch, texts))
    assert found["before"] > 150
    assert found["after"] > 150
