"""What transformers reads from a folder: an encoder with all its weights, and its tokenizer."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uwe.checks import positive
from uwe.encoder.text_encoder import tokenizer_errors
from uwe.errors import InputError, ModelError
from uwe.model.folder import SourceFolder

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

__all__ = [
    "load_projection", "load_tokenizer", "load_transformer", "longest_text", "plain_tokenizer",
    "positions", "quiet",
]  # fmt: skip


# Without the second, transformers asks on the terminal whether to run what a folder brings.
_OWN_CODE = {"local_files_only": True, "trust_remote_code": False}


def load_transformer(
    folder: Path, *, attention: str | None = None, dropout: float | None = None
) -> Any:
    """The encoder in float32, in evaluation mode.

    Args:
        folder: As `save_pretrained` wrote it.
        attention: Which of transformers' attentions it uses; None: its own choice.
        dropout: In place of every dropout of its own; None leaves them.

    Raises:
        ModelError: If transformers cannot read it, a weight is missing, or it is no encoder.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder, **_OWN_CODE)
            for key, value in config.to_dict().items() if dropout is not None else ():
                if "dropout" in key and isinstance(value, float):
                    setattr(config, key, dropout)
            model, loaded = AutoModel.from_pretrained(
                folder,
                config=config,
                attn_implementation=attention,
                dtype=torch.float32,
                output_loading_info=True,
                **_OWN_CODE,
            )
    except Exception as error:  # whatever a broken file makes its many readers raise
        raise ModelError(
            f"{folder}: transformers cannot load it: {error}: pass the folder that "
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


def load_tokenizer(folder: SourceFolder) -> Any:
    """The tokenizer of transformers, which is a fast one.

    Raises:
        ModelError: If there is none, or it has no fast form.
    """
    from transformers import AutoTokenizer

    path = folder.transformer
    with tokenizer_errors(f"{path}: transformers cannot load its tokenizer"), quiet():
        loaded = AutoTokenizer.from_pretrained(path, **_OWN_CODE)
    if not getattr(loaded, "is_fast", False):
        raise ModelError(
            f"{path}: {type(loaded).__name__} has no fast form (tokenizer.json): save the model "
            "with a tokenizer of the tokenizers library"
        )
    return loaded


def plain_tokenizer(loaded: Any, folder: SourceFolder) -> Tokenizer:
    """The tokenizer as transformers would use it, without padding and truncation; a copy.

    Raises:
        ModelError: If it tells texts apart in a way that the export would lose.
    """
    from tokenizers import Tokenizer, normalizers

    with tokenizer_errors(f"{folder.transformer}: tokenizers cannot read its tokenizer"):
        tokenizer: Tokenizer = Tokenizer.from_str(loaded.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if folder.lower_case:
        lower = [normalizers.Lowercase()]
        if tokenizer.normalizer is not None:
            lower.append(tokenizer.normalizer)
        tokenizer.normalizer = normalizers.Sequence(lower)
    with tokenizer_errors(f"{folder.transformer}: its tokenizer fails on 'any text'"):
        kinds = tokenizer.encode("any text").type_ids
    if any(kinds):
        raise ModelError(
            f"{folder.transformer}: its tokenizer gives a single text a token type other than 0, "
            "which the exported encoder would not see: this model cannot be exported"
        )
    return tokenizer


def load_projection(folder: Path) -> torch.Tensor:
    """(dim, hidden): the matrix of a module that projects token vectors.

    Raises:
        ModelError: If there is none.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    try:
        return load_file(path)["linear.weight"].float()
    except (OSError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"{path}: expected the tensor linear.weight, got {error!r}: save the model anew"
        ) from None


def positions(encoder: Any) -> int | None:
    """How many positions the encoder has; None if it does not say."""
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if table is not None and hasattr(table, "num_embeddings"):
        # RoBERTa's kin count positions from the padding index on.
        offset = 0 if table.padding_idx is None else int(table.padding_idx) + 1
        return int(table.num_embeddings) - offset
    limit = getattr(encoder.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) else None


def longest_text(asked: int | None, declared: int | None, limit: int | None) -> int:
    """How many tokens a text may have: as asked, or as the folder declares, within the limit.

    Raises:
        InputError: If more is asked than the limit, or nobody says how many.
    """
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
