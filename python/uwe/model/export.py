"""Export a transformers encoder to a runtime folder: ONNX, tokenizer, `uwe.json`."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from uwe.checks import positive
from uwe.config import WEIGHT_FORMS, ModelConfig, Scorer, WeightForm, checked_scorer
from uwe.errors import InputError, MissingExtraError, ModelError
from uwe.model.folder import SourceFolder, new_folder, read_source_folder
from uwe.session import OnnxSession
from uwe.text import CONFIG_FILE, ONNX_FILE, TOKENIZER_FILE

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

__all__ = ["Exported", "export"]

# Largest difference to torch in any component that float32 rounding can explain; measured ones
# are below 1e-5.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        folder: The runtime folder.
        config: The content of its `uwe.json`.
        onnx_bytes: Size of the ONNX file.
        cosine: Smallest cosine of a token vector with torch's, over probes of several lengths;
            the form of the weights decides it. Probes are random tokens, which real texts beat.
    """

    folder: Path
    config: ModelConfig
    onnx_bytes: int
    cosine: float


def export(
    source: str | Path,
    out: str | Path,
    *,
    scorer: Scorer,
    weights: WeightForm = "int8",
    max_tokens: int | None = None,
    special_tokens: Literal["keep", "drop"] = "keep",
    name: str | None = None,
    language: str = "",
    licence: str = "",
    base_model: str = "",
) -> Exported:
    """Export the text encoder of a transformers or sentence-transformers folder.

    The vectors are the encoder's `last_hidden_state`. The float32 graph is compared with torch
    before anything is written; `out` appears whole or not at all.

    Args:
        source: The folder.
        out: The runtime folder to make; it must not exist, or be empty.
        scorer: How the model's token vectors are to be compared.
        weights: How weights are stored (see `uwe.model.quantize`). int8 is the smallest of those
            that keep a ranking within noise of float32.
        max_tokens: Longest text that is read, special tokens included; None takes what the folder
            says.
        special_tokens: Whether vectors of special tokens are kept.
        name: Name of the model; None takes the source folder's.
        language: What it reads, such as `en`.
        licence: SPDX identifier of the weights' licence.
        base_model: The model that the weights are, or started from.

    Returns:
        What was written, and how close it is to torch.

    Raises:
        MissingExtraError: If torch, transformers, onnx or onnxscript is not installed.
        ModelError: If the folder is no encoder that can be exported as it is.
        InputError: If `out` holds something, `max_tokens` exceeds the model's positions, or
            `scorer` is no `uwe.Scorer`.

    Warns:
        UserWarning: If the scorer is `pooled` and the model pools its own sentence vectors in
            another way than by means.
    """
    scorer = checked_scorer(scorer)
    for module in ("torch", "transformers", "onnx", "onnxscript"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("train", f"uwe export (it uses {module})")
    if weights not in WEIGHT_FORMS:
        raise InputError(
            f"expected weights out of {', '.join(WEIGHT_FORMS)}, got {weights!r}: correct it"
        )
    folder = read_source_folder(Path(source))
    if scorer.name == "pooled" and folder.mean_pooled is False:
        warnings.warn(
            f"{source}: its own sentence vectors are no means of token vectors, but the scorer "
            "'pooled' compares means: expect other scores than the model's own",
            stacklevel=2,
        )
    with new_folder(Path(out)) as partial:
        encoder = _load_encoder(folder.transformer)
        tokenizer = _load_tokenizer(folder)
        limit = _positions(encoder)
        config = ModelConfig(
            name=Path(source).resolve().name if name is None else name,
            scorer=scorer,
            special_tokens=special_tokens,
            max_tokens=_max_tokens(max_tokens, folder.max_tokens, limit),
            dim=int(encoder.config.hidden_size),
            weights=weights,
            language=language,
            licence=licence,
            base_model=base_model,
        )
        onnx_path = partial / ONNX_FILE
        cosine = _write_onnx(encoder, tokenizer, config, onnx_path)
        (partial / TOKENIZER_FILE).write_text(tokenizer.to_str(), encoding="utf-8")
        (partial / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")
        size = onnx_path.stat().st_size
    return Exported(Path(out), config, size, cosine)


def _load_encoder(folder: Path) -> Any:
    import torch
    from transformers import AutoModel

    try:
        with _quiet():
            model, loaded = AutoModel.from_pretrained(
                folder,
                attn_implementation="eager",
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # whatever a broken file makes its many readers raise
        raise ModelError(
            f"{folder}: transformers can not load it: {error}: pass the folder that "
            "save_pretrained wrote"
        ) from error
    # transformers fills gaps with random numbers; only its pooler never reaches a token vector.
    gaps = [k for k in sorted(loaded["missing_keys"]) if not k.startswith("pooler.")]
    if gaps:
        raise ModelError(
            f"{folder}: its weights lack {gaps[0]} and {len(gaps) - 1} more that a "
            f"{model.config.model_type} needs: pass a folder with all weights"
        )
    if getattr(model.config, "is_encoder_decoder", False) or getattr(
        model.config, "is_decoder", False
    ):
        raise ModelError(f"{folder}: {model.config.model_type} is no encoder: export one that is")
    return model.eval()


def _load_tokenizer(folder: SourceFolder) -> Tokenizer:
    """The fast tokenizer as transformers would use it, without padding and truncation."""
    from tokenizers import Tokenizer, normalizers
    from transformers import AutoTokenizer

    path = folder.transformer
    try:
        with _quiet():
            loaded = AutoTokenizer.from_pretrained(path, local_files_only=True)
    except Exception as error:  # tokenizers raises plain Exception
        raise ModelError(f"{path}: transformers can not load its tokenizer: {error}") from error
    if not getattr(loaded, "is_fast", False):
        raise ModelError(
            f"{path}: {type(loaded).__name__} has no fast form (tokenizer.json): save the model "
            "with a tokenizer of the tokenizers library"
        )
    tokenizer: Tokenizer = Tokenizer.from_str(loaded.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if folder.lower_case:
        lower = [normalizers.Lowercase()]
        if tokenizer.normalizer is not None:
            lower.append(tokenizer.normalizer)
        tokenizer.normalizer = normalizers.Sequence(lower)
    if any(tokenizer.encode("any text").type_ids):
        raise ModelError(
            f"{path}: its tokenizer gives a single text a token type other than 0, which the "
            "exported encoder would not see: this model can not be exported"
        )
    return tokenizer


def _positions(encoder: Any) -> int | None:
    """How many positions the encoder has; None if it does not say."""
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if table is not None and hasattr(table, "num_embeddings"):
        # RoBERTa's kin count positions from the padding index on.
        offset = 0 if table.padding_idx is None else int(table.padding_idx) + 1
        return int(table.num_embeddings) - offset
    limit = getattr(encoder.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) else None


def _max_tokens(asked: int | None, declared: int | None, limit: int | None) -> int:
    if asked is not None:
        asked = positive("max_tokens", asked)
        if limit is not None and asked > limit:
            raise InputError(
                f"expected max_tokens to be at most the model's {limit} positions, got {asked}: "
                "lower it"
            )
        return asked
    known = [n for n in (declared, limit) if n is not None]
    if not known:
        raise InputError("the model does not say how long a text may be: pass max_tokens")
    return min(known)


def _write_onnx(encoder: Any, tokenizer: Tokenizer, config: ModelConfig, path: Path) -> float:
    """Write the encoder in its form; smallest cosine of a token vector with torch's."""
    import onnx

    from uwe.model.quantize import quantize

    _trace(encoder, path)
    probes = _probes(tokenizer, config.max_tokens)
    wanted = [_torch_vectors(encoder, ids) for ids in probes]
    exact = _onnx_vectors(path, config.dim, probes)
    error = max(float(np.abs(w - v).max()) for w, v in zip(wanted, exact, strict=True))
    if not error < _TOLERANCE:
        raise ModelError(
            f"the exported {encoder.config.model_type} differs from torch by {error:.2g}: this "
            "architecture can not be exported"
        )
    model = onnx.load(path)
    quantize(model, config.weights)  # type: ignore[arg-type]
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]  # the tracer's stack, with paths of this machine
    onnx.save(model, path)
    stored = _onnx_vectors(path, config.dim, probes)
    return min(_cosine(w, v) for w, v in zip(wanted, stored, strict=True))


def _trace(encoder: Any, path: Path) -> None:
    import torch

    class TokenVectorsOnly(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
            return self.encoder(input_ids=ids, attention_mask=mask, return_dict=False)[0]

    # Two texts of seven tokens: sizes of 1 would be taken for constants.
    ids = torch.full((2, 7), 5, dtype=torch.long)
    axes = {0: "batch", 1: "length"}
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                TokenVectorsOnly().eval(),
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
            f"torch can not export a {encoder.config.model_type}: {error}: report it with the "
            "model's config.json"
        ) from error


def _probes(tokenizer: Tokenizer, max_tokens: int) -> list[NDArray[np.int64]]:
    """Token ids of some lengths and batch sizes, made of the vocabulary, between special tokens."""
    empty = tokenizer.encode("")
    special = np.array(empty.ids, dtype=np.int64)
    size = tokenizer.get_vocab_size()
    generator = np.random.default_rng(0)
    probes = []
    for batch, length in ((1, 3), (3, 8), (2, 33), (1, max_tokens)):
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
        output = encoder(
            input_ids=tensor, attention_mask=torch.ones_like(tensor), return_dict=False
        )
    vectors: NDArray[np.float32] = output[0].numpy()
    return vectors


def _onnx_vectors(
    path: Path, dim: int, probes: list[NDArray[np.int64]]
) -> list[NDArray[np.float32]]:
    session = OnnxSession(path, dim=dim)
    return [session.run(ids) for ids in probes]


def _cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    a, b = left.astype(np.float64), right.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return float(((a * b).sum(axis=-1) / norms).min())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch and transformers print about their own progress."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # Progress bars; what goes wrong comes as an exception.
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
