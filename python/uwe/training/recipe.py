"""A recipe: everything that decides what a training run does, in one TOML file."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from uwe.checks import file_name, listed, path_of, text_of
from uwe.errors import InputError
from uwe.scorer import Scorer

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "AugmentRecipe", "BatchRecipe", "GraphRecipe", "ModelRecipe", "OptimizerRecipe", "Recipe",
    "ValidationRecipe", "read_recipe", "settings_of",
]  # fmt: skip

FORMAT = 2
"""Version of recipes that this release reads."""

Natural = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class ModelRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trained.

    Attributes:
        base: The encoder to start from: a folder of transformers or sentence-transformers, a hub
            id, or `package:NAME/PATH` for a folder inside an installed Python package.
        scorer: How the model's token vectors are to be compared by those who use it.
        train_scorers: Through which scorers the loss goes, with their weights; empty takes `scorer`
            alone.
        max_tokens: Longest text, special tokens included.
        language: What it reads.
        licence: SPDX identifier of the weights' licence.
        base_model: What to call the base in the model card; empty takes `base`.
    """

    base: str
    scorer: str = "soft:0.5"
    train_scorers: dict[str, Positive] = {}
    max_tokens: Count = 64
    language: str = "en"
    licence: str = ""
    base_model: str = ""

    def __post_init__(self) -> None:
        for name in (self.scorer, *self.train_scorers):
            Scorer.parse(name)

    @property
    def loss_scorers(self) -> list[tuple[Scorer, float]]:
        """The scorers of the loss, with weights that add up to 1."""
        weights = self.train_scorers or {self.scorer: 1.0}
        total = sum(weights.values())
        return [(Scorer.parse(name), weight / total) for name, weight in weights.items()]


class AugmentRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a text of a batch is changed into what people type, in this order.

    Attributes:
        abbreviations: A term of the built-in table is shortened, or written out.
        title_noise: A level, shift, place, pay or number is put around it, as around job titles.
        marks: A bullet or number is put before it, or a mark behind it.
        typos: A letter in 24 is slipped on: left out, doubled, swapped, or its neighbour hit.
    """

    abbreviations: Share = 0.0
    title_noise: Share = 0.0
    marks: Share = 0.0
    typos: Share = 0.0


class GraphRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done with one graph.

    Attributes:
        name: Of its file of edges: `J`.
        folder: Of the graph, below the data folder; empty takes the recipe's.
        batch_size: Nodes a side of a batch.
        share: How often a step is of this graph, relative to the others.
        loss_temperature: What scores are divided by.
        queries: Which side is the query, as the graph is used.
        relations: Weights of relations: how often their edges are drawn. 0 leaves a relation out:
            its pairs are neither positives nor negatives.
        hard_negatives: Share of the anchors, half the nodes of a side, that are siblings of others:
            skills of one broader skill, jobs of one ISCO group. For graphs of ESCO's or O*NET's.
        padding: How often a right node is padded with a random one that does not match.
        augment: How often a text of the query's side is changed into what people type.
    """

    name: str
    folder: str = ""
    batch_size: Annotated[int, Meta(ge=2)] = 128
    share: Positive = 1.0
    loss_temperature: Positive = 0.05
    queries: Literal["left", "right"] = "left"
    relations: dict[str, NotNegative] = {}
    hard_negatives: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    padding: Share = 0.0
    augment: AugmentRecipe = AugmentRecipe()


class BatchRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a batch is computed: for memory and time, what comes out is the same.

    Attributes:
        gradient_cache: Whether token vectors are made first without a graph, and again by chunks
            once the gradients for them are known: less memory, but each text is encoded twice.
        chunk_tokens: Most tokens that go through the encoder at once, padding included.
        tile_pairs: Most pairs of tokens that the scorer holds at once, of more than one pair of
            texts.
    """

    gradient_cache: bool = False
    chunk_tokens: Count = 2048
    tile_pairs: Count = 1 << 20


class OptimizerRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AdamW, whose learning rate rises in a line and falls to 0 in another.

    Attributes:
        steps: How many.
        learning_rate: The highest.
        warmup: Share of the steps in which the rate rises from 0.
        weight_decay: Of the transformer's matrices; biases and norms have none.
        max_grad_norm: Largest norm of the gradient; 0 for any.
        ema_decay: Decay of an exponential moving average of the weights, which is what is validated
            and kept; 0 for none.
        wise_ft_alpha: How far what is validated and kept lies from the base's weights to the
            trained ones, on the line between them (WiSE-FT, arXiv 2109.01903): less of what the
            graphs teach, and less of what only they are like.
    """

    steps: Count
    learning_rate: Positive = 1e-4
    warmup: Share = 0.1
    weight_decay: NotNegative = 0.01
    max_grad_norm: NotNegative = 1.0
    ema_decay: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    wise_ft_alpha: Annotated[float, Meta(gt=0, le=1)] = 1.0


class ValidationRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By what the best step is chosen: validation splits only.

    Attributes:
        every: After how many steps; 0 for at the end alone.
        tasks: Names of tasks, or task folders below the data folder; their mean decides.
        metrics: What is averaged.
        limit: Most queries of a task.
    """

    every: Natural = 500
    tasks: tuple[str, ...] = ()
    metrics: Annotated[tuple[str, ...], Meta(min_length=1)] = ("MAP", "RP@10")
    limit: Count = 500


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole recipe.

    Attributes:
        name: Of the model.
        graphs: Folder of the graphs, below the data folder.
        seed: Of everything that is drawn.
        precision: Of the encoder: `bf16` is faster on a GPU, and on a CPU with instructions for it
            (AMX).
        checkpoint_every: After how many steps the run can be resumed; 0 for at the end and after
            validations alone.
        model: What is trained.
        graph: The graphs.
        batches: How a batch is computed.
        optimizer: How weights change.
        validation: What chooses the best step.
    """

    name: str
    graphs: str
    seed: Natural = 0
    precision: Literal["float32", "bf16"] = "float32"
    checkpoint_every: Natural = 500
    model: ModelRecipe
    graph: Annotated[tuple[GraphRecipe, ...], Meta(min_length=1)]
    batches: BatchRecipe = BatchRecipe()
    optimizer: OptimizerRecipe
    validation: ValidationRecipe = ValidationRecipe()

    def __post_init__(self) -> None:
        file_name("name, a folder of runs/,", self.name)
        names = [graph.name for graph in self.graph]
        if len(set(names)) < len(names):
            raise InputError(
                f"expected each [[graph]] to have a name of its own, got {', '.join(names)}: "
                "remove one, or rename its file"
            )

    def to_dict(self) -> dict[str, Any]:
        """All settings, defaults included, as JSON has them."""
        return {"format": FORMAT, **msgspec.to_builtins(self)}

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
            raise InputError(_other_format(fields, found, path))
        try:
            recipe = msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            raise InputError(f"{path}: {_explained(error, fields)}") from None
        except (OverflowError, RecursionError) as error:
            raise InputError(f"{path}: expected settings, got {error}: correct it") from None
        for key, value in settings_of(recipe.to_dict()):
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(
                    f"{path}: {key}: expected a finite number, got {value}: correct it"
                )
        return recipe


TABLES: dict[str, type[Struct]] = {
    "": Recipe, "model": ModelRecipe, "graph": GraphRecipe, "augment": AugmentRecipe,
    "batches": BatchRecipe, "optimizer": OptimizerRecipe, "validation": ValidationRecipe,
}  # fmt: skip
"""The tables of a recipe by name, the top without one."""

