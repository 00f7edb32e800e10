"""The encoder that is trained: a transformer, and what of its token vectors is compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from uwe.checks import positive
from uwe.config import Scorer, checked_scorer
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
from uwe.text import tokenizer_errors
from uwe.tokens import TokenVectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["TorchEncoder", "chunks_by_length"]


class TorchEncoder(torch.nn.Module):
    """Texts to token vectors in torch.

    Attributes:
        transformer: The encoder of transformers; its last hidden states are the token vectors.
        tokenizer: As it is used, without padding.
        source_tokenizer: As transformers has it, which is what is saved.
        projection: (hidden, dim), without a bias; None if the vectors are taken as they are.
        log_temperature: (), the logarithm of the scorer's temperature; a parameter if it is
            learned.
        scorer: How the model's token vectors are compared, with the temperature at the start.
    """

    log_temperature: torch.Tensor

    def __init__(
        self,
        transformer: Any,
        tokenizer: Tokenizer,
        *,
        source_tokenizer: Any,
        scorer: Scorer,
        max_tokens: int,
        special_tokens: Literal["keep", "drop"] = "keep",
        dim: int | None = None,
        learned_temperature: bool = False,
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
        self.projection = None if dim is None else _orthogonal(hidden, positive("dim", dim))
        self.dim = hidden if dim is None else dim
        start = torch.tensor(self.scorer.temperature or 1.0).log()
        if learned_temperature:
            self.log_temperature = torch.nn.Parameter(start)
        else:
            self.register_buffer("log_temperature", start, persistent=False)

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        scorer: Scorer,
        max_tokens: int | None = None,
        special_tokens: Literal["keep", "drop"] | None = None,
        dim: int | None = None,
        learned_temperature: bool = False,
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
            dim: Width of a projection of the token vectors, which starts orthogonal unless the
                folder has one; None: what the folder has.
            learned_temperature: Whether the scorer's temperature is a parameter.
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
        matrix = None if source.projection is None else load_projection(source.projection)
        if matrix is not None and dim not in (None, len(matrix)):
            raise InputError(
                f"{folder}: projects to {len(matrix)} dimensions, but dim={dim} is asked for: "
                "leave it out"
            )
        encoder = cls(
            transformer,
            plain_tokenizer(loaded, source),
            source_tokenizer=loaded,
            scorer=scorer,
            max_tokens=longest_text(max_tokens, source.max_tokens, limit),
            special_tokens=special_tokens or declared,
            dim=dim if matrix is None else len(matrix),
            learned_temperature=learned_temperature,
        )
        if matrix is not None and encoder.projection is not None:
            encoder.projection.weight.data.copy_(matrix)
        return encoder.eval()

    @property
    def temperature(self) -> torch.Tensor:
        """(), the scorer's temperature, differentiable if it is learned."""
        return self.log_temperature.exp()

    @property
    def current_scorer(self) -> Scorer:
        """The scorer with the temperature as it stands."""
        if not self.scorer.attends:
            return self.scorer
        return replace(self.scorer, temperature=float(self.temperature.detach()))

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
        device = self.log_temperature.device
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


def _orthogonal(hidden: int, dim: int) -> torch.nn.Linear:
    if dim > hidden:
        raise InputError(
            f"expected a projection to at most the model's {hidden} dimensions, got {dim}: lower it"
        )
    linear = torch.nn.Linear(hidden, dim, bias=False)
    torch.nn.init.orthogonal_(linear.weight)
    return linear
