"""The folder of a run: who may begin or go on in it, and what a full disk or a kill leaves."""

from __future__ import annotations

import errno
import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tiny_run import write_data, write_recipe
from uwe.errors import InputError, ModelError, TrainingError
from uwe.training.checkpoint import checkpoint_of, run_folder
from uwe.training.log import read_metrics
from uwe.training.loop import train
from uwe.training.recipe import read_recipe
from uwe.training.step import accumulate_gradients


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe"))


def test_other_graphs_on_resume_are_named(data: Path, recipe_path: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(data, tmp_path / "data"))
    recipe = read_recipe(recipe_path, changes=["optimizer.steps=1"])
    train(recipe, out=tmp_path / "run", data=changed, cpu=True)
    path = changed / "train/V.edges.tsv.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:-1])))
    with pytest.raises(InputError, match=r"^train/V\.edges\.tsv\.gz"):
        train(recipe, out=tmp_path / "run", data=changed, resume=True, cpu=True)


def test_what_does_not_fit_is_refused(data: Path, recipe_path: Path, tmp_path: Path) -> None:
    recipe, out = read_recipe(recipe_path), tmp_path / "run"
    with pytest.raises(InputError, match="leave --resume out"):
        train(recipe, out=out, data=data, resume=True)
    train(recipe, out=out, data=data, cpu=True)
    with pytest.raises(InputError, match="go on with  --resume"):
        train(recipe, out=out, data=data)
    again = read_recipe(out / "recipe.json")
    assert again == recipe
    assert train(again, out=out, data=data, resume=True, cpu=True).steps == 12
    for change in ("optimizer.learning_rate=1", "graph.V.share=2"):
        other = read_recipe(recipe_path, changes=[change])
        with pytest.raises(InputError, match=change.partition("=")[0]):
            train(other, out=out, data=data, resume=True)
    for change, words in (
        ("graph.J.batch_size=500", "batches of at most"),
        ("model.max_tokens=100000", "max_tokens"),
    ):
        unfit = read_recipe(recipe_path, changes=[change])
        with pytest.raises(InputError, match=words):
            train(unfit, out=tmp_path / "unfit", data=data)
        assert not (tmp_path / "unfit").exists()
    state = out / "checkpoints/step-000012/trainer.json"
    state.write_text(state.read_text().replace('"format": 2', '"format": 9'))
    with pytest.raises(ModelError, match="got 9"):
        train(recipe, out=out, data=data, resume=True)
    state.write_text("{")
    with pytest.raises(ModelError, match="expected a checkpoint"):
        train(recipe, out=out, data=data, resume=True)


