"""What a recipe names, made ready: graphs and their samplers, the encoder, the files' seals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from uwe.config import Scorer, TrainingSource
from uwe.errors import InputError
from uwe.files.hashing import file_sha256
from uwe.model.encoder import TorchEncoder
from uwe.model.folder import read_source_folder
from uwe.text import tokenizer_errors
from uwe.training.augmentation import Augmentation, augmented
from uwe.training.graph import BipartiteGraph, read_graphs
from uwe.training.hard_negatives import Siblings, read_broader, siblings_of
from uwe.training.padding import SentencePadder
from uwe.training.recipe import GraphRecipe, ModelRecipe, Recipe
from uwe.training.sampler import Batch, BatchSampler
from uwe.training.step import GraphBatch, Objective
from uwe.training.step_sampler import StepSampler

__all__ = [
    "Material", "earlier_sources", "graph_batch", "new_encoder", "objectives_of",
    "padders_of", "read_material", "with_augmentation",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Material:
    """What a run trains on.

    Attributes:
        graphs: By name, as the recipe has them.
        sampler: What each step trains on.
        sources: The files that were read, with their seals.
    """

    graphs: dict[str, BipartiteGraph]
    sampler: StepSampler
    sources: tuple[TrainingSource, ...]


def read_material(recipe: Recipe, data: Path) -> Material:
    """Read the graphs of a recipe.

    Raises:
        InputError: If a batch is larger than its graph.
        DataError: If a file is missing or malformed.
        OSError: If a file can not be read.
    """
    broader = read_broader(data) if any(spec.hard_negatives for spec in recipe.graph) else {}
    by_folder: dict[Path, list[GraphRecipe]] = {}
    for spec in recipe.graph:
        by_folder.setdefault(_place(spec, recipe, data), []).append(spec)
    read: dict[str, BipartiteGraph] = {}
    sources = []
    for place, specs in by_folder.items():
        names = [spec.name for spec in specs]
        weights = {spec.name: spec.relations for spec in specs}
        found = read_graphs(data / place, names, weights=weights)
        read.update(zip(names, found, strict=True))
        sources += [
            TrainingSource(
                (place / name).as_posix(), file_sha256(data / place / name, unpacked=True)
            )
            for name in sorted({name for graph in found for name in _files(graph)})
        ]
    graphs = {spec.name: read[spec.name] for spec in recipe.graph}
    samplers = [_sampler(graphs[spec.name], spec, recipe, broader) for spec in recipe.graph]
    sampler = StepSampler(
        samplers,
        mode=recipe.batches.graphs_per_step,
        probabilities=(
            [spec.share for spec in recipe.graph]
            if recipe.batches.graphs_per_step == "one"
            else None
        ),
        seed=recipe.seed,
    )
    return Material(graphs, sampler, tuple(sorted(sources, key=lambda source: source.name)))


def _sampler(
    graph: BipartiteGraph,
    spec: GraphRecipe,
    recipe: Recipe,
    broader: dict[str, tuple[str, ...]],
) -> BatchSampler:
    siblings: list[Siblings | None] = [None, None]
    if spec.hard_negatives:
        siblings = [siblings_of(nodes, broader) for nodes in (graph.left, graph.right)]
        if siblings == [None, None]:
            raise InputError(
                f"graph {spec.name}: expected nodes with ids of ESCO's or O*NET's, which tell what "
                f"is broader, for hard_negatives = {spec.hard_negatives:g}, got others: leave it "
                "out for this graph"
            )
    return BatchSampler(
        graph,
        spec.size,
        degree_exponent=recipe.batches.degree_exponent,
        seed=recipe.seed,
        hard_negatives=spec.hard_negatives,
        left_siblings=siblings[0],
        right_siblings=siblings[1],
    )


def padders_of(
    recipe: Recipe, graphs: dict[str, BipartiteGraph], encoder: TorchEncoder
) -> dict[str, SentencePadder]:
    """What pads right nodes, for the graphs that the recipe asks it of."""

    def count_tokens(texts: Sequence[str]) -> list[int]:
        encoder.tokenizer.no_truncation()
        with tokenizer_errors(f"{recipe.model.base}: the tokenizer fails on a text of a graph"):
            encodings = encoder.tokenizer.encode_batch(list(texts))
        return [len(encoding.ids) for encoding in encodings]

    return {
        spec.name: SentencePadder(
            graphs[spec.name], count_tokens, recipe.model.max_tokens,
            probability=spec.padding, seed=recipe.seed,
        )
        for spec in recipe.graph
        if spec.padding
    }  # fmt: skip


def objectives_of(recipe: Recipe, device: torch.device) -> dict[str, Objective]:
    """What is minimised, by graph; a loss temperature that is learned is a parameter."""
    objectives = {}
    for spec in recipe.graph:
        start = torch.tensor(math.log(spec.loss_temperature), device=device)
        start.requires_grad_(spec.learned_loss_temperature)
        objectives[spec.name] = Objective(spec.alpha, start, spec.loss, spec.queries)
    return objectives


def graph_batch(batch: Batch, graph: BipartiteGraph) -> GraphBatch:
    """The texts of a batch, and what is known of its pairs."""
    return GraphBatch(
        name=batch.graph,
        left=[graph.left.texts[i] for i in batch.left],
        right=[graph.right.texts[i] for i in batch.right],
        positives=torch.from_numpy(batch.positives),
        ignored=torch.from_numpy(batch.ignored),
    )


def with_augmentation(batch: GraphBatch, recipe: Recipe, number: int) -> GraphBatch:
    """The batch of a step with the texts of its queries' side changed, as the recipe asks it."""
    spec = next(spec for spec in recipe.graph if spec.name == batch.name)
    if spec.augment == Augmentation():
        return batch
    given = batch.left if spec.queries == "left" else batch.right
    texts = augmented(given, spec.augment, seed=recipe.seed, graph=batch.name, number=number)
    if spec.queries == "left":
        return replace(batch, left=texts)
    return replace(batch, right=texts)


