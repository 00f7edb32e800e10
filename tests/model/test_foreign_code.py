"""Code that a model folder brings is never run, and nobody is asked whether it may."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from tiny_transformers import save_transformer
from uwe.bench.adapters.dense import load_sentence_transformers
from uwe.errors import ModelError
from uwe.model.averaging import average_models
from uwe.model.encoder import TorchEncoder, load_tokenizer, load_transformer
from uwe.model.export import export
from uwe.model.folder import read_source_folder
from uwe.scorer import Scorer

POOLED = Scorer("pooled")
MAPS = {
    "config.json": {"AutoConfig": "evil.C", "AutoModel": "evil.M"},
    "tokenizer_config.json": {"AutoTokenizer": ["evil.T", "evil.T"]},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A BERT, beside code that leaves a mark where it runs; whoever is asked says yes."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    made = save_transformer("bert", tmp_path / "bert")
    evil = f"open({str(tmp_path / 'ran')!r}, 'w')\nclass C: pass\nM = T = Module = C\n"
    (made / "evil.py").write_text(evil)
    monkeypatch.setattr(builtins, "input", lambda *_: "y")
    return made


def change(path: Path, **settings: Any) -> None:
    document = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(document | settings))


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        *((file, {"auto_map": value}) for file, value in MAPS.items()),
        ("config.json", {"text_config": {"auto_map": MAPS["config.json"]}}),
        ("config.json", {"model_type": "evil", "auto_map": MAPS["config.json"]}),
        ("config.json", {"attn_implementation": "someone/kernel"}),
        ("processor_config.json", {"auto_map": {"AutoProcessor": "evil.C"}}),
    ],
)
def test_a_folder_with_code_is_refused_wherever_one_is_taken(
    folder: Path, tmp_path: Path, file: str, settings: dict[str, Any]
) -> None:
    change(folder / file, **settings)
    for take in (
        lambda: read_source_folder(folder),
        lambda: export(folder, tmp_path / "out", scorer=POOLED),
        lambda: TorchEncoder.from_folder(folder, scorer=POOLED),
        lambda: average_models([(str(folder), 1.0), (str(folder), 1.0)], tmp_path / "out"),
    ):
        with pytest.raises(ModelError, match="code"):
            take()
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_transformers_runs_nothing_either(folder: Path, tmp_path: Path) -> None:
    change(folder / "config.json", model_type="evil", auto_map=MAPS["config.json"])
    change(folder / "tokenizer_config.json", auto_map=MAPS["tokenizer_config.json"])
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "T", "auto_map": MAPS["tokenizer_config.json"]})
    )
    with pytest.raises(ModelError):
        load_transformer(folder)
    with pytest.raises(ModelError):
        load_tokenizer(folder)
    assert not (tmp_path / "ran").exists()


def test_sentence_transformers_runs_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentence_transformers")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    modules = [{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="not load it"):
        load_sentence_transformers(str(folder))
    (folder / "modules.json").unlink()
    change(folder / "config.json", model_type="evil", auto_map=MAPS["config.json"])
    with pytest.raises(ModelError, match="not load it"):
        load_sentence_transformers(str(folder))
    assert not (tmp_path / "ran").exists()


def test_an_empty_map_is_no_code(folder: Path) -> None:
    change(folder / "config.json", auto_map={})
    assert read_source_folder(folder).transformer == folder
