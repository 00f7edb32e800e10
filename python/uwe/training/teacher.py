"""Models whose scores of each batch are learned from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

from uwe.encoder.config import TrainingSource
from uwe.errors import ModelError
from uwe.model.encoder import TorchEncoder, chunks_by_length
from uwe.model.folder import base_folder, read_source_folder, united_sources
from uwe.training.batches import GraphBatch
from uwe.training.checkpoint import encoder_sha256
from uwe.training.recipe import Recipe
from uwe.training.tiles import Ragged, graph_scores

_MOST_TOKENS = 2_000_000
"""Most token vectors of a model that are kept: labels come again. Of 768 axes they take 3 GB."""


class Teacher:
    """The models of a recipe's `[teacher]`, which are not trained.

    `uwe train` wrote each of them: the scorer of another model is unknown. `sources` are what they
    were trained on, which their pupil learns of, too; `sha256` is that of all that decides what
    they say, and of what they declare.
    """

    def __init__(
        self, recipe: Recipe, device: str | torch.device, *, attention: str | None = None
    ) -> None:
        self._recipe = recipe
        self._models: list[_TeacherModel] = []
        self.sources: tuple[TrainingSource, ...] = ()
        digest = hashlib.sha256()
        for model in recipe.teacher.models:
            folder = base_folder(model)
            config = read_source_folder(folder).config
            if config is None:
                raise ModelError(
                    f"{folder}: expected a teacher that  uwe train  wrote, whose scorer is known, "
                    "got another model: train it on the same graphs first"
                )
            encoder = TorchEncoder.from_folder(
                folder, scorer=config.scorer, max_tokens=config.max_tokens, attention=attention
            )
            self.sources = united_sources(self.sources, config.trained_on)
            digest.update(config.to_json().encode())
            digest.update(encoder_sha256(encoder).encode())
            self._models.append(_TeacherModel(encoder.to(device), recipe))
        self.sha256 = digest.hexdigest()

    def teaches(self, batch: GraphBatch) -> bool:
        """Whether a batch is of a graph that the recipe has them teach."""
        graphs = self._recipe.teacher.graphs
        return not graphs or batch.graph.name in graphs

    def scores(self, batch: GraphBatch) -> torch.Tensor:
        """(U, V), float32: the mean of their scores of all pairs of a batch."""
        return torch.stack([model.scores(batch) for model in self._models]).mean(dim=0)


class _TeacherModel:
    """A model with the token vectors that it has made so far."""

    def __init__(self, encoder: TorchEncoder, recipe: Recipe) -> None:
        self._encoder, self._recipe = encoder, recipe
        self._vectors: dict[str, torch.Tensor] = {}
        self._tokens = 0

    @torch.no_grad()
    def scores(self, batch: GraphBatch) -> torch.Tensor:
        left, right = self._encoded(batch.left), self._encoded(batch.right)
        return graph_scores(
            left, right, self._encoder.scorer, queries=batch.graph.queries,
            tile_pairs=self._recipe.batches.tile_pairs,
        )  # fmt: skip

    def _encoded(self, texts: Sequence[str]) -> Ragged:
        if self._tokens > _MOST_TOKENS:
            self._vectors.clear()
            self._tokens = 0
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        ids = self._encoder.token_ids(new) if new else []
        most, half = self._recipe.batches.chunk_tokens, self._recipe.precision == "bf16"
        for chunk in chunks_by_length([len(row) for row in ids], most):
            with torch.autocast(self._encoder.device.type, torch.bfloat16, enabled=half):
                values, lengths = self._encoder([ids[text] for text in chunk])
            for text, part in zip(chunk, values.half().split(lengths), strict=True):
                self._vectors[new[text]] = part
                self._tokens += len(part)
        parts = [self._vectors[text] for text in texts]
        return Ragged(torch.cat(parts).float(), [len(part) for part in parts])