RENAMED = {
    "size": "batch_size", "clip": "max_grad_norm", "average": "ema_decay",
    "trained_share": "wise_ft_alpha",
}  # fmt: skip
LEFT = {
    "alpha", "backward", "compile", "decay", "degree_exponent", "dim", "dropout", "forward",
    "graphs_per_step", "guard", "learned_loss_temperature", "learned_temperature", "mean",
    "others_in_denominator", "projection_learning_rate", "single_positive", "special_tokens",
}  # fmt: skip
"""Keys of format 1 that have another name, and those that are no settings any more."""


def settings_of(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting of `to_dict` with its full name, as `--set` has it: `graph.J.batch_size`."""
    for key, value in table.items():
        if key == "graph" and isinstance(value, list):
            value = {
                str(graph.get("name", number)): graph
                for number, graph in enumerate(value)
                if isinstance(graph, Mapping)
            }
        if isinstance(value, Mapping):
            yield from settings_of(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _other_format(fields: Mapping[str, Any], found: object, path: str | Path) -> str:
    """What to do with a recipe of another format."""
    expected = f"{path}: this release reads recipes of format {FORMAT}, got {found!r}"
    if found != 1:
        return f"{expected}: set format = {FORMAT}, or update uwe"
    graphs = fields.get("graph")
    tables = [fields, *fields.values(), *(graphs if isinstance(graphs, list) else ())]
    keys = (key for table in tables if isinstance(table, Mapping) for key in table)
    old = dict.fromkeys(key for key in keys if key in RENAMED.keys() | LEFT)
    changes = "".join(f"; {_old(key)}" for key in old)
    return f"{expected}: set format = {FORMAT}{changes}"


def _old(key: str) -> str:
    return f"{key} is {RENAMED[key]} now" if key in RENAMED else f"leave {key} out"


def _explained(error: msgspec.ValidationError, fields: Mapping[str, Any]) -> str:
    """What msgspec found, in words of TOML: where, what was expected, what came, what to do."""
    what, _, where = str(error).partition(" - at `$")
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", where.rstrip("`"))
    place = "".join(f".{name}" if name else f"[{index}]" for name, index in steps).lstrip(".")
    names = [name for name, _ in steps if name]
    table = TABLES.get(names[-1] if names else "", Recipe)
    start = f"{place}: " if place else ""
    if match := re.search(r"unknown field `(.*)`", what):
        known = table.__struct_fields__
        near = get_close_matches(match[1], known, n=1)
        meant = f"did you mean {near[0]!r}?" if near else "correct it, or leave it out"
        if match[1] in RENAMED.keys() | LEFT:
            meant = _old(match[1])
        return f"{start}unknown key {match[1]!r}; known are {', '.join(known)}: {meant}"
    if match := re.search(r"required field `(.*)`", what):
        return f"{start}the key {match[1]!r} is missing: add it"
    if not isinstance(error.__cause__, InputError):
        value: Any = fields
        for name, index in steps:
            value = value[name or int(index)]
        owner = TABLES.get(names[-2] if len(names) > 1 else "", Recipe)
        hint = get_type_hints(owner).get(names[-1]) if names else None
        if get_origin(hint) is Literal:
            what = f"expected one of {', '.join(get_args(hint))}"
        for theirs, ours in _KINDS.items():
            what = what.replace(f"`{theirs}`", ours)
        remedy = "write [[graph]]" if names == ["graph"] else "correct it"
        what = f"{what[0].lower()}{what[1:].partition(', got')[0]}, got {value!r}: {remedy}"
    return f"{start}{what}"


_KINDS = {
    "str": "text", "int": "an integer", "float": "a number", "bool": "true or false",
    "object": "a table", "array": "a list",
}  # fmt: skip


def read_recipe(path: str | Path, *, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a TOML file.

    Args:
        path: The file; `recipe.json` of a run is read too.
        changes: `key=value` each, with the key's full name and the value as TOML has it:
            `optimizer.steps=100`, `graph.J.batch_size=64`, `model.scorer="soft:0.5"`. Quotes may be
            left out.

    Raises:
        InputError: If it is no recipe, or a change names no key.
        OSError: If it cannot be read.
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
