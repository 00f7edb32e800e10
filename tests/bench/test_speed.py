"""`uwe bench speed`: its labels and texts, its peer, and the command on few targets."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import uwe
from cli_shell import Shell
from uwe import _core
from uwe.bench.speed import (
    TorchBlocks,
    check_equal,
    composed_labels,
    measure_speed,
    texts_of_tokens,
)


def test_composed_labels_are_the_real_ones_and_then_others_always_the_same() -> None:
    labels = composed_labels(20_000)
    assert len(set(labels)) == len(labels) == 20_000
    assert labels[:13_939] == list(uwe.target_space("esco-skills").labels)
    assert composed_labels(20_000) == labels
    assert composed_labels(5) == labels[:5]


def test_texts_have_as_many_tokens_as_asked_for() -> None:
    model = uwe.load()
    texts = texts_of_tokens(model, 8, 3)
    assert [len(model.encode([text]).values) for text in texts] == [8] * 3
    with pytest.raises(uwe.InputError, match="got 0"):
        texts_of_tokens(model, 1, 2)


def test_answers_that_differ_stop_the_measurement() -> None:
    check_equal(True, "this")
    with pytest.raises(uwe.UweError, match="this"):
        check_equal(False, "this")


def test_torch_scores_as_uwe_does() -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    offsets = np.cumsum([0, 3, 1, 4, 3, 7, 1, 4])
    values = random.standard_normal((offsets[-1], 16), dtype=np.float32)
    queries = random.standard_normal((2, 5, 16), dtype=np.float32)

    def ours(query: Any) -> Any:
        given = query, np.array([0, len(query)]), values, offsets
        return _core.late_interaction(*given, scorer="soft", temperature=0.5)[0]

    blocks = TorchBlocks(values, offsets, temperature=0.5, threads=1)
    expected = np.stack([ours(query) for query in queries])
    np.testing.assert_allclose(blocks.soft(torch.from_numpy(queries)), expected, atol=1e-5)


def test_what_is_out_of_range_is_refused_before_anything_is_measured(shell: Shell) -> None:
    with pytest.raises(uwe.InputError):
        measure_speed(threads=0)
    with pytest.raises(uwe.InputError):
        measure_speed(targets=999)
    assert "got 7" in shell.error("bench", "speed", "--targets", "7")


@pytest.mark.slow
def test_the_command_measures_each_size_and_leaves_the_threads_as_they_were(shell: Shell) -> None:
    threads = _core.threads()
    found = json.loads(shell("bench", "speed", "--targets", "1200", "--json").stdout)
    assert _core.threads() == threads
    assert [row["targets"] for row in found["targets"]] == [1000, 1200]
    assert all(row["best_ten_ms"] > 0 for row in found["targets"])
