"""Runtime folders made in a test: five words, three numbers a token, no training, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

import uwe
from uwe.encoder.config import ModelConfig
from uwe.scorer import Scorer

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "data", "engineer", "baker", "spark", "##s", ",")
TABLE: NDArray[np.float32] = (
    np.random.default_rng(7).standard_normal((len(WORDS), 3)).astype(np.float32)
)
"""The vector of each word: (10, 3), float32."""


def word_tokenizer() -> Tokenizer:
    """WordPiece over `WORDS`, lower-casing, with [CLS] and [SEP] around a text."""
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def table_encoder(inputs: tuple[str, ...] = ("input_ids", "attention_mask")) -> onnx.ModelProto:
    """An encoder whose token vectors are rows of `TABLE`, with any names of inputs."""
    axes = ["batch", "length"]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", inputs[0]], ["token_embeddings"])],
        "table",
        [helper.make_tensor_value_info(name, TensorProto.INT64, axes) for name in inputs],
        [helper.make_tensor_value_info("token_embeddings", TensorProto.FLOAT, [*axes, 3])],
        [numpy_helper.from_array(TABLE, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def write_model(folder: Path, *, onnx_folder: str = "", **settings: Any) -> Path:
    """Write a runtime folder; `settings` override its `uwe.json`."""
    config: dict[str, Any] = {
        "name": "tiny",
        "scorer": Scorer("pooled"),
        "special_tokens": "keep",
        "max_tokens": 8,
        "dim": 3,
        "weights": "float32",
    }
    (folder / onnx_folder).mkdir(parents=True, exist_ok=True)
    (folder / "uwe.json").write_text(ModelConfig(**(config | settings)).to_json())
    word_tokenizer().save(str(folder / "tokenizer.json"))
    onnx.save(table_encoder(), folder / onnx_folder / "model.onnx")
    return folder


def write_roles(folder: Path) -> Path:
    """A target cache whose model neither extracts nor is calibrated."""
    model = uwe.load(write_model(folder / "model"))
    return uwe.TargetCache.build(model, ["data", "baker", "spark"], path=folder / "roles.uwe").path
