"""Recipes: strict, with one meaning however they are written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

import tiny_esco
from tiny_transformers import save_transformer
from uwe import InputError
from uwe.graphs.pairs import import_pairs
from uwe.training.loop import train
from uwe.training.recipe import (
    GraphRecipe,
    ModelRecipe,
    OptimizerRecipe,
    Recipe,
    read_recipe,
    settings_of,
)

TEXT = """
format = 2
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
            "optimizer.steps=3", "graph.V.batch_size=16", "model.scorer=pooled",
            "graph.V.augment={typos = 0.5}", "optimizer.learning_rate=1",
            'model.train_scorers={"soft:0.5" = 3, pooled = 1}', "validation.tasks=['a', 'b']",
        ],
    )  # fmt: skip
    assert recipe.optimizer.steps == 3
    assert [graph.batch_size for graph in recipe.graph] == [128, 16]
    assert recipe.graph[1].augment.typos == 0.5
    assert recipe.optimizer.learning_rate == 1.0
    assert [(str(s), w) for s, w in recipe.model.loss_scorers] == [
        ("soft:0.5", 0.75), ("pooled", 0.25),
    ]  # fmt: skip
    assert recipe.validation.tasks == ("a", "b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimizer.stesp=3", "optimizer: unknown key 'stesp'; .* did you mean 'steps'"),
        ("optimizer.steps=0", r"optimizer\.steps: .*>= 1.*got 0"),
        ("optimizer.steps=many", r"optimizer\.steps: .*int.*got 'many'"),
        ("optimizer.steps=true", "steps: .*True"),
        ("optimizer.learning_rate=nan", r"optimizer\.learning_rate: .*nan"),
        ("optimizer.learning_rate=-1", r"learning_rate: .*-1"),
        ("name=0x" + 5000 * "f", "name: .*cannot be shown"),
        ("seed=0x" + 5000 * "f", "seed"),
        ("precision=fast", "one of float32, bf16, got 'fast'"),
        ("graph.J.queries=middle", r"graph\[0\]\.queries: .*one of left, right"),
        ("graph.J.share=inf", r"graph\.J\.share: .*inf"),
        ("graph.J.loss_temperature=0", r"graph\[0\]\.loss_temperature: .*got 0"),
        ("graph.J.augment={typo=0.1}", r"augment: unknown key 'typo'; .*typos"),
        ("graph.J.augment={typos=1.1}", r"augment\.typos: .*1\.1"),
        ("graph.Z.batch_size=3", "name of a graph"),
        ("graph.J.relations={x=-1}", "relations"),
        ("model.scorer=soft", "model: .*temperature"),
        ("model=3", "model: expected .*, got 3"),
        ("name.first=3", "no keys below"),
        ("format=9", "recipes of format 2, got 9"),
        ("graph=[]", "graph"),
        ("graph={name='J'}", r"graph: .*: write \[\[graph\]\]"),
        ("optimizer.wise_ft_alpha=0", "wise_ft_alpha"),
        ("teacher={weight=2}", "teacher.weight"),
        ("teacher={graphs=['Z']}", "teacher.graphs: .*J.*Z"),
        ("graph.J.hard_negatives=0.95", "hard_negatives"),
        ('model.train_scorers={"soft:0.5"=1, pooled=nan}', "train_scorers"),
        ('model.train_scorers={"soft:0.5"=1e308, pooled=1e308}', "train_scorers"),
        ("validation.metrics=[]", "metrics"),
        ("name=", "name"),
        ("steps", "key=value"),
    ],
)
def test_what_is_wrong_is_named(path: Path, change: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_recipe(path, changes=[change])


def test_a_folder_is_no_recipe(path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        read_recipe(path.parent)


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


def test_the_page_shows_every_key_with_its_default(path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    (whole,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path.write_text(whole)
    shown = read_recipe(path)
    defaults = Recipe(
        name=shown.name, graphs=shown.graphs, model=ModelRecipe(base=shown.model.base),
        graph=(GraphRecipe(name="J"),), optimizer=OptimizerRecipe(steps=shown.optimizer.steps),
    )  # fmt: skip
    assert shown == defaults
    for key, _ in settings_of(defaults.to_dict()):
        assert re.search(rf"^{key.rpartition('.')[2]} = ", whole, re.MULTILINE), key


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_recipes_are_read(shipped: Path) -> None:
    recipe = read_recipe(shipped)
    assert recipe.name == shipped.stem
    assert recipe.validation.tasks


def test_the_recipe_of_the_page_trains_on_pairs_of_a_csv_file(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    whole, *_ = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "own.toml").write_text(whole)
    rows = (f"title {n},skill {m}" for n in range(9) for m in (n, (n + 1) % 9))
    (tmp_path / "pairs.csv").write_text("\n".join(["title,skill", *rows]))
    import_pairs(tmp_path / "pairs.csv", "title", "skill", tmp_path / "data/own", name="P")
    base = save_transformer("bert", tmp_path / "base", lower_case=True)
    changes = [
        f"model.base={base}",
        "model.max_tokens=24",
        "optimizer.steps=2",
        "graph.P.batch_size=6",
    ]
    recipe = read_recipe(tmp_path / "own.toml", changes=changes)
    done = train(recipe, out=tmp_path / "run", data=tmp_path / "data", cpu=True)
    assert done.steps == 2
    esco = tmp_path / "data/esco/1.2.0"
    esco.mkdir(parents=True)
    tiny_esco.write_zip(esco / tiny_esco.NAME, tiny_esco.tables())
    hard = read_recipe(tmp_path / "own.toml", changes=[*changes, "graph.P.hard_negatives=0.2"])
    with pytest.raises(InputError, match=r"graph P: expected nodes with ids of ESCO's or O\*NET's"):
        train(hard, out=tmp_path / "hard", data=tmp_path / "data", cpu=True)