def new_encoder(recipe: ModelRecipe, folder: Path, *, attention: str | None = None) -> TorchEncoder:
    """The encoder of a recipe, with the weights of a folder.

    Args:
        recipe: What is trained.
        folder: Of the weights.
        attention: Which of transformers' attentions computes it; None: its own choice.

    Raises:
        ModelError: If the folder is no encoder that can be trained.
        InputError: If the recipe asks for more tokens or dimensions than it has.
    """
    return TorchEncoder.from_folder(
        folder,
        scorer=Scorer.parse(recipe.scorer),
        max_tokens=recipe.max_tokens,
        special_tokens=recipe.special_tokens,
        dim=recipe.dim or None,
        learned_temperature=recipe.learned_temperature,
        dropout=recipe.dropout,
        attention=attention,
    )


def earlier_sources(folder: Path) -> tuple[TrainingSource, ...]:
    """What the weights of a folder were trained on by `uwe`; nothing if it does not say."""
    config = read_source_folder(folder).config
    return () if config is None else config.trained_on


def _files(graph: BipartiteGraph) -> Iterator[str]:
    yield f"{graph.name}.edges.tsv.gz"
    for nodes in (graph.left, graph.right):
        yield f"nodes.{nodes.kind}.jsonl.gz"


def _place(spec: GraphRecipe, recipe: Recipe, data: Path) -> Path:
    """The folder of a graph, below the data folder."""
    place = Path(spec.folder or recipe.graphs)
    # Links are followed: what counts is the name that the audit will look for.
    if place.is_absolute() or ".." in place.parts:
        raise InputError(
            f"{place}: expected a folder of graphs by its path below the data folder {data}, "
            "where the audit looks for what a model has seen: put a link there"
        )
    return place
