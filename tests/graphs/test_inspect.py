"""What is said of graphs: by hand on small ones, as documented on the real ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import unescape

import pytest
import typer
from typer.testing import CliRunner

from tiny_graphs import graph_of, write_graphs
from uwe.cli.train import inspect_command
from uwe.corpus import RankingTask
from uwe.data.layout import write_task
from uwe.errors import InputError, MissingExtraError
from uwe.graphs.degree_plot import draw_degrees, plot_degrees
from uwe.graphs.files import read_graphs
from uwe.graphs.graph import Graph
from uwe.graphs.inspect import Leak, Overlap, find_leaks, find_overlaps, graph_facts
from uwe.plotting import drawing

JOBS = {f"j/{i}": f"job {i}" for i in range(4)}
SKILLS = {f"s/{i}": f"skill {i}" for i in range(5)} | {"s/5": "Skill 0", "s/6": "JOB 3"}
J = [
    ("j/0", "s/0", "x"), ("j/0", "s/1", "x"), ("j/0", "s/2", "x"), ("j/1", "s/0", "x"),
    ("j/2", "s/5", "x"), ("j/3", "s/3", "y(weak)"), ("j/0", "s/6", "y(weak)"),
]  # fmt: skip
A = [("s/0", "s/3", "x"), ("s/4", "s/1", "x")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two graphs, and a task two of whose three pairs are edges."""
    write_graphs(
        tmp_path / "train", {"job": JOBS, "skill": SKILLS},
        {"J": ("job", "skill", J), "A": ("skill", "skill", A)},
    )  # fmt: skip
    task = RankingTask(
        query_ids=["q0", "q1"], queries=["SKILL 1", "job 3"], target_ids=["t0", "t1", "t2"],
        targets=["Job  0", "skill 3", "no"], relevant=[[0], [1, 2]],
    )  # fmt: skip
    write_task(tmp_path / "workbench" / "toy", {"val": task})
    return tmp_path


def test_sizes_and_degrees(data: Path) -> None:
    (graph,) = read_graphs(data / "train", ["J"])
    facts = graph_facts(graph)
    assert (facts.name, facts.edges, facts.known) == ("J", 5, 3)
    assert facts.relations == {"x": 5, "y(weak)": 2, "(equal texts)": 1}
    assert (facts.left.kind, facts.left.nodes, facts.left.merged, facts.left.undrawn) == (
        "job", 4, 0, 1,
    )  # fmt: skip
    assert facts.left.quantiles == {"min": 1, "50%": 1, "90%": 3, "99%": 3, "max": 3}
    assert facts.left.mean == pytest.approx(5 / 3)
    assert facts.left.single == pytest.approx(2 / 3)
    assert facts.left.head == pytest.approx(3 / 5)
    assert (facts.right.nodes, facts.right.merged, facts.right.undrawn) == (5, 1, 2)


def test_a_graph_of_weak_edges_alone_has_no_degrees() -> None:
    facts = graph_facts(graph_of({(0, 0): 0, (1, 1): 0}))
    assert (facts.edges, facts.known, facts.left.undrawn) == (0, 2, 2)
    assert (facts.left.mean, facts.left.quantiles) == (0, {})


def test_overlaps_are_of_texts_and_kinds(data: Path) -> None:
    graphs = read_graphs(data / "train")
    assert find_overlaps(graphs) == [Overlap("skill", "A", "J", 1), Overlap("skill", "A", "J", 2)]


def test_answers_of_tasks_are_found(data: Path) -> None:
    assert list(find_leaks(data / "train", data)) == [Leak("workbench/toy", "val", 3, 2)]
    assert list(find_leaks(data / "train", data, ["A"])) == [Leak("workbench/toy", "val", 3, 0)]
    with pytest.raises(InputError, match="A, J"):
        list(find_leaks(data / "train", data, ["V"]))
    with pytest.raises(InputError, match="expected tasks"):
        list(find_leaks(data / "train", data / "train"))


def stars(*names: str) -> list[Graph]:
    """Graphs with 51 edges: of 50 right nodes with one left one, and of one with another."""
    edges = [(0, i) for i in range(50)] + [(1, 0)]
    return [graph_of(edges, name=name, kinds=("a<b", "c&d")) for name in names]


