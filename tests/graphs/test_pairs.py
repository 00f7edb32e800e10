"""Pairs of a CSV file as a folder of graphs, from Python and from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from uwe.cli.app import app
from uwe.errors import DataError, InputError
from uwe.graphs.files import read_graphs
from uwe.graphs.pairs import import_pairs

ROWS = (
    'job title,skill\nBaker,"bake, bread"\n baker ,mill grain\nmiller,Mill  grain\nmiller,miller\n'
)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def test_what_is_written_is_read_as_the_same_graph(pairs: Path, tmp_path: Path) -> None:
    direct = import_pairs(pairs, "job title", "skill", tmp_path / "own", name="P")
    (again,) = read_graphs(tmp_path / "own")
    named = {(again.left.texts[i], again.right.texts[j]) for i, j in again.edges}
    assert named == {
        ("Baker", "bake, bread"), ("Baker", "mill grain"), ("miller", "mill grain"),
        ("miller", "miller"),
    }  # fmt: skip
    assert (again.name, again.left.kind, again.right.kind) == ("P", "job title", "skill")
    assert again.relations == {"pair": 4}
    assert again.fingerprint() == direct.fingerprint()


def test_columns_may_be_separated_otherwise(pairs: Path, tmp_path: Path) -> None:
    wanted = import_pairs(pairs, "job title", "skill", tmp_path / "own", name="P")
    rows = list(csv.reader(ROWS.splitlines()))
    for name, delimiter, given in (("a.tsv", "\t", None), ("b.csv", "|", "|")):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows(rows)
        found = import_pairs(
            tmp_path / name, "job title", "skill", tmp_path / f"g{name}", name="P", delimiter=given
        )
        assert [found.left.texts, found.right.texts] == [wanted.left.texts, wanted.right.texts]


def test_the_same_file_gives_the_same_bytes(pairs: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        import_pairs(pairs, "job title", "skill", tmp_path / name, name="P")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["P.edges.tsv.gz", "nodes.job title.jsonl.gz", "nodes.skill.jsonl.gz"]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("name", ["", "  ", "a/b", ".hidden", "a\tb"])
def test_names_that_no_file_can_have_are_refused(pairs: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        import_pairs(pairs, "job title", "skill", tmp_path / "own", name=name)
    assert not (tmp_path / "own").exists()


def test_nothing_is_replaced_and_nothing_left_half_written(pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/notes.txt").write_text("mine")
    with pytest.raises(InputError):
        import_pairs(pairs, "job title", "skill", tmp_path / "own", name="P")
    pairs.write_text("job title,skill\nbaker,\n")
    with pytest.raises(DataError, match="'skill'"):
        import_pairs(pairs, "job title", "skill", tmp_path / "new", name="P")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "pairs.csv"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("title,skill\na,b\nc, \n", 3),
        ("title,skill\na,b\nc\n", 3),
        ("title,other\na,b\n", 1),
        ("title;a,skill;b\na;b\n", 1),
        ("title,skill\n", None),
        ("title,skill\na,b\nA,c\n", None),
    ],
)
def test_a_malformed_csv_is_named(tmp_path: Path, text: str, line: int | None) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        import_pairs(path, "title", "skill", tmp_path / "own", name="P")
    assert (caught.value.path, caught.value.line) == (path, line)
    with pytest.raises(InputError, match="twice"):
        import_pairs(path, "title", "title", tmp_path / "own", name="P")
    assert not (tmp_path / "own").exists()


def test_the_command(pairs: Path, tmp_path: Path) -> None:
    command = ["data", "import", "pairs", str(pairs), "--left", "job title", "--right", "skill"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "own"), "--name", "P"])
    assert done.exit_code == 0, done.output
    assert "graph P of 4 edges between 2 of 'job title' and 3 of 'skill'" in done.output
    as_json = [*command, "--out", str(tmp_path / "json"), "--name", "P", "--json"]
    found = json.loads(CliRunner().invoke(app, as_json).output)
    assert found["edges"] == 4
    assert found["nodes"] == {"job title": 2, "skill": 3}
    refused = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "own"), "--name", "P"])
    assert refused.exit_code == 1
