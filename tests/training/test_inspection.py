"""What is said of graphs: by hand on small ones, as documented on the real ones."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tiny_graphs import graph_of, write_graphs
from uwe.cli.training.inspect import inspect_command
from uwe.corpus import RankingTask
from uwe.data.layout import write_task
from uwe.errors import InputError
from uwe.training.degree_plot import degree_plot
from uwe.training.graph import read_graphs
from uwe.training.inspection import Leak, Overlap, find_leaks, find_overlaps, graph_facts

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
    assert "polyline" in degree_plot([graph_of({(0, 0): 0, (1, 1): 0})])


def test_overlaps_are_of_texts_and_kinds(data: Path) -> None:
    graphs = read_graphs(data / "train")
    assert find_overlaps(graphs) == [Overlap("skill", "A", "J", 1), Overlap("skill", "A", "J", 2)]


def test_answers_of_tasks_are_found(data: Path) -> None:
    assert list(find_leaks(data / "train", data)) == [Leak("workbench/toy", "val", 3, 2)]
    assert list(find_leaks(data / "train", data, ["A"])) == [Leak("workbench/toy", "val", 3, 0)]
    with pytest.raises(InputError, match="graphs out of A, J"):
        list(find_leaks(data / "train", data, ["V"]))
    with pytest.raises(InputError, match="expected tasks"):
        list(find_leaks(data / "train", data / "train"))


def test_the_plot_has_a_panel_a_graph_and_a_line_a_side() -> None:
    graphs = [
        graph_of([(0, i) for i in range(50)] + [(1, 0)], name=name, kinds=("a<b", "c&d"))
        for name in ("J", "<V>", "A", "N")
    ]
    root = ET.fromstring(degree_plot(graphs))
    svg = "{http://www.w3.org/2000/svg}"
    titles = [
        element.text for element in root.iter(f"{svg}text") if element.get("class") == "title"
    ]
    assert titles == ["J", "<V>", "A", "N"]
    lines = list(root.iter(f"{svg}polyline"))
    assert len(lines) == 8
    first = [tuple(map(float, point.split(","))) for point in lines[0].attrib["points"].split()]
    assert len(first) == 2  # two jobs
    assert first[0][0] < first[1][0]
    assert first[0][1] < first[1][1]  # fewer edges lie lower
    assert "2 nodes of kind a<b, 1 of them with one edge, at most 50 edges" in str(
        root.findtext(f"{svg}desc")
    )


def run(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(inspect_command)
    return CliRunner().invoke(app, arguments)


def test_the_command_prints_all(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UWE_DATA", raising=False)
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
    ET.fromstring(plot.read_text(encoding="utf-8"))
    done = run(str(data / "train"), "--graphs", "A")
    assert "pass --data, or set UWE_DATA" in done.stdout
    assert "workbench" not in done.stdout


def test_the_command_prints_json(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UWE_DATA", str(data))
    found = json.loads(run(str(data / "train"), "--graphs", "J, A", "--json").stdout)
    assert [graph["name"] for graph in found["graphs"]] == ["J", "A"]
    assert found["graphs"][0]["left"]["quantiles"]["max"] == 3
    assert found["leaks"] == [{"task": "workbench/toy", "split": "val", "pairs": 3, "found": 2}]
    assert found["plot"] is None
    monkeypatch.delenv("UWE_DATA")
    assert json.loads(run(str(data / "train"), "--json").stdout)["leaks"] is None


@pytest.mark.slow
def test_the_leaks_of_the_data_folder_are_as_documented(data_folder: Path) -> None:
    found = {
        (leak.task, leak.split): leak for leak in find_leaks(data_folder / "train", data_folder)
    }
    assert found["workbench/job2skill", "test"].found == 1
    assert sum(leak.found for (task, _), leak in found.items() if "onet_" in task) == 2
    assert sum(leak.found for (task, _), leak in found.items() if "skillextract" in task) == 0
