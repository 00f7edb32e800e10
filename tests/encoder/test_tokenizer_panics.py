"""What the tokenizers library does not expect is one of our errors, not a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Regex, normalizers

import uwe
from tiny_model import WORDS, word_tokenizer, write_model
from uwe.encoder.text_encoder import tokenizer_errors
from uwe.errors import CacheNotFoundError, ModelError

ENDLESS = "a" * 30 + "!"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose tokenizer has a regular expression that gives up."""
    made = write_model(tmp_path / "model")
    tokenizer = word_tokenizer()
    tokenizer.normalizer = normalizers.Replace(Regex("(a+)+$"), "x")
    tokenizer.save(str(made / "tokenizer.json"))
    assert WORDS
    return made


def test_a_panic_is_an_error_of_the_model(folder: Path, tmp_path: Path) -> None:
    model = uwe.load(folder)
    for use in (
        lambda: model.encode(["data", ENDLESS]),
        lambda: model.tokenize(ENDLESS),
        lambda: uwe.TargetCache.build(model, ["data", ENDLESS], path=tmp_path / "c"),
    ):
        with pytest.raises(ModelError, match="tokenizer"):
            use()
    with pytest.raises(CacheNotFoundError):
        uwe.TargetCache.open(tmp_path / "c")


def test_it_is_one_line_at_the_command_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(f"data\n{ENDLESS}\n")
    command = [sys.executable, "-m", "uwe", "cache", "build", str(tmp_path / "c.uwe"),
               "--input", str(tmp_path / "labels.txt"), "--model", str(folder)]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("uwe: error: ")
    assert "Traceback" not in ran.stderr


class PanicException(BaseException):
    """As pyo3 makes of a panic."""


def raising(error: BaseException) -> None:
    with tokenizer_errors("it fails on a text"):
        raise error


@pytest.mark.parametrize("error", [PanicException("x"), Exception("x"), ValueError("x")])
def test_all_it_raises_is_one_error(error: BaseException) -> None:
    with pytest.raises(ModelError, match="x"):
        raising(error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), MemoryError()])
def test_what_is_not_of_the_library_passes(error: BaseException) -> None:
    with pytest.raises(type(error)):
        raising(error)


def test_torchs_encoder_does_the_same(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tiny_transformers import save_transformer
    from uwe.model.encoder import TorchEncoder

    made = save_transformer("bert", tmp_path / "bert")
    encoder = TorchEncoder.from_folder(made, scorer=uwe.Scorer("pooled"))
    encoder.tokenizer.normalizer = normalizers.Replace(Regex("(a+)+$"), "x")
    with pytest.raises(ModelError, match="tokenizer"):
        encoder.encode(["data", ENDLESS])
