"""The encoder that is trained: a transformer of a folder, from texts to token vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from uwe.checks import positive
from uwe.encoder.text_encoder import tokenizer_errors
from uwe.encoder.tokens import TokenVectors
from uwe.errors import InputError, ModelError
from uwe.model.folder import SourceFolder, quiet, read_source_folder
from uwe.scorer import Scorer, checked_scorer

if TYPE_CHECKING:
    from tokenizers import Tokenizer


# Without the second, transformers asks on the terminal whether to run what a folder brings.
_OWN_CODE = {"local_files_only": True, "trust_remote_code": False}

_CHUNK_TOKENS = 4096
"""Most tokens that are encoded at once, padding included."""


class TorchEncoder(torch.nn.Module):
    """Texts to token vectors in torch.

    Attributes:
        transformer: The encoder of transformers; its last hidden states are the token vectors.
        tokenizer: As it is used, without padding.
        source_tokenizer: As transformers has it, which is what is saved.
        scorer: How the model's token vectors are compared.
        max_tokens: Longest text that is read, special tokens included.
        special_tokens: Whether vectors of special tokens are kept: `keep` or `drop`.
        dim: Width of a token vector.
    """

    def __init__(
        self,
        transformer: Any,
        tokenizer: Tokenizer,
        *,
        source_tokenizer: Any,
        scorer: Scorer,
        max_tokens: int,
        special_tokens: Literal["keep", "drop"] = "keep",
    ) -> None:
        super().__init__()
        self.transformer: Any = transformer
        self.tokenizer, self.source_tokenizer = tokenizer, source_tokenizer
        self._called = getattr(source_tokenizer, "name_or_path", "") or "the model"
        self.scorer = checked_scorer(scorer)
        self.max_tokens = positive("max_tokens", max_tokens)
        self.special_tokens = special_tokens
        self.dim = int(self.transformer.config.hidden_size)

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        scorer: Scorer,
        max_tokens: int | None = None,
        special_tokens: Literal["keep", "drop"] | None = None,
        dropout: float | None = None,
        attention: str | None = None,
    ) -> TorchEncoder:
        """Start from a folder as transformers or sentence-transformers writes it.

        `max_tokens` is the longest text that is read, special tokens included; None takes what the
        folder says. `special_tokens` of None takes what the folder's `uwe.json` says, or keeps
        them. `dropout` replaces every dropout of the folder; None leaves them. `attention` is one
        of transformers' attentions; None leaves the choice to transformers, which takes the fused
        one if the architecture has it.
        """
        source = read_source_folder(Path(folder))
        transformer = load_transformer(source.transformer, attention=attention, dropout=dropout)
        declared = "keep" if source.config is None else source.config.special_tokens
        loaded = load_tokenizer(source.transformer)
        tokenizer = _plain_tokenizer(loaded, source)
        last = max(tokenizer.get_vocab().values(), default=0)
        rows = len(transformer.get_input_embeddings().weight)
        if last >= rows:
            raise ModelError(
                f"{source.transformer}: expected an embedding for each token, got {rows:,} and a "
                f"token numbered {last:,}: resize the embeddings, or take the token out"
            )
        return cls(
            transformer,
            tokenizer,
            source_tokenizer=loaded,
            scorer=scorer,
            max_tokens=_longest_text(max_tokens, source.max_tokens, positions(transformer)),
            special_tokens=special_tokens or declared,
        ).eval()

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, with special ones, if none are cut off."""
        self.tokenizer.no_truncation()
        with tokenizer_errors(f"{self._called}: the tokenizer fails on a text"):
            encodings = self.tokenizer.encode_batch(list(texts))
        return [len(encoding.ids) for encoding in encodings]

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, at least one, with special tokens, cut to `max_tokens`."""
        added = len(self._special_ids())
        if self.max_tokens <= added:
            raise InputError(
                f"expected max_tokens to be more than the {added} special tokens, got "
                f"{self.max_tokens}: raise it"
            )
        self.tokenizer.enable_truncation(self.max_tokens)
        with tokenizer_errors(f"{self._called}: the tokenizer fails on a text of a batch"):
            ids = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        for text, found in zip(texts, ids, strict=True):
            if not found:
                raise InputError(f"the tokenizer makes no token of {text!r}: leave it out")
        return ids

    def forward(self, ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, list[int]]:
        """Token vectors of texts that were tokenized, padded to the longest of them.

        They are (tokens, dim), one text after the other; how many each text has comes with them.
        """
        device = self.device
        longest = max(len(row) for row in ids)
        table = torch.zeros((len(ids), longest), dtype=torch.long)
        mask = torch.zeros((len(ids), longest), dtype=torch.bool)
        for i, row in enumerate(ids):
            table[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = True
        # Texts of one length need no mask, and attention is faster without one.
        attended = None if bool(mask.all()) else mask.long().to(device)
        output = self.transformer(input_ids=table.to(device), attention_mask=attended)
        kept = self._kept(ids, mask)
        return output.last_hidden_state[kept.to(device)], kept.sum(dim=1).tolist()

    def _kept(self, ids: Sequence[Sequence[int]], mask: torch.Tensor) -> torch.Tensor:
        """(texts, longest), bool: tokens with a vector of their own."""
        if self.special_tokens == "keep":
            return mask
        special = torch.tensor(sorted(set(self._special_ids())), dtype=torch.long)
        kept = mask.clone()
        for i, row in enumerate(ids):
            found = ~torch.isin(torch.tensor(row), special)
            if found.any():  # no text is without a vector
                kept[i, : len(row)] = found
        return kept

    def special_texts(self) -> list[str]:
        """The special tokens around a text, as the vocabulary spells them."""
        tokens = map(self.tokenizer.id_to_token, sorted(set(self._special_ids())))
        return [token for token in tokens if token is not None]

    def _special_ids(self) -> list[int]:
        """Those that the tokenizer puts around every text: an unknown word is no special token."""
        with tokenizer_errors(f"{self._called}: the tokenizer fails on an empty text"):
            return list(self.tokenizer.encode("").ids)

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> TokenVectors:
        """Token vectors of each text, as `uwe.TextEncoder.encode` gives them.

        In evaluation mode, whatever the mode is; on the device that the model is on.
        """
        ids = self.token_ids(list(texts))
        empty = np.empty((0, self.dim), np.float32)
        parts: list[np.ndarray[Any, np.dtype[np.float32]]] = [empty] * len(ids)
        training = self.training
        self.eval()
        try:
            for chunk in chunks_by_length([len(row) for row in ids], _CHUNK_TOKENS):
                vectors, lengths = self([ids[i] for i in chunk])
                rows = vectors.float().cpu().numpy()
                for i, part in zip(chunk, np.split(rows, np.cumsum(lengths)[:-1]), strict=True):
                    parts[i] = part
        finally:
            self.train(training)
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
        return TokenVectors(np.concatenate([empty, *parts]), offsets.astype(np.int64))


def chunks_by_length(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices of texts of similar length together, shortest first: at most `most` tokens padded.

    A text longer than `most` is a chunk by itself.
    """
    chunk: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if chunk and (len(chunk) + 1) * lengths[index] > most:
            yield chunk
            chunk = []
        chunk.append(index)
    if chunk:
        yield chunk


