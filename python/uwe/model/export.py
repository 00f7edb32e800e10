"""Export a transformers encoder to a runtime folder: ONNX, tokenizer, `uwe.json`."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from uwe.checks import path_of, real_path, text_of
from uwe.encoder.config import WEIGHT_FORMS, ModelConfig, WeightForm
from uwe.encoder.session import OnnxSession
from uwe.encoder.text_encoder import CONFIG_FILE, ONNX_FILE, TOKENIZER_FILE, tokenizer_errors
from uwe.errors import InputError, MissingExtraError, ModelError, shown
from uwe.files.atomic import new_folder
from uwe.model.folder import config_of, quiet, read_source_folder
from uwe.scorer import Scorer, checked_scorer

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

    from uwe.model.encoder import TorchEncoder


# Batch and length of the probes that are compared with torch, and of those that show how large
# activations are.
_COMPARED = ((1, 3), (3, 8), (2, 33), (1, sys.maxsize))
_RANGES = ((64, 8), (32, 16), (32, 32), (16, 64))
# Largest difference to torch in any component that float32 rounding can explain; measured ones
# are below 1e-5.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    `cosine` is the smallest of a token vector with torch's, over probes of several lengths; the
    form of the weights decides it. Probes are random tokens, which real texts beat.
    """

    folder: Path  # the runtime folder
    config: ModelConfig  # the content of its `uwe.json`
    onnx_bytes: int  # size of the ONNX file
    cosine: float


