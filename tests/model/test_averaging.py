"""Averages of models: of weights, of what they declare, and what cannot be averaged."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tiny_transformers import save_transformer
from uwe.cli.app import app
from uwe.encoder.config import ModelConfig, TrainingSource
from uwe.errors import InputError, ModelError
from uwe.model.averaging import average_models
from uwe.model.encoder import TorchEncoder
from uwe.model.folder import config_of, save_encoder
from uwe.scorer import Scorer

SCORER = Scorer("soft", temperature=0.5, pivot=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_transformer("bert", tmp_path_factory.mktemp("base") / "model")


def trained(base: Path, folder: Path, seed: int, *, scorer: Scorer = SCORER) -> Path:
    """The base, each weight a little off, as a run leaves it."""
    encoder = TorchEncoder.from_folder(base, scorer=scorer, max_tokens=20)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    folder.mkdir()
    source = TrainingSource(f"train/{seed}.edges.tsv.gz", f"{seed:064}")
    save_encoder(encoder, folder, config_of(encoder, name=f"m{seed}", trained_on=(source,)))
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    encoder = TorchEncoder.from_folder(folder, scorer=SCORER, max_tokens=20)
    return dict(encoder.state_dict())


def test_weights_are_averaged_and_sources_united(base: Path, tmp_path: Path) -> None:
    a, b = trained(base, tmp_path / "a", 1), trained(base, tmp_path / "b", 2)
    given = [(str(a), 3.0), (str(b), 1.0), (str(base), 4.0)]
    config = average_models(given, tmp_path / "soup")
    assert config.name == "soup"
    assert config.scorer == SCORER
    assert [source.name for source in config.trained_on] == [
        "train/1.edges.tsv.gz", "train/2.edges.tsv.gz",
    ]  # fmt: skip
    written = ModelConfig.from_json((tmp_path / "soup" / "uwe.json").read_text())
    assert written == config
    of_a, of_b, of_base = weights(a), weights(b), weights(base)
    for key, value in weights(tmp_path / "soup").items():
        wanted = 0.375 * of_a[key] + 0.125 * of_b[key] + 0.5 * of_base[key]
        torch.testing.assert_close(value, wanted)


def test_a_model_with_itself_is_itself(base: Path, tmp_path: Path) -> None:
    a = trained(base, tmp_path / "a", 1)
    average_models([(str(a), 1.0), (str(a), 2.0)], tmp_path / "same", name="again")
    of_a = weights(a)
    for key, value in weights(tmp_path / "same").items():
        torch.testing.assert_close(value, of_a[key])


def test_what_can_not_be_averaged_is_refused(base: Path, tmp_path: Path) -> None:
    a = trained(base, tmp_path / "a", 1)
    other = save_transformer("mpnet", tmp_path / "other")
    rescored = trained(base, tmp_path / "rescored", 2, scorer=Scorer("pooled"))
    out = tmp_path / "out"
    for models in (
        [(str(a), 1.0)],
        [(str(a), 1.0), (str(a), 0.0)],
        [(str(a), 1.0), (str(a), float("nan"))],
        [(str(a), 1e308), (str(a), 1e308)],
        [(str(base), 1.0), (str(base), 1.0)],  # of no run: how are they compared?
        [(str(a), 1.0), (str(other), 1.0)],
        [(str(a), 1.0), (str(rescored), 1.0)],
    ):
        with pytest.raises(InputError):
            average_models(models, out)
        assert not out.exists()
    with pytest.raises(ModelError):
        average_models([(str(a), 1.0), (str(tmp_path / "none"), 1.0)], out)
    shutil.copytree(a, out)
    with pytest.raises(InputError):
        average_models([(str(a), 1.0), (str(a), 1.0)], out)


def test_weights_that_are_no_numbers_are_refused(base: Path, tmp_path: Path) -> None:
    a, b = trained(base, tmp_path / "a", 1), trained(base, tmp_path / "b", 2)
    damaged = load_file(b / "model.safetensors")
    next(iter(damaged.values())).view(-1)[0] = float("nan")
    save_file(damaged, b / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="finite"):
        average_models([(str(a), 1.0), (str(b), 1.0)], tmp_path / "out")
    with pytest.raises(InputError, match="UTF-8"):
        average_models([(str(a), 1.0), (str(a), 1.0)], tmp_path / "out\udcff")
    assert not (tmp_path / "out").exists()


def test_other_tokens_are_refused(base: Path, tmp_path: Path) -> None:
    a, b = trained(base, tmp_path / "a", 1), trained(base, tmp_path / "b", 2)
    tokenizer = b / "tokenizer.json"
    tokenizer.write_text(
        tokenizer.read_text().replace('"MASK]"', '"MISK]"').replace("[MASK]", "[M]")
    )
    with pytest.raises((InputError, ModelError)):
        average_models([(str(a), 1.0), (str(b), 1.0)], tmp_path / "out")


def test_the_command(base: Path, tmp_path: Path) -> None:
    a, b = trained(base, tmp_path / "a", 1), trained(base, tmp_path / "b", 2)
    run = CliRunner().invoke(
        app, ["average", f"{a}=0.25", str(b), "-o", str(tmp_path / "out"), "--name", "both"]
    )
    assert run.exit_code == 0, run.output
    config = ModelConfig.from_json((tmp_path / "out" / "uwe.json").read_text())
    assert replace(config, trained_on=()).name == "both"
    key = "transformer.embeddings.word_embeddings.weight"
    torch.testing.assert_close(
        weights(tmp_path / "out")[key], 0.2 * weights(a)[key] + 0.8 * weights(b)[key]
    )
    assert (
        CliRunner().invoke(app, ["average", f"{a}=x", str(b), "-o", str(tmp_path / "c")]).exit_code
    )
