"""The loop: it learns, resumes bit by bit, survives what comes in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file

import uwe
from tiny_run import write_data, write_recipe
from tiny_transformers import ARCHITECTURES, save_transformer
from uwe.encoder.tokens import Encoder
from uwe.errors import InputError, ModelError, TrainingError
from uwe.model.encoder import TorchEncoder
from uwe.training.log import read_metrics
from uwe.training.loop import interpolated, interruptible, learning_rate_share, train
from uwe.training.recipe import OptimizerRecipe, read_recipe
from uwe.training.step import accumulate_gradients


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe"))


def by_norm(encoder: Encoder) -> dict[str, dict[str, float]]:
    """A validation that a model passes better the longer its vectors are."""
    values = encoder.encode(["a text"]).values
    norm = float((values**2).sum()) % 1.0
    return {"anything": {"MAP": norm, "RP@10": norm}}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_same(left: Path, right: Path) -> None:
    one, other = weights(left), weights(right)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_the_edges(data: Path, recipe_path: Path, tmp_path: Path) -> None:
    recipe = read_recipe(
        recipe_path,
        changes=[
            "optimizer.steps=60",
            "optimizer.learning_rate=1e-3",
        ],
    )
    told: list[tuple[int, int]] = []
    done = train(
        recipe, out=tmp_path / "run", data=data, cpu=True,
        progress=lambda step, steps: told.append((step, steps)),
    )  # fmt: skip
    assert told == [(step, done.steps) for step in range(1, done.steps + 1)]
    assert done.step == done.steps == 60
    log = read_metrics(tmp_path / "run" / "metrics.jsonl")
    losses = [entry["loss"]["V"] for entry in log if "V" in entry.get("loss", {})]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    config = json.loads((done.model / "uwe.json").read_text())
    assert [source["name"] for source in config["trained_on"]] == [
        "train/J.edges.tsv.gz", "train/V.edges.tsv.gz", "train/nodes.job.jsonl.gz",
        "train/nodes.sentence.jsonl.gz", "train/nodes.skill.jsonl.gz",
    ]  # fmt: skip


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_frozen_layers_stay_those_of_the_base(
    data: Path, recipe_path: Path, tmp_path: Path, architecture: str
) -> None:
    base = save_transformer(architecture, tmp_path / "base")
    recipe = read_recipe(
        recipe_path,
        changes=[
            f"model.base={json.dumps(str(base))}",
            "optimizer.frozen_layers=1",
            "optimizer.steps=2",
            "optimizer.wise_ft_alpha=1",
        ],
    )
    done = train(recipe, out=tmp_path / "run", data=data, cpu=True)
    before, after = weights(base), weights(done.model)
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    below = ("embeddings.", "encoder.layer.0.", "layers.0.", "encoder.relative_attention_bias.")
    assert not [name for name in moved if name.startswith(below)]
    upper = {name for name in after if ".1." in name}
    assert {name for name in upper if "key" not in name} <= moved  # a key's bias has no gradient


def test_a_base_of_fewer_layers_than_are_frozen_is_refused(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(recipe_path, changes=["optimizer.frozen_layers=2"])
    with pytest.raises(InputError, match=r"frozen_layers: .*2 layers"):
        train(recipe, out=tmp_path / "run", data=data, cpu=True)
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_killed_resumes_bit_by_bit(
    data: Path, recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(recipe_path)
    whole = train(recipe, out=tmp_path / "whole", data=data, evaluate=by_norm, cpu=True)

    class KilledError(Exception):
        pass

    taken = []

    def killed(*arguments: Any, **more: Any) -> float:
        taken.append(1)
        if len(taken) == 7:  # three steps after the last checkpoint
            raise KilledError
        return accumulate_gradients(*arguments, **more)

    monkeypatch.setattr("uwe.training.loop.accumulate_gradients", killed)
    with pytest.raises(KilledError):
        train(recipe, out=tmp_path / "run", data=data, evaluate=by_norm, cpu=True)
    monkeypatch.undo()
    done = train(recipe, out=tmp_path / "run", data=data, evaluate=by_norm, resume=True, cpu=True)
    assert (done.step, done.validation) == (whole.step, whole.validation)
    assert_same(done.model, whole.model)
    last = Path("checkpoints/step-000012")
    assert_same(tmp_path / "run" / last, tmp_path / "whole" / last)
    one, other = (load_file(tmp_path / run / last / "trainer.safetensors") for run in
                  ("run", "whole"))  # fmt: skip
    assert all(torch.equal(one[name], other[name]) for name in one)
    logs = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("run", "whole")]
    for log in logs:
        for entry in log:
            entry.pop("seconds", None)
    assert logs[0] == logs[1]


def test_the_best_step_is_kept(data: Path, recipe_path: Path, tmp_path: Path) -> None:
    values = iter([0.2, 0.9, 0.4])

    def evaluate(encoder: object) -> dict[str, dict[str, float]]:
        value = next(values)
        return {"anything": {"MAP": value, "RP@10": value}}

    recipe = read_recipe(recipe_path, changes=["optimizer.wise_ft_alpha=1"])
    done = train(recipe, out=tmp_path / "run", data=data, evaluate=evaluate, cpu=True)
    assert (done.step, done.steps) == (8, 12)
    assert_same(done.model, tmp_path / "run/checkpoints/step-000008")
    assert sorted(p.name for p in (tmp_path / "run/checkpoints").iterdir()) == [
        "step-000008", "step-000012",
    ]  # fmt: skip


def test_a_loss_that_is_no_number_stops_with_its_batch(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(
        recipe_path, changes=["optimizer.learning_rate=1e30", "optimizer.max_grad_norm=0"]
    )
    with pytest.raises(TrainingError, match=r"lower optimizer.learning_rate"):
        train(recipe, out=tmp_path / "run", data=data, cpu=True)
    (saved,) = (tmp_path / "run").glob("failed-step-*.json")
    found = json.loads(saved.read_text())
    assert {"graph", "left", "right", "positives"} <= found.keys()


COMMAND = "import sys; from uwe.cli import main; sys.argv[0] = 'uwe'; main()"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_at_any_moment_it_goes_on(
    data: Path,
    recipe_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: signal.Signals,
) -> None:
    out = tmp_path / "run"
    changes = ["optimizer.steps=3000", "checkpoint_every=5", "validation.tasks=[]"]
    arguments = [str(recipe_path), "--data", str(data), "--out", str(out), "--cpu"]
    for change in changes:
        arguments += ["--set", change]
    command = [sys.executable, "-c", COMMAND, "train", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "checkpoints/step-000010").exists():
        assert time.monotonic() < deadline, running.communicate()
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    running.send_signal(how)
    _, said = running.communicate(timeout=60)
    checkpoints = sorted(p for p in (out / "checkpoints").iterdir() if p.name[0] != ".")
    if how is not signal.SIGKILL:
        assert running.returncode == 130
        assert "--resume goes on" in said
        assert int(checkpoints[-1].name[5:]) == len(read_metrics(out / "metrics.jsonl"))
    recipe = read_recipe(recipe_path, changes=changes)
    step = int(checkpoints[-1].name[5:])

    class EnoughError(Exception):
        pass

    def enough(folder: Path, *rest: object) -> Path:
        raise EnoughError

    monkeypatch.setattr("uwe.training.loop.save_checkpoint", enough)
    with pytest.raises(EnoughError):
        train(recipe, out=out, data=data, resume=True, cpu=True)
    steps = [entry["step"] for entry in read_metrics(out / "metrics.jsonl")]
    assert steps == list(range(1, (step // 5 + 1) * 5 + 1))


@pytest.mark.slow
def test_a_trained_model_is_exported_and_opened_by_others(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from uwe.model.export import export

    for changes in ([], ["model.scorer=pooled"]):
        recipe = read_recipe(recipe_path, changes=["optimizer.steps=2", *changes])
        done = train(recipe, out=tmp_path / f"run{len(changes)}", data=data, cpu=True)
        runtime = export(done.model, tmp_path / f"runtime{len(changes)}", weights="float32")
        model = uwe.load(runtime.folder)
        assert model.config.trained_on
        texts = ["data engineer", "soup", "soup \N{GRINNING FACE} data"]  # the last: unknown
        found = model.encode(texts)
        trained = TorchEncoder.from_folder(
            done.model, scorer=model.config.scorer, special_tokens=model.config.special_tokens
        ).encode(texts)
        assert trained.offsets.tolist() == found.offsets.tolist()
        np.testing.assert_allclose(trained.values, found.values, atol=1e-4)
        theirs = sentence_transformers.MultiVectorEncoder(str(done.model), device="cpu")
        for i, vectors in enumerate(theirs.encode(texts, normalize_embeddings=False)):
            ours = found.values[found.offsets[i] : found.offsets[i + 1]]
            torch.testing.assert_close(vectors.cpu(), torch.from_numpy(ours), atol=1e-4, rtol=1e-4)


def test_what_the_base_has_seen_the_model_has_seen(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(recipe_path, changes=["optimizer.steps=1"])
    first = train(recipe, out=tmp_path / "first", data=data, cpu=True)
    path = first.model / "uwe.json"
    config = json.loads(path.read_text())
    config["trained_on"] = [{"name": "older/J.edges.tsv.gz", "sha256": "ab" * 32}]
    path.write_text(json.dumps(config))
    changes = [f"model.base={json.dumps(str(first.model))}", "optimizer.steps=1"]
    second = train(
        read_recipe(recipe_path, changes=changes), out=tmp_path / "second", data=data, cpu=True
    )
    names = [s["name"] for s in json.loads((second.model / "uwe.json").read_text())["trained_on"]]
    assert names[0] == "older/J.edges.tsv.gz"
    assert "train/V.edges.tsv.gz" in names


def test_a_model_learns_from_a_teacher_and_of_what_it_has_seen(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(recipe_path, changes=["optimizer.steps=8"])
    teacher = train(recipe, out=tmp_path / "teacher", data=data, cpu=True).model
    path = teacher / "uwe.json"
    config = json.loads(path.read_text())
    config["trained_on"] = [{"name": "older/J.edges.tsv.gz", "sha256": "ab" * 32}]
    path.write_text(json.dumps(config))
    lesson = f"teacher={{models=[{json.dumps(str(teacher))}], weight=0.5, graphs=['V']}}"
    taught = read_recipe(recipe_path, changes=[lesson])
    done = train(taught, out=tmp_path / "run", data=data, cpu=True)
    train(read_recipe(recipe_path), out=tmp_path / "untaught", data=data, cpu=True)
    logs = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("run", "untaught")]
    for one, other in zip(*logs, strict=True):
        graph = next(iter(one["loss"]))
        if one["step"] == 1 or graph == "V":
            assert (one["loss"] == other["loss"]) is (graph == "J")
    train(taught, out=tmp_path / "run", data=data, resume=True, cpu=True)
    names = [s["name"] for s in json.loads((done.model / "uwe.json").read_text())["trained_on"]]
    assert "older/J.edges.tsv.gz" in names
    assert "train/V.edges.tsv.gz" in names
    recipe = read_recipe(recipe_path, changes=["optimizer.steps=2"])
    stranger = train(recipe, out=tmp_path / "other", data=data, cpu=True).model
    (stranger / "model.safetensors").replace(teacher / "model.safetensors")
    with pytest.raises(InputError, match="the teacher that the run began with"):
        train(taught, out=tmp_path / "run", data=data, resume=True, cpu=True)
    plain = read_recipe(recipe_path, changes=[f"teacher.models=[{json.dumps(recipe.model.base)}]"])
    with pytest.raises(ModelError, match="a teacher that"):
        train(plain, out=tmp_path / "plain", data=data, cpu=True)


@pytest.mark.parametrize(
    "changes",
    [
        ["batches.gradient_cache=true", "graph.V.padding=0.5", "graph.V.augment={typos=0.5}"],
        ["model.scorer=pooled", "seed=2026112501", "optimizer.warmup=0"],
        ["precision=bf16"],
        ["precision=bf16", "batches.gradient_cache=true"],
    ],
)
def test_switches_work_together(
    data: Path, recipe_path: Path, tmp_path: Path, changes: list[str]
) -> None:
    recipe = read_recipe(recipe_path, changes=["optimizer.steps=3", *changes])
    assert train(recipe, out=tmp_path / "run", data=data, cpu=True).steps == 3


@pytest.mark.parametrize("alpha", [0.25, 0.8])
def test_kept_weights_lie_between_the_start_and_the_trained_ones(alpha: float) -> None:
    encoder = torch.nn.Linear(2, 3)
    start = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(3.0)
    trained = encoder.weight.detach().clone()
    with interpolated(encoder, start, alpha):
        torch.testing.assert_close(encoder.weight.detach(), start["weight"] + 3 * alpha)
    assert torch.equal(encoder.weight, trained)
    with pytest.raises(RuntimeError), interpolated(encoder, start, alpha):
        raise RuntimeError
    assert torch.equal(encoder.weight, trained)
    with interpolated(encoder, {}, 1.0):
        assert torch.equal(encoder.weight, trained)


def test_the_rate_rises_and_falls() -> None:
    recipe = OptimizerRecipe(steps=100, warmup=0.1)
    rates = [learning_rate_share(step, recipe) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(rates) == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_stops_at_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with interruptible() as found:
        signal.raise_signal(number)
        assert found == [number]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) == before