def export(
    source: str | Path,
    out: str | Path,
    *,
    scorer: Scorer | str | None = None,
    weights: WeightForm = "int8",
    max_tokens: int | None = None,
    special_tokens: Literal["keep", "drop"] | None = None,
    name: str | None = None,
    language: str | None = None,
    licence: str | None = None,
    base_model: str | None = None,
) -> Exported:
    """Export the text encoder of a folder of `uwe train`, transformers or sentence-transformers.

    The vectors are the encoder's `last_hidden_state`. The float32 graph is compared with torch
    before anything is written; `out` appears whole or not at all. What is None is taken from the
    folder's `uwe.json`, if `uwe train` wrote it.

    Args:
        source: The folder.
        out: The runtime folder to make; it must not exist, or be empty.
        scorer: How the model's token vectors are to be compared; needed without a `uwe.json`.
        weights: How weights are stored (see `uwe.model.quantize`). int8 is the smallest of those
            that keep a ranking within noise of float32.
        max_tokens: Longest text that is read, special tokens included; None takes what the folder
            says.
        special_tokens: Whether vectors of special tokens are kept; without a `uwe.json` they are.
        name: Name of the model; None takes the source folder's.
        language: What it reads, such as `en`.
        licence: SPDX identifier of the weights' licence.
        base_model: The model that the weights are, or started from.
    """
    source, out = path_of("source", source), path_of("out", text_of("out", str(out)))
    if scorer is not None:
        scorer = checked_scorer(scorer)
    for module in ("torch", "transformers", "onnx", "onnxscript"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("train", f"uwe export (it uses {module})")
    if not isinstance(weights, str) or weights not in WEIGHT_FORMS:
        raise InputError(
            f"expected one of the forms of weights {', '.join(WEIGHT_FORMS)}, got "
            f"{shown(weights)}: correct it"
        )
    folder = read_source_folder(source)
    said = folder.config
    scorer = scorer or (said.scorer if said is not None else None)
    if scorer is None:
        raise InputError(
            f"{source}: has no {CONFIG_FILE} that names a scorer: pass scorer= (--scorer NAME)"
        )
    if scorer.name == "pooled" and folder.mean_pooled is False:
        warnings.warn(
            f"{source}: its own sentence vectors are no means of token vectors, but the scorer "
            "'pooled' compares means: expect other scores than the model's own",
            stacklevel=2,
        )
    if max_tokens is None and said is not None:
        max_tokens = said.max_tokens
    given = {"language": language, "licence": licence, "base_model": base_model}
    declared = {} if said is None else {key: getattr(said, key) for key in (*given, "trained_on")}
    declared |= {key: value for key, value in given.items() if value is not None}
    if name is None:
        name = real_path(source).name if said is None else said.name
    from uwe.model.encoder import TorchEncoder

    with new_folder(out) as partial:
        encoder = TorchEncoder.from_folder(
            source,
            scorer=scorer,
            max_tokens=max_tokens,
            special_tokens=special_tokens,
            attention="eager",
        )
        config = config_of(encoder, name=name, weights=weights, **declared)
        onnx_path = partial / ONNX_FILE
        cosine = _write_onnx(encoder, config, onnx_path)
        encoder.tokenizer.no_truncation()
        (partial / TOKENIZER_FILE).write_text(encoder.tokenizer.to_str(), encoding="utf-8")
        (partial / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")
        size = onnx_path.stat().st_size
    return Exported(out, config, size, cosine)


def _write_onnx(encoder: TorchEncoder, config: ModelConfig, path: Path) -> float:
    """Write the encoder in its form; smallest cosine of a token vector with torch's."""
    import onnx

    from uwe.model.quantize import column_ranges, quantize

    traced = _token_vectors(encoder)
    _trace(traced, path)
    probes = _probes(encoder.tokenizer, config.max_tokens, _COMPARED)
    wanted = [_torch_vectors(traced, ids) for ids in probes]
    exact = _onnx_vectors(path, config.dim, probes)
    error = max(float(np.abs(w - v).max()) for w, v in zip(wanted, exact, strict=True))
    if not error < _TOLERANCE:
        raise ModelError(
            f"the exported {traced.architecture} differs from torch by {error:.2g}: this "
            "architecture cannot be exported"
        )
    ranges = None
    if config.weights == "int8-rows":
        ranges = column_ranges(path, _probes(encoder.tokenizer, config.max_tokens, _RANGES))
    model = onnx.load(path)
    quantize(model, config.weights, ranges)  # type: ignore[arg-type]
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]  # the tracer's stack, with paths of this machine
    onnx.save(model, path)
    stored = _onnx_vectors(path, config.dim, probes)
    return min(_cosine(w, v) for w, v in zip(wanted, stored, strict=True))


def _token_vectors(encoder: TorchEncoder) -> Any:
    """The encoder as a module from ids and a mask to token vectors, padding and all."""
    import torch

    class TokenVectorsOnly(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = encoder.transformer
            self.architecture = str(encoder.transformer.config.model_type)

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
            return self.transformer(input_ids=ids, attention_mask=mask, return_dict=False)[0]

    return TokenVectorsOnly().eval()


def _trace(encoder: Any, path: Path) -> None:
    import torch

    # Two texts of seven tokens: sizes of 1 would be taken for constants.
    ids = torch.full((2, 7), 5, dtype=torch.long)
    axes = {0: "batch", 1: "length"}
    try:
        with quiet(), torch.no_grad():
            torch.onnx.export(
                encoder,
                (ids, torch.ones_like(ids)),
                str(path),
                dynamo=True,
                input_names=["input_ids", "attention_mask"],
                output_names=["token_embeddings"],
                dynamic_shapes=(axes, axes),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter wraps whatever the architecture made it hit
        raise ModelError(
            f"torch cannot export a {encoder.architecture}: {error}: report it with the "
            "model's config.json"
        ) from error


def _probes(
    tokenizer: Tokenizer, max_tokens: int, shapes: Sequence[tuple[int, int]]
) -> list[NDArray[np.int64]]:
    """Random token ids of the vocabulary between special tokens, no longer than `max_tokens`."""
    with tokenizer_errors("the tokenizer fails on an empty text"):
        special = np.array(tokenizer.encode("").ids, dtype=np.int64)
    size = tokenizer.get_vocab_size()
    generator = np.random.default_rng(0)
    probes = []
    for batch, length in shapes:
        inner = max(1, min(length, max_tokens) - len(special))
        ids = generator.integers(0, size, (batch, inner))
        split = len(special) // 2
        parts = [np.tile(p, (batch, 1)) for p in (special[:split], special[split:])]
        probes.append(np.concatenate([parts[0], ids, parts[1]], axis=1).astype(np.int64))
    return probes


def _torch_vectors(encoder: Any, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    import torch

    tensor = torch.from_numpy(ids)
    with torch.no_grad():
        output = encoder(tensor, torch.ones_like(tensor))
    return np.asarray(output)


def _onnx_vectors(
    path: Path, dim: int, probes: list[NDArray[np.int64]]
) -> list[NDArray[np.float32]]:
    session = OnnxSession(path, dim=dim)
    return [session.run(ids) for ids in probes]


def _cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    a, b = left.astype(np.float64), right.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return float(((a * b).sum(axis=-1) / norms).min())
