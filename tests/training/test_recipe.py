"""Recipes: strict, with one meaning however they are written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

import tiny_esco
from tiny_transformers import save_transformer
from uwe import InputError
from uwe.training.loop import train
from uwe.training.pairs import import_pairs
from uwe.training.recipe import Recipe, read_recipe

TEXT = """
format = 1
name = "tiny"
graphs = "train"
[model]
base = "folder"
[optimizer]
steps = 10
[[graph]]
name = "J"
[[graph]]
name = "V"
queries = "right"
relations = {weak = 0.5}
"""
SHIPPED = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(TEXT)
    return tmp_path / "tiny.toml"


def test_a_recipe_survives_json(path: Path) -> None:
    recipe = read_recipe(path)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert [graph.queries for graph in recipe.graph] == ["left", "right"]


def test_changes_stand_in_place_of_the_files(path: Path) -> None:
    recipe = read_recipe(
        path,
        changes=[
            "optimizer.steps=3", "graph.V.size=16", "model.scorer=pooled", "guard.margin=1",
            'model.train_scorers={"soft:0.5" = 3, pooled = 1}', "validation.tasks=['a', 'b']",
        ],
    )  # fmt: skip
    assert recipe.optimizer.steps == 3
    assert [graph.size for graph in recipe.graph] == [128, 16]
    assert recipe.guard.margin == 1.0
    assert [(str(s), w) for s, w in recipe.model.loss_scorers] == [
        ("soft:0.5", 0.75), ("pooled", 0.25),
    ]  # fmt: skip
    assert recipe.validation.tasks == ("a", "b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimizer.stesp=3", "unknown key 'stesp'; known are steps"),
        ("optimizer.steps=0", "expected steps >= 1, got 0"),
        ("optimizer.steps=many", "steps: expected an integer, got 'many'"),
        ("optimizer.steps=true", "expected an integer"),
        ("optimizer.learning_rate=nan", "learning_rate > 0"),
        ("optimizer.decay=fast", "expected one of linear, cosine, none"),
        ("graph.J.loss_temperature=0", "loss_temperature > 0"),
        ("graph.Z.size=3", "name of a graph"),
        ("graph.J.forward=0", None),
        ("model.scorer=soft", "needs a temperature"),
        ("model=3", "expected a table"),
        ("name.first=3", "no keys below"),
        ("format=2", "reads recipes of format 1, got 2"),
        ("validation.mean=['x']", "expected mean to be of tasks"),
        ("graph=[]", "at least one"),
        ("graph={name='J'}", r"graph: expected a list, got .*: write \[\[graph\]\]"),
        ("optimizer.trained_share=0", "trained_share > 0 and <= 1"),
        ("graph.J.hard_negatives=0.95", "hard_negatives >= 0 and <= 0.9"),
        ("batches.degree_exponent=2", "degree_exponent >= 0 and <= 1"),
        ("guard.margin=inf", "expected margin to be a finite number, got inf"),
        ('model.train_scorers={"soft:0.5"=1, pooled=nan}', "train_scorers > 0"),
        ("graph.J.forward=inf", "expected weights"),
        ("validation.metrics=[]", "at least one metric"),
        ("name=", "expected name"),
        ("steps", "key=value"),
    ],
)
def test_what_is_wrong_is_named(path: Path, change: str, words: str | None) -> None:
    if words is None:
        assert read_recipe(path, changes=[change]).graph[0].forward == 0.0
        return
    with pytest.raises(InputError, match=words):
        read_recipe(path, changes=[change])


def test_a_folder_is_no_recipe(path: Path) -> None:
    with pytest.raises(InputError, match="expected a TOML file, got a folder: name the recipe"):
        read_recipe(path.parent)


def test_a_temperature_is_learned_where_there_is_one(path: Path) -> None:
    changes = ["model.learned_temperature=true", "model.scorer=pooled"]
    with pytest.raises(InputError, match="one temperature to learn, got pooled"):
        read_recipe(path, changes=changes)
    two = ["model.learned_temperature=true", 'model.train_scorers={"soft:0.5"=1, "soft_query:1"=1}']
    with pytest.raises(InputError, match=r"soft:0\.5, soft_query:1 in the loss"):
        read_recipe(path, changes=two)


def test_a_key_that_is_missing_is_named(path: Path) -> None:
    path.write_text(TEXT.replace("steps = 10", ""))
    with pytest.raises(InputError, match="the key 'steps' is missing"):
        read_recipe(path)


def test_a_graph_twice_and_no_toml_are_refused(path: Path) -> None:
    path.write_text(TEXT.replace('name = "V"', 'name = "J"'))
    with pytest.raises(InputError, match="a name of its own"):
        read_recipe(path)
    path.write_text("format = ")
    with pytest.raises(InputError, match="expected TOML"):
        read_recipe(path)


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_recipes_are_read(shipped: Path) -> None:
    recipe = read_recipe(shipped)
    assert recipe.name == shipped.stem
    assert recipe.validation.tasks


def test_the_recipe_of_the_page_trains_on_pairs_of_a_csv_file(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    whole, *_ = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "own.toml").write_text(whole)
    rows = (f"title {n},skill {m}" for n in range(9) for m in (n, (n + 1) % 9))
    (tmp_path / "pairs.csv").write_text("\n".join(["title,skill", *rows]))
    import_pairs(tmp_path / "pairs.csv", "title", "skill", tmp_path / "data/own", name="P")
    base = save_transformer("bert", tmp_path / "base", lower_case=True)
    changes = [f"model.base={base}", "model.max_tokens=24", "optimizer.steps=2", "graph.P.size=6"]
    recipe = read_recipe(tmp_path / "own.toml", changes=changes)
    done = train(recipe, out=tmp_path / "run", data=tmp_path / "data", cpu=True)
    assert done.steps == 2
    esco = tmp_path / "data/esco/1.2.0"
    esco.mkdir(parents=True)
    tiny_esco.write_zip(esco / tiny_esco.NAME, tiny_esco.tables())
    hard = read_recipe(tmp_path / "own.toml", changes=[*changes, "graph.P.hard_negatives=0.2"])
    with pytest.raises(InputError, match=r"graph P: expected nodes with ids of ESCO's or O\*NET's"):
        train(hard, out=tmp_path / "hard", data=tmp_path / "data", cpu=True)
