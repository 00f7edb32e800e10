"""A recipe: everything that decides what a training run does, in one TOML file."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from uwe.checks import file_name, listed, path_of, text_of
from uwe.config import Scorer
from uwe.errors import InputError
from uwe.training.augmentation import Augmentation
from uwe.training.loss import LossSettings
from uwe.training.tables import check_bounds, table_as

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "BatchRecipe", "GraphRecipe", "GuardRecipe", "ModelRecipe", "OptimizerRecipe", "Recipe",
    "ValidationRecipe", "read_recipe",
]  # fmt: skip

FORMAT = 1
"""Version of recipes that this release reads."""


@dataclass(frozen=True, kw_only=True)
class ModelRecipe:
    """What is trained.

    Attributes:
        base: The encoder to start from: a folder of transformers or sentence-transformers, a hub
            id, or `package:NAME/PATH` for a folder inside an installed Python package.
        scorer: How the model's token vectors are to be compared by those who use it.
        train_scorers: Through which scorers the loss goes, with their weights; empty takes `scorer`
            alone.
        max_tokens: Longest text, special tokens included.
        special_tokens: Whether vectors of special tokens are compared.
        dim: Width of a projection of the token vectors; 0 for none.
        learned_temperature: Whether the temperature of attention is learned.
        dropout: Of the transformer, in place of its own.
        language: What it reads.
        licence: SPDX identifier of the weights' licence.
        base_model: What to call the base in the model card; empty takes `base`.
    """

    base: str
    scorer: str = "soft:0.5"
    train_scorers: dict[str, float] = field(default_factory=dict)
    max_tokens: int = 64
    special_tokens: Literal["keep", "drop"] = "keep"
    dim: int = 0
    learned_temperature: bool = False
    dropout: float = 0.0
    language: str = "en"
    licence: str = ""
    base_model: str = ""

    def __post_init__(self) -> None:
        Scorer.parse(self.scorer)
        for name in self.train_scorers:
            Scorer.parse(name)
        for weight in self.train_scorers.values():
            check_bounds("train_scorers", weight, above=0.0)
        check_bounds("max_tokens", self.max_tokens, least=1)
        check_bounds("dim", self.dim, least=0)
        check_bounds("dropout", self.dropout, least=0.0, below=1.0)
        start = Scorer.parse(self.scorer).temperature
        trained = {s.temperature for s, _ in self.loss_scorers if s.attends}
        if self.learned_temperature and (start is None or trained != {start}):
            raise InputError(
                f"expected scorers with one temperature to learn, got {self.scorer} and "
                f"{', '.join(self.train_scorers) or 'no other'} in the loss: give the soft ones "
                "the same, or set learned_temperature = false"
            )

    @property
    def loss_scorers(self) -> list[tuple[Scorer, float]]:
        """The scorers of the loss, with weights that add up to 1."""
        weights = self.train_scorers or {self.scorer: 1.0}
        total = sum(weights.values())
        return [(Scorer.parse(name), weight / total) for name, weight in weights.items()]


@dataclass(frozen=True, kw_only=True)
class GraphRecipe:
    """What is done with one graph.

    Attributes:
        name: Of its file of edges: `J`.
        folder: Of the graph, below the data folder; empty takes the recipe's.
        size: Nodes a side of a batch.
        share: How often a step is of this graph, relative to the others, with one graph a step.
        alpha: Weight of its loss.
        loss_temperature: What scores are divided by.
        learned_loss_temperature: Whether that is only where it starts.
        forward: Weight of the direction whose anchors are left nodes.
        backward: Weight of the direction whose anchors are right nodes.
        others_in_denominator: Whether other positives of an anchor stay in the denominator.
        single_positive: Whether an anchor has one positive only.
        queries: Which side is the query: the left or the right one, as the graph is used, or each
            direction's anchor.
        relations: Weights of relations: how often their edges are drawn. 0 leaves a relation out:
            its pairs are neither positives nor negatives.
        hard_negatives: Share of the anchors, half the nodes of a side, that are siblings of others:
            skills of one broader skill, jobs of one ISCO group. For graphs of ESCO's or O*NET's.
        padding: How often a right node is padded with a random one that does not match.
        augment: How often a text of the query's side (of `anchor`: the right one) is changed into
            what people type.
    """

    name: str
    folder: str = ""
    size: int = 128
    share: float = 1.0
    alpha: float = 1.0
    loss_temperature: float = 0.05
    learned_loss_temperature: bool = False
    forward: float = 1.0
    backward: float = 1.0
    others_in_denominator: bool = True
    single_positive: bool = False
    queries: Literal["left", "right", "anchor"] = "left"
    relations: dict[str, float] = field(default_factory=dict)
    hard_negatives: float = 0.0
    padding: float = 0.0
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        check_bounds("size", self.size, least=2)
        for name in ("share", "alpha", "loss_temperature"):
            check_bounds(name, getattr(self, name), above=0.0)
        check_bounds("hard_negatives", self.hard_negatives, least=0.0, most=0.9)
        check_bounds("padding", self.padding, least=0.0, most=1.0)
        _ = self.loss

    @property
    def loss(self) -> LossSettings:
        """The switches of its loss."""
        return LossSettings(
            forward=self.forward,
            backward=self.backward,
            others_in_denominator=self.others_in_denominator,
            single_positive=self.single_positive,
        )


@dataclass(frozen=True, kw_only=True)
class BatchRecipe:
    """How batches are drawn and computed.

    Attributes:
        graphs_per_step: `one` graph a step, or a batch of `all`, which share nodes.
        degree_exponent: Nodes are drawn in proportion to their degree to this power: 1 follows the
            edges, 0 makes head and tail equal.
        gradient_cache: Whether token vectors are made first without a graph, and again by chunks
            once the gradients for them are known: less memory, but each text is encoded twice.
        chunk_tokens: Most tokens that go through the encoder at once, padding included.
        tile_pairs: Most pairs of tokens that the scorer holds at once, of more than one pair of
            texts.
    """

    graphs_per_step: Literal["one", "all"] = "one"
    degree_exponent: float = 0.5
    gradient_cache: bool = False
    chunk_tokens: int = 2048
    tile_pairs: int = 1 << 20

    def __post_init__(self) -> None:
        check_bounds("degree_exponent", self.degree_exponent, least=0.0, most=1.0)
        check_bounds("chunk_tokens", self.chunk_tokens, least=1)
        check_bounds("tile_pairs", self.tile_pairs, least=1)


@dataclass(frozen=True, kw_only=True)
class OptimizerRecipe:
    """AdamW and its schedule.

    Attributes:
        steps: How many.
        learning_rate: The highest.
        projection_learning_rate: That of a projection and of temperatures; 0 takes
            `learning_rate`.
        warmup: Share of the steps in which the rate rises from 0.
        decay: How it falls afterwards: to 0 in a line or a cosine, or not at all.
        weight_decay: Of the transformer's matrices; biases, norms and what is new have none.
        clip: Largest norm of the gradient; 0 for any.
        average: Decay of an exponential moving average of the weights, which is what is validated
            and kept; 0 for none.
        trained_share: How far what is validated and kept lies from the base's weights to the
            trained ones, on the line between them (WiSE-FT, arXiv 2109.01903): less of what the
            graphs teach, and less of what only they are like.
    """

    steps: int
    learning_rate: float = 1e-4
    projection_learning_rate: float = 0.0
    warmup: float = 0.1
    decay: Literal["linear", "cosine", "none"] = "linear"
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.0
    trained_share: float = 1.0

    def __post_init__(self) -> None:
        check_bounds("steps", self.steps, least=1)
        check_bounds("learning_rate", self.learning_rate, above=0.0)
        check_bounds("warmup", self.warmup, least=0.0, most=1.0)
        check_bounds("average", self.average, least=0.0, below=1.0)
        check_bounds("trained_share", self.trained_share, above=0.0, most=1.0)
        for name in ("projection_learning_rate", "weight_decay", "clip"):
            check_bounds(name, getattr(self, name), least=0.0)


@dataclass(frozen=True, kw_only=True)
class GuardRecipe:
    """The guard against negatives that are likely positives, judged by a frozen model.

    Attributes:
        model: A runtime folder, or `uwe-mini`; empty for no guard.
        margin: A pair is no negative if the guide scores it above the best positive of either of
            its ends less this.
    """

    model: str = ""
    margin: float = 0.0

    def __post_init__(self) -> None:
        check_bounds("margin", self.margin)


@dataclass(frozen=True, kw_only=True)
class ValidationRecipe:
    """By what the best step is chosen: validation splits only.

    Attributes:
        every: After how many steps; 0 for at the end alone.
        tasks: Names of tasks, or task folders below the data folder.
        mean: Those of them whose mean decides; empty takes all.
        metrics: What is averaged.
        limit: Most queries of a task.
    """

    every: int = 500
    tasks: tuple[str, ...] = ()
    mean: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("MAP", "RP@10")
    limit: int = 500

    def __post_init__(self) -> None:
        if not self.metrics:
            raise InputError("expected at least one metric, got none: name MAP, say")
        check_bounds("every", self.every, least=0)
        check_bounds("limit", self.limit, least=1)
        strangers = sorted(set(self.mean) - set(self.tasks))
        if strangers:
            raise InputError(f"expected mean to be of tasks, got {strangers[0]!r}: add it to tasks")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole recipe.

    Attributes:
        name: Of the model.
        graphs: Folder of the graphs, below the data folder.
        seed: Of everything that is drawn.
        precision: Of the encoder: `bf16` is faster on a GPU, and on a CPU with instructions for it
            (AMX).
        compile: Whether the transformer goes through `torch.compile`.
        model: What is trained.
        graph: The graphs.
        batches: How batches are drawn.
        optimizer: How weights change.
        guard: Which negatives are left out.
        validation: What chooses the best step.
        checkpoint_every: After how many steps the run can be resumed; 0 for at the end and after
            validations alone.
    """

    name: str
    graphs: str
    seed: int = 0
    precision: Literal["float32", "bf16"] = "float32"
    compile: bool = False
    checkpoint_every: int = 500
    model: ModelRecipe
    graph: tuple[GraphRecipe, ...]
    batches: BatchRecipe = field(default_factory=BatchRecipe)
    optimizer: OptimizerRecipe
    guard: GuardRecipe = field(default_factory=GuardRecipe)
    validation: ValidationRecipe = field(default_factory=ValidationRecipe)

    def __post_init__(self) -> None:
        file_name("name, a folder of runs/,", self.name)
        if self.compile and self.batches.gradient_cache and self.model.dropout:
            raise InputError(
                "expected no dropout with compile and gradient_cache, as a compiled model may drop "
                "other units when a chunk is encoded again: set one of the three to nothing"
            )
        names = [graph.name for graph in self.graph]
        if not names:
            raise InputError("expected at least one [[graph]], got none: add one")
        if len(set(names)) < len(names):
            raise InputError(
                f"expected each [[graph]] to have a name of its own, got {', '.join(names)}: "
                "remove one, or rename its file"
            )
        check_bounds("checkpoint_every", self.checkpoint_every, least=0)
        check_bounds("seed", self.seed, least=0)

    def to_dict(self) -> dict[str, Any]:
        """All settings, defaults included, as JSON has them."""
        document: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return {"format": FORMAT, **document}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], *, path: str | Path = "recipe") -> Recipe:
        """Read what `to_dict` gave, or a TOML file holds.

        Raises:
            InputError: If it is of another format, lacks a key, has an unknown one, or a value has
                the wrong type or range; with the key's full name.
        """
        fields = dict(document)
        found = fields.pop("format", None)
        if found != FORMAT:
            raise InputError(
                f"{path}: this release reads recipes of format {FORMAT}, got {found!r}: set "
                f"format = {FORMAT}, or update uwe"
            )
        return table_as(cls, fields, str(path))


