"""Export of tiny random transformers: the runtime folder gives torch's token vectors."""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import transformers
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from tiny_transformers import ARCHITECTURES, POSITIONS, save_transformer
from uwe.encoder.config import WEIGHT_FORMS
from uwe.encoder.loading import load
from uwe.encoder.session import OnnxSession
from uwe.errors import InputError, MissingExtraError, ModelError
from uwe.model import export as export_module
from uwe.model.export import Exported, export
from uwe.model.quantize import quantize
from uwe.scorer import Scorer

SCORER = Scorer("soft", temperature=0.5)
TEXTS = ["a", "Data Engineer", "big data, C++", "ICT and more " * 2, "3.5 jobs #1", "Nurse"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random model of each architecture."""
    root = tmp_path_factory.mktemp("sources")
    return {name: save_transformer(name, root / name) for name in ARCHITECTURES}


@pytest.fixture(scope="module")
def exported(
    sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Exported]:
    """Makes the runtime folder of a random model in float32, once."""

    @cache
    def of(architecture: str) -> Exported:
        return export(
            sources[architecture],
            tmp_path_factory.mktemp(architecture) / "out",
            scorer=SCORER,
            weights="float32",
            max_tokens=30 if architecture == "bert" else None,
            language="en",
            licence="Apache-2.0",
            base_model="random",
        )

    return of


@pytest.fixture(scope="module")
def bert(exported: Callable[[str], Exported]) -> Path:
    return exported("bert").folder


@pytest.fixture
def traced(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of the random BERT, in whatever folder, has the graph there is: tracing is slow."""
    graph = (bert / "model.onnx").read_bytes()
    monkeypatch.setattr(export_module, "_trace", lambda _, path: path.write_bytes(graph))


def torch_vectors(folder: Path, texts: list[str]) -> list[NDArray[np.float32]]:
    """`last_hidden_state` without padding, from one padded batch with its mask."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).last_hidden_state
    return [s[m.bool()].numpy() for s, m in zip(states, batch["attention_mask"], strict=True)]


@pytest.mark.parametrize(
    "architecture",
    [
        "bert",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("modernbert", "mpnet", "xlm-roberta")
        ),
    ],
)
def test_the_runtime_gives_torchs_vectors(
    sources: dict[str, Path], exported: Callable[[str], Exported], architecture: str
) -> None:
    made = exported(architecture)
    assert made.cosine > 1 - 1e-9
    assert made.onnx_bytes == (made.folder / "model.onnx").stat().st_size
    assert made.config.max_tokens == (30 if architecture == "bert" else POSITIONS)
    model = load(made.folder)
    assert model.config == made.config
    assert (model.config.name, model.config.scorer) == (architecture, SCORER)
    wanted = torch_vectors(sources[architecture], TEXTS)
    for batch_size in (1, 4):
        for got, want in zip(model.encode(TEXTS, batch_size=batch_size), wanted, strict=True):
            np.testing.assert_allclose(got, want, atol=1e-4)


def test_the_folder_holds_three_files_and_no_trace_of_this_machine(bert: Path) -> None:
    assert sorted(p.name for p in bert.iterdir()) == ["model.onnx", "tokenizer.json", "uwe.json"]
    assert b"/" + Path.cwd().parts[1].encode() + b"/" not in (bert / "model.onnx").read_bytes()
    assert [p.name for p in bert.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("form", WEIGHT_FORMS)
def test_no_form_depends_on_the_batch(
    bert: Path, sources: dict[str, Path], form: Any, tmp_path: Path
) -> None:
    model = onnx.load(bert / "model.onnx")
    quantize(model, form)
    onnx.save(model, tmp_path / "model.onnx")
    session = OnnxSession(tmp_path / "model.onnx", dim=64, threads=1)
    ids = np.random.default_rng(1).integers(5, 60, (6, 12))
    together = session.run(ids)
    wanted = OnnxSession(bert / "model.onnx", dim=64, threads=1).run(ids)
    # Whole numbers have one sum, whatever the shape of the product.
    tolerance = 0 if form == "int8-rows" else 1e-5
    for row, vectors, want in zip(ids, together, wanted, strict=True):
        np.testing.assert_allclose(session.run(row[None])[0], vectors, rtol=0, atol=tolerance)
        cosines = (vectors * want).sum(-1) / (
            np.linalg.norm(vectors, axis=-1) * np.linalg.norm(want, axis=-1)
        )
        assert cosines.min() > {"float32": 1 - 1e-6, "float16": 1 - 1e-5}.get(form, 0.98)


def sentence_folder(source: Path, out: Path, *modules: str, **settings: Any) -> Path:
    """A sentence-transformers folder around a transformers one."""
    kinds = ("Transformer", *modules)
    shutil.copytree(source, out)
    (out / "modules.json").write_text(
        json.dumps(
            [
                {
                    "idx": i,
                    "name": str(i),
                    "path": "" if i == 0 else f"{i}_{kind}",
                    "type": f"sentence_transformers.models.{kind}",
                }
                for i, kind in enumerate(kinds)
            ]
        )
    )
    (out / "sentence_bert_config.json").write_text(json.dumps(settings))
    for i, kind in enumerate(kinds):
        if i:
            (out / f"{i}_{kind}").mkdir()
            (out / f"{i}_{kind}" / "config.json").write_text(
                json.dumps({"pooling_mode_mean_tokens": True} if kind == "Pooling" else {})
            )
    return out


def test_a_sentence_transformers_folder_is_honoured(
    sources: dict[str, Path], traced: None, tmp_path: Path
) -> None:
    source = sentence_folder(
        sources["bert"],
        tmp_path / "st",
        "Pooling",
        "Normalize",
        max_seq_length=12,
        do_lower_case=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exported = export(
            source, tmp_path / "out", scorer=Scorer("pooled"), special_tokens="drop", name="st"
        )
    assert (exported.config.max_tokens, exported.config.weights) == (12, "int8")
    assert exported.cosine > 0.98
    model = load(exported.folder)
    upper, lower = model.encode(["NURSE", "nurse"])
    assert len(upper) == 5  # the tokenizer itself keeps case, and special tokens are dropped
    np.testing.assert_array_equal(upper, lower)


def test_another_pooling_than_means_is_warned_of(
    sources: dict[str, Path], traced: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sentence_folder(sources["bert"], tmp_path / "st", "Pooling")
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    monkeypatch.setattr(export_module, "_TOLERANCE", 0.0)
    with (
        pytest.warns(UserWarning, match="scores"),
        pytest.raises(ModelError, match="differs from torch"),
    ):
        export(source, tmp_path / "out", scorer=Scorer("pooled"))
    assert not (tmp_path / "out").exists()


def test_a_failed_export_leaves_nothing(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **settings: Any) -> None:
        raise RuntimeError("unsupported operator")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ModelError, match="unsupported"):
        export(sources["bert"], tmp_path / "out", scorer=SCORER)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (POSITIONS + 1, f"at most the model's {POSITIONS} positions, got {POSITIONS + 1}"),
        (0, "max_tokens"),
        (True, "max_tokens"),
    ],
)
@pytest.mark.parametrize("architecture", ["bert", "xlm-roberta", "modernbert"])
def test_more_tokens_than_positions_are_refused(
    sources: dict[str, Path], tmp_path: Path, architecture: str, asked: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        export(sources[architecture], tmp_path / "out", scorer=SCORER, max_tokens=asked)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_holds_something_is_kept(sources: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(InputError, match="already"):
        export(sources["bert"], tmp_path / "out", scorer=SCORER)
    assert (tmp_path / "out" / "mine").read_text() == "precious"


def test_an_unknown_form_is_refused(sources: dict[str, Path], tmp_path: Path) -> None:
    form: Any = "int4"
    with pytest.raises(InputError, match="int8-rows, got 'int4'"):
        export(sources["bert"], tmp_path / "out", scorer=SCORER, weights=form)


@pytest.mark.parametrize("module", ["torch", "transformers", "onnx", "onnxscript"])
def test_a_missing_extra_carries_the_pip_command(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else name)
    with pytest.raises(MissingExtraError, match=rf"uses {module}.*pip install 'uwe\[train\]'"):
        export(sources["bert"], tmp_path / "out", scorer=SCORER)


def test_weights_with_gaps_are_refused(sources: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "gaps"
    shutil.copytree(sources["bert"], folder)
    tensors = load_file(folder / "model.safetensors")
    kept = {k: v for k, v in tensors.items() if "layer.1.output" not in k and "pooler" not in k}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"encoder\.layer\.1\.output"):
        export(folder, tmp_path / "out", scorer=SCORER)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_broken_source_files_are_refused(
    sources: dict[str, Path], tmp_path: Path, file: str
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(sources["bert"], folder)
    (folder / file).write_bytes(b"nothing of that kind")
    with pytest.raises(ModelError, match="transformers cannot load"):
        export(folder, tmp_path / "out", scorer=SCORER)


def test_a_tokenizer_with_other_token_types_is_refused(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "typed"
    shutil.copytree(sources["bert"], folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    for part in tokenizer["post_processor"]["single"]:
        next(iter(part.values()))["type_id"] = 1
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="token type"):
        export(folder, tmp_path / "out", scorer=SCORER)


def test_a_tokenizer_without_a_fast_form_is_refused(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        transformers.AutoTokenizer, "from_pretrained", lambda path, **settings: object()
    )
    with pytest.raises(ModelError, match="fast"):
        export(sources["bert"], tmp_path / "out", scorer=SCORER)


def test_a_model_that_does_not_say_its_length_asks_for_it(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uwe.model.encoder.positions", lambda encoder: None)
    with pytest.raises(InputError, match="max_tokens"):
        export(sources["bert"], tmp_path / "out", scorer=SCORER)


def test_what_is_no_encoder_is_refused(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"vocab_size": 8, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1}
    sizes |= {"num_heads": 2, "decoder_start_token_id": 0}
    config = transformers.T5Config(**sizes)
    transformers.T5Model(config).save_pretrained(tmp_path / "t5")
    with pytest.raises(ModelError, match="t5"):
        export(tmp_path / "t5", tmp_path / "out", scorer=SCORER)


def test_a_scorers_bare_name_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a temperature"):
        export(tmp_path / "absent", tmp_path / "out", scorer="soft")
    assert not (tmp_path / "out").exists()
