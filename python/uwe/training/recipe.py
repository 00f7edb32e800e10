"""A recipe: everything that decides what a training run does, in one TOML file.

`docs/recipes.md` says what each key means.
"""

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
from uwe.errors import InputError, shown
from uwe.scorer import Scorer

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


FORMAT = 2
"""Version of recipes that this release reads."""

_MOST = 2**63 - 1
Natural = Annotated[int, Meta(ge=0, le=_MOST)]
Count = Annotated[int, Meta(ge=1, le=_MOST)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class ModelRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[model]`: what is trained."""

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
        if not math.isfinite(sum(self.train_scorers.values())):
            raise InputError("expected train_scorers of weights with a finite sum: lower them")

    @property
    def loss_scorers(self) -> list[tuple[Scorer, float]]:
        """The scorers of the loss, with weights that add up to 1."""
        weights = self.train_scorers or {self.scorer: 1.0}
        total = sum(weights.values())
        return [(Scorer.parse(name), weight / total) for name, weight in weights.items()]


class AugmentRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`augment` of a graph: how often a text of the query's side is changed."""

    abbreviations: Share = 0.0
    title_noise: Share = 0.0
    marks: Share = 0.0
    typos: Share = 0.0


class GraphRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[graph]]`: how one graph is drawn from."""

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


class TeacherRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[teacher]`: models whose mean scores of a batch are learned from."""

    models: tuple[str, ...] = ()
    weight: Annotated[float, Meta(gt=0, le=1)] = 0.5
    temperature: Positive = 0.05
    graphs: tuple[str, ...] = ()


class BatchRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[batches]`: memory and time of a step; the result is the same."""

    gradient_cache: bool = False
    chunk_tokens: Count = 2048
    tile_pairs: Count = 1 << 20


class OptimizerRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[optimizer]`: AdamW, its schedule, and which weights are trained and kept."""

    steps: Count
    frozen_layers: Natural = 0
    learning_rate: Positive = 1e-4
    warmup: Share = 0.1
    weight_decay: NotNegative = 0.01
    max_grad_norm: NotNegative = 1.0
    wise_ft_alpha: Annotated[float, Meta(gt=0, le=1)] = 1.0


class ValidationRecipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[validation]`: what chooses the best step."""

    every: Natural = 500
    tasks: tuple[str, ...] = ()
    metrics: Annotated[tuple[str, ...], Meta(min_length=1)] = ("MAP", "RP@10")
    limit: Count = 500


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole recipe."""

    name: str
    graphs: str
    seed: Natural = 0
    precision: Literal["float32", "bf16"] = "float32"
    checkpoint_every: Natural = 500
    model: ModelRecipe
    graph: Annotated[tuple[GraphRecipe, ...], Meta(min_length=1)]
    teacher: TeacherRecipe = TeacherRecipe()
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
        if unknown := set(self.teacher.graphs) - set(names):
            raise InputError(
                f"teacher.graphs: expected names of graphs, of {', '.join(names)}, got "
                f"{', '.join(sorted(unknown))}: correct it"
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
            raise InputError(
                f"{path}: this release reads recipes of format {FORMAT}, got {shown(found)}: set "
                f"format = {FORMAT} and correct the keys that it names then, or update uwe"
            )
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
    "teacher": TeacherRecipe, "batches": BatchRecipe, "optimizer": OptimizerRecipe,
    "validation": ValidationRecipe,
}  # fmt: skip
"""The tables of a recipe by name, the top without one."""


def settings_of(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting of `to_dict` with its full name, as `--set` has it: `graph.J.batch_size`."""
    for key, value in table.items():
        if key == "graph":
            value = {graph["name"]: graph for graph in value}
        if isinstance(value, Mapping):
            yield from settings_of(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _explained(error: msgspec.ValidationError, fields: Mapping[str, Any]) -> str:
    """What msgspec found, with the key as TOML has it, the value, and what to do."""
    what, _, where = str(error).partition(" - at `$")
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", where.rstrip("`"))
    place = "".join(f".{name}" if name else f"[{index}]" for name, index in steps).lstrip(".")
    start = f"{place}: " if place else ""
    names = ["", *(name for name, _ in steps if name)]
    if match := re.search(r"unknown field `(.*)`", what):
        known = TABLES.get(names[-1], Recipe).__struct_fields__
        near = get_close_matches(match[1], known, n=1)
        meant = f"did you mean {near[0]!r}?" if near else "correct it, or leave it out"
        return f"{start}unknown key {match[1]!r}; known are {', '.join(known)}: {meant}"
    if match := re.search(r"required field `(.*)`", what):
        return f"{start}the key {match[1]!r} is missing: add it"
    if isinstance(error.__cause__, InputError):
        return f"{start}{what}"
    value: Any = fields
    for name, index in steps:
        value = value[name or int(index)]
    hint = get_type_hints(TABLES.get(names[-2], Recipe)).get(names[-1]) if steps else None
    if get_origin(hint) is Literal:
        what = f"expected one of {', '.join(get_args(hint))}"
    what = what[0].lower() + what[1:].partition(", got")[0]
    remedy = "write [[graph]]" if names[1:] == ["graph"] else "correct it"
    return f"{start}{what}, got {shown(value)}: {remedy}"


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
        raise InputError(f"{path}: expected a table of settings, got {shown(document)}: correct it")
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
