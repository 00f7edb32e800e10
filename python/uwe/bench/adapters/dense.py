"""Models that give vectors: our own, those of sentence-transformers, any `encode(texts)`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.bench.model import EncoderModel
from uwe.checks import floats
from uwe.encoder.config import TrainingSource
from uwe.encoder.text_encoder import TextEncoder, tokenizer_errors
from uwe.encoder.tokens import TokenVectors
from uwe.errors import InputError, ModelError, extra
from uwe.scorer import Scorer

_PROBE = ("data engineer, Python and SQL", "bakes bread and pastry")
_WANTED = (
    "uwe.TokenVectors, one array of shape (texts, dim), or a list with an array of shape "
    "(tokens, dim) for each text"
)


def uwe_model(encoder: TextEncoder) -> EncoderModel:
    """One of our models, loaded, with its own scorer and what it says it was trained on."""
    return EncoderModel(
        name=encoder.config.name,
        kind="uwe",
        source=encoder.source,
        fingerprint=encoder.fingerprint,
        trained_on=encoder.config.trained_on,
        encoder=encoder,
        scorer=encoder.config.scorer,
    )


def callable_model(source: Any) -> EncoderModel:
    """Anything with `encode(texts)`, or that can be called so.

    It is asked for two short texts at once, which tells whether it gives one vector a text and
    shows a mistake before any data are read. A `config` with a `scorer` and `trained_on` is
    believed, as is a `fingerprint`; without a scorer, or with one vector a text, it is `pooled`.
    """
    has_encode = callable(getattr(source, "encode", None))
    called = getattr(source, "__name__", type(source).__name__)
    encoder = Vectors(source.encode if has_encode else source, called)
    config = getattr(source, "config", None)
    scorer = getattr(config, "scorer", None)
    trained_on = getattr(config, "trained_on", ())
    fingerprint = getattr(source, "fingerprint", "")
    one_vector = _one_vector(encoder)
    declared = isinstance(trained_on, tuple) and all(
        isinstance(file, TrainingSource) for file in trained_on
    )
    return EncoderModel(
        name=called,
        kind="callable",
        fingerprint=fingerprint if isinstance(fingerprint, str) else "",
        trained_on=trained_on if declared else (),
        encoder=encoder,
        scorer=scorer if isinstance(scorer, Scorer) and not one_vector else Scorer("pooled"),
        one_vector=one_vector,
    )


def load_sentence_transformers(source: str) -> EncoderModel:
    """A folder that sentence-transformers wrote, or an id on the hub."""
    with extra("bench", "a model of sentence-transformers"):
        import sentence_transformers as library
    folder = Path(source).expanduser()
    path = str(folder) if folder.is_dir() else source
    try:
        several = folder.is_dir() and _model_type(folder) == "MultiVectorEncoder"
        kind = library.MultiVectorEncoder if several else library.SentenceTransformer
        model = kind(path, trust_remote_code=False)
    except Exception as error:  # it raises whatever its parts and the hub's client do
        raise ModelError(
            f"{source}: sentence-transformers cannot load it: {error}: name a folder that it "
            "wrote, or an id on the hub"
        ) from error
    return sentence_transformers_model(
        model, folder.name or source, f"sentence-transformers:{source}"
    )


def sentence_transformers_model(
    model: Any, name: str | None = None, source: str = ""
) -> EncoderModel:
    """A loaded SentenceTransformer, or a MultiVectorEncoder.

    The first gives one vector a text, compared by cosine whatever similarity it names; the second
    token vectors, compared by `max`. Queries and targets are read alike: prompts for one of them
    are not used, its default prompt is. A model that gives something else, such as a sparse or a
    cross encoder, is refused.
    """

    def encode(texts: list[str]) -> Any:
        try:
            return model.encode(texts, show_progress_bar=False, convert_to_numpy=True)
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            with tokenizer_errors(f"{called}: the tokenizer fails on a text"):
                raise

    called = type(model).__name__
    encoder = Vectors(encode, called)
    one_vector = _one_vector(encoder)
    return EncoderModel(
        name=name or called,
        kind="sentence-transformers",
        source=source,
        fingerprint=_seal(model),
        encoder=encoder,
        scorer=Scorer("pooled" if one_vector else "max"),
        one_vector=one_vector,
    )


class Vectors:
    """An encoder around any function of texts, whose answers are checked and made one form."""

    def __init__(self, function: Callable[[list[str]], object], called: str) -> None:
        self._function = function
        self._called = called

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        """Token vectors of each text; one vector a text where the function gives one.

        The function may give `uwe.TokenVectors`, an array (texts, dim) or a list of arrays
        (tokens, dim), of NumPy or torch. An InputError says what else it gave, or for which text a
        value is not finite.
        """
        vectors = self._vectors(self._function(list(texts)))
        if len(vectors) != len(texts):
            raise InputError(
                f"expected {self._called} to give vectors of {len(texts)} texts, got those of "
                f"{len(vectors)}: correct it"
            )
        wrong = ~np.isfinite(vectors.values).all(axis=1)
        if wrong.any():
            text = int(np.searchsorted(vectors.offsets, wrong.argmax(), side="right")) - 1
            raise InputError(
                f"expected {self._called} to give finite vectors, got NaN or infinity for text "
                f"{text} ({texts[text][:40]!r}): correct it"
            )
        return vectors

    def _vectors(self, came: object) -> TokenVectors:
        if isinstance(came, TokenVectors):
            return came
        try:
            if isinstance(came, list | tuple):
                parts = [_array(part) for part in came]
                if not parts or parts[0].ndim == 2:
                    return TokenVectors.from_list(parts)
                array = floats("vectors", parts)
            else:
                array = _array(came)
            if array.ndim != 2:
                raise InputError(f"shape {array.shape}")
            return TokenVectors(array, np.arange(len(array) + 1))
        except InputError as error:
            what = type(came).__name__
            raise InputError(
                f"expected {self._called} to return {_WANTED}; got {what}: {error}: correct it"
            ) from None


def _array(value: object) -> NDArray[np.float32]:
    """An array of NumPy or torch as float32, or InputError."""
    if isinstance(value, str | bytes | dict):
        raise InputError("which holds no vectors")
    detached: Any = value
    if hasattr(value, "detach"):  # a tensor, perhaps of a type that NumPy has not
        try:
            detached = detached.detach().float().cpu().numpy()
        except (RuntimeError, TypeError) as error:
            raise InputError(f"a tensor that is no plain array ({error})") from None
    return floats("vectors", detached)


def _one_vector(encoder: Vectors) -> bool:
    return len(encoder.encode(_PROBE).values) == len(_PROBE)


def _model_type(folder: Path) -> str:
    path = folder / "config_sentence_transformers.json"
    document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return str(document.get("model_type", ""))


def _settings(module: Any) -> dict[str, Any]:
    """What decides how a module computes beside its weights: the number of heads, say."""
    to_dict = getattr(getattr(module, "config", None), "to_dict", None)
    if not callable(to_dict):
        return {}
    named = to_dict()
    passing = ("transformers_version", "dtype", "torch_dtype")
    return {k: named[k] for k in sorted(named) if not k.startswith("_") and k not in passing}


def _seal(model: Any) -> str:
    """sha256 of weights, modules, settings, tokenizer and prompts; empty without a tokenizer."""
    tokenizer: Any = getattr(model, "tokenizer", None)
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "to_str"):
        return ""
    rules = json.loads(backend.to_str())
    # Set again by each call, to what its batch needs.
    del rules["padding"], rules["truncation"]
    settings = [
        str(model),
        rules,
        getattr(model, "max_seq_length", None),
        getattr(model, "prompts", None),
        getattr(model, "default_prompt_name", None),
        [_settings(module) for module in model.modules()],
    ]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy())
    return digest.hexdigest()
