"""The encoder that is trained: a transformer, and what of its token vectors is compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from uwe.checks import positive
from uwe.encoder.text_encoder import tokenizer_errors
from uwe.encoder.tokens import TokenVectors
from uwe.errors import InputError
from uwe.model.folder import read_source_folder
from uwe.model.loading import (
    load_projection,
    load_tokenizer,
    load_transformer,
    longest_text,
    plain_tokenizer,
    positions,
)  # fmt: skip
from uwe.scorer import Scorer, checked_scorer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["TorchEncoder", "chunks_by_length"]


class TorchEncoder(torch.nn.Module):
    """Texts to token vectors in torch.

    Attributes:
        transformer: The encoder of transformers; its last hidden states are the token vectors.
        tokenizer: As it is used, without padding.
        source_tokenizer: As transformers has it, which is what is saved.
        projection: From the hidden width to `dim`, without a bias; None if there is none.
        scorer: How the model's token vectors are compared.
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
        projection: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.transformer: Any = transformer
        self.tokenizer, self.source_tokenizer = tokenizer, source_tokenizer
        self._called = getattr(source_tokenizer, "name_or_path", "") or "the model"
        self.scorer = checked_scorer(scorer)
        self.max_tokens = positive("max_tokens", max_tokens)
        if special_tokens not in ("keep", "drop"):
            raise InputError(
                f"expected special_tokens 'keep' or 'drop', got {special_tokens!r}: correct it"
            )
        self.special_tokens = special_tokens
        hidden = int(self.transformer.config.hidden_size)
        self.dim = hidden if projection is None else len(projection)
        self.projection: torch.nn.Linear | None = None
        if projection is not None:
            self.projection = torch.nn.Linear(hidden, self.dim, bias=False)
            self.projection.weight.data.copy_(projection)

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

        Args:
            folder: The folder.
            scorer: How token vectors are compared.
            max_tokens: Longest text that is read, special tokens included; None takes what the
                folder says.
            special_tokens: Whether vectors of special tokens are kept; None takes what the
                folder's `uwe.json` says, or keeps them.
            dropout: In place of every dropout of the folder's; None leaves them.
            attention: Which of transformers' attentions is used; None: its own choice, the fused
                one if the architecture has it.

        Raises:
            ModelError: If the folder is no encoder, or has modules that change token vectors.
            InputError: If `max_tokens` exceeds the model's positions.
        """
        source = read_source_folder(Path(folder))
        transformer = load_transformer(source.transformer, attention=attention, dropout=dropout)
        limit = positions(transformer)
        declared = "keep" if source.config is None else source.config.special_tokens
        loaded = load_tokenizer(source)
        return cls(
            transformer,
            plain_tokenizer(loaded, source),
            source_tokenizer=loaded,
            scorer=scorer,
            max_tokens=longest_text(max_tokens, source.max_tokens, limit),
            special_tokens=special_tokens or declared,
            projection=None if source.projection is None else load_projection(source.projection),
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
        """Token ids of each text, with special tokens, cut to `max_tokens`.

        Raises:
            InputError: If the tokenizer makes no token of a text.
        """
        added = len(self._special_ids_in_order())
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

        Returns:
            (tokens, dim): the vectors of one text after the other, and how many each has.
        """
        device = self.device
        longest = max(len(row) for row in ids)
        table = torch.zeros((len(ids), longest), dtype=torch.long)
        mask = torch.zeros((len(ids), longest), dtype=torch.bool)
        for i, row in enumerate(ids):
            table[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = True
        table = table.to(device)
        # Texts of one length need no mask, and attention is faster without one.
        attended = None if bool(mask.all()) else mask.long().to(device)
        output = self.transformer(input_ids=table, attention_mask=attended)
        vectors = output.last_hidden_state
        kept = self._kept(ids, mask)
        vectors = vectors[kept.to(device)]
        if self.projection is not None:
            vectors = self.projection(vectors)
        return vectors, kept.sum(dim=1).tolist()

    def _kept(self, ids: Sequence[Sequence[int]], mask: torch.Tensor) -> torch.Tensor:
        """(texts, longest), bool: tokens with a vector of their own."""
        if self.special_tokens == "keep":
            return mask
        special = torch.tensor(sorted(self._special_ids()), dtype=torch.long)
        kept = mask.clone()
        for i, row in enumerate(ids):
            found = ~torch.isin(torch.tensor(row), special)
            if found.any():  # no text is without a vector
                kept[i, : len(row)] = found
        return kept

    def special_texts(self) -> list[str]:
        """The special tokens around a text, as the vocabulary spells them."""
        tokens = map(self.tokenizer.id_to_token, sorted(self._special_ids()))
        return [token for token in tokens if token is not None]

    def _special_ids(self) -> set[int]:
        """Those that the tokenizer puts around every text: an unknown word is no special token."""
        return set(self._special_ids_in_order())

    def _special_ids_in_order(self) -> list[int]:
        with tokenizer_errors(f"{self._called}: the tokenizer fails on an empty text"):
            return list(self.tokenizer.encode("").ids)

    @torch.no_grad()
    def encode(self, texts: Sequence[str], *, chunk_tokens: int = 4096) -> TokenVectors:
        """Token vectors of each text, as `uwe.TextEncoder.encode` gives them.

        In evaluation mode, whatever the mode is; on the device that the model is on.
        """
        ids = self.token_ids(list(texts))
        empty = np.empty((0, self.dim), np.float32)
        parts: list[np.ndarray[Any, np.dtype[np.float32]]] = [empty] * len(ids)
        training = self.training
        self.eval()
        try:
            for chunk in chunks_by_length([len(row) for row in ids], chunk_tokens):
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
