"""What a recipe's graphs give to each step: texts that were drawn, padded and augmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from uwe.encoder.config import TrainingSource
from uwe.errors import InputError
from uwe.files.hashing import file_sha256
from uwe.graphs.augmentation import augmented
from uwe.graphs.files import graph_files, read_graphs
from uwe.graphs.graph import Graph
from uwe.graphs.padding import SentencePadder
from uwe.graphs.sampler import BatchSampler, StepSampler
from uwe.graphs.siblings import Siblings, read_broader, siblings_of
from uwe.model.folder import united_sources
from uwe.training.recipe import GraphRecipe, Recipe


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Nodes of one graph that were drawn together."""

    graph: GraphRecipe  # what the recipe says of it
    left: Sequence[str]  # texts of its left nodes
    right: Sequence[str]  # texts of its right nodes
    positives: NDArray[np.bool_]  # (U, V): the edges
    ignored: NDArray[np.bool_]  # (U, V): pairs that are neither positive nor negative


class RecipeBatches:
    """The batches of a recipe's steps; batch n is a function of the recipe, the files and n alone.

    `count_tokens` says how many tokens the model makes of each text, with its special ones.
    `sources` are the files that were read, with their sha256, by name.
    """

    def __init__(
        self, recipe: Recipe, data: Path, count_tokens: Callable[[Sequence[str]], Sequence[int]]
    ) -> None:
        self._seed = recipe.seed
        self._specs = {spec.name: spec for spec in recipe.graph}
        self._graphs, self.sources = _read(recipe, data)
        broader = read_broader(data) if any(spec.hard_negatives for spec in recipe.graph) else {}
        self._sampler = StepSampler(
            [self._batch_sampler(spec, broader) for spec in recipe.graph],
            [spec.share for spec in recipe.graph],
            seed=recipe.seed,
        )
        self._padders = {
            spec.name: SentencePadder(
                self._graphs[spec.name], count_tokens, recipe.model.max_tokens,
                probability=spec.padding, seed=recipe.seed,
            )
            for spec in recipe.graph
            if spec.padding
        }  # fmt: skip

    def batch(self, number: int) -> GraphBatch:
        """The batch of a step, counted from 0."""
        drawn = self._sampler.batch(number)
        graph, spec = self._graphs[drawn.graph], self._specs[drawn.graph]
        left = [graph.left.texts[i] for i in drawn.left]
        if spec.padding:
            right = self._padders[spec.name].texts(drawn, number)
        else:
            right = [graph.right.texts[i] for i in drawn.right]
        chances = msgspec.to_builtins(spec.augment)
        if any(chances.values()):
            queries = left if spec.queries == "left" else right
            queries[:] = augmented(
                queries, chances, seed=self._seed, graph=spec.name, number=number
            )
        return GraphBatch(spec, left, right, drawn.positives, drawn.ignored)

    def fingerprint(self) -> str:
        """sha256 of all that decides what is drawn."""
        return self._sampler.fingerprint()

    def _batch_sampler(
        self, spec: GraphRecipe, broader: dict[str, tuple[str, ...]]
    ) -> BatchSampler:
        graph = self._graphs[spec.name]
        siblings: tuple[Siblings | None, Siblings | None] = (None, None)
        if spec.hard_negatives:
            siblings = (siblings_of(graph.left, broader), siblings_of(graph.right, broader))
            if siblings == (None, None):
                raise InputError(
                    f"graph {spec.name}: expected nodes with ids of ESCO's or O*NET's, which tell "
                    f"what is broader, for hard_negatives = {spec.hard_negatives:g}, got others: "
                    "leave it out for this graph"
                )
        return BatchSampler(
            graph, spec.batch_size, seed=self._seed, hard_negatives=spec.hard_negatives,
            siblings=siblings,
        )  # fmt: skip


def _read(recipe: Recipe, data: Path) -> tuple[dict[str, Graph], tuple[TrainingSource, ...]]:
    """The graphs by name, and the files that they are from."""
    by_folder: dict[Path, list[GraphRecipe]] = {}
    for spec in recipe.graph:
        by_folder.setdefault(_place(spec.folder or recipe.graphs, data), []).append(spec)
    graphs: dict[str, Graph] = {}
    sources = []
    for place, specs in by_folder.items():
        weights = {spec.name: spec.relations for spec in specs}
        found = read_graphs(data / place, list(weights), weights=weights)
        graphs.update(zip(weights, found, strict=True))
        sources += [
            TrainingSource(
                (place / name).as_posix(), file_sha256(data / place / name, unpacked=True)
            )
            for name in {name for graph in found for name in graph_files(graph)}
        ]
    return graphs, united_sources(sources)


def _place(folder: str, data: Path) -> Path:
    """The folder of a graph, by its path below the data folder."""
    place = Path(folder)
    # Links are followed: what counts is the name that the audit will look for.
    if place.is_absolute() or ".." in place.parts:
        raise InputError(
            f"{place}: expected a folder of graphs by its path below the data folder {data}, "
            "where the audit looks for what a model has seen: put a link there"
        )
    return place