def read_recipe(path: str | Path, *, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a TOML file.

    Args:
        path: The file; `recipe.json` of a run is read too.
        changes: `key=value` each, with the key's full name and the value as TOML has it:
            `optimizer.steps=100`, `graph.J.size=64`, `model.scorer="soft:0.5"`. Quotes may be left
            out.

    Raises:
        InputError: If it is no recipe, or a change names no key.
        OSError: If it can not be read.
    """
    path = path_of("a recipe", path)
    if path.is_dir():
        raise InputError(f"{path}: expected a TOML file, got a folder: name the recipe in it")
    try:
        text = path.read_text(encoding="utf-8")
        # A run keeps its recipe, all settings in it, as JSON.
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected TOML, got {error}: correct it") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: expected a table of settings, got {document!r}: correct it")
    for change in listed("changes", changes):
        _change(document, text_of("each of changes", change))
    return Recipe.from_dict(document, path=path)


def _change(document: dict[str, Any], change: str) -> None:
    name, equals, text = change.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys):
        raise InputError(f"expected key=value, such as optimizer.steps=100, got {change!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()
    if keys[0] == "graph" and len(keys) > 2:
        graphs = document.get("graph")
        graphs = graphs if isinstance(graphs, list) else []
        places = [g for g in graphs if isinstance(g, dict) and g.get("name") == keys[1]]
        if not places:
            names = ", ".join(str(g.get("name")) for g in graphs if isinstance(g, dict))
            raise InputError(
                f"expected the name of a graph in {change!r}, one of {names}: correct it"
            )
        place, rest = places[0], keys[2:]
    else:
        place, rest = document, keys
    for key in rest[:-1]:
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise InputError(f"{name.strip()}: {key} has no keys below it: correct it")
    place[rest[-1]] = value