def load_transformer(
    folder: Path, *, attention: str | None = None, dropout: float | None = None
) -> Any:
    """The encoder in float32, in evaluation mode, of a folder as `save_pretrained` wrote it.

    `attention` is one of transformers' attentions; None leaves the choice to transformers.
    `dropout` replaces every dropout of the encoder's own; None leaves them.
    """
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
    if any(getattr(model.config, kind, False) for kind in ("is_encoder_decoder", "is_decoder")):
        raise ModelError(f"{folder}: {model.config.model_type} is no encoder: export one that is")
    return model.eval()


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of transformers, which is a fast one."""
    from transformers import AutoTokenizer

    with tokenizer_errors(f"{folder}: transformers cannot load its tokenizer"), quiet():
        loaded = AutoTokenizer.from_pretrained(folder, **_OWN_CODE)
    if not getattr(loaded, "is_fast", False):
        raise ModelError(
            f"{folder}: {type(loaded).__name__} has no fast form (tokenizer.json): save the model "
            "with a tokenizer of the tokenizers library"
        )
    return loaded


def _plain_tokenizer(loaded: Any, folder: SourceFolder) -> Tokenizer:
    """The tokenizer as transformers would use it, without padding and truncation; a copy."""
    from tokenizers import Tokenizer, normalizers

    path = folder.transformer
    with tokenizer_errors(f"{path}: tokenizers cannot read its tokenizer"):
        tokenizer: Tokenizer = Tokenizer.from_str(loaded.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if folder.lower_case:
        lower = [normalizers.Lowercase()]
        if tokenizer.normalizer is not None:
            lower.append(tokenizer.normalizer)
        tokenizer.normalizer = normalizers.Sequence(lower)
    with tokenizer_errors(f"{path}: its tokenizer fails on 'any text'"):
        kinds = tokenizer.encode("any text").type_ids
    if any(kinds):
        raise ModelError(
            f"{path}: its tokenizer gives a single text a token type other than 0, which the "
            "exported encoder would not see: this model cannot be exported"
        )
    return tokenizer


def positions(encoder: Any) -> int | None:
    """How many positions the encoder has; None if it does not say."""
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if table is not None and hasattr(table, "num_embeddings"):
        # RoBERTa's kin count positions from the padding index on.
        offset = 0 if table.padding_idx is None else int(table.padding_idx) + 1
        return int(table.num_embeddings) - offset
    limit = getattr(encoder.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) else None


def _longest_text(asked: int | None, declared: int | None, limit: int | None) -> int:
    """How many tokens a text may have: as asked, or as the folder declares, within the limit."""
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
