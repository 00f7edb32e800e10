"""`uwe bench speed`: its material, its peer, its pictures, and the command on few targets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from cli_shell import Shell
from uwe import _core
from uwe.bench.speed import draw_speed, measure_speed
from uwe.bench.speed.material import composed_labels, texts_of_tokens, units_and_norms
from uwe.bench.speed.timing import equal

LENGTHS = [3, 1, 4, 3, 7, 1, 4]


def row(**given: Any) -> dict[str, Any]:
    ratios = {"all_scores_ratio": 4.0, "torch_ms": 20.0, "torch_ratio": 20.0}
    return {"best_ten_ms": 1.0, "all_scores_ms": 4.0, **ratios, **given}


def figures(**given: Any) -> dict[str, Any]:
    """What a machine with torch might say."""
    return {
        "uwe": "1", "seconds": 50.0, "versions": {"torch": "2"},
        "machine": {"processor": "P", "cores": 2, "simd": "avx2"},
        "limits": {"threads": 2, "flop_s": 2e11, "flop_s_one": 1e11, "bytes_s": 4e10,
                   "bytes_s_one": 3e10},
        "skills": {"targets": 13939, "token_vectors": 85445, "dim": 384},
        "one_query": [row(scorer=s, tokens=m) for m in (8, 32, 64) for s in ("soft", "max")],
        "batch": {"queries": 1000, "tokens": 8, "flop_s": 1.6e11},
        "targets": [row(targets=n, token_vectors=6 * n) for n in (1000, 3000)],
        **given,
    }  # fmt: skip


def test_composed_labels_are_the_real_ones_and_then_others_always_the_same() -> None:
    labels = composed_labels(20_000)
    assert len(set(labels)) == len(labels) == 20_000
    assert labels[:13_939] == list(uwe.target_space("esco-skills").labels)
    assert composed_labels(20_000) == labels
    assert composed_labels(5) == labels[:5]


def test_texts_have_as_many_tokens_as_asked_for() -> None:
    model = uwe.load()
    for tokens in (8, 32):
        texts = texts_of_tokens(model, tokens, 3)
        assert [len(model.encode([text]).values) for text in texts] == [tokens] * 3
    with pytest.raises(uwe.InputError, match="expected 2 texts of 1 tokens, got 0"):
        texts_of_tokens(model, 1, 2)


def test_answers_that_differ_stop_the_measurement() -> None:
    equal(True, "this")
    with pytest.raises(uwe.UweError, match="this gave other answers"):
        equal(False, "this")


@pytest.mark.parametrize("packed", [False, True])
def test_torch_scores_as_uwe_does(packed: bool) -> None:
    torch = pytest.importorskip("torch")
    from uwe.bench.speed.torch_peer import SCORERS, TorchBlocks, TorchPeer

    random = np.random.default_rng(0)
    offsets = np.cumsum([0, *LENGTHS])
    values = random.standard_normal((offsets[-1], 16), dtype=np.float32)
    queries = random.standard_normal((2, 5, 16), dtype=np.float32)
    space = *units_and_norms(values), offsets
    peer = TorchPeer(*space, packed=packed, threads=1)

    def ours(query: Any, scorer: str) -> Any:
        given = query, np.array([0, len(query)]), values, offsets
        return _core.late_interaction(*given, scorer=scorer, temperature=0.5)[0]

    for scorer in SCORERS:
        theirs = peer.scores(*units_and_norms(queries[0]), scorer, 0.5)
        np.testing.assert_allclose(theirs, ours(queries[0], scorer), atol=1e-5)
    blocks = TorchBlocks(*space, temperature=0.5, threads=1)
    expected = np.stack([ours(query, "soft") for query in queries])
    np.testing.assert_allclose(blocks.soft(torch.from_numpy(queries)), expected, atol=1e-5)


def test_what_is_out_of_range_is_refused_before_anything_is_measured(shell: Shell) -> None:
    with pytest.raises(uwe.InputError, match="at least 1 thread, got 0"):
        measure_speed(threads=0)
    with pytest.raises(uwe.InputError, match="1,000 to 1,000,000 targets, got 999"):
        measure_speed(targets=999)
    assert "got 7" in shell.error("bench", "speed", "--targets", "7")
    assert "got 0" in shell.error("bench", "speed", "--threads", "0")


def test_plots_show_the_contestants_that_were_there(tmp_path: Path) -> None:
    paths = draw_speed(figures(), tmp_path / "with")
    assert [path.name for path in paths] == ["targets.svg", "tokens.svg", "roofline.svg"]
    texts = [path.read_text() for path in paths]
    assert all("mathdefault" not in text for text in texts)
    assert "best ten, exact" in texts[0]
    assert "1,000" in texts[0]
    assert "torch, targets grouped by length" in texts[1]
    assert "limits of memory and multiply-adds" in texts[2]
    rows = [{**each, "torch_ms": None} for each in figures()["one_query"]]
    draw_speed(figures(one_query=rows), tmp_path / "without")
    assert "torch" not in re.sub(
        r"<metadata>.*?</metadata>",
        "",
        (tmp_path / "without/tokens.svg").read_text(),
        flags=re.DOTALL,
    )


@pytest.mark.slow
def test_the_command_prints_keeps_and_draws(shell: Shell, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    threads = _core.threads()
    shown = shell("bench", "speed", "--targets", "1000", "--out", str(tmp_path / "speed")).stdout
    assert _core.threads() == threads
    found = json.loads((tmp_path / "speed" / "speed.json").read_text())
    assert [each["targets"] for each in found["targets"]] == [1000]
    assert len(found["one_query"]) == 12
    assert all(each["torch_ratio"] > 0 for each in found["one_query"])
    assert found["batch"]["part_of_peak"] > 0
    assert [each["threads"] for each in found["python_threads"]] == [1, 2, 4]
    assert f"{found['batch']['part_of_peak']:.0%} of the limit" in shown
    assert "soft_target" in shown
    assert len(list((tmp_path / "speed").iterdir())) == 4
