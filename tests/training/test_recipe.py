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
from uwe.graphs.pairs import import_pairs
from uwe.training.loop import train
from uwe.training.recipe import Recipe, read_recipe

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
        ("optimizer.stesp=3", "'steps'"),
        ("optimizer.steps=0", r"optimizer\.steps"),
        ("optimizer.steps=many", r"optimizer\.steps"),
        ("optimizer.steps=true", "steps: .*True"),
        ("optimizer.learning_rate=nan", r"optimizer\.learning_rate: .*nan"),
        ("optimizer.learning_rate=-1", r"learning_rate: .*-1"),
        ("precision=fast", "got 'fast'"),
        ("graph.J.queries=middle", r"graph\[0\]\.queries"),
        ("graph.J.loss_temperature=0", r"graph\[0\]\.loss_temperature: .*got 0"),
        ("graph.J.augment={typo=0.1}", "'typo'"),
        ("graph.J.augment={typos=1.1}", r"augment\.typos: .*1\.1"),
        ("graph.Z.batch_size=3", "name of a graph"),
        ("graph.J.relations={x=-1}", "relations"),
        ("model.scorer=soft", "model: .*temperature"),
        ("model=3", "model"),
        ("name.first=3", "no keys below"),
        ("format=9", "got 9"),
        ("graph=[]", "graph"),
        ("graph={name='J'}", r"\[\[graph\]\]"),
        ("optimizer.wise_ft_alpha=0", "wise_ft_alpha"),
        ("graph.J.hard_negatives=0.95", "hard_negatives"),
        ('model.train_scorers={"soft:0.5"=1, pooled=nan}', "train_scorers"),
        ("validation.metrics=[]", "metrics"),
        ("name=", "name"),
        ("steps", "key=value"),
        ("optimizer.clip=1", "max_grad_norm"),
        ("graph.J.size=1", "batch_size"),
        ("guard.model=x", "leave guard out"),
    ],
)
def test_what_is_wrong_is_named(path: Path, change: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_recipe(path, changes=[change])


def test_a_recipe_of_format_1_is_told_what_became_of_its_keys(path: Path) -> None:
    changes = ["format=1", "graph.V.size=16", "optimizer.average=0.9", "model.dim=8"]
    with pytest.raises(InputError) as caught:
        read_recipe(path, changes=changes)
    for words in ("format = 2", "size is batch_size", "average is ema_decay", "leave dim out"):
        assert words in str(caught.value)


def test_a_folder_is_no_recipe(path: Path) -> None:
    with pytest.raises(InputError, match="TOML"):
        read_recipe(path.parent)


def test_a_key_that_is_missing_is_named(path: Path) -> None:
    path.write_text(TEXT.replace("steps = 10", ""))
    with pytest.raises(InputError, match="'steps'"):
        read_recipe(path)


def test_a_graph_twice_and_no_toml_are_refused(path: Path) -> None:
    path.write_text(TEXT.replace('name = "V"', 'name = "J"'))
    with pytest.raises(InputError, match="own"):
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
    with pytest.raises(InputError, match="graph P"):
        train(hard, out=tmp_path / "hard", data=tmp_path / "data", cpu=True)
