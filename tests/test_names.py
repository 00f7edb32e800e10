"""Names that become parts of paths lead nowhere else, and a path with `..` is looked at first."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from uwe.checks import file_name
from uwe.corpus import RankingTask, read_task
from uwe.data.layout import write_task
from uwe.data.onet import OnetDatabase, write_onet
from uwe.enrich.enrichment import check_out
from uwe.errors import InputError, ModelError
from uwe.files.atomic import new_folder
from uwe.graphs.builder import GraphBuilder
from uwe.graphs.files import graph_name, read_nodes
from uwe.model.folder import base_folder, read_source_folder

LEADING_AWAY = [
    "..",
    ".",
    "",
    " ",
    "a/b",
    "../a",
    "/a",
    "a\\b",
    "a\0b",
    "a\nb",
    "x" * 300,
    "\ud800",
]


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", [*LEADING_AWAY, None, 3, b"a"])
def test_a_name_that_leads_away_is_refused(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    task = RankingTask(["t"], ["target"], ["q"], ["query"], [[0]])
    for use in (
        lambda: file_name("it", name),
        lambda: graph_name(name),
        lambda: read_nodes(inside, name),
        lambda: GraphBuilder({name: ("a", "b")}),
        lambda: GraphBuilder({"G": ("a", name)}),
        lambda: write_task(inside / "task", {name: task}),
        lambda: read_task(inside, name),
    ):
        with pytest.raises(InputError):
            use()
    assert files_below(tmp_path) == {"inside"}


@pytest.mark.parametrize("name", ["a", "uwe-mini", "v1.2", "Jöbs und mehr", ".hidden", "…", "-o"])
def test_any_other_name_is_taken(name: str) -> None:
    assert file_name("it", name) == name


@pytest.mark.parametrize("name", LEADING_AWAY)
def test_a_recipe_names_a_folder_of_runs(tmp_path: Path, name: str) -> None:
    pytest.importorskip("torch")
    from uwe.training.recipe import Recipe

    document = {
        "format": 2, "name": name, "graphs": "train", "model": {"base": "x"},
        "optimizer": {"steps": 1}, "graph": [{"name": "J"}],
    }  # fmt: skip
    with pytest.raises(InputError, match="runs/"):
        Recipe.from_dict(document)
    assert Recipe.from_dict({**document, "name": "mine"}).name == "mine"


def test_a_folder_beyond_a_missing_one_is_no_new_folder(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "work").write_text("of days")
    around = tmp_path / "missing" / ".." / "mine"
    with pytest.raises(InputError, match="exists already"), new_folder(around):
        pass
    with pytest.raises(InputError, match="found work"):
        write_onet(OnetDatabase({"occupations": []}, {}), around)
    with pytest.raises(InputError, match="folder"):
        check_out(around, tmp_path / "graphs")
    assert files_below(tmp_path) == {"mine", "mine/work"}


def test_a_run_beyond_a_missing_folder_is_no_new_run(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tiny_run import write_data, write_recipe
    from uwe.training.loop import train
    from uwe.training.recipe import read_recipe

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "metrics.jsonl").write_text("of days")
    data, recipe = write_data(tmp_path / "data"), write_recipe(tmp_path)
    before = files_below(tmp_path)
    with pytest.raises(InputError, match="folder"):
        train(read_recipe(recipe), out=tmp_path / "runs/../mine", data=data, cpu=True)
    assert files_below(tmp_path) == before


def test_graphs_beyond_a_missing_folder_are_not_replaced(tmp_path: Path) -> None:
    from uwe.graphs.build import build_graphs

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "work").write_text("of days")
    with pytest.raises(InputError, match="folder"):
        build_graphs(tmp_path, tmp_path / "missing" / ".." / "mine")
    assert files_below(tmp_path) == {"mine", "mine/work"}


@pytest.mark.parametrize("path", ["../outside", "/", "a/../../outside", "\0"])
def test_a_module_of_a_model_lies_in_its_folder(tmp_path: Path, path: str) -> None:
    for folder in (tmp_path / "outside", tmp_path / "model"):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    module = {"type": "sentence_transformers.models.Transformer", "path": path}
    (tmp_path / "model/modules.json").write_text(json.dumps([module]))
    with pytest.raises(ModelError, match="folder"):
        read_source_folder(tmp_path / "model")


@pytest.mark.parametrize(
    "base", ["package:numpy//etc", "package:numpy/../..", "package:__main__/x", "package:a.b/x"]
)
def test_a_base_inside_of_a_package_lies_there(base: str) -> None:
    with pytest.raises(ModelError):
        base_folder(base)


def test_a_kind_in_a_header_names_a_file_beside_it(tmp_path: Path) -> None:
    from uwe.errors import DataError
    from uwe.graphs.files import read_edges

    path = tmp_path / "J.edges.tsv.gz"
    for kind in ("..", "a/b", "a\0b", "x" * 300, ".a"):
        path.write_bytes(gzip.compress(f"{kind}\tskill\trelation\na\tb\tc\n".encode()))
        with pytest.raises(DataError, match="header"):
            read_edges(path)
    shutil.rmtree(tmp_path)
