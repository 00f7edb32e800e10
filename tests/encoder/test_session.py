"""The ONNX session of a model: what files it takes; threads, forks, telemetry."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tiny_model import TABLE, WORDS, table_encoder, write_model
from uwe import parallelism
from uwe.encoder import session
from uwe.encoder.loading import load
from uwe.encoder.text_encoder import TextEncoder
from uwe.errors import InputError, ModelError
from uwe.parallelism import available_threads

TITLES = ["data engineer", "pastry baker with night shifts", "lawyer", "Leiter Einkauf 🚀"]


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2", np.float64(1), 1025, 10**10])
def test_bad_threads_are_refused(tmp_path: Path, threads: Any) -> None:
    folder = write_model(tmp_path)
    with pytest.raises(InputError, match="threads"):
        TextEncoder(folder, threads=threads)


def test_threads_are_all_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UWE_THREADS", raising=False)
    assert TextEncoder(write_model(tmp_path)).threads == available_threads() >= 1
    assert TextEncoder(write_model(tmp_path), threads=np.int64(1)).threads == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quota", "wanted"),
    [
        ("max 100000", 8), ("300000 100000", 3), ("250000 100000", 2), ("50000 100000", 1),
        ("1600000 100000", 8), ("", 8), ("1 0", 8), ("nonsense", 8), (None, 8),
    ],
)  # fmt: skip
def test_threads_are_those_that_a_container_may_use(
    quota: str | None, wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(parallelism, "_CPU_QUOTA", tmp_path / "cpu.max")
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota + "\n")
    available_threads.cache_clear()
    try:
        assert available_threads() == wanted
    finally:
        available_threads.cache_clear()


def test_a_truncated_onnx_file_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    whole = (folder / "model.onnx").read_bytes()
    for size in range(0, len(whole), 7):
        (folder / "model.onnx").write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"model\.onnx"):
            TextEncoder(folder).encode(["data"])


@pytest.mark.parametrize("inputs", [("ids",), ("input_ids", "pixel_values"), ("attention_mask",)])
def test_an_onnx_file_of_something_else_is_refused(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    folder = write_model(tmp_path)
    onnx.save(table_encoder(inputs), folder / "model.onnx")
    with pytest.raises(ModelError, match=f"expected inputs out of .* got {', '.join(inputs)}"):
        TextEncoder(folder).encode(["data"])


@pytest.mark.parametrize(
    "inputs", [("input_ids",), ("input_ids", "attention_mask", "token_type_ids")]
)
def test_the_usual_inputs_are_given_as_asked(tmp_path: Path, inputs: tuple[str, ...]) -> None:
    folder = write_model(tmp_path)
    onnx.save(table_encoder(inputs), folder / "model.onnx")
    wanted = TABLE[[WORDS.index(word) for word in ("[CLS]", "data", "[SEP]")]]
    np.testing.assert_array_equal(TextEncoder(folder).encode(["data"])[0], wanted)


def test_a_width_that_is_not_the_configured_one_is_refused(tmp_path: Path) -> None:
    model = TextEncoder(write_model(tmp_path, dim=4))
    with pytest.raises(ModelError, match=r"\(1, 3, 3\)"):
        model.encode(["data"])


def test_threads_share_one_model() -> None:
    model = load(threads=2)
    fresh = pickle.loads(pickle.dumps(model))
    wanted = model.encode(TITLES).values
    equal: list[bool] = []

    def work() -> None:
        vectors = [fresh.encode(TITLES).values for _ in range(5)]
        equal.extend(np.allclose(v, wanted, atol=1e-5) for v in vectors)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert equal == [True] * 40


def test_batches_side_by_side_give_the_same_vectors() -> None:
    texts = [" ".join(TITLES[i % 4].split()[: 1 + i % 5]) for i in range(60)]
    alone = load(threads=1).encode(texts, batch_size=7)
    beside = load(threads=3).encode(texts, batch_size=7)
    np.testing.assert_array_equal(beside.offsets, alone.offsets)
    np.testing.assert_allclose(beside.values, alone.values, atol=1e-5)


def test_batches_side_by_side_stop_at_an_error_and_when_nobody_wants_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = session.OnnxSession(write_model(tmp_path) / "model.onnx", dim=3, threads=2)
    good, bad = np.ones((1, 2), dtype=np.int64), np.full((1, 2), 10**9, dtype=np.int64)
    found = runner.run_all([good, bad, *[good] * 50])
    assert next(found).shape == (1, 2, 3)
    with pytest.raises(ModelError, match="failed"):
        next(found)
    run, free, begun = runner._run, threading.Event(), []

    def slow(*args: Any) -> Any:
        begun.append(args)
        if len(begun) > 1:
            free.wait(60)
        return run(*args)

    monkeypatch.setattr(runner, "_run", slow)
    wanted = runner.run_all([good] * 50)
    next(wanted)
    wanted.close()
    free.set()
    assert len(list(runner.run_all([good] * 2))) == 2
    assert len(begun) <= 1 + 2 + 2  # the first, one on each thread, and the two of the last call


FORKING = """
import os, sys, threading
import numpy as np
from uwe.encoder.loading import load

texts = ["data engineer, big data pipelines", "baker"] * 4  # two lengths, so two batches
model = load(threads=2)
wanted = model.encode(texts).values
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        equal = np.allclose(model.encode(texts).values, wanted, atol=1e-5)
        grandchild = os.fork()
        if grandchild == 0:
            again = np.allclose(model.encode(texts).values, wanted, atol=1e-5)
            sys.exit(0 if again else 3)  # an exit with all finalisers, not os._exit
        _, status = os.waitpid(grandchild, 0)
        sys.exit(os.waitstatus_to_exitcode(status) if equal else 2)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert np.allclose(model.encode(texts).values, wanted, atol=1e-5)
print(codes, "ORT_DISABLE_TELEMETRY" in os.environ, "TOKENIZERS_PARALLELISM" in os.environ)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_children_of_a_fork_encode_and_exit() -> None:
    # Python 3.12 and newer warn of every fork beside threads: that it works is what is tested.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.stderr == ""
    assert ran.stdout == "[0, 0] False False\n"


def test_the_user_decides_on_telemetry_first() -> None:
    code = (
        "import os; os.environ['ORT_DISABLE_TELEMETRY'] = 'true'\n"
        "from uwe.encoder.loading import load; load().encode(['a'])\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "true\n"


def test_a_model_loads_neither_torch_nor_onnxruntime_before_its_use() -> None:
    code = (
        "import sys; from uwe.encoder.loading import load; m = load(); m.config; m.fingerprint\n"
        "heavy = {'torch', 'onnxruntime', 'tokenizers', 'huggingface_hub', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "m.encode(['a']); print('torch' in sys.modules, 'onnx' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "[]\nFalse False\n"