def test_what_is_too_large_for_memory_goes_on_with_less_of_it(
    data: Path, recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = accumulate_gradients

    def full(*step: Any, **where: Any) -> float:
        if not step[2].batches.gradient_cache and len(read_metrics(out / "metrics.jsonl")) == 6:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
        return steps(*step, **where)

    out = tmp_path / "run"
    monkeypatch.setattr("uwe.training.loop.accumulate_gradients", full)
    recipe = read_recipe(recipe_path, changes=["checkpoint_every=2"])
    with pytest.raises(TrainingError, match=r"^step 7 does .*--set batches.gradient_cache=true"):
        train(recipe, out=out, data=data, cpu=True)
    changes = ["checkpoint_every=5", "batches.gradient_cache=true", "batches.tile_pairs=100"]
    less = read_recipe(recipe_path, changes=changes)
    assert train(less, out=out, data=data, resume=True, cpu=True).steps == 12


def test_a_full_disk_leaves_the_checkpoint_before(
    data: Path, recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            # As safetensors does.
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        save_file(tensors, path)

    monkeypatch.setattr("uwe.training.checkpoint.save_file", full)
    recipe, out = read_recipe(recipe_path), tmp_path / "run"
    with pytest.raises(OSError, match="No space left") as caught:
        train(recipe, out=out, data=data, cpu=True)
    assert caught.value.errno == errno.ENOSPC  # by which the command line says what to do
    assert [p.name for p in (out / "checkpoints").iterdir()] == ["step-000004"]
    monkeypatch.undo()
    assert train(recipe, out=out, data=data, resume=True, cpu=True).steps == 12


def test_a_run_that_ended_before_a_checkpoint_begins_again(
    data: Path, recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any, **more: Any) -> float:
        raise KeyboardInterrupt

    out = tmp_path / "run"
    monkeypatch.setattr("uwe.training.loop.accumulate_gradients", killed)
    recipe = read_recipe(recipe_path)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=out, data=data, cpu=True)
    monkeypatch.undo()
    (out / "checkpoints/.step-000004-abc").mkdir()  # as kill -9 leaves it
    other = read_recipe(recipe_path, changes=["seed=5"])
    with pytest.raises(InputError, match="seed of the recipe is 5"):
        train(other, out=out, data=data, resume=True, cpu=True)
    assert train(recipe, out=out, data=data, resume=True, cpu=True).steps == 12
    assert not list((out / "checkpoints").glob(".*"))


def test_a_damaged_checkpoint_says_how_to_go_on(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    recipe, out = read_recipe(recipe_path), tmp_path / "run"
    train(recipe, out=out, data=data, cpu=True)
    last = max((out / "checkpoints").iterdir())
    (last / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match="remove this checkpoint"):
        train(recipe, out=out, data=data, resume=True, cpu=True)
    shutil.rmtree(last)
    assert train(recipe, out=out, data=data, resume=True, cpu=True).steps == 12


@pytest.mark.parametrize("damage", ["step", "fraction", "no tensors", "more rows", "fewer rows"])
def test_a_checkpoint_of_other_parts_is_refused(
    data: Path, recipe_path: Path, tmp_path: Path, damage: str
) -> None:
    recipe, out = read_recipe(recipe_path), tmp_path / "run"
    train(recipe, out=out, data=data, cpu=True)
    last = max((out / "checkpoints").iterdir())
    state = json.loads((last / "trainer.json").read_text())
    if damage == "no tensors":
        save_file({}, last / "trainer.safetensors")
    elif damage.endswith("rows"):
        tensors = load_file(last / "model.safetensors")
        name = next(name for name in tensors if "word_embeddings" in name)
        rows = tensors[name]
        # With fewer, a token has no embedding; with more, they fit into no encoder of the run.
        other = rows[:-1].clone() if damage == "fewer rows" else torch.cat([rows, rows[:1]])
        tensors[name] = other
        save_file(tensors, last / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((last / "config.json").read_text())
        config["vocab_size"] = len(other)
        (last / "config.json").write_text(json.dumps(config))
    else:
        state["step"] = 3 if damage == "step" else state["step"] + 0.5
        (last / "trainer.json").write_text(json.dumps(state))
    with pytest.raises(ModelError, match="remove"):
        train(recipe, out=out, data=data, resume=True, cpu=True)


def test_a_folder_that_is_no_utf_8_is_refused_before_a_step(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="UTF-8"):
        train(read_recipe(recipe_path), out=tmp_path / "run\udcff", data=data, cpu=True)


def test_a_run_is_one_processs_alone(data: Path, recipe_path: Path, tmp_path: Path) -> None:
    recipe, out = read_recipe(recipe_path), tmp_path / "run"
    with (
        run_folder(recipe, out, None),
        pytest.raises(InputError, match="no process goes on with"),
    ):
        train(recipe, out=out, data=data, resume=True, cpu=True)
    assert train(recipe, out=out, data=data, resume=True, cpu=True).steps == 12


def test_a_run_that_went_on_meanwhile_is_not_overtaken(
    data: Path, recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, out = read_recipe(recipe_path), tmp_path / "run"
    train(recipe, out=out, data=data, cpu=True)
    first, *_ = checkpoints = sorted((out / "checkpoints").iterdir())
    read = (first, checkpoint_of(recipe, out, resume=True)[1])  # type: ignore[index]
    assert len(checkpoints) > 1
    monkeypatch.setattr("uwe.training.loop.checkpoint_of", lambda *_, **__: read)
    before = (out / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match="same command again"):
        train(recipe, out=out, data=data, resume=True, cpu=True)
    assert (out / "metrics.jsonl").read_bytes() == before


def test_a_model_that_was_killed_between_two_names_comes_back(
    recipe_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    (out / ".model-abc-old").mkdir(parents=True)
    (out / ".model-abc").mkdir()
    (out / ".model-abc-old" / "it").touch()
    with run_folder(read_recipe(recipe_path), out, None):
        assert [path.name for path in (out / "model").iterdir()] == ["it"]
        assert not list(out.glob(".*"))


def test_a_run_goes_on_from_its_own_base_alone(data: Path, tmp_path: Path) -> None:
    path, out = write_recipe(tmp_path), tmp_path / "run"
    recipe = read_recipe(path)
    train(recipe, out=out, data=data, cpu=True)
    weights = load_file(tmp_path / "base/model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, tmp_path / "base/model.safetensors")
    with pytest.raises(InputError, match="got another"):
        train(recipe, out=out, data=data, resume=True, cpu=True)
    save_file(weights, tmp_path / "base/model.safetensors")
    settings = json.loads((tmp_path / "base/config.json").read_text())
    settings["layer_norm_eps"] *= 2  # it computes something else, with the same weights
    (tmp_path / "base/config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="got another"):
        train(recipe, out=out, data=data, resume=True, cpu=True)


def test_a_data_folder_may_be_named_by_any_path(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data(tmp_path / "data")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    recipe = read_recipe(recipe_path, changes=["optimizer.steps=1"])
    assert train(recipe, out="run", data="../data", cpu=True).steps == 1


def test_a_run_with_other_settings_than_this_release_goes_on(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(recipe_path, changes=["optimizer.wise_ft_alpha=1"])
    out = tmp_path / "run"
    train(recipe, out=out, data=data, cpu=True)
    path = out / "checkpoints/step-000012/trainer.json"
    state = json.loads(path.read_text())
    del state["recipe"]["optimizer"]["wise_ft_alpha"]
    path.write_text(json.dumps(state))
    assert train(recipe, out=out, data=data, resume=True, cpu=True).steps == 12


def test_files_of_a_run_are_as_readable_as_others(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    done = train(read_recipe(recipe_path), out=tmp_path / "run", data=data, cpu=True)
    (tmp_path / "other").touch()
    wanted = (tmp_path / "other").stat().st_mode
    files = [*done.model.iterdir(), *(tmp_path / "run/checkpoints/step-000012").iterdir()]
    assert {path.stat().st_mode for path in files if path.is_file()} == {wanted}


def test_graphs_lie_below_the_data_folder(data: Path, recipe_path: Path, tmp_path: Path) -> None:
    outside = write_data(tmp_path / "elsewhere") / "train"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "train").symlink_to(outside)
    recipe = read_recipe(recipe_path, changes=["optimizer.steps=1"])
    assert train(recipe, out=tmp_path / "run", data=mine, cpu=True).steps == 1
    for folder in (str(outside), "../elsewhere/train"):
        beyond = read_recipe(recipe_path, changes=[f"graphs={folder}"])
        with pytest.raises(InputError, match="folder of graphs"):
            train(beyond, out=tmp_path / "other", data=mine, cpu=True)


def test_a_finished_run_makes_its_model_again(
    data: Path, recipe_path: Path, tmp_path: Path
) -> None:
    recipe, out = read_recipe(recipe_path), tmp_path / "run"
    done = train(recipe, out=out, data=data, cpu=True)
    done.model.rename(tmp_path / "moved")
    again = train(recipe, out=out, data=data, resume=True, cpu=True)
    ours, theirs = (load_file(f / "model.safetensors") for f in (again.model, tmp_path / "moved"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