def test_the_plot_has_a_panel_a_graph_and_a_line_a_side() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    plot_degrees(figure, stars("J", "<V>", "A", "N"))
    assert [axes.get_title("left") or axes.get_title() for axes in figure.axes] == [
        "J", "<V>", "A", "N",
    ]  # fmt: skip
    for axes in figure.axes:
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["a<b (2)", "c&d (50)"]
        left, right = (line.get_xydata().tolist() for line in axes.lines)
        assert left == [[1, 1], [50, 0.5]]  # edges, and the share of nodes with as many or more
        assert right == [[1, 1], [2, 1 / 50]]
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_panels_share_their_scales_and_may_be_empty() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    plot_degrees(figure, [graph_of({(0, 0): 0, (1, 1): 0}), *stars("J")])
    empty, full = figure.axes
    assert [len(line.get_xdata()) for line in empty.lines] == [0, 0]
    assert (empty.get_xlim(), empty.get_ylim()) == (full.get_xlim(), full.get_ylim())


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_the_same_graphs_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    one, other = (tmp_path / folder / f"degrees.{suffix}" for folder in ("a", "b"))
    for path in (one, other):
        draw_degrees(stars("J", "$V$"), path)
    assert one.read_bytes() == other.read_bytes()
    if suffix == "svg":
        text = unescape(one.read_text(encoding="utf-8"))
        assert "2 nodes of kind a<b, 1 of them with one edge, at most 50 edges" in text
        assert "$V$" in text  # no formula


def test_a_drawing_that_fails_leaves_the_file_before(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "degrees.svg"
    draw_degrees(stars("J"), path)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), drawing(path, (3, 3), title="no"):
        1 / 0  # noqa: B018
    with pytest.raises(ValueError, match="bad"), drawing(path, (3, 3), title="no") as figure:
        figure.savefig = refused  # type: ignore[method-assign]
    assert [entry.name for entry in tmp_path.iterdir()] == ["degrees.svg"]
    assert path.read_bytes() == before


def refused(*arguments: Any, **more: Any) -> None:
    raise ValueError("bad")


def test_what_can_not_be_drawn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"a\.gif"):
        draw_degrees(stars("J"), tmp_path / "a.gif")
    with pytest.raises(InputError):
        draw_degrees([], tmp_path / "a.svg")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"uwe\[train\]"):
        draw_degrees(stars("J"), tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []


def run(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(inspect_command)
    return CliRunner().invoke(app, arguments)


def test_the_command_prints_all(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UWE_DATA", raising=False)
    pytest.importorskip("matplotlib")
    plot = data / "degrees.svg"
    done = run(str(data / "train"), "--data", str(data), "--plot", str(plot))
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["J", "drawn", "5"] in rows
    assert ["J", "known", "3"] in rows
    assert ["J", "job", "4", "0", "1"] in rows
    assert ["J", "job", "1.7", "1", "1", "3", "3", "3", "66.7%", "60.0%"] in rows
    assert ["workbench/toy/val", "3", "2", "66.667%"] in rows
    assert done.stdout.splitlines()[-1] == str(plot)
    text = plot.read_text(encoding="utf-8")
    assert all(label in text for label in ("job (3)", "skill (3)", "share of nodes"))
    done = run(str(data / "train"), "--graphs", "A")
    assert "as --data, or as UWE_DATA" in done.stdout
    assert "workbench" not in done.stdout


def test_graphs_of_ones_own_need_no_tasks_beside_them(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UWE_DATA", str(data / "train"))
    done = run(str(data / "train"))
    assert done.exit_code == 0, done.output
    assert "not looked for answers of tasks" in done.stdout
    asked = run(str(data / "train"), "--data", str(data / "train"))
    assert "expected tasks" in str(asked.exception)


def test_the_command_says_what_to_give_instead(tmp_path: Path) -> None:
    done = run("recipes/mine.toml")
    assert isinstance(done.exception, InputError)
    assert "got a recipe: name the folder" in str(done.exception)
    assert "uwe train inspect uwe-data/train" in str(done.exception)
    done = run(str(tmp_path))
    assert "found none: name one" in str(done.exception)


def test_the_command_prints_json(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UWE_DATA", str(data))
    found = json.loads(run(str(data / "train"), "--graphs", "J, A", "--json").stdout)
    assert [graph["name"] for graph in found["graphs"]] == ["J", "A"]
    assert found["graphs"][0]["left"]["quantiles"]["max"] == 3
    assert found["leaks"] == [{"task": "workbench/toy", "split": "val", "pairs": 3, "found": 2}]
    assert found["plot"] is None
    monkeypatch.delenv("UWE_DATA")
    assert json.loads(run(str(data / "train"), "--json").stdout)["leaks"] is None


@pytest.mark.release
def test_the_leaks_of_the_data_folder_are_as_documented(data_folder: Path) -> None:
    found = {
        (leak.task, leak.split): leak for leak in find_leaks(data_folder / "train", data_folder)
    }
    assert found["workbench/job2skill", "test"].found == 1
    assert sum(leak.found for (task, _), leak in found.items() if "onet_" in task) == 2
    assert sum(leak.found for (task, _), leak in found.items() if "skillextract" in task) == 0
